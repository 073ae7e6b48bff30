package bedrock

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

// frameOf is one event of a stream: its type and its payload.
type frameOf struct{ kind, payload string }

func delta(block, content string) frameOf {
	return frameOf{eventDelta, `{"contentBlockIndex":` + block + `,"delta":` + content + `,"p":"abc"}`}
}

func start(block, content string) frameOf {
	return frameOf{eventBlockStart, `{"contentBlockIndex":` + block + `,"start":` + content + `}`}
}

func stop(block string) frameOf {
	return frameOf{eventBlockStop, `{"contentBlockIndex":` + block + `}`}
}

// read folds what a reply yields.
func read(t testing.TB, run func(*answer)) (*llm.Reply, error) {
	t.Helper()
	return llm.CollectOne(func(yield func(llm.Event, error) bool) {
		run(&answer{req: &llm.ChatRequest{}, yield: yield})
	})
}

func foldFrames(t testing.TB, frames []frameOf) (*llm.Reply, error) {
	t.Helper()
	var messages []eventstream.Message
	for _, f := range frames {
		messages = append(messages, eventMessage(f.kind, f.payload))
	}
	return read(t, func(a *answer) { a.readStream(t.Context(), bytes.NewReader(encode(t, messages...))) })
}

const usageJSON = `"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}`

// TestAWholeReplyIsTheFoldedStream: the same content, told at once and in pieces.
func TestAWholeReplyIsTheFoldedStream(t *testing.T) {
	const (
		first  = `{"title":"a","source":"a","sourceContent":[{"text":"x"},{"text":"y"}],"location":{"documentPage":{"documentIndex":1,"start":2,"end":3}}}`
		second = `{"source":"https://example.com/b","location":{"web":{"domain":"example.com"}}}`
		third  = `{"title":"c","location":{"documentChunk":{"documentIndex":0,"start":4,"end":5}},"sourceContent":null}`
		fourth = `{"title":"d","location":{"searchResultLocation":{"searchResultIndex":6,"start":7,"end":8}}}`
	)
	tests := []struct {
		name   string
		whole  string // the content
		frames []frameOf
		more   string // members of the whole reply, and of the stream's metadata
	}{
		{
			"citations within their text's block",
			`[{"text":"日"},{"citationsContent":{"content":[{"text":"ab"},{"text":"c"}],"citations":[` + first + `,` + second + `]}},{"citationsContent":{"content":[{"text":"d"}],"citations":[` + third + `]}}]`,
			[]frameOf{
				delta("0", `{"text":"日"}`), stop("0"), delta("1", `{"citation":`+first+`}`), delta("1", `{"text":"ab"}`), delta("1", `{"citation":`+second+`}`),
				delta("1", `{"text":"c"}`), stop("1"), delta("2", `{"citation":`+third+`}`), delta("2", `{"text":"d"}`), stop("2"),
			}, "",
		},
		{
			"citations in blocks of their own, the last without a stop",
			`[{"text":"ab"},{"citationsContent":{"content":[],"citations":[` + second + `,` + fourth + `]}},{"text":"c"},{"citationsContent":{"citations":[` + first + `]}}]`,
			[]frameOf{
				delta("0", `{"text":"a"}`), delta("0", `{"text":"b"}`), stop("0"), delta("1", `{"citation":`+second+`}`), delta("1", `{"citation":`+fourth+`}`), stop("1"),
				delta("2", `{"text":"c"}`), stop("2"), delta("3", `{"citation":`+first+`}`),
			}, "",
		},
		{
			"images, of which one has padding within, and one no stop",
			`[{"image":{"format":"png","source":{"bytes":"AAAABBBB"}}},{"text":"a"},{"image":{"format":"webp","source":{"bytes":"AQID"}}}]`,
			[]frameOf{
				start("0", `{"image":{"format":"png"}}`), delta("0", `{"image":{"source":{"bytes":"AAAA"}}}`), delta("0", `{"image":{"source":{"bytes":"BBBB"}}}`), stop("0"),
				delta("1", `{"text":"a"}`), stop("1"),
				start("2", `{"image":{"format":"webp"}}`), delta("2", `{"image":{"source":{"bytes":"AQ=="}}}`), delta("2", `{"image":{"source":{"bytes":"AgM="}}}`),
			}, "",
		},
		{
			"tools of AWS beside the client's",
			`[{"toolUse":{"toolUseId":"s","name":"nova_grounding","input":{"q":"a"},"type":"server_tool_use"}},` +
				`{"toolResult":{"toolUseId":"s","content":[{"text":"b"},{"json":{"c":1}}],"status":"success"}},` +
				`{"toolUse":{"toolUseId":"u","name":"f","input":{"x":1},"type":"tool_use"}}]`,
			[]frameOf{
				start("0", `{"toolUse":{"toolUseId":"s","name":"nova_grounding","type":"server_tool_use"}}`),
				delta("0", `{"toolUse":{"input":"{\"q\":"}}`), delta("0", `{"toolUse":{"input":"\"a\"}"}}`), stop("0"),
				start("1", `{"toolResult":{"toolUseId":"s","status":"success"}}`), delta("1", `{"toolResult":[{"text":"b"}]}`), delta("1", `{"toolResult":[{"json":{"c":1}}]}`), stop("1"),
				start("2", `{"toolUse":{"toolUseId":"u","name":"f","type":"tool_use"}}`), delta("2", `{"toolUse":{"input":"{\"x\":1}"}}`), stop("2"),
			}, "",
		},
		{
			"what is told beside the answer",
			`[{"reasoningContent":{"reasoningText":{"text":"","signature":"c2ln"}}},{"text":"a"}]`,
			[]frameOf{delta("0", `{"reasoningContent":{"signature":"c2ln"}}`), stop("0"), delta("1", `{"text":"a"}`), stop("1")},
			`,"trace":{"promptRouter":{"invokedModelId":"arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/x"}},"serviceTier":{"type":"flex"},"performanceConfig":{"latency":"optimized"}`,
		},
		{"nothing beside it", `[{"text":"a"}]`, []frameOf{delta("0", `{"text":"a"}`)}, `,"trace":null,"serviceTier":null,"performanceConfig":null`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plain, err := read(t, func(a *answer) {
				body := `{"additionalModelResponseFields":{"/a":1},"output":{"message":{"role":"assistant","content":` + test.whole + `}},"stopReason":"end_turn",` + usageJSON + test.more + `}`
				a.readWhole(t.Context(), bytes.NewReader([]byte(body)))
			})
			if err != nil {
				t.Fatal(err)
			}
			frames := append([]frameOf{{eventMessageStart, `{"role":"assistant"}`}}, test.frames...)
			frames = append(frames,
				frameOf{eventMessageStop, `{"stopReason":"end_turn","additionalModelResponseFields":{"/a":1}}`}, frameOf{eventMetadata, `{` + usageJSON + test.more + `}`})
			streamed, err := foldFrames(t, frames)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain, streamed); diff != "" {
				t.Errorf("(-plain +stream):\n%s", diff)
			}
			if custom := plain.Finish.Custom; !json.Valid(custom) || bytes.Contains(custom, []byte("123456789012")) {
				t.Errorf("%s", custom)
			}
			for _, c := range plain.Citations {
				if c.TextTo <= c.TextFrom || c.TextTo > len([]rune(plain.Text)) {
					t.Errorf("a citation of %d to %d of %q", c.TextFrom, c.TextTo, plain.Text)
				}
			}
		})
	}
}

// TestContentThatCannotBeCarried ends a reply with an error, whole or in pieces.
func TestContentThatCannotBeCarried(t *testing.T) {
	streams := map[string][]frameOf{
		"a piece of no image":          {delta("0", `{"image":{"source":{"bytes":"AAAA"}}}`)},
		"an image in S3":               {start("0", `{"image":{"format":"png"}}`), delta("0", `{"image":{"source":{"s3Location":{"uri":"s3://b/a"}}}}`)},
		"an image that failed":         {start("0", `{"image":{"format":"png"}}`), delta("0", `{"image":{"error":{"message":"m"}}}`)},
		"padding that is no base64":    {start("0", `{"image":{"format":"png"}}`), delta("0", `{"image":{"source":{"bytes":"?="}}}`), delta("0", `{"image":{"source":{"bytes":"AAAA"}}}`), stop("0")},
		"a result of no tool":          {delta("0", `{"toolResult":[{"text":"a"}]}`)},
		"a result that is no list":     {start("0", `{"toolResult":{"toolUseId":"s"}}`), delta("0", `{"toolResult":{"text":"a"}}`)},
		"a citation that is no object": {delta("0", `{"citation":"a"}`)},
		"input of no tool":             {delta("0", `{"toolUse":{"input":"{}"}}`)},
		"a kind of block":              {start("0", `{"hologram":{}}`)},
		"a kind of delta":              {delta("0", `{"hologram":{}}`)},
	}
	for name, frames := range streams {
		end := []frameOf{{eventMessageStop, `{"stopReason":"end_turn"}`}, {eventMetadata, `{` + usageJSON + `}`}}
		_, err := foldFrames(t, append(frames, end...))
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindUpstream {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, content := range map[string]string{
		"an image in S3":             `[{"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/a"}}}}]`,
		"a sound that failed":        `[{"audio":{"format":"mp3","error":{"message":"m"}}}]`,
		"a kind of block":            `[{"hologram":{}}]`,
		"input that is no object":    `[{"toolUse":{"toolUseId":"s","name":"n","input":"a","type":"server_tool_use"}}]`,
		"citations that are no list": `[{"citationsContent":{"citations":{}}}]`,
	} {
		_, err := read(t, func(a *answer) {
			a.readWhole(t.Context(), bytes.NewReader([]byte(`{"output":{"message":{"content":`+content+`}},"stopReason":"end_turn",`+usageJSON+`}`)))
		})
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindUpstream {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestASoundIsCarried of a whole reply; streams have none.
func TestASoundIsCarried(t *testing.T) {
	for format, want := range map[string]string{"mp3": "audio/mpeg", "wav": "audio/wav", "m4a": "audio/mp4", "opus": "audio/ogg", "mka": "audio/x-matroska", "x-aac": "audio/aac"} {
		reply, err := read(t, func(a *answer) {
			a.readWhole(t.Context(), bytes.NewReader([]byte(`{"output":{"message":{"content":[{"audio":{"format":"`+format+`","source":{"bytes":"AAAA"}}}]}},"stopReason":"end_turn"}`)))
		})
		if err != nil || len(reply.Blobs) != 1 || reply.Blobs[0].Blob.MIME != want || reply.Blobs[0].Blob.Base64 != "AAAA" {
			t.Errorf("%s: %+v, %v", format, reply, err)
		}
	}
}
