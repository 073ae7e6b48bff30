package gateway

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"time"

	"outcrop/internal/kv"
	"outcrop/internal/llm"
)

const (
	// leaseLifetime is how long a job counts as running that its replica says nothing of, and renewEvery how often it
	// does: a store that is away for less loses no job.
	leaseLifetime = time.Minute
	renewEvery    = 10 * time.Second
	// topicResponses carries the ids of jobs that a replica has ended whose job it is not.
	topicResponses = "responses"
)

// farResponses are those that replicas share: finished ones are kept there alone, and of those that are being made
// everybody knows.
//
// A job ends once: with its response, cancelled, deleted, or as lost when the lease of its replica has lapsed. Who
// claims its end (kv.Store.Claim) says with what. The job's own replica learns of another's claim by the bus, or else
// when it renews the lease.
type farResponses struct {
	*shared
	aead     cipher.AEAD
	lifetime time.Duration

	jobs int                // of this process; under responses.mu, as stop
	stop context.CancelFunc // ends the watch, which runs while there are jobs
}

// share lets the responses be those of all replicas; nil is a process alone.
func (s *responses) share(common *shared) error {
	if common == nil {
		return nil
	}
	aead, err := common.seal("responses")
	s.far = &farResponses{shared: common, aead: aead, lifetime: s.limits.lifetime}
	return err
}

func farResponse(id string) string { return "response:" + id }
func farEnd(id string) string      { return "response-end:" + id }
func farLease(id string) string    { return "response-lease:" + id }

// What the store has of a response, sealed for its id: a byte that is 1 for one that is being made, the owner, what the
// response is if that does not end, each with its length, and the response.
func appendKept(dst []byte, k *keptResponse) []byte {
	state := byte(0)
	if k.running {
		state = 1
	}
	dst = append(binary.AppendUvarint(append(dst, state), uint64(len(k.owner))), k.owner...)
	dst = append(binary.AppendUvarint(dst, uint64(len(k.lost))), k.lost...)
	return append(dst, k.object...)
}

// readKept reads what appendKept wrote: the seal says that nobody else did.
func readKept(id string, data []byte) *keptResponse {
	k := &keptResponse{id: id, running: data[0] == 1}
	data = data[1:]
	next := func() []byte {
		n, width := binary.Uvarint(data)
		field := data[width : width+int(n)]
		data = data[width+int(n):]
		return field
	}
	k.owner, k.lost = string(next()), next()
	k.object = data
	return k
}

// put keeps a response for all replicas.
func (f *farResponses) put(ctx context.Context, k *keptResponse) error {
	name := farResponse(k.id)
	return f.store.Put(ctx, name, f.aead.Seal(nil, nil, appendKept(nil, k), []byte(name)), f.lifetime)
}

func (f *farResponses) get(ctx context.Context, id string) (*keptResponse, error) {
	name := farResponse(id)
	sealed, err := f.store.Get(ctx, name)
	if errors.Is(err, kv.ErrNone) {
		return nil, noResponse()
	}
	if err != nil {
		f.failed("responses cannot be got that other replicas know", err)
		return nil, errSharedAway
	}
	plain, err := f.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		f.failed("a response cannot be opened: do all replicas have the same encryption secret?", errSealed)
		return nil, noResponse()
	}
	return readKept(id, plain), nil
}

// errSharedAway is what a client is told of a response that nobody can tell anything of now.
var errSharedAway = &llm.Error{
	Kind: llm.KindServerUnavailable, Param: "response_id", Message: "Nobody can tell now whether there is such a response, because what this server shares with others does not answer: try again later.",
}

// find is a response of any replica. That of a job whose replica has gone is lost.
func (f *farResponses) find(id string) (*keptResponse, error) {
	if f == nil || len(id) != ownIDLength {
		return nil, noResponse()
	}
	ctx, cancel := f.apart()
	defer cancel()
	k, err := f.get(ctx, id)
	if err != nil || !k.running || f.leased(ctx, id) {
		return k, err
	}
	// The end is written before the lease is given up: who sees no lease sees the end, if there is one.
	if k, err = f.get(ctx, id); err != nil || !k.running {
		return k, err
	}
	k = &keptResponse{id: id, owner: k.owner, object: k.lost}
	if won, err := f.claim(ctx, id); err == nil && won {
		if err := f.put(ctx, k); err != nil {
			f.failed("a response that is lost cannot be kept as such", err)
		}
	}
	return k, nil
}

// leased says whether a replica has lately said that it makes the response, or nobody can tell.
func (f *farResponses) leased(ctx context.Context, id string) bool {
	_, err := f.store.Get(ctx, farLease(id))
	return !errors.Is(err, kv.ErrNone)
}

// claim takes the right to say how a job has ended. A process alone has it.
func (f *farResponses) claim(ctx context.Context, id string) (bool, error) {
	return f.store.Claim(ctx, farEnd(id), []byte{1}, f.lifetime)
}

// begin tells the other replicas of a job of this one.
func (f *farResponses) begin(k *keptResponse) {
	ctx, cancel := f.apart()
	defer cancel()
	err := f.store.Put(ctx, farLease(k.id), []byte{1}, leaseLifetime)
	if err == nil {
		err = f.put(ctx, k)
	}
	if err != nil {
		f.failed("a response in the background is known to this replica alone until it is made", err)
	}
}

// end says how a job has ended, unless it has otherwise. Nobody else is known to say so while the store is away: what
// err then says is that the end has to be kept here.
func (f *farResponses) end(k *keptResponse) (won bool, err error) {
	ctx, cancel := f.apart()
	defer cancel()
	if won, err = f.claim(ctx, k.id); won {
		err = f.put(ctx, k)
	}
	if err != nil {
		f.failed("a response is known to this replica alone", err)
	} else if won {
		_ = f.forget(ctx, farLease(k.id)) // which ends anyhow
	}
	return won, err
}

func (f *farResponses) forget(ctx context.Context, name string) error {
	return f.store.Delete(ctx, name)
}

// remove forgets a response, and has its replica end the job that makes it.
func (f *farResponses) remove(k *keptResponse) error {
	ctx, cancel := f.apart()
	defer cancel()
	if k.running {
		if _, err := f.claim(ctx, k.id); err != nil {
			f.failed("a response cannot be deleted", err)
			return errSharedAway
		}
		f.tell(ctx, k.id)
	}
	if err := f.forget(ctx, farResponse(k.id)); err != nil {
		f.failed("a response cannot be deleted", err)
		return errSharedAway
	}
	return nil
}

// tell lets the replica whose job it is learn that it has ended. That it does not hear is no loss: it looks.
func (f *farResponses) tell(ctx context.Context, id string) {
	if f.bus == nil {
		return
	}
	if err := f.bus.Publish(ctx, topicResponses, []byte(id)); err != nil {
		f.failed("another replica goes on with a response that nobody wants, until it looks", err)
	}
}

// watch begins with the first job of this process, and unwatch ends with the last.
func (s *responses) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.far.jobs++; s.far.jobs > 1 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.far.stop = cancel
	go s.renewing(ctx)
	if s.far.bus != nil {
		go s.listening(ctx)
	}
}

func (s *responses) unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.far.jobs--; s.far.jobs == 0 {
		s.far.stop()
	}
}

func (s *responses) renewing(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.renew()
		}
	}
}

func (s *responses) listening(ctx context.Context) {
	err := s.far.bus.Subscribe(ctx, topicResponses, func(id []byte) { s.stop(string(id)) }, s.renew)
	if err != nil && ctx.Err() == nil {
		s.far.failed("this replica does not hear at once which responses others have cancelled", err)
	}
}

// renew says of every job that it goes on, or ends it if another replica wants that.
func (s *responses) renew() {
	for _, id := range s.running() {
		ctx, cancel := s.far.apart()
		_, err := s.far.store.Get(ctx, farEnd(id))
		switch {
		case err == nil:
			s.stop(id)
		case errors.Is(err, kv.ErrNone):
			err = s.far.store.Put(ctx, farLease(id), []byte{1}, leaseLifetime)
		}
		cancel()
		if err != nil {
			s.far.failed("other replicas cannot be told that a response is being made", err)
			return
		}
	}
}

// running are the ids of the jobs of this process.
func (s *responses) running() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.order.Front(); e != nil; e = e.Next() {
		if k := e.Value.(*keptResponse); k.running {
			ids = append(ids, k.id)
		}
	}
	return ids
}

// stop ends a job that has been ended elsewhere.
func (s *responses) stop(id string) {
	if k := s.closed(id); k != nil {
		s.drop(id)
		k.cancel()
	}
}
