package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"outcrop/internal/proxy"
)

// eachRead gives one part with each read, as a network does.
type eachRead struct {
	parts []string
	at    int
}

func (e *eachRead) Read(p []byte) (int, error) {
	if e.at == len(e.parts) {
		return 0, io.EOF
	}
	e.at++
	return copy(p, e.parts[e.at-1]), nil
}

// chunks are a stream of n chunks and its end.
func chunks(n int) []string {
	const chunk = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}],"usage":null}` + "\n\n"
	const last = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":100,"total_tokens":109}}` + "\n\n"
	parts := make([]string, n, n+2)
	for i := range parts {
		parts[i] = chunk
	}
	return append(parts, last, "data: [DONE]\n\n")
}

func bench(b *testing.B, header http.Header, parts []string) {
	transport := replies(func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(&eachRead{parts: parts})}
	})
	remote, err := proxy.New(proxy.Options{URL: "http://remote", Transport: transport})
	if err != nil {
		b.Fatal(err)
	}
	request := http.Header{"Content-Type": {"application/json"}}
	b.ReportAllocs()
	for b.Loop() {
		answer, err := remote.Call(b.Context(), &proxy.Call{Header: request, Body: []byte("{}"), Set: http.Header{"Api-Key": {"key"}}})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range answer.Pieces() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkStream100(b *testing.B) {
	bench(b, http.Header{"Content-Type": {"text/event-stream"}}, chunks(100))
}

func BenchmarkStream1000(b *testing.B) {
	bench(b, http.Header{"Content-Type": {"text/event-stream"}}, chunks(1000))
}

func BenchmarkPlain2KB(b *testing.B) {
	body := `{"id":"1","object":"chat.completion","model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("word ", 380) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":100,"total_tokens":109}}`
	bench(b, http.Header{"Content-Type": {"application/json"}}, []string{body})
}
