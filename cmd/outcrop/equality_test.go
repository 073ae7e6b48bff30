package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The models of the comparison: a name is the model's id, which is what the adapter calls it.
var compared = map[string]string{
	"us.anthropic.claude-sonnet-4-5-20250929-v1:0": "chat",
	"us.amazon.nova-2-lite-v1:0":                   "chat",
	"us.meta.llama3-3-70b-instruct-v1:0":           "chat",
	"openai.gpt-oss-120b-1:0":                      "chat",
	"stability.stable-image-core-v1:1":             "chat",
	"amazon.titan-embed-text-v2:0":                 "embedding",
	"cohere.embed-v4:0":                            "embedding",
}

// comparedConfig is a configuration of the models, each with the endpoint that at gives.
func comparedConfig(t *testing.T, at func(id, kind string) string) string {
	t.Helper()
	var models []string
	for id, kind := range compared {
		models = append(models, fmt.Sprintf(`%q: {"type": %q, "endpoint": %q}`, id, kind, at(id, kind)))
	}
	return write(t, `{"models": {`+strings.Join(models, ",\n")+`}, "keys": {"key-of-a-team": {"project": "team", "role": "default"}}}`)
}

// TestServeEqualsServeThroughTheAdapter: the same request through outcrop serve, and through outcrop serve →
// HTTP → outcrop adapter, gets the same status, headers and bytes; but for the time of the reply, the
// ids of calls, and headers about the connection.
func TestServeEqualsServeThroughTheAdapter(t *testing.T) {
	clearAdapter(t)
	direct, _ := start(t, "serve", "--sandbox", "--config", comparedConfig(t, func(id, _ string) string { return "bedrock:" + id }))
	adapted, _ := start(t, "adapter", "--sandbox")
	routes := map[string]string{"chat": "chat/completions", "embedding": "embeddings"}
	through, _ := start(t, "serve", "--config", comparedConfig(t, func(id, kind string) string {
		return adapted + "/openai/deployments/" + id + "/" + routes[kind]
	}))
	const chat, embed = "chat", "embedding"
	for _, tt := range []struct{ name, kind, body, want string }{
		{"plain", chat, `{"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello?"}]}`, "200"},
		{"streamed", chat, `{"stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "Hello?"}]}`, "data: [DONE]"},
		{"tools", chat, `{"stream": true, "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}}}], "messages": [{"role": "user", "content": "Weather in Oslo? [[sandbox tool=weather]]"}]}`, ""},
		{"two choices", chat, `{"n": 2, "messages": [{"role": "user", "content": "Hello?"}]}`, `"index":1`},
		{"ignored and changed members", chat, `{"seed": 7, "temperature": 1.5, "messages": [{"role": "user", "content": "Hello?"}]}`, "X-Outcrop-Ignored: seed"},
		{"a broken stream", chat, `{"stream": true, "messages": [{"role": "user", "content": "Hello? [[sandbox cut=2 text=\"one two three four five\"]]"}]}`, `"error"`},
		{"throttled", chat, `{"messages": [{"role": "user", "content": "Hello? [[sandbox error=ThrottlingException]]"}]}`, "429"},
		{"a mistake", chat, `{"messages": [{"role": "user"}], "temperature": "hot"}`, "400"},
		{"no JSON", chat, `{`, "400"},
		{"numbers", embed, `{"input": ["one", "two", "three"]}`, `"index":2`},
		{"base64", embed, `{"input": "one", "encoding_format": "base64", "dimensions": 256}`, `"embedding":"`},
		{"dimensions that it has not", embed, `{"input": "one", "dimensions": 7}`, "dimensions"},
		{"tokens", embed, `{"input": [[1, 2]]}`, "check_embedding_ctx_length"},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			for id, kind := range compared {
				if kind != tt.kind {
					continue
				}
				path := "/openai/deployments/" + id + "/" + routes[kind]
				want, got := told(t, direct+path, tt.body), told(t, through+path, tt.body)
				if got != want {
					t.Errorf("%s: through the adapter\n%s\nand directly\n%s", id, got, want)
				}
				if !strings.Contains(want, tt.want) && !strings.Contains(id, "stability") {
					t.Errorf("%s: without %q:\n%s", id, tt.want, want)
				}
			}
		})
	}
}

// made is what differs between any two replies: the time, and the ids that a model makes of its calls.
var made = regexp.MustCompile(`"created":\d+|"id":"(tooluse|call)_\w+"`)

// accounted is what a Core tells of a reply: in the last chunk of its own model's, in a chunk of its own behind
// another server's.
var accounted = regexp.MustCompile(`,"statistics":\{"usage_per_model":\[[^\]]*\]\}`)

var accountChunk = regexp.MustCompile(`data: \{[^{}\[]*"object":"chat\.completion\.chunk","choices":\[\]\}\n\n`)

// told is what a reply says: its status, the headers that are about the answer, and its body, whole or not.
func told(t *testing.T, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Api-Key": {"key-of-a-team"}, "Content-Type": {"application/json"}, "X-Request-Id": {"one-and-the-same"}}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	out := resp.Status + "\n"
	for _, name := range []string{"Content-Type", "X-Outcrop-Ignored", "X-Outcrop-Changed", "X-Request-Id", "Retry-After", "Access-Control-Expose-Headers"} {
		out += name + ": " + strings.Join(resp.Header.Values(name), " | ") + "\n"
	}
	said := accountChunk.ReplaceAllString(accounted.ReplaceAllString(string(text), ""), "")
	if out += made.ReplaceAllString(said, `"made":0`); err != nil {
		out += "\nbroken off"
	}
	return out
}
