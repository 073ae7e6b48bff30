package bedrock_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/sse"
)

// script is one answer of a surface: as a stream and whole.
type script struct {
	frames []string
	whole  string
}

// surfaceScripts are an answer with a text and one with calls, by the path's end.
func surfaceScripts() map[string][2]script {
	const usage = `"usage":{"prompt_tokens":12,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}`
	const responsesUsage = `"usage":{"input_tokens":12,"output_tokens":5,"input_tokens_details":{"cached_tokens":4},"output_tokens_details":{"reasoning_tokens":2}}`
	return map[string][2]script{
		"/chat/completions": {{
			frames: []string{
				`{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{"reasoning_content":"Hm. "}}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{"reasoning_content":"Sun?"}}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{"content":"It is "}}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{"content":"sunny — é."}}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
				`{"id":"c1","choices":[],` + usage + `}`,
				`[DONE]`,
			},
			whole: `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"Hm. Sun?","content":"It is sunny — é."},"finish_reason":"stop"}],` + usage + `}`,
		}, {
			frames: []string{
				`{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_0","type":"function","function":{"name":"weather","arguments":""}}]}}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Oslo\"}"}}]}}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"clock","arguments":"{}"}}]}}]}`,
				`{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],` + usage + `}`,
				`[DONE]`,
			},
			whole: `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[` +
				`{"id":"call_0","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}},` +
				`{"id":"call_1","type":"function","function":{"name":"clock","arguments":"{}"}}]},"finish_reason":"tool_calls"}],` + usage + `}`,
		}},
		"/responses": {{
			frames: []string{
				`{"type":"response.created","response":{"id":"r1","status":"in_progress","output":[]}}`,
				`{"type":"response.in_progress","response":{"id":"r1","status":"in_progress","output":[]}}`,
				`{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}`,
				`{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}`,
				`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"Hm."}`,
				`{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":1,"part":{"type":"summary_text","text":""}}`,
				`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"Sun?"}`,
				`{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm."},{"type":"summary_text","text":"Sun?"}],"encrypted_content":"gAAA="}}`,
				`{"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":"msg_1","role":"assistant","content":[]}}`,
				`{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"It is "}`,
				`{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"sunny."}`,
				`{"type":"response.output_text.done","output_index":1,"content_index":0,"text":"It is sunny."}`,
				`{"type":"response.output_item.done","output_index":1,"item":{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"It is sunny."}]}}`,
				`{"type":"response.completed","response":{"id":"r1","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"It is sunny."}]}],` + responsesUsage + `}}`,
			},
			whole: `{"id":"r1","status":"completed","error":null,"incomplete_details":null,"output":[` +
				`{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm."},{"type":"summary_text","text":"Sun?"}],"encrypted_content":"gAAA="},` +
				`{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"It is sunny.","annotations":[]}]}],` + responsesUsage + `}`,
		}, {
			frames: []string{
				`{"type":"response.created","response":{"id":"r1","status":"in_progress","output":[]}}`,
				`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"call_0","name":"weather","arguments":""}}`,
				`{"type":"response.function_call_arguments.delta","output_index":0,"item_id":"fc_1","delta":"{\"city\":"}`,
				`{"type":"response.function_call_arguments.delta","output_index":0,"item_id":"fc_1","delta":"\"Oslo\"}"}`,
				`{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"call_0","name":"weather","arguments":"{\"city\":\"Oslo\"}"}}`,
				`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"fc_2","call_id":"call_1","name":"clock","arguments":""}}`,
				`{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"fc_2","call_id":"call_1","name":"clock","arguments":"{}"}}`,
				`{"type":"response.completed","response":{"id":"r1","status":"completed","output":[],` + responsesUsage + `}}`,
			},
			whole: `{"id":"r1","status":"completed","output":[` +
				`{"type":"function_call","id":"fc_1","call_id":"call_0","name":"weather","arguments":"{\"city\":\"Oslo\"}"},` +
				`{"type":"function_call","id":"fc_2","call_id":"call_1","name":"clock","arguments":"{}"}],` + responsesUsage + `}`,
		}},
		"/invoke": {{
			frames: []string{
				`{"message":"A cat "}`, `{"message":"plays."}`,
				`{"message":"","finishReason":"stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":8,"outputTokenCount":5}}`,
			},
			whole: `{"message":"A cat plays.","finishReason":"stop"}`,
		}},
	}
}

// fakeSurface answers on the surfaces that the sandbox's own tests do not cut: text until the request
// has tools, or the fault that its text names.
type fakeSurface struct{ t *testing.T }

func (f fakeSurface) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client left
	}
	path, binary := strings.CutSuffix(r.URL.Path, "-with-response-stream")
	var request struct {
		Stream bool
		Tools  []any
	}
	if err := json.Unmarshal(body, &request); err != nil {
		f.t.Errorf("the body is not JSON: %v", err)
	}
	var s script
	for end, scripts := range surfaceScripts() {
		if strings.HasSuffix(path, end) {
			s = scripts[min(len(request.Tools), 1)]
		}
	}
	fault, after := "", 0
	if _, rest, ok := strings.Cut(string(body), "fault="); ok {
		fault, rest, _ = strings.Cut(rest, "!")
		if _, err := fmt.Sscan(rest, &after); err != nil {
			f.t.Error(err)
		}
	}
	a := &surfaceAnswer{t: f.t, w: w, after: after, fault: llmtest.Fault(fault), stream: request.Stream || binary, binary: binary}
	a.write(s)
}

type surfaceAnswer struct {
	t              *testing.T
	w              http.ResponseWriter
	fault          llmtest.Fault
	after          int
	stream, binary bool
}

func (a *surfaceAnswer) write(s script) {
	a.w.Header().Set("X-Amzn-Requestid", "aws-1")
	a.w.Header().Set("X-Amzn-Bedrock-Input-Token-Count", "8")
	a.w.Header().Set("X-Amzn-Bedrock-Output-Token-Count", "5")
	pieces := [][]byte{[]byte(s.whole)}
	if a.stream {
		pieces = nil
		for _, frame := range s.frames {
			pieces = append(pieces, a.frame(frame))
		}
	}
	switch a.fault {
	case llmtest.Refused, llmtest.Throttled:
		a.w.WriteHeader(map[llmtest.Fault]int{llmtest.Refused: 400, llmtest.Throttled: 429}[a.fault])
		a.put([]byte(`{"error":{"message":"No.","type":"invalid_request_error"}}`))
		return
	case llmtest.NoOutput:
		if !a.stream {
			a.put([]byte(`{}`))
		}
		return
	case llmtest.SlowStart:
		<-time.After(time.Minute) // the bubble's clock
	case llmtest.ExceptionFirst:
		a.put(a.failure())
		return
	}
	if !a.stream {
		a.after = 0
	}
	for i, piece := range pieces {
		if a.fault != "" && a.fault != llmtest.SlowStart && i == a.after {
			a.breakOff(piece)
			return
		}
		a.put(piece)
	}
}

func (a *surfaceAnswer) breakOff(piece []byte) {
	switch a.fault {
	case llmtest.CutBetween:
		a.put(nil)
		if !a.stream {
			a.put(piece[:len(piece)/2])
		}
		panic(http.ErrAbortHandler)
	case llmtest.CutInside:
		a.put(piece[:len(piece)/2])
	case llmtest.EndedEarly:
		if !a.stream {
			a.put(piece[:len(piece)-1])
		}
	case llmtest.BadChecksum:
		if a.stream && !a.binary {
			piece = bytes.Replace(piece, []byte(sse.Data), []byte(sse.Data+"?"), 1)
		}
		a.put(bytes.Replace(piece, []byte(`"`), nil, 1))
	case llmtest.ExceptionMiddle:
		a.put(a.failure())
	}
}

func (a *surfaceAnswer) frame(data string) []byte {
	if !a.binary {
		return []byte("data: " + data + "\n\n")
	}
	return a.message("event", "chunk", `{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(data))+`"}`)
}

func (a *surfaceAnswer) failure() []byte {
	const text = `{"error":{"message":"The server had an error.","type":"server_error","code":null}}`
	switch {
	case a.binary:
		return a.message("exception", "modelStreamErrorException", `{"message":"It broke."}`)
	case a.stream:
		return []byte("data: " + text + "\n\n")
	default:
		return []byte(text)
	}
}

func (a *surfaceAnswer) message(kind, name, payload string) []byte {
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":message-type", eventstream.StringValue(kind))
	m.Headers.Set(":"+kind+"-type", eventstream.StringValue(name))
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		a.t.Error(err)
	}
	return b.Bytes()
}

func (a *surfaceAnswer) put(data []byte) {
	if _, err := a.w.Write(data); err != nil {
		return // the client left
	}
	if err := http.NewResponseController(a.w).Flush(); err != nil {
		a.t.Logf("flushing: %v", err)
	}
}

func newClient(t *testing.T, transport http.RoundTripper) *bedrock.Client {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	client, err := bedrock.New(bedrock.Options{
		Region: "us-east-1", Endpoint: "http://bedrock", Transport: transport, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestContractOfOtherSurfaces(t *testing.T) {
	for _, tt := range []struct {
		name, id, surface string
		frames            int
		tools, video      bool
	}{
		{"chat completions", "qwen.qwen3-32b", "", 8, true, false},
		{"chat completions of the runtime", "openai.gpt-oss-120b-1:0", bedrock.SurfaceOpenAI, 8, true, false},
		{"responses", "openai.gpt-5.4-2026-03-05", "", 14, true, false},
		{"responses of the runtime", "openai.gpt-5.4-2026-03-05", bedrock.SurfaceOpenAI, 14, true, false},
		{"InvokeModel", "us.twelvelabs.pegasus-1-2-v1:0", "", 3, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			llmtest.TestChatModel(t, llmtest.Subject{Frames: tt.frames, New: func(t *testing.T) llmtest.Instance {
				transport := &counting{RoundTripper: memnet.Serve(t, fakeSurface{t})}
				chat, err := newClient(t, transport).Model(tt.id, bedrock.ModelOptions{Surface: tt.surface})
				if err != nil {
					t.Fatal(err)
				}
				say := func(text string) *llm.ChatRequest {
					parts := []llm.Part{llm.Text{Text: text}}
					if tt.video {
						parts = append(parts, llm.Link{URL: "s3://bucket/cat.mp4"})
					}
					return &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: parts}}}
				}
				i := llmtest.Instance{
					Model: chat,
					Ask:   func() *llm.ChatRequest { return say("What is the weather?") },
					Fail: func(f llmtest.Fault, n int) *llm.ChatRequest {
						if f == llmtest.ExceptionMiddle {
							n = 2
						}
						return say(fmt.Sprintf("fault=%s! %d ", f, n))
					},
					Open: func() int { return int(transport.open.Load()) },
				}
				if tt.tools {
					i.Tool = func() *llm.ChatRequest {
						req := say("What is the weather?")
						req.Tools = []llm.Tool{{Name: "weather"}, {Name: "clock"}}
						return req
					}
				}
				return i
			}})
		})
	}
}
