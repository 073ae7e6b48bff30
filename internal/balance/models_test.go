package balance_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/balance"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

func two() *balance.Group {
	return balance.New(balance.Options{Name: "model:m", Attempts: 2, Upstreams: []balance.Upstream{
		{ID: "first", Region: "us-east-1", Weight: 1}, {ID: "second", Region: "us-west-2", Weight: 1, Tier: 1},
	}})
}

func ask(text string) *llm.ChatRequest {
	return &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: text}}}}}
}

// named plays the script that the request's text names.
type named map[string]*llmtest.Script

func (n named) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return n[req.Messages[0].Parts[0].(llm.Text).Text].Chat(ctx, req)
}

// TestABalancedModelIsAModel: it keeps the contract of package llm.
func TestABalancedModelIsAModel(t *testing.T) {
	llmtest.TestChatModel(t, llmtest.Subject{Frames: 3, New: func(*testing.T) llmtest.Instance {
		scripts := named{
			"text": llmtest.Play(llm.Start{Model: "script"}, llm.ReasoningDelta{Text: "hm"}, llm.ReasoningDelta{Signature: "s"},
				&llm.TextDelta{Text: "a"}, llm.Pause{}, &llm.TextDelta{Text: "b"}, llm.Finish{Reason: llm.FinishStop}),
			"tool":                    llmtest.Play(llm.ToolCallStart{ID: "1", Name: "f"}, llm.ToolCallDelta{Args: `{}`}, llm.Finish{Reason: llm.FinishToolCalls}),
			string(llmtest.SlowStart): {Steps: []llmtest.Step{{Wait: time.Minute, Event: &llm.TextDelta{Text: "late"}}, {Event: llm.Finish{}}}},
		}
		for _, f := range llmtest.Faults() {
			scripts[string(f)] = &llmtest.Script{Steps: []llmtest.Step{{Event: &llm.TextDelta{Text: "a"}}, {Err: &llm.Error{Kind: llm.KindUpstream, Message: "It broke."}}}}
		}
		for _, f := range []llmtest.Fault{llmtest.Refused, llmtest.Throttled, llmtest.ExceptionFirst} {
			scripts[string(f)] = &llmtest.Script{Steps: []llmtest.Step{{Event: llm.Start{}}, {Err: &llm.Error{Kind: llm.KindRateLimited, Message: "Too much."}}}}
		}
		return llmtest.Instance{
			Model: balance.Chat(two(), []llm.ChatModel{scripts, scripts}),
			Ask:   func() *llm.ChatRequest { return ask("text") },
			Tool:  func() *llm.ChatRequest { return ask("tool") },
			Fail:  func(f llmtest.Fault, _ int) *llm.ChatRequest { return ask(string(f)) },
			Open: func() (n int) {
				for _, s := range scripts {
					n += s.Open()
				}
				return n
			},
		}
	}})
}

// counted counts how often a model is asked.
type counted struct {
	llm.ChatModel
	calls int
}

func (c *counted) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	c.calls++
	return c.ChatModel.Chat(ctx, req)
}

func throttled() error { return &llm.Error{Kind: llm.KindRateLimited, Message: "Too much."} }

// TestNothingThatWasSeenIsAskedAgain, and what was not is.
func TestNothingThatWasSeenIsAskedAgain(t *testing.T) {
	good := llmtest.Play(llm.Start{Model: "good"}, &llm.TextDelta{Text: "Hi"}, llm.Finish{Reason: llm.FinishStop})
	for _, tt := range []struct {
		name  string
		first []llmtest.Step
		text  string // of the reply
		calls int    // of the second
	}{
		{"at once", []llmtest.Step{{Err: throttled()}}, "Hi", 1},
		{"after the start", []llmtest.Step{{Event: llm.Start{Model: "bad"}}, {Event: llm.Pause{}}, {Err: throttled()}}, "Hi", 1},
		{"after a text", []llmtest.Step{{Event: llm.Start{Model: "bad"}}, {Event: &llm.TextDelta{Text: "Oh"}}, {Err: throttled()}}, "Oh", 0},
		{"the request's fault", []llmtest.Step{{Err: llm.Invalid("messages", "no")}}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			second := &counted{ChatModel: good}
			model := balance.Chat(two(), []llm.ChatModel{&llmtest.Script{Steps: tt.first}, second})
			text, starts, via := "", 0, llm.Via{}
			for event, err := range model.Chat(t.Context(), ask("")) {
				if err != nil {
					via = llm.AsError(err).Via
					continue
				}
				switch e := event.(type) {
				case llm.Start:
					starts++
					via = e.Via
				case *llm.TextDelta:
					text += e.Text
				}
			}
			want := llm.Via{Upstream: "first", Region: "us-east-1", Attempts: 1}
			if tt.calls > 0 {
				want = llm.Via{Upstream: "second", Region: "us-west-2", Attempts: 2}
			}
			via.Waited = 0
			if diff := cmp.Diff(want, via); diff != "" || text != tt.text || second.calls != tt.calls || starts > 1 {
				t.Errorf("%q, %d calls, %d starts, via (-want +got):\n%s", text, second.calls, starts, diff)
			}
		})
	}
}

// leaving is a model whose client leaves while it is asked.
type leaving struct{ leave context.CancelFunc }

func (l leaving) Chat(context.Context, *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		l.leave()
		yield(nil, &llm.Error{Kind: llm.KindUpstream, Message: "It broke.", Err: context.Canceled})
	}
}

// TestNobodyIsAskedForAClientThatHasGone, and that it left is not the upstream's fault.
func TestNobodyIsAskedForAClientThatHasGone(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	second := &counted{ChatModel: llmtest.Echo{}}
	g := two()
	for _, err := range balance.Chat(g, []llm.ChatModel{leaving{leave}, second}).Chat(ctx, ask("")) {
		if err == nil {
			t.Error("there is an answer")
		}
	}
	if s := g.State()[0]; second.calls != 0 || !s.Available || s.Running != 0 {
		t.Errorf("%d calls, %+v", second.calls, s)
	}
}

// one fails, other answers: models of every other kind.
type failing struct{ llm.MessagesModel }

func (failing) Embed(context.Context, *llm.EmbedRequest) (*llm.Embeddings, error) {
	return nil, throttled()
}

func (failing) Rerank(context.Context, *llm.RerankRequest) (*llm.Reranking, error) {
	return nil, throttled()
}

func (failing) CountTokens(context.Context, *llm.ChatRequest) (llm.Count, error) {
	return llm.Count{}, throttled()
}

func (failing) Messages(context.Context, *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	return func(yield func(llm.MessagesPiece, error) bool) { yield(llm.MessagesPiece{}, throttled()) }
}

func (f failing) Responses(ctx context.Context, r *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	return f.Messages(ctx, r)
}

type answering struct{ failing }

func (answering) Embed(context.Context, *llm.EmbedRequest) (*llm.Embeddings, error) {
	return &llm.Embeddings{Model: "m"}, nil
}

func (answering) Rerank(context.Context, *llm.RerankRequest) (*llm.Reranking, error) {
	return &llm.Reranking{Model: "m"}, nil
}

func (answering) CountTokens(context.Context, *llm.ChatRequest) (llm.Count, error) {
	return llm.Count{Tokens: 7}, nil
}

func (answering) Messages(context.Context, *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	return func(yield func(llm.MessagesPiece, error) bool) {
		if yield(llm.MessagesPiece{}, nil) && yield(llm.MessagesPiece{Type: "message_start"}, nil) {
			yield(llm.MessagesPiece{Type: "message_stop", Last: true}, nil)
		}
	}
}

func (a answering) Responses(ctx context.Context, r *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	return a.Messages(ctx, r)
}

func firstVia(t *testing.T, seq iter.Seq2[llm.MessagesPiece, error]) llm.Via {
	t.Helper()
	for piece, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		return piece.Via
	}
	return llm.Via{}
}

// TestEveryKindOfModelIsBalanced.
func TestEveryKindOfModelIsBalanced(t *testing.T) {
	embedded, err := balance.Embed(two(), []llm.EmbedModel{failing{}, answering{}}).Embed(t.Context(), &llm.EmbedRequest{})
	ranked, err2 := balance.Rerank(two(), []llm.RerankModel{failing{}, answering{}}).Rerank(t.Context(), &llm.RerankRequest{})
	count, err3 := balance.Counter(two(), []llm.TokenCounter{failing{}, answering{}}).CountTokens(t.Context(), ask(""))
	if err := errors.Join(err, err2, err3); err != nil || count.Tokens != 7 {
		t.Fatal(err, count)
	}
	for kind, via := range map[string]llm.Via{
		"embed": embedded.Via, "rerank": ranked.Via,
		"messages":  firstVia(t, balance.Messages(two(), []llm.MessagesModel{answeringMessages{failing{}}, answeringMessages{answering{}}}).Messages(t.Context(), &llm.MessagesRequest{})),
		"responses": firstVia(t, balance.Responses(two(), []llm.ResponsesModel{failing{}, answering{}}).Responses(t.Context(), &llm.MessagesRequest{})),
	} {
		if via.Upstream != "second" || via.Attempts != 2 {
			t.Errorf("%s: %+v", kind, via)
		}
	}
}

// answeringMessages makes a MessagesModel of either.
type answeringMessages struct {
	messenger
}

type messenger interface {
	Messages(context.Context, *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error]
}

func (answeringMessages) CountMessages(context.Context, *llm.MessagesRequest) (llm.Count, error) {
	return llm.Count{Tokens: 7}, nil
}

// BenchmarkChat is what balancing costs a chat of 100 deltas.
func BenchmarkChat(b *testing.B) {
	events := []llm.Event{llm.Start{}}
	for range 100 {
		events = append(events, &llm.TextDelta{Text: "x"})
	}
	script := llmtest.Play(append(events, llm.Finish{Usage: llm.Usage{Input: 1}})...)
	models := []llm.ChatModel{script, script}
	for name, model := range map[string]llm.ChatModel{
		"plain": script,
		"alone": balance.Chat(balance.New(balance.Options{Attempts: 5, Upstreams: []balance.Upstream{{Weight: 1}}}), models),
		"two":   balance.Chat(two(), models),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			req := ask("")
			for b.Loop() {
				for _, err := range model.Chat(b.Context(), req) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// panicking is a model with a fault.
type panicking struct{}

func (panicking) Embed(context.Context, *llm.EmbedRequest) (*llm.Embeddings, error) { panic("a fault") }

// TestAPanicEndsATurn: nobody takes the upstream to be busy from then on, nor its quota to be used.
func TestAPanicEndsATurn(t *testing.T) {
	group := two()
	func() {
		defer func() { _ = recover() }()
		_, _ = balance.Embed(group, []llm.EmbedModel{panicking{}, panicking{}}).Embed(t.Context(), &llm.EmbedRequest{})
	}()
	for _, s := range group.State() {
		if s.Running != 0 {
			t.Errorf("%s answers %d requests", s.Upstream, s.Running)
		}
	}
}
