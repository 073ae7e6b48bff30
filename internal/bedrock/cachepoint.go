package bedrock

import (
	"slices"
	"strconv"
	"time"

	"outcrop/internal/llm"
)

// The places of cache points, in the order in which Bedrock reads a request.
const (
	placeTools    = "tools"
	placeSystem   = "system"
	placeMessages = "messages"
)

// The lifetimes of a cache.
const (
	shortTTL = 5 * time.Minute
	longTTL  = time.Hour
)

// bytesPerCachedToken is a high estimate: a point before fewer tokens than the model's minimum is
// without effect, one that was left out costs the whole prefix.
const bytesPerCachedToken = 4

// maxPoints is for a model that takes cache points and of which no number is known.
const maxPoints = 4

// point is a cache point on its way: where it stands in the request.
type point struct {
	place   string
	message int // index in Messages; of a tool, its index
	part    int
	ttl     time.Duration
	path    string // the client's field; "" for one of ours
	home    string // the client's message or tool
}

// caches says whether the model takes cache points at all.
func (t *traits) caches() bool { return t.model.PromptCache != nil && t.model.PromptCache.Explicit }

// cachesAt says whether it takes them at a place.
func (t *traits) cachesAt(place string) bool {
	return t.caches() && slices.Contains(t.model.PromptCache.Places, place)
}

// cachePoint writes a cache point. Those that the model does not take have left the request before.
func (c *converse) cachePoint(p llm.CachePoint) {
	c.body = append(c.body, `{"cachePoint":{"type":"default"`...)
	if p.TTL > shortTTL {
		c.body = append(c.body, `,"ttl":"1h"`...)
	}
	c.body = append(c.body, `}}`...)
}

// planCache rewrites the request so that it holds the cache points that are sent, and no others.
// https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
func (c *converse) planCache(n size) {
	points := c.clientPoints()
	if len(points) == 0 {
		if c.traits.caches() && !c.req.NoAutoCache && c.config.cache != cacheOff {
			points = c.autoPoints(n)
			c.autoCached = len(points) > 0
			c.placePoints(points)
		}
		return
	}
	kept := points[:0]
	for _, p := range points {
		if why := c.refusesPoint(p); why != "" {
			c.ignore(p.path, why)
			continue
		}
		kept = append(kept, p)
	}
	kept = c.fewest(kept)
	c.lifetimes(kept)
	c.placePoints(kept)
	for _, p := range kept {
		c.cached = p.home
		c.cachedFor = max(c.cachedFor, p.ttl, shortTTL)
	}
}

// clientPoints lists the client's points in Bedrock's order.
func (c *converse) clientPoints() (points []point) {
	for i := range c.offer.tools {
		if cache := c.offer.tools[i].Cache; cache != nil {
			home := toolHome(&c.offer.tools[i])
			points = append(points, point{place: placeTools, message: i, ttl: cache.TTL, path: pointPath(home, cache.At), home: home})
		}
	}
	for _, system := range [...]bool{true, false} {
		for i := range c.req.Messages {
			m := &c.req.Messages[i]
			if system != (m.Role == llm.RoleSystem) {
				continue
			}
			for j, part := range m.Parts {
				if p, ok := part.(llm.CachePoint); ok {
					points = append(points, newPoint(m, i, j, p))
				}
			}
		}
	}
	return points
}

// toolHome is the client's name of a tool.
func toolHome(t *llm.Tool) string { return "tools[" + strconv.Itoa(t.Index) + "]" }

// leaveOut reports the cache point of a tool that is not offered.
func (c *converse) leaveOut(i int) {
	if cache := c.req.Tools[i].Cache; cache != nil {
		c.ignore(pointPath(toolHome(&c.req.Tools[i]), cache.At), "its tool is not offered to the model")
	}
}

func (c *converse) leaveOutAll() {
	for i := range c.req.Tools {
		c.leaveOut(i)
	}
}

func newPoint(m *llm.Message, message, part int, p llm.CachePoint) point {
	home := "messages[" + strconv.Itoa(m.Index) + "]"
	place := placeMessages
	if m.Role == llm.RoleSystem {
		place = placeSystem
	}
	return point{place: place, message: message, part: part, ttl: p.TTL, path: pointPath(home, p.At), home: home}
}

// pointPath names a point in the client's body.
func pointPath(home string, at llm.Place) string {
	if at == "" {
		return home + ".custom_fields.cache_breakpoint"
	}
	return home + "." + string(at)
}

// pointField is pointPath for a message's point.
func pointField(m *llm.Message, p llm.CachePoint) string {
	return pointPath("messages["+strconv.Itoa(m.Index)+"]", p.At)
}

// refusesPoint says why a point cannot be sent, or "".
func (c *converse) refusesPoint(p point) string {
	switch {
	case c.traits.model.PromptCache == nil:
		return "it is not known whether the model caches prompts"
	case !c.traits.caches():
		return "the model takes no cache points"
	case !c.traits.cachesAt(p.place):
		return "the model takes no cache points among " + p.place
	case p.place == placeTools:
		return ""
	}
	m := &c.req.Messages[p.message]
	before := p.part - 1
	for before >= 0 && (blank(m.Parts[before]) || isPoint(m.Parts[before])) {
		before--
	}
	if before < 0 {
		return "there is nothing before it in its message"
	}
	return c.pointAfter(p.message, m.Parts[before])
}

// pointAfter says why no point can stand behind a part, or "".
func (c *converse) pointAfter(message int, part llm.Part) string {
	switch part := part.(type) {
	case llm.Reasoning:
		return "no cache point can follow reasoning"
	case llm.Blob:
		if c.traits.claude() && c.traits.messages == "" && sniff(part).text {
			return "Claude refuses a cache point right after a text document"
		}
	}
	if c.traits.family.Vendor == vendorNova && c.besideResult(message) {
		return "Nova refuses a cache point beside a tool's result"
	}
	return ""
}

func isPoint(p llm.Part) bool {
	_, ok := p.(llm.CachePoint)
	return ok
}

// besideResult says whether the turn of a message holds a tool's result: neighbours of one role share
// a turn, and what stands between two messages of the assistant's is one turn.
func (c *converse) besideResult(message int) bool {
	if c.results == nil {
		c.results = make([]bool, len(c.req.Messages))
		first := 0
		for i := range c.req.Messages {
			m := &c.req.Messages[i]
			if m.Role == llm.RoleAssistant {
				first = i + 1
				continue
			}
			if !slices.ContainsFunc(m.Parts, isResult) {
				c.results[i] = i > first && c.results[i-1]
				continue
			}
			for j := i; j >= first && !c.results[j]; j-- {
				c.results[j] = true
			}
		}
	}
	return c.results[message]
}

func isResult(p llm.Part) bool {
	_, ok := p.(llm.ToolResult)
	return ok
}

// fewest keeps what the model takes: the last point of the tools, the last of the system prompt, and
// the latest of the messages.
func (c *converse) fewest(points []point) []point {
	limit := maxPoints
	if n := c.traits.model.PromptCache; n != nil && n.MaxCheckpoints > 0 {
		limit = n.MaxCheckpoints
	}
	surplus := len(points) - limit
	kept := points[:0]
	for i, p := range points {
		if surplus > 0 && i+1 < len(points) && points[i+1].place == p.place {
			surplus--
			c.ignore(p.path, "the model takes "+strconv.Itoa(limit)+" cache points, of which later ones are worth more")
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// lifetimes makes them ones that the model has, none longer than one before it.
func (c *converse) lifetimes(points []point) {
	longest := longTTL
	for i := range points {
		p := &points[i]
		if p.ttl <= shortTTL {
			longest = shortTTL
			continue
		}
		p.ttl = longTTL
		switch {
		case !c.traits.model.PromptCache.TTL1h:
			c.change(p.path, "the model caches for five minutes only")
			p.ttl = shortTTL
		case longest < longTTL:
			c.change(p.path, "a cache point cannot live longer than one before it")
			p.ttl = shortTTL
		}
	}
}

// placePoints puts the points into the request, in the place of those that it held.
func (c *converse) placePoints(points []point) {
	held := func(parts []llm.Part) bool { return slices.ContainsFunc(parts, isPoint) }
	if len(points) == 0 && !slices.ContainsFunc(c.req.Messages, func(m llm.Message) bool { return held(m.Parts) }) &&
		!slices.ContainsFunc(c.offer.tools, func(t llm.Tool) bool { return t.Cache != nil }) {
		return
	}
	req := c.own()
	c.offer.tools = slices.Clone(c.offer.tools)
	for i := range c.offer.tools {
		c.offer.tools[i].Cache = nil
	}
	if len(req.Tools) == len(c.offer.tools) {
		req.Tools = c.offer.tools // so that a place in toolConfig can be found again
	}
	at := map[[2]int]time.Duration{}
	for _, p := range points {
		if p.place == placeTools {
			c.offer.tools[p.message].Cache = &llm.CachePoint{TTL: p.ttl}
		} else {
			at[[2]int{p.message, p.part}] = p.ttl
		}
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		_, end := at[[2]int{i, len(m.Parts)}]
		if !end && !held(m.Parts) {
			continue
		}
		parts := make([]llm.Part, 0, len(m.Parts)+1)
		for j := range len(m.Parts) + 1 {
			if ttl, ok := at[[2]int{i, j}]; ok {
				parts = append(parts, llm.CachePoint{TTL: ttl})
			}
			if j < len(m.Parts) && !isPoint(m.Parts[j]) {
				parts = append(parts, m.Parts[j])
			}
		}
		m.Parts = parts
	}
}

// autoPoints are those that nobody asked for: after the tools, after the system prompt, and, in a
// conversation that goes on, after the last user turn and the one before it, so that the next request
// finds what this one wrote.
func (c *converse) autoPoints(n size) (points []point) {
	minimum := c.traits.model.PromptCache.MinTokens * bytesPerCachedToken
	prefix := 0
	for i := range c.offer.tools {
		prefix += len(c.offer.tools[i].Schema) + len(c.offer.tools[i].Description) + len(c.offer.tools[i].Name)
	}
	if last := len(c.offer.tools) - 1; last >= 0 && prefix >= minimum && c.traits.cachesAt(placeTools) {
		points = append(points, point{place: placeTools, message: last})
	}
	system := -1
	answered := false
	for i := range c.req.Messages {
		switch c.req.Messages[i].Role {
		case llm.RoleSystem:
			for _, part := range c.req.Messages[i].Parts {
				if text, ok := part.(llm.Text); ok && !blank(part) {
					prefix += len(text.Text)
					system = i
				}
			}
		case llm.RoleAssistant:
			answered = true
		case llm.RoleUser, llm.RoleTool:
		}
	}
	if system >= 0 && prefix >= minimum && c.traits.cachesAt(placeSystem) {
		points = append(points, point{place: placeSystem, message: system, part: len(c.req.Messages[system].Parts)})
	}
	if n.text < minimum || !c.traits.cachesAt(placeMessages) || !answered && len(c.offer.tools) == 0 {
		return points
	}
	return append(points, c.turnEnds()...)
}

// turnEnds are the ends of the last two user turns where a point can stand, in order.
func (c *converse) turnEnds() (points []point) {
	ended := true // the message after this one does not belong to a user turn
	for i := len(c.req.Messages) - 1; i >= 0 && len(points) < 2; i-- {
		m := &c.req.Messages[i]
		switch m.Role {
		case llm.RoleSystem:
			continue
		case llm.RoleAssistant:
			ended = true
			continue
		case llm.RoleUser, llm.RoleTool:
		}
		last := len(m.Parts) - 1
		if !ended || last < 0 || blank(m.Parts[last]) {
			continue
		}
		ended = false
		if c.pointAfter(i, m.Parts[last]) == "" {
			points = append(points, point{place: placeMessages, message: i, part: last + 1})
		}
	}
	slices.Reverse(points)
	return points
}
