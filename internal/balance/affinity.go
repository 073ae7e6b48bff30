package balance

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strconv"
	"time"

	"outcrop/internal/kv"
	"outcrop/internal/llm"
)

// Cache says whether prompts stay with the upstream that has them in its cache.
type Cache uint8

// The kinds of cache: none, where the client says so (features.cacheSupported), or everywhere (autoCachingSupported).
const (
	NoCache Cache = iota
	ExplicitCache
	AutoCache
)

const (
	// homeTime is how long it is remembered who has a prompt, when nobody says: DIAL's.
	homeTime = 10 * time.Minute
	// longestHome bounds what an upstream may say.
	longestHome = 24 * time.Hour
	// lookBack is how many beginnings of a prompt are looked for, the longest first, and lookFar how many of them in the
	// store of all replicas, within farTime: a chat grows by a few messages at a time.
	lookBack, lookFar = 64, 4
	farTime           = 50 * time.Millisecond
	// localHomes is how many are remembered here.
	localHomes = 50_000
)

// Prompt is the beginnings of a request's prompt: after each tool and each message. One is known by a digest of all of
// it and of its caller: no caller can find out what another one asks.
type Prompt struct {
	ends []promptEnd
	// From is, after Begin, the place up to which an upstream has it in its cache, "messages[3]", and Extra what that
	// upstream said besides; "" for none.
	From, Extra string
}

// promptEnd is where a beginning ends.
type promptEnd struct {
	sum   [sha256.Size]byte
	list  string // messages, tools, …
	index int    // in it; -1 for a value that is no list
	point bool   // the client says that it is worth caching
}

func (e *promptEnd) path() string {
	if e.index < 0 {
		return e.list
	}
	return e.list + "[" + strconv.Itoa(e.index) + "]"
}

// prompting digests a prompt.
type prompting struct {
	sum  hash.Hash
	text *bufio.Writer
	ends []promptEnd
}

func newPrompting(caller string) *prompting {
	p := &prompting{sum: sha256.New()}
	p.text = bufio.NewWriterSize(p.sum, 2048)
	p.write(caller)
	return p
}

// write takes a text, told apart from what comes after it.
func (p *prompting) write(text string) {
	p.number(len(text))
	_, _ = p.text.WriteString(text) // a digest takes everything
}

func (p *prompting) number(n int) {
	var digits [20]byte
	_, _ = p.text.Write(append(strconv.AppendInt(digits[:0], int64(n), 36), ':'))
}

func (p *prompting) end(e promptEnd) {
	_ = p.text.Flush()
	p.sum.Sum(e.sum[:0])
	p.ends = append(p.ends, e)
}

// home is the upstream that has a prompt in its cache.
type home struct {
	Upstream string `json:"u"`
	Extra    string `json:"x,omitempty"`
}

// homes remember who has which prompt: here first, and for all replicas.
type homes struct {
	here *kv.Memory
	all  kv.Store // nil for none
}

func newHomes(all kv.Store) *homes {
	return &homes{here: kv.NewMemory(kv.MemoryOptions{Entries: localHomes, Bytes: 32 << 20}), all: all}
}

// keeping is what is to be remembered for all replicas.
type keeping struct {
	key   string
	value []byte
	until time.Duration
}

// homeKey is DIAL's name of it.
func (g *Group) homeKey(e *promptEnd) string {
	return "upstream_cache:" + g.name + "/" + hex.EncodeToString(e.sum[:16])
}

// mark is what an upstream is remembered by.
func (g *Group) mark(i int) string {
	return cmp.Or(g.upstreams[i].ID, g.upstreams[i].Mark, g.labels[i])
}

// remembers says whether it is worth knowing who has a prompt.
func (g *Group) remembers() bool { return g.cache != NoCache && g.homes != nil && g.Several() }

// findHome is the upstream that has the longest part of the prompt in its cache, -1 for none.
func (g *Group) findHome(p *Prompt) int {
	if p == nil || !g.remembers() {
		return -1
	}
	ctx := context.Background() // of the memory, which does not wait
	ends := p.ends[max(0, len(p.ends)-lookBack):]
	for i := len(ends) - 1; i >= 0; i-- {
		if value, err := g.homes.here.Get(ctx, g.homeKey(&ends[i])); err == nil {
			if at := g.liveAt(p, &ends[i], value); at >= 0 {
				return at
			}
		}
	}
	if g.homes.all == nil {
		return -1
	}
	ctx, cancel := context.WithTimeout(ctx, farTime)
	defer cancel()
	for i := len(ends) - 1; i >= max(0, len(ends)-lookFar); i-- {
		value, err := g.homes.all.Get(ctx, g.homeKey(&ends[i]))
		if at := g.liveAt(p, &ends[i], value); err == nil && at >= 0 {
			return at
		}
	}
	return -1
}

// liveAt is the upstream of a value, -1 when it is none any more.
func (g *Group) liveAt(p *Prompt, e *promptEnd, value []byte) int {
	var h home
	if json.Unmarshal(value, &h) != nil {
		return -1
	}
	for _, i := range g.order {
		if g.mark(i) == h.Upstream {
			p.From, p.Extra = e.path(), h.Extra
			return i
		}
	}
	return -1
}

// Cached is the place up to which the upstream that is asked has the prompt in its cache, and what it said of it; "" for
// none.
func (t *Turn) Cached() (place, extra string) {
	if t.home < 0 || t.current != t.home {
		return "", ""
	}
	return t.ask.Prompt.From, t.ask.Prompt.Extra
}

// Keep remembers that the upstream that answers has the prompt up to that place in its cache, for that long: 0 is not
// known. extra goes with the next request that finds it.
func (t *Turn) Keep(place, extra string, lifetime time.Duration) {
	p, g := t.ask.Prompt, t.g
	if p == nil || len(t.tried) == 0 || !g.remembers() {
		return
	}
	for i := len(p.ends) - 1; i >= 0; i-- {
		if e := &p.ends[i]; e.path() == place {
			g.keep(e, home{g.mark(t.tried[len(t.tried)-1]), extra}, min(cmp.Or(lifetime, homeTime), longestHome))
			return
		}
	}
}

func (g *Group) keep(e *promptEnd, h home, lifetime time.Duration) {
	value, err := json.Marshal(h)
	if err != nil || lifetime <= 0 {
		return
	}
	key := g.homeKey(e)
	_ = g.homes.here.Put(context.Background(), key, value, lifetime) // which cannot fail
	if g.registry != nil && g.registry.shared != nil && g.homes.all != nil {
		g.registry.shared.put(keeping{key, value, lifetime})
	}
}

// remember is Keep for a model of this process, which says in its reply what it has done.
func (t *Turn) remember(start llm.Start, u llm.Usage) {
	p := t.ask.Prompt
	if p == nil || start.Cached == "" && u.CacheRead+u.CacheWrite == 0 {
		return
	}
	if start.Cached != "" {
		t.Keep(start.Cached, "", start.CachedFor)
		return
	}
	for i := len(p.ends) - 1; i >= 0; i-- {
		if e := &p.ends[i]; e.point || t.g.cache == AutoCache {
			t.Keep(e.path(), "", start.CachedFor)
			return
		}
	}
}

// chatPrompt is the prompt of a chat, nil when none of it is worth caching.
func (g *Group) chatPrompt(req *llm.ChatRequest) *Prompt {
	if !g.remembers() || g.cache == ExplicitCache && !hasPoint(req) {
		return nil
	}
	p := newPrompting(req.Wish.Caller)
	for i := range req.Tools {
		t := &req.Tools[i]
		p.write(t.Name)
		p.write(t.Description)
		p.number(len(t.Schema))
		_, _ = p.text.Write(t.Schema)
		_, _ = p.text.Write(t.Static)
		p.end(promptEnd{list: "tools", index: t.Index, point: t.Cache != nil})
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		p.number(int(m.Role))
		point := p.parts(m.Parts)
		p.end(promptEnd{list: "messages", index: m.Index, point: point})
	}
	return &Prompt{ends: p.ends}
}

// hasPoint says whether the client names something that is worth caching.
func hasPoint(req *llm.ChatRequest) bool {
	for i := range req.Tools {
		if req.Tools[i].Cache != nil {
			return true
		}
	}
	for i := range req.Messages {
		for _, part := range req.Messages[i].Parts {
			if _, ok := part.(llm.CachePoint); ok {
				return true
			}
		}
	}
	return false
}

// parts digests them; point says that one of them is a point.
func (p *prompting) parts(parts []llm.Part) (point bool) {
	for _, part := range parts {
		switch part := part.(type) {
		case llm.Text:
			p.write(part.Text)
		case llm.Blob:
			p.write(part.MIME)
			p.write(part.Base64)
			p.write(string(part.Bytes))
		case llm.Link:
			p.write(part.URL)
		case llm.Reasoning:
			p.write(part.Text)
			p.write(part.Signature)
		case llm.ToolCall:
			p.write(part.ID)
			p.write(part.Name)
			p.write(part.Args)
		case llm.ToolResult:
			p.write(part.ID)
			p.parts(part.Parts)
		case llm.CachePoint:
			point = true
		}
	}
	return point
}
