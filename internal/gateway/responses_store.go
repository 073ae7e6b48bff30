package gateway

import (
	"container/list"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
)

// responses are what the Responses API keeps in this process: finished responses that their clients may want again,
// and those that are made in the background. It is bounded and may forget the oldest. It outlives configurations. Of
// replicas that share a store each keeps here what it is making, and what the store could not take (farResponses).
//
// Of a response that another server keeps nothing is kept here: what has to be known of it is in its id, sealed.
type responses struct {
	aead   cipher.AEAD
	limits responseLimits
	now    func() time.Time
	far    *farResponses // nil for a process alone

	mu    sync.Mutex
	kept  map[string]*list.Element // of *keptResponse, by id
	order *list.List               // the oldest first
	bytes int
	jobs  map[string]int // that run, by caller

	work sync.WaitGroup // their goroutines, until they are accounted for
}

type responseLimits struct {
	entries, bytes int // of all together
	entry          int // bytes of one
	jobs, own      int // that run at once, of all callers and of one
	lifetime       time.Duration
}

func usualResponseLimits() responseLimits {
	return responseLimits{entries: 10_000, bytes: 256 << 20, entry: 16 << 20, jobs: 1000, own: 100, lifetime: 24 * time.Hour}
}

// keptResponse is a response, and who may have it.
type keptResponse struct {
	id, owner string
	object    []byte
	expires   time.Time
	// running says that it is being made: by this process if there is a cancel, which ends the job.
	running bool
	cancel  func()
	cut     context.CancelCauseFunc // ends it for a reason of the process's
	ended   bool                    // the job has, or is about to be told so
	lost    []byte                  // the response if the job does not end, for other replicas
}

// newResponses keeps nothing yet. The secret seals ids; nil is one that dies with the process.
func newResponses(secret []byte) (*responses, error) {
	if secret == nil {
		secret = make([]byte, sha256.Size)
		if _, err := rand.Read(secret); err != nil {
			return nil, err
		}
	}
	key := sha256.Sum256(append([]byte("responses\x00"), secret...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &responses{
		aead: aead, limits: usualResponseLimits(), now: time.Now, kept: map[string]*list.Element{}, order: list.New(), jobs: map[string]int{},
	}, err
}

// responsePrefix begins the ids of DIAL's responses.
const responsePrefix = "resp_dial_"

// ownIDLength is that of an id of newID; those of other servers' responses are longer.
const ownIDLength = len(responsePrefix) + 26

// newID is that of a response of this process.
func (s *responses) newID() string { return responsePrefix + rand.Text() }

// put keeps a finished response.
func (s *responses) put(caller auth.Caller, id string, object []byte) {
	k := &keptResponse{id: id, owner: caller.ID(), object: object}
	if s.far == nil || len(object) > s.limits.entry {
		s.keep(k)
		return
	}
	ctx, cancel := s.far.apart()
	defer cancel()
	if err := s.far.put(ctx, k); err != nil {
		s.far.failed("a response is known to this replica alone", err)
		s.keep(k)
	}
}

func (s *responses) keep(k *keptResponse) {
	if len(k.object) > s.limits.entry {
		s.drop(k.id) // it cannot be got again
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k.expires = s.now().Add(s.limits.lifetime)
	s.forget(s.kept[k.id])
	s.kept[k.id] = s.order.PushBack(k)
	s.bytes += len(k.object)
	s.shrink()
}

// shrink forgets what is too old, and the oldest of what is too much, but never what is being made.
func (s *responses) shrink() {
	now := s.now()
	for e := s.order.Front(); e != nil; {
		next, k := e.Next(), e.Value.(*keptResponse)
		tooMany := len(s.kept) > s.limits.entries || s.bytes > s.limits.bytes
		if !k.running && (tooMany || now.After(k.expires)) {
			s.forget(e)
		} else if !tooMany && now.Before(k.expires) {
			return
		}
		e = next
	}
}

func (s *responses) forget(e *list.Element) {
	if e == nil {
		return
	}
	k := e.Value.(*keptResponse)
	s.order.Remove(e)
	delete(s.kept, k.id)
	s.bytes -= len(k.object)
}

// find is the caller's response with that id.
func (s *responses) find(caller auth.Caller, id string) (k keptResponse, err error) {
	k, ok := s.here(id)
	if !ok {
		far, err := s.far.find(id)
		if err != nil {
			return keptResponse{}, err
		}
		k = *far
	}
	if k.owner != caller.ID() {
		return keptResponse{}, notOwner()
	}
	return k, nil
}

// here is a response that this process keeps.
func (s *responses) here(id string) (keptResponse, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.kept[id]
	if !ok {
		return keptResponse{}, false
	}
	k := e.Value.(*keptResponse)
	return *k, k.running || !s.now().After(k.expires)
}

func (s *responses) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(s.kept[id])
}

// remove forgets the caller's response, and ends the job that makes it.
func (s *responses) remove(caller auth.Caller, id string) error {
	k, err := s.find(caller, id)
	if err != nil {
		return err
	}
	if s.far != nil {
		if err = s.far.remove(&k); err != nil && k.cancel == nil {
			return err
		}
	}
	s.drop(id)
	if k.cancel != nil {
		k.cancel()
	}
	return nil
}

// start keeps a response that is being made, whose cancel ends the job.
func (s *responses) start(k *keptResponse) {
	k.running = true
	s.keep(k)
	if s.far != nil {
		s.far.begin(k)
		s.watch()
	}
}

// end gives a response that is being made its end, and says whether it did: it may have come to another before.
func (s *responses) end(k keptResponse, object []byte) bool {
	if k.cancel != nil && s.closed(k.id) == nil {
		return false
	}
	last := &keptResponse{id: k.id, owner: k.owner, object: object}
	if s.far == nil {
		s.keep(last)
		return true
	}
	won, err := s.far.end(last)
	if err != nil && k.cancel != nil {
		s.keep(last) // the job's own word
		return true
	}
	s.drop(k.id)
	return won
}

// cuts end the jobs of this process, each with a reason.
func (s *responses) cuts() (all []context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.kept {
		if k := e.Value.(*keptResponse); k.running && k.cut != nil {
			all = append(all, k.cut)
		}
	}
	return all
}

// closed is a job of this process that ends now; nil when it has ended, or is none.
func (s *responses) closed(id string) *keptResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.kept[id]
	if !ok {
		return nil
	}
	k := e.Value.(*keptResponse)
	if !k.running || k.ended {
		return nil
	}
	k.ended = true
	return k
}

// cancel ends a response that is being made, and is it as it is then.
func (s *responses) cancel(caller auth.Caller, k keptResponse, cancelled []byte) ([]byte, error) {
	if !s.end(k, cancelled) {
		last, err := s.find(caller, k.id) // it has ended otherwise
		return last.object, err
	}
	if k.cancel != nil {
		k.cancel()
	} else if s.far != nil {
		ctx, done := s.far.apart()
		defer done()
		s.far.tell(ctx, k.id)
	}
	return cancelled, nil
}

// begin takes a place for a job of the caller.
func (s *responses) begin(caller auth.Caller) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := 0
	for _, n := range s.jobs {
		all += n
	}
	if all >= s.limits.jobs || s.jobs[caller.ID()] >= s.limits.own {
		return &llm.Error{
			Kind: llm.KindRateLimited, RetryAfter: 10 * time.Second,
			Message: "Too many responses are being made in the background. Wait for one of them, or cancel one.",
		}
	}
	s.jobs[caller.ID()]++
	return nil
}

// leave gives the place back.
func (s *responses) leave(caller auth.Caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs[caller.ID()]--; s.jobs[caller.ID()] <= 0 {
		delete(s.jobs, caller.ID())
	}
}

// finish gives the place back. The response replaces what was kept of it, unless it has been cancelled or removed.
func (s *responses) finish(caller auth.Caller, id string, object []byte) {
	s.leave(caller)
	if k, ok := s.here(id); ok && k.running {
		s.end(k, object)
	}
	if s.far != nil {
		s.unwatch()
	}
}

// remoteResponse is a response that another server keeps.
type remoteResponse struct {
	Deployment string `json:"d"`
	ID         string `json:"i"` // that server's
}

// sealID is the id that the caller gets for a response of another server.
func (s *responses) sealID(caller auth.Caller, at remoteResponse) (string, error) {
	text, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	owner := sha256.Sum256([]byte(caller.ID()))
	sealed := s.aead.Seal(nil, nil, text, owner[:]) // or half of one id would go with half of another's
	return responsePrefix + base64.RawURLEncoding.EncodeToString(append(s.aead.Seal(nil, nil, owner[:], text[:0]), sealed...)), nil
}

// openID is the response that an id of the caller's stands for.
func (s *responses) openID(caller auth.Caller, id string) (at remoteResponse, err error) {
	text, ok := strings.CutPrefix(id, responsePrefix)
	data, bad := base64.RawURLEncoding.DecodeString(text)
	head := sha256.Size + s.aead.Overhead()
	if !ok || bad != nil || len(data) < head {
		return at, noResponse()
	}
	owner, bad := s.aead.Open(nil, nil, data[:head], nil)
	if bad != nil {
		return at, noResponse()
	}
	plain, bad := s.aead.Open(nil, nil, data[head:], owner)
	if bad != nil || json.Unmarshal(plain, &at) != nil {
		return at, noResponse()
	}
	if own := sha256.Sum256([]byte(caller.ID())); string(owner) != string(own[:]) {
		return remoteResponse{}, notOwner()
	}
	return at, nil
}

func noResponse() error { return noResponseFor(errNoResponse) }

// notOwner is the same to the client, who is not told that somebody else has such a response. The log is.
func notOwner() error { return noResponseFor(errNotOwner) }

func noResponseFor(why error) error {
	return &llm.Error{Kind: llm.KindNoRoute, Param: "response_id", Message: "There is no response with that id, or no more: responses are kept for a day at most.", Err: why}
}

var (
	errNoResponse = errors.New("no such response of this caller")
	errNotOwner   = errors.New("the response is another caller's")
)

// responseSealer seals what a client keeps of a deployment's thinking, for that caller and deployment alone.
type responseSealer struct {
	aead cipher.AEAD
	of   []byte
}

func (s *responses) sealer(caller auth.Caller, deployment string) responseSealer {
	of := sha256.Sum256([]byte(caller.ID() + "\x00" + deployment))
	return responseSealer{s.aead, of[:]}
}

// Seal implements openai.Sealer.
func (s responseSealer) Seal(plain []byte) string {
	return base64.StdEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, s.of))
}

// Open implements openai.Sealer.
func (s responseSealer) Open(sealed string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errSealed
	}
	plain, err := s.aead.Open(nil, nil, data, s.of)
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

var errSealed = errors.New("it was not made here for this caller and deployment, or the server has forgotten its key")
