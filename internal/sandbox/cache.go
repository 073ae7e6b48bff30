package sandbox

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"
)

// promptCache remembers which prompts were marked with a cache point. It keeps
// digests, never prompts, and at most rememberedConversations of them.
type promptCache struct {
	now   func() time.Time
	mu    sync.Mutex
	ends  map[[sha256.Size]byte]time.Time
	order [][sha256.Size]byte // oldest first
}

func newPromptCache(now func() time.Time) *promptCache {
	return &promptCache{now: now, ends: map[[sha256.Size]byte]time.Time{}}
}

// usage is what a call cost, in tokens.
type usage struct {
	input, output int // input without what was read from or written to the cache
	read, write   int
	byTTL         map[string]int // written, by time to live: "1h", "5m"
}

func (u usage) total() int { return u.input + u.output + u.read + u.write }

// checkpoint is a prompt up to a cache point.
type checkpoint struct {
	key    [sha256.Size]byte
	tokens int
	ttl    string
}

// lifetime of a checkpoint; reading it renews it.
// https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
func (c checkpoint) lifetime() time.Duration {
	if c.ttl == "1h" {
		return time.Hour
	}
	return 5 * time.Minute
}

// settle counts the input of a body in Converse's vocabulary: the longest
// prefix that was seen before is read, what lies between it and the last cache
// point is written, the rest is plain input. The minimum sizes of real models
// are not asked for, so that a test can cache a short prompt.
func (p *promptCache) settle(c *call, body map[string]any) usage {
	total := countTokens(body)
	points := checkpoints(baseOf(c), body)
	u := usage{input: total, byTTL: map[string]int{}}
	if len(points) == 0 {
		return u
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	seen := -1
	for i, point := range points {
		if p.ends[point.key].After(now) {
			seen, u.read = i, point.tokens
		}
	}
	from := u.read
	for i, point := range points {
		p.remember(point.key, now.Add(point.lifetime()))
		if i > seen && point.tokens > from {
			u.byTTL[point.ttl] += point.tokens - from
			u.write += point.tokens - from
			from = point.tokens
		}
	}
	u.input = max(0, total-u.read-u.write)
	return u
}

func (p *promptCache) remember(key [sha256.Size]byte, end time.Time) {
	if _, known := p.ends[key]; !known {
		if len(p.order) == rememberedConversations {
			delete(p.ends, p.order[0])
			p.order = append(p.order[:0], p.order[1:]...)
		}
		p.order = append(p.order, key)
	}
	p.ends[key] = end
}

// checkpoints lists the cache points of a body in the order in which a prompt is
// read: tools, system, messages.
func checkpoints(model string, body map[string]any) []checkpoint {
	if !hasCachePoint(body) {
		return nil
	}
	w := prefix{model: model, sofar: map[string]any{}}
	w.walk(array(object(body["toolConfig"])["tools"]), func(kept []any) { w.sofar["toolConfig"] = map[string]any{"tools": kept} })
	w.walk(array(body["system"]), func(kept []any) { w.sofar["system"] = kept })
	var messages []any
	for _, m := range array(body["messages"]) {
		if len(w.points) == maxCheckpoints {
			break
		}
		turn := map[string]any{}
		maps.Copy(turn, object(m))
		messages = append(messages, turn)
		w.sofar["messages"] = messages
		w.walk(array(turn["content"]), func(kept []any) { turn["content"] = kept })
	}
	return w.points
}

// hasCachePoint spares a prompt without one the reading.
func hasCachePoint(body map[string]any) bool {
	marked := func(b any) bool { return object(b)["cachePoint"] != nil }
	return slices.ContainsFunc(array(object(body["toolConfig"])["tools"]), marked) ||
		slices.ContainsFunc(array(body["system"]), marked) ||
		slices.ContainsFunc(array(body["messages"]), func(m any) bool {
			return slices.ContainsFunc(array(object(m)["content"]), marked)
		})
}

// maxCheckpoints is above what any model takes; it bounds the work.
const maxCheckpoints = 8

// prefix gathers the part of a body that comes before each cache point.
type prefix struct {
	model  string
	sofar  map[string]any
	points []checkpoint
}

// walk reads one list of blocks; put stores those read so far.
func (w *prefix) walk(blocks []any, put func(kept []any)) {
	var kept []any
	for _, b := range blocks {
		point := object(object(b)["cachePoint"])
		if point == nil {
			kept = append(kept, b)
			continue
		}
		if len(w.points) == maxCheckpoints {
			continue
		}
		put(kept)
		ttl := text(point["ttl"])
		if ttl == "" {
			ttl = "5m"
		}
		w.points = append(w.points, checkpoint{w.digest(), countTokens(w.sofar), ttl})
	}
	put(kept)
}

func (w *prefix) digest() [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(w.model + "\n"))
	_ = json.NewEncoder(h).Encode(w.sofar) // decoded from JSON, so it can be encoded
	return [sha256.Size]byte(h.Sum(nil))
}
