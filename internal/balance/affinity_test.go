package balance

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/kv"
	"outcrop/internal/llm"
)

func said(role llm.Role, index int, text string, point bool) llm.Message {
	m := llm.Message{Role: role, Index: index, Parts: []llm.Part{llm.Text{Text: text}}}
	if point {
		m.Parts = append(m.Parts, llm.CachePoint{})
	}
	return m
}

func chatOf(caller string, messages ...llm.Message) *llm.ChatRequest {
	return &llm.ChatRequest{Messages: messages, Wish: llm.Wish{Caller: caller}}
}

func caching(kind Cache) *Group {
	return New(Options{Name: "model:m", Attempts: 3, Cache: kind, Upstreams: []Upstream{{ID: "a", Weight: 1}, {ID: "b", Weight: 1}, {ID: "c", Weight: 1}}})
}

// homeOf is where a prompt is, -1 for nowhere.
func homeOf(t *testing.T, g *Group, a Ask) int {
	t.Helper()
	return begin(t, g, a).home
}

// TestAConversationStaysWhereItIsCached, and no other does.
func TestAConversationStaysWhereItIsCached(t *testing.T) {
	g := caching(ExplicitCache)
	first := []llm.Message{said(llm.RoleSystem, 0, "You are kind.", false), said(llm.RoleUser, 1, "Hello", true)}
	turn := begin(t, g, g.askChat(chatOf("team-a", first...)))
	home := next(turn)
	turn.First()
	turn.remember(llm.Start{Cached: "messages[1]"}, llm.Usage{})
	turn.Done(nil)
	grown := []llm.Message{first[0], said(llm.RoleUser, 1, "Hello", false), said(llm.RoleAssistant, 2, "Hi", false), said(llm.RoleUser, 3, "More", true)}
	for range 20 {
		if got := next(begin(t, g, g.askChat(chatOf("team-a", grown...)))); got != home {
			t.Fatalf("the next turn goes to %d, not %d", got, home)
		}
	}
	other := append([]llm.Message{said(llm.RoleSystem, 0, "You are rude.", false)}, grown[1:]...)
	for name, req := range map[string]*llm.ChatRequest{
		"another caller": chatOf("team-b", grown...), "another beginning": chatOf("team-a", other...),
		"nothing to cache": chatOf("team-a", first[0], said(llm.RoleUser, 1, "Hello", false)),
	} {
		if got := homeOf(t, g, g.askChat(req)); got != -1 {
			t.Errorf("%s is sent to %d", name, got)
		}
	}
}

func TestPoliciesOfTheCache(t *testing.T) {
	for _, cacheFirst := range []bool{false, true} {
		g := caching(AutoCache)
		req := chatOf("team-a", said(llm.RoleUser, 0, "Hello", false))
		req.Wish.CacheFirst = cacheFirst
		turn := begin(t, g, g.askChat(req))
		home := next(turn)
		turn.First()
		turn.remember(llm.Start{}, llm.Usage{CacheWrite: 5})
		turn.Done(nil)
		turn = begin(t, g, g.askChat(req))
		if next(turn) != home || !turn.Fail(Failure{Status: 503}) {
			t.Fatal("it is not asked first")
		}
		if again := next(turn); (again == home) != cacheFirst {
			t.Errorf("cache first %v: %d is asked after %d", cacheFirst, again, home)
		}
	}
}

// TestBodiesAreDigestedAlike however they are written, and whatever they say of caching.
func TestBodiesAreDigestedAlike(t *testing.T) {
	g := caching(AutoCache)
	digest := func(body string) string {
		p := g.bodyPrompt("team-a", []byte(body))
		if p == nil {
			return ""
		}
		var b strings.Builder
		for _, e := range p.ends {
			b.WriteString(e.path() + " " + string(e.sum[:]) + "\n")
		}
		return b.String()
	}
	base := digest(`{"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}],"tools":[{"x":1}]}`)
	for _, same := range []string{
		`{ "tools" : [ {"x":1} ], "messages" : [ {"role": "user", "content": "a"} , {"role":"user","content":[{"type":"text","text":"b"}]}], "max_tokens": 7 }`,
		`{"tools":[{"x":1,"custom_fields":{"cache_breakpoint":{}}}],"messages":[{"role":"user","content":"a","custom_fields":{"y":2}},{"role":"user","content":[{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}]}`,
		`{"tools":[{"x":1}],"messages":[{"role":"user","content":"a","custom_content":{"state":{"z":1}}},{"role":"user","content":[{"type":"text","text":"b"}]}]}`,
	} {
		if got := digest(same); got != base || got == "" {
			t.Errorf("%s is another prompt", same)
		}
	}
	for _, other := range []string{
		`{"tools":[{"x":2}],"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}]}`,
		`{"tools":[{"x":1}],"messages":[{"role":"user","content":"a","custom_content":{"attachments":[1]}},{"role":"user","content":[{"type":"text","text":"b"}]}]}`,
		`{"tools":[{"x":1}],"messages":[{"role":"user","content":"a "},{"role":"user","content":[{"type":"text","text":"b"}]}]}`,
	} {
		if digest(other) == base {
			t.Errorf("%s is the same prompt", other)
		}
	}
	for _, bad := range []string{``, `[]`, `{`, `{"messages":[`, `{"messages":[{]}`, `{"messages":` + strings.Repeat("[", 1000), `{"a" 1}`, `{"messages":["\`} {
		if got := digest(bad); got != "" {
			t.Errorf("%q has a prompt", bad)
		}
	}
}

func FuzzBodyPrompt(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"user","content":"a","cache_control":null}],"system":"x","tools":[]}`))
	g := caching(AutoCache)
	f.Fuzz(func(t *testing.T, body []byte) {
		if p := g.bodyPrompt("a", body); p != nil && len(p.ends) > len(body) {
			t.Errorf("%d elements", len(p.ends))
		}
	})
}

// TestReplicasShareHomes: the store of all has what one replica learned, and an entry ends with the cache.
func TestReplicasShareHomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := kv.NewMemory(kv.MemoryOptions{})
		a, b := replicas(t, memory, Options{Name: "model:m", Attempts: 2, Cache: AutoCache, Upstreams: []Upstream{{ID: "a", Weight: 1}, {ID: "b", Weight: 1}}})
		body := []byte(`{"messages":[{"role":"user","content":"a"}]}`)
		turn := begin(t, a, a.AskBody(llm.Wish{Caller: "team-a"}, body))
		home := next(turn)
		turn.First()
		turn.Keep("messages[0]", "more", time.Minute)
		turn.Done(nil)
		synctest.Wait()
		body = []byte(`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`)
		other := begin(t, b, b.AskBody(llm.Wish{Caller: "team-a"}, body))
		if next(other) != home {
			t.Error("the other replica sends it elsewhere")
		}
		if place, extra := other.Cached(); place != "messages[0]" || extra != "more" {
			t.Errorf("%q %q", place, extra)
		}
		time.Sleep(61 * time.Second) // the bubble's clock
		if got := homeOf(t, b, b.AskBody(llm.Wish{Caller: "team-a"}, body)); got != -1 {
			t.Errorf("it is remembered too long, at %d", got)
		}
	})
}

func BenchmarkChatPrompt(b *testing.B) {
	g := caching(AutoCache)
	var messages []llm.Message
	for i := range 40 {
		messages = append(messages, said(llm.RoleUser, i, strings.Repeat("some words ", 100), false))
	}
	req := chatOf("team-a", messages...)
	b.ReportAllocs()
	for b.Loop() {
		g.chatPrompt(req)
	}
}
