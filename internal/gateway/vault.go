package gateway

import (
	"container/list"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"sync"
	"time"

	"outcrop/internal/llm"
)

// A vault keeps what models sign of their thinking between a tool call and its result. A client that
// speaks plain OpenAI sends back the call and not the thinking before it, without which the model
// refuses to go on thinking (https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html).
//
// It is a cache and may lose anything: it is bounded, it forgets what nobody has asked for in a while,
// and its key dies with the process. What it holds is encrypted, each entry bound to its owner. Replicas that share a
// store have each other's entries (farVault).
type vault struct {
	aead   cipher.AEAD
	limits vaultLimits
	far    *farVault // of other replicas; nil for none

	mu      sync.Mutex
	entries map[vaultKey]*list.Element // of vaultEntry
	order   *list.List                 // the one that was used longest ago first
	bytes   int
}

type vaultLimits struct {
	entries  int
	bytes    int // of all entries together
	entry    int // of one
	lifetime time.Duration
}

func usualVaultLimits() vaultLimits {
	return vaultLimits{entries: 20_000, bytes: 64 << 20, entry: 1 << 20, lifetime: time.Hour}
}

// vaultKey is a hash: what a client calls its tool calls may be of any length.
type vaultKey [sha256.Size]byte

type vaultEntry struct {
	key     vaultKey
	sealed  []byte
	expires time.Time
}

// owner is whose thinking it is: nobody's but that caller's, and of no other deployment, whose model
// could not read it.
type owner struct{ project, deployment string }

func (o owner) key(call string) vaultKey {
	text, err := json.Marshal([...]string{o.project, o.deployment, call}) // no two make the same
	if err != nil {
		return vaultKey{} // strings can be marshalled
	}
	return sha256.Sum256(text)
}

// thinking is what came before one tool call.
type thinking struct {
	// Lead is from before any visible text of the message, Near from right before the call.
	Lead, Near []llm.Reasoning
}

func newVault(limits vaultLimits) (*vault, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &vault{aead: aead, limits: limits, entries: map[vaultKey]*list.Element{}, order: list.New()}, nil
}

// put keeps the thinking before a call. What does not fit is not kept.
func (v *vault) put(o owner, call string, t thinking) {
	plain := appendBlocks(appendBlocks(nil, t.Lead), t.Near)
	if len(plain) > v.limits.entry {
		return
	}
	key := o.key(call)
	v.keepPlain(key, plain)
	v.far.put(key, plain)
}

func (v *vault) keepPlain(key vaultKey, plain []byte) {
	sealed := v.aead.Seal(nil, nil, plain, key[:])
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drop(v.entries[key])
	v.entries[key] = v.order.PushBack(vaultEntry{key, sealed, time.Now().Add(v.limits.lifetime)})
	v.bytes += len(sealed)
	v.sweep()
}

// get returns the thinking before a call, if it is known, and keeps it for longer.
func (v *vault) get(o owner, call string) (t thinking, ok bool) {
	key := o.key(call)
	sealed := v.touch(key)
	if sealed == nil {
		return thinking{}, false
	}
	plain, err := v.aead.Open(nil, nil, sealed, key[:])
	if err != nil {
		return thinking{}, false
	}
	t.Lead, plain = readBlocks(plain)
	t.Near, _ = readBlocks(plain)
	return t, true
}

// appendBlocks appends how many blocks there are, and of each the text, the signature and the redacted
// bytes, with their lengths. (A history of a hundred calls is read at once, which encoding/gob would
// feel.)
func appendBlocks(dst []byte, blocks []llm.Reasoning) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(blocks)))
	for _, b := range blocks {
		dst = append(binary.AppendUvarint(dst, uint64(len(b.Text))), b.Text...)
		dst = append(binary.AppendUvarint(dst, uint64(len(b.Signature))), b.Signature...)
		dst = append(binary.AppendUvarint(dst, uint64(len(b.Redacted))), b.Redacted...)
	}
	return dst
}

// readBlocks reads what appendBlocks wrote: the seal says that nobody else did.
func readBlocks(data []byte) (blocks []llm.Reasoning, rest []byte) {
	next := func() []byte {
		n, width := binary.Uvarint(data)
		field := data[width : width+int(n)]
		data = data[width+int(n):]
		return field
	}
	n, width := binary.Uvarint(data)
	data = data[width:]
	for range n {
		b := llm.Reasoning{Text: string(next()), Signature: string(next())}
		if redacted := next(); len(redacted) > 0 {
			b.Redacted = redacted
		}
		blocks = append(blocks, b)
	}
	return blocks, data
}

func (v *vault) touch(key vaultKey) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sweep()
	element := v.entries[key]
	if element == nil {
		return nil
	}
	entry := element.Value.(vaultEntry)
	entry.expires = time.Now().Add(v.limits.lifetime)
	element.Value = entry
	v.order.MoveToBack(element)
	return entry.sealed
}

// sweep drops what is too old or too much. Entries are in the order in which they expire.
func (v *vault) sweep() {
	now := time.Now()
	for first := v.order.Front(); first != nil; first = v.order.Front() {
		if now.Before(first.Value.(vaultEntry).expires) && v.order.Len() <= v.limits.entries && v.bytes <= v.limits.bytes {
			return
		}
		v.drop(first)
	}
}

func (v *vault) drop(element *list.Element) {
	if element == nil {
		return
	}
	entry := v.order.Remove(element).(vaultEntry)
	delete(v.entries, entry.key)
	v.bytes -= len(entry.sealed)
}
