package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/openai"
)

const sentence = "The quick brown fox jumps over the lazy dog, said \"nobody\", and went home.\n"

// canned answers every call with the same bytes, without a network.
type canned struct {
	body []byte
	sent int // bytes of the last request
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.sent = int(r.ContentLength)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c.body))}, nil
}

// model is Claude behind a transport that answers at once.
func model(b testing.TB, transport http.RoundTripper) *bedrock.Model {
	b.Helper()
	catalogue, err := models.Load()
	if err != nil {
		b.Fatal(err)
	}
	client, err := bedrock.New(bedrock.Options{
		Region: "us-east-1", Endpoint: "http://bedrock", Transport: transport, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "hunter2", ""),
	})
	if err != nil {
		b.Fatal(err)
	}
	chat, err := client.Model("us.anthropic.claude-sonnet-4-5-20250929-v1:0", bedrock.ModelOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return chat
}

// chat is a request of about size bytes of text over some turns, with tools and an image.
func chat(b testing.TB, size, tools int, image string) []byte {
	b.Helper()
	type m = map[string]any
	messages := []m{{"role": "system", "content": "Answer briefly."}}
	for n := 0; n < size; n += 4 * len(sentence) {
		role := []string{"assistant", "user"}[len(messages)%2]
		messages = append(messages, m{"role": role, "content": strings.Repeat(sentence, 4)})
	}
	last := []m{{"type": "text", "text": "And then?"}}
	if image != "" {
		last = append(last, m{"type": "image_url", "image_url": m{"url": "data:image/png;base64," + image}})
	}
	messages = append(messages, m{"role": "user", "content": last})
	body := m{"model": "m", "messages": messages, "temperature": 0.5, "max_tokens": 1000}
	var list []m
	for i := range tools {
		list = append(list, m{"type": "function", "function": m{
			"name": fmt.Sprintf("tool_%d", i), "description": strings.Repeat(sentence, 3),
			"parameters": json.RawMessage(`{"type":"object","properties":{"city":{"type":"string","description":"A city, such as \"Paris\"."},"days":{"type":"integer","minimum":1}},"required":["city"]}`),
		}})
	}
	if tools > 0 {
		body["tools"] = list
	}
	out, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// png is the base64 of about size bytes that begin like a PNG of 640 by 480 pixels.
func png(size int) string {
	head := "iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAIAAAC6s0uz"
	return head + strings.Repeat("QUJD", (size-len(head))/4)
}

// BenchmarkRequest is a client's bytes to a signed call of Bedrock (hash of the body included), and the
// shortest answer back.
func BenchmarkRequest(b *testing.B) {
	const answer = `{"metrics":{"latencyMs":1},"output":{"message":{"content":[{"text":"Yes."}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":10,"outputTokens":2,"totalTokens":12}}`
	for _, size := range []struct {
		name string
		body []byte
	}{
		{"1KB", chat(b, 900, 0, "")},
		{"50KB-20tools", chat(b, 35_000, 20, "")},
		{"1MB-image", chat(b, 900, 0, png(1<<20))},
	} {
		transport := &canned{body: []byte(answer)}
		claude := model(b, transport)
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(size.body)))
			for b.Loop() {
				req, _, err := openai.DecodeChat(size.body)
				if err != nil {
					b.Fatal(err)
				}
				if reply, err := llm.CollectOne(claude.Chat(b.Context(), req)); err != nil || reply.Text != "Yes." {
					b.Fatal(reply, err)
				}
			}
			if transport.sent < len(size.body)/2 {
				b.Fatalf("only %d bytes were sent", transport.sent)
			}
		})
	}
}

// discard is a client that reads everything at once.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Flush()                      {}
func (d *discard) Write(p []byte) (int, error) { d.n += len(p); return len(p), nil }

// BenchmarkDelta is what one text delta costs from Bedrock's frame to the client's SSE frame, in a long
// stream, so that the ends do not count. "burst" has all frames at hand, "paced" one frame per read, as
// a model sends them.
func BenchmarkDelta(b *testing.B) {
	for _, pace := range []string{"burst", "paced"} {
		b.Run(pace, func(b *testing.B) {
			const deltas = 1000
			client := &discard{header: http.Header{}}
			run := streaming(b, client, pace, deltas)
			double := streaming(b, client, pace, 2*deltas)
			client.n = 0
			runs := 0
			b.ReportAllocs()
			for b.Loop() {
				run()
				runs++
			}
			if client.n < runs*deltas*len("data: ") {
				b.Fatalf("only %d bytes were written", client.n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(runs*deltas), "ns/delta")
			b.ReportMetric((testing.AllocsPerRun(10, double)-testing.AllocsPerRun(10, run))/deltas, "allocs/delta")
		})
	}
}

// streaming is one whole answer of so many deltas, to be run again and again.
func streaming(b testing.TB, client *discard, pace string, deltas int) func() {
	b.Helper()
	frames := stream(b, deltas)
	var transport http.RoundTripper = &canned{body: bytes.Join(frames, nil)}
	if pace == "paced" {
		transport = &framewise{frames}
	}
	claude := model(b, transport)
	req, _, err := openai.DecodeChat(chat(b, 300, 0, ""))
	if err != nil {
		b.Fatal(err)
	}
	req.Whole = false
	env := openai.Envelope{ID: "1", Model: "m", Created: time.Unix(1, 0), Heartbeat: 15 * time.Second}
	return func() {
		if err := openai.WriteStream(client, claude.Chat(b.Context(), req), env); err != nil {
			b.Fatal(err)
		}
	}
}

// framewise gives one frame per read.
type framewise struct{ frames [][]byte }

func (f *framewise) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: &frameBody{left: slices.Clone(f.frames)}}, nil
}

type frameBody struct{ left [][]byte }

func (f *frameBody) Read(p []byte) (int, error) {
	if len(f.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.left[0])
	if n < len(f.left[0]) {
		f.left[0] = f.left[0][n:]
	} else {
		f.left = f.left[1:]
	}
	return n, nil
}

func (f *frameBody) Close() error { return nil }

// stream is a ConverseStream answer of so many text deltas.
func stream(b testing.TB, deltas int) [][]byte {
	b.Helper()
	var frames [][]byte
	add := func(event, payload string) {
		m := eventstream.Message{Payload: []byte(payload)}
		m.Headers.Set(":event-type", eventstream.StringValue(event))
		m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
		m.Headers.Set(":message-type", eventstream.StringValue("event"))
		var out bytes.Buffer
		if err := eventstream.NewEncoder().Encode(&out, m); err != nil {
			b.Fatal(err)
		}
		frames = append(frames, out.Bytes())
	}
	add("messageStart", `{"p":"abcd","role":"assistant"}`)
	for i := range deltas {
		add("contentBlockDelta", fmt.Sprintf(`{"contentBlockIndex":0,"delta":{"text":" word%d"},"p":"abcdefghijklmnopqrstuvwxyz"}`, i))
	}
	add("contentBlockStop", `{"contentBlockIndex":0,"p":"abc"}`)
	add("messageStop", `{"p":"abcdefghi","stopReason":"end_turn"}`)
	add("metadata", `{"metrics":{"latencyMs":412},"p":"ab","usage":{"inputTokens":10,"outputTokens":1000,"totalTokens":1010}}`)
	return frames
}
