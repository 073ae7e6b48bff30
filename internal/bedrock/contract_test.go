package bedrock_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/sandbox"
)

// counting is a transport that knows how many answers are held, and how many calls there were.
type counting struct {
	http.RoundTripper
	open, calls atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	resp, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	resp.Body = &countedBody{ReadCloser: resp.Body, closed: sync.OnceFunc(func() { c.open.Add(-1) })}
	return resp, nil
}

type countedBody struct {
	io.ReadCloser
	closed func()
}

func (b *countedBody) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}

// overSandbox is a client of a sandbox that lives in the test's bubble.
func overSandbox(t *testing.T) (*bedrock.Client, *counting) {
	t.Helper()
	handler, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	transport := &counting{RoundTripper: memnet.Serve(t, handler)}
	client, err := bedrock.New(bedrock.Options{
		Region: "us-east-1", Endpoint: "http://bedrock", Transport: transport, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, transport
}

// faults are the sandbox's directives for the contract's faults.
var faults = map[llmtest.Fault]string{
	llmtest.Refused:         "error=ValidationException",
	llmtest.Throttled:       "error=ThrottlingException",
	llmtest.ExceptionFirst:  "exception=throttlingException",
	llmtest.ExceptionMiddle: "exception=modelStreamErrorException after=4",
	llmtest.CutBetween:      "cut=%d",
	llmtest.CutInside:       "cut-inside=%d",
	llmtest.EndedEarly:      "end=%d",
	llmtest.BadChecksum:     "badcrc=%d",
	llmtest.NoOutput:        "empty",
	llmtest.SlowStart:       "start=60s",
}

// frames is how many frames a reply of six tokens has before messageStop: messageStart, six deltas
// and contentBlockStop.
const frames = 8

func TestContract(t *testing.T) {
	for _, id := range []string{
		"us.anthropic.claude-sonnet-4-5-20250929-v1:0",
		"us.amazon.nova-2-lite-v1:0",
		"us.meta.llama3-3-70b-instruct-v1:0", // does not stream tools
		"openai.gpt-oss-120b-1:0",            // reasons
	} {
		t.Run(id, func(t *testing.T) {
			llmtest.TestChatModel(t, llmtest.Subject{Frames: frames, New: func(t *testing.T) llmtest.Instance {
				return instance(t, id)
			}})
		})
	}
}

// TestContractOverTheSandboxOfOtherSurfaces: the sandbox speaks of OpenAI's APIs and of Pegasus what its
// own authors read of them, which is not what the fake of the other test says.
func TestContractOverTheSandboxOfOtherSurfaces(t *testing.T) {
	for _, id := range []string{"qwen.qwen3-32b", "openai.gpt-5.4-2026-03-05", "us.twelvelabs.pegasus-1-2-v1:0"} {
		t.Run(id, func(t *testing.T) {
			llmtest.TestChatModel(t, llmtest.Subject{Frames: 4, New: func(t *testing.T) llmtest.Instance {
				i := instance(t, id)
				i.Model = nameless{i.Model}
				if strings.Contains(id, "pegasus") {
					i = withVideo(i)
				}
				return i
			}})
		})
	}
}

// nameless gives calls and signatures, which the sandbox makes up anew each time, names that can be
// compared.
type nameless struct{ llm.ChatModel }

func (n nameless) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for event, err := range n.ChatModel.Chat(ctx, req) {
			switch e := event.(type) {
			case llm.ToolCallStart:
				e.ID = fmt.Sprint("call", e.Index)
				event = e
			case llm.ReasoningDelta:
				if e.Signature != "" {
					event = llm.ReasoningDelta{Signature: "signed"}
				}
			}
			if !yield(event, err) {
				return
			}
		}
	}
}

// withVideo makes the requests ones about a video; Pegasus calls no tools.
func withVideo(i llmtest.Instance) llmtest.Instance {
	add := func(req *llm.ChatRequest) *llm.ChatRequest {
		last := &req.Messages[len(req.Messages)-1]
		last.Parts = append(last.Parts, llm.Link{URL: "s3://bucket/cat.mp4"})
		return req
	}
	without := i
	i.Tool = nil
	i.Ask = func() *llm.ChatRequest { return add(without.Ask()) }
	i.Fail = func(f llmtest.Fault, n int) *llm.ChatRequest { return add(without.Fail(f, n)) }
	return i
}

func instance(t *testing.T, id string) llmtest.Instance {
	client, transport := overSandbox(t)
	chat, err := client.Model(id, bedrock.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return instanceOf(chat, transport)
}

func instanceOf(chat llm.ChatModel, transport *counting) llmtest.Instance {
	return llmtest.Instance{
		Model: chat,
		Ask:   func() *llm.ChatRequest { return ask("tokens=6") },
		Tool: func() *llm.ChatRequest {
			req := ask("tools=2")
			req.Tools = []llm.Tool{
				{Name: "weather", Schema: []byte(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`)},
				{Name: "clock"},
			}
			return req
		},
		Fail: func(f llmtest.Fault, n int) *llm.ChatRequest {
			directive := faults[f]
			if f == llmtest.CutBetween || f == llmtest.CutInside || f == llmtest.EndedEarly || f == llmtest.BadChecksum {
				directive = fmt.Sprintf(directive, n)
			}
			return ask("tokens=6 " + directive)
		},
		Open: func() int { return int(transport.open.Load()) },
	}
}

func ask(directive string) *llm.ChatRequest {
	return &llm.ChatRequest{Messages: []llm.Message{
		{Role: llm.RoleSystem, Parts: []llm.Part{llm.Text{Text: "Be brief."}}},
		{Role: llm.RoleUser, Index: 1, Parts: []llm.Part{llm.Text{Text: "What is the weather? [[sandbox " + directive + "]]"}}},
	}}
}

// TestManyChatsAtOnce runs under the race detector: nothing that requests share is written to.
func TestManyChatsAtOnce(t *testing.T) {
	client, transport := overSandbox(t)
	chat, err := client.Model("us.amazon.nova-lite-v1:0", bedrock.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 5 {
				text := fmt.Sprintf("answer %d", i)
				req := ask(fmt.Sprintf("text=%q", text))
				req.Whole = i%2 == 0
				reply, err := llm.CollectOne(chat.Chat(t.Context(), req))
				if err != nil || reply.Text != text {
					t.Errorf("got %+v, %v", reply, err)
				}
			}
		})
	}
	wg.Wait()
	if n := transport.open.Load(); n != 0 {
		t.Errorf("%d upstream replies are still held", n)
	}
}
