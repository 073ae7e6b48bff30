package bedrock_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
)

// randomChat makes chats of everything that a chat may hold, in and out of order.
type randomChat struct {
	*rand.Rand
	picture []byte
	thought llm.Reasoning // that the sandbox has signed
	calls   []string      // without a result yet
	ids     int
}

func newRandomChat(t *testing.T, model llm.ChatModel) *randomChat {
	t.Helper()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	req := ask("reasoning tokens=5")
	req.MaxTokens, req.Config = 3000, []byte(thinks)
	reply, err := llm.CollectOne(model.Chat(t.Context(), req))
	if err != nil || len(reply.Reasoning) == 0 {
		t.Fatalf("%+v, %v", reply, err)
	}
	return &randomChat{picture: picture.Bytes(), thought: reply.Reasoning[0]}
}

const thinks = `{"thinking":{"type":"enabled","budget_tokens":1024}}`

func (r *randomChat) one(words ...string) string { return words[r.IntN(len(words))] }
func (r *randomChat) maybe(percent int) bool     { return r.IntN(100) < percent }

func (r *randomChat) text() llm.Part {
	return llm.Text{Text: r.one("Hello.", "  ", "", "What is it — \"this\"?\n", "é😀\x01", strings.Repeat("word ", 40))}
}

func (r *randomChat) blob() llm.Blob {
	if r.maybe(50) {
		return llm.Blob{MIME: "image/png", Base64: base64.StdEncoding.EncodeToString(r.picture)}
	}
	return llm.Blob{MIME: "image/png", Bytes: r.picture}
}

func (r *randomChat) parts(file int) (parts []llm.Part) {
	for range 1 + r.IntN(3) {
		switch {
		case r.maybe(file):
			parts = append(parts, r.blob())
		case r.maybe(10):
			parts = append(parts, llm.CachePoint{TTL: time.Duration(r.IntN(2)) * time.Hour})
		default:
			parts = append(parts, r.text())
		}
	}
	return parts
}

func (r *randomChat) turn(m *llm.Message, thinking bool) {
	switch {
	case len(r.calls) > 0 && r.maybe(90):
		m.Role = llm.RoleTool
		m.Parts = []llm.Part{llm.ToolResult{ID: r.calls[0], Failed: r.maybe(20), Parts: slices.DeleteFunc(r.parts(15), func(p llm.Part) bool {
			_, is := p.(llm.CachePoint)
			return is
		})}}
		r.calls = r.calls[1:]
	case r.maybe(15):
		m.Role, m.Parts = llm.RoleSystem, r.parts(0)
	case r.maybe(40):
		m.Role = llm.RoleAssistant
		if thinking && r.maybe(80) {
			m.Parts = append(m.Parts, r.thought)
		}
		if r.maybe(60) {
			m.Parts = append(m.Parts, r.parts(0)...)
		}
		for r.maybe(40) {
			r.ids++
			id := r.one(fmt.Sprintf("call_%d", r.ids), "call", "functions.get:0")
			r.calls = append(r.calls, id)
			m.Parts = append(m.Parts, llm.ToolCall{ID: id, Name: r.one("clock", "bell", "a tool!"), Args: r.one("{}", `{"a":[1,2e3]}`)})
		}
	default:
		m.Role, m.Parts = llm.RoleUser, r.parts(15)
	}
}

func (r *randomChat) request() *llm.ChatRequest {
	req := &llm.ChatRequest{MaxTokens: 2000 + r.IntN(2000), Whole: r.maybe(50)}
	thinking := r.maybe(30)
	r.calls, r.ids = nil, 0
	n := 1 + r.IntN(7)
	for i := range n {
		m := llm.Message{Index: i}
		r.turn(&m, thinking)
		req.Messages = append(req.Messages, m)
	}
	if r.maybe(50) {
		directive := r.one(`text="one"`, `text="a \"b\" é END c"`, "tokens=3 stop=max_tokens", "tokens=5", "tools=2")
		req.Messages = append(req.Messages, llm.Message{Role: llm.RoleUser, Index: n, Parts: []llm.Part{llm.Text{Text: "Go. [[sandbox " + directive + "]]"}}})
	}
	if r.ids > 0 || r.maybe(50) {
		r.offer(req)
	}
	if thinking {
		req.Config = []byte(thinks)
	} else if r.maybe(20) {
		req.Effort = r.one("none", "low", "high")
	}
	r.steer(req)
	return req
}

// steer adds what the answer should be like.
func (r *randomChat) steer(req *llm.ChatRequest) {
	if r.maybe(20) {
		req.Sampling.Temperature = new(r.Float64() * 2)
	}
	if r.maybe(20) {
		req.Sampling.TopP = new(r.Float64())
	}
	if r.maybe(10) {
		req.Sampling.Seed = new(int64(7))
	}
	for range r.IntN(3) {
		req.Stop = append(req.Stop, r.one("END", "\n\n", " ", "one"))
	}
	if r.maybe(10) {
		req.Format = llm.Format{Kind: llm.FormatJSON}
	} else if r.maybe(10) {
		req.Format = llm.Format{Kind: llm.FormatSchema, Name: "x", Strict: r.maybe(50), Schema: []byte(`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`)}
	}
	req.NoAutoCache = r.maybe(30)
}

// offer adds tools.
func (r *randomChat) offer(req *llm.ChatRequest) {
	for i, name := range []string{"clock", "bell", "a tool!"} {
		tool := llm.Tool{Name: name, Index: i, Description: r.one("", " ", "what it does"), Strict: r.maybe(10)}
		if r.maybe(50) {
			tool.Schema = []byte(`{"type":"object","properties":{"a":{"type":"string"}}}`)
		}
		if r.maybe(10) {
			tool.Cache = &llm.CachePoint{}
		}
		req.Tools = append(req.Tools, tool)
	}
	req.ToolChoice = []llm.ToolChoice{{}, {}, {Mode: llm.ToolNone}, {Mode: llm.ToolRequired}, {Mode: llm.ToolNamed, Name: "bell"}}[r.IntN(5)]
}

// told is what a client hears of a reply.
func told(reply *llm.Reply, err error) string {
	if err != nil {
		e := llm.AsError(err)
		return fmt.Sprintf("error %v at %q", e.Kind, e.Param)
	}
	text, output := reply.Text, reply.Finish.Usage.Output
	if before, after, ok := strings.Cut(text, " in the Outcrop sandbox"); ok { // the model says which it is, in so many words
		text, output = before[:strings.LastIndex(before, "I am ")]+after, 0
	} else if text == "" || strings.HasPrefix(text, "You") || strings.HasPrefix(text, "The") { // cut within it
		output = 0
	}
	return fmt.Sprintf("%q %d %v %v %s out=%d", text, len(reply.Reasoning), reply.ToolCalls, reply.Finish.Reason, reply.Finish.Detail, output)
}

// TestRandomChatsAreTheSameOnEverySurface: the same request is answered, or refused at the same field, alike.
// Left out is what the surfaces have in other words: a choice of no tool, documents, and on mantle the format.
func TestRandomChatsAreTheSameOnEverySurface(t *testing.T) {
	client, _ := overSandbox(t)
	const id = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
	var chats []llm.ChatModel
	for _, s := range []struct{ id, surface string }{
		{id, bedrock.SurfaceConverse}, {id, bedrock.SurfaceInvoke}, {"anthropic.claude-haiku-4-5", bedrock.SurfaceMantle},
	} {
		chat, err := client.Model(s.id, bedrock.ModelOptions{Surface: s.surface})
		if err != nil {
			t.Fatal(err)
		}
		chats = append(chats, nameless{chat})
	}
	r := newRandomChat(t, chats[0])
	answered := 0
	for seed := range uint64(400) {
		r.Rand = rand.New(rand.NewPCG(seed, 1))
		req := r.request()
		if req.ToolChoice.Mode == llm.ToolNone {
			continue
		}
		first, err := llm.CollectOne(chats[0].Chat(t.Context(), req))
		if err == nil {
			answered++
		}
		for i, chat := range chats[1:] {
			if i == 1 && req.Format.Kind != llm.FormatText {
				continue
			}
			if reply, failed := llm.CollectOne(chat.Chat(t.Context(), req)); told(reply, failed) != told(first, err) {
				t.Errorf("seed %d: through Converse\n%s %v\nand as a message %d\n%s %v", seed, told(first, err), err, i, told(reply, failed), failed)
			}
		}
	}
	if answered < 150 {
		t.Errorf("only %d were answered", answered)
	}
}
