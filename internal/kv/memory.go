package kv

import (
	"bytes"
	"container/heap"
	"context"
	"sync"
	"time"
)

// The bounds of a Memory that states none.
const (
	DefaultEntries = 100_000
	DefaultBytes   = 256 << 20

	// entryCost is what a key costs beside its bytes: the map's slot, the entry and its place in the heap.
	entryCost = 160
	// valueCost is what one value of a list costs beside its bytes.
	valueCost = 24
)

// MemoryOptions bound a Memory.
type MemoryOptions struct {
	// Entries and Bytes are how much it keeps at most; 0 is DefaultEntries, DefaultBytes.
	Entries int
	Bytes   int64
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// Memory is a Store, Lists and a Bus of this process alone. When it is full, what was written first goes first: see
// Dropped. It needs no goroutine and no Close.
type Memory struct {
	topics
	now     func() time.Time
	entries int
	bytes   int64

	mu       sync.Mutex
	kept     map[string]*entry
	expiring expiries
	// The oldest is first.next, the newest first.prev.
	first   entry
	size    int64
	dropped uint64
}

// entry is one key: a value of the Store, or a list.
type entry struct {
	key        string
	value      []byte   // of the Store
	list       [][]byte // of the Lists
	isList     bool
	until      time.Time
	size       int64
	place      int // in expiries
	prev, next *entry
}

// NewMemory returns an empty Memory.
func NewMemory(o MemoryOptions) *Memory {
	m := &Memory{now: o.Now, entries: o.Entries, bytes: o.Bytes, kept: map[string]*entry{}}
	if m.now == nil {
		m.now = time.Now
	}
	if m.entries <= 0 {
		m.entries = DefaultEntries
	}
	if m.bytes <= 0 {
		m.bytes = DefaultBytes
	}
	m.first.next, m.first.prev = &m.first, &m.first
	return m
}

// Get is Store's. The value is the caller's.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.living(key)
	if e == nil || e.isList {
		return nil, ErrNone
	}
	return bytes.Clone(e.value), nil
}

// Put is Store's.
func (m *Memory) Put(_ context.Context, key string, value []byte, lifetime time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, value, lifetime)
	return nil
}

// Claim is Store's.
func (m *Memory) Claim(_ context.Context, key string, value []byte, lifetime time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.living(key) != nil {
		return false, nil
	}
	m.put(key, value, lifetime)
	return true, nil
}

// Delete is Store's.
func (m *Memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(m.kept[key])
	return nil
}

// Append is Lists'.
func (m *Memory) Append(_ context.Context, key string, value []byte, lifetime time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := &entry{key: key, isList: true, size: entryCost + int64(len(key))}
	if before := m.living(key); before != nil && before.isList {
		e.list, e.size = before.list, before.size
	}
	e.list, e.size = append(e.list, copied(value)), e.size+valueCost+int64(len(value))
	m.add(e, lifetime)
	return nil
}

// Take is Lists'.
func (m *Memory) Take(_ context.Context, key string) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.living(key)
	if e == nil || !e.isList {
		return nil, nil
	}
	m.remove(e)
	return e.list, nil
}

// Dropped is how many keys went before their time, because there was no room.
func (m *Memory) Dropped() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dropped
}

// Size is how many keys are kept, and about how many bytes they take. Keys whose time is over are among them until
// the next one is written.
func (m *Memory) Size() (entries int, size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.kept), m.size
}

func (m *Memory) put(key string, value []byte, lifetime time.Duration) {
	m.add(&entry{key: key, value: copied(value), size: entryCost + int64(len(key)+len(value))}, lifetime)
}

// add keeps an entry as the newest, in the place of one of the same key, and makes room for it.
func (m *Memory) add(e *entry, lifetime time.Duration) {
	now := m.now()
	m.remove(m.kept[e.key])
	for len(m.expiring) > 0 && !m.expiring[0].until.After(now) {
		m.remove(m.expiring[0])
	}
	if e.size > m.bytes {
		m.dropped++
		return
	}
	for len(m.kept) >= m.entries || m.size+e.size > m.bytes {
		m.remove(m.first.next)
		m.dropped++
	}
	e.until = now.Add(lifetime)
	e.prev, e.next = m.first.prev, &m.first
	e.prev.next, e.next.prev = e, e
	m.kept[e.key] = e
	m.size += e.size
	heap.Push(&m.expiring, e)
}

// living is the entry of the key, nil when there is none or its time is over.
func (m *Memory) living(key string) *entry {
	e := m.kept[key]
	if e != nil && !e.until.After(m.now()) {
		m.remove(e)
		return nil
	}
	return e
}

func (m *Memory) remove(e *entry) {
	if e == nil {
		return
	}
	delete(m.kept, e.key)
	e.prev.next, e.next.prev = e.next, e.prev
	m.size -= e.size
	heap.Remove(&m.expiring, e.place)
}

// copied is the value as a copy that is not nil.
func copied(value []byte) []byte { return append(make([]byte, 0, len(value)), value...) }

// expiries is a heap: first is what ends first.
type expiries []*entry

func (x expiries) Len() int           { return len(x) }
func (x expiries) Less(i, j int) bool { return x[i].until.Before(x[j].until) }
func (x expiries) Swap(i, j int) {
	x[i], x[j] = x[j], x[i]
	x[i].place, x[j].place = i, j
}

func (x *expiries) Push(e any) {
	added := e.(*entry)
	added.place = len(*x)
	*x = append(*x, added)
}

func (x *expiries) Pop() any {
	last := len(*x) - 1
	e := (*x)[last]
	(*x)[last] = nil
	*x = (*x)[:last]
	return e
}
