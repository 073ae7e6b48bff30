//go:build faults

package faults

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// key is the only caller's.
const key = "a-key-of-the-lab"

// ask is the request of a kind.
func (k kind) ask(ctx context.Context, base, deployment string) (*http.Request, error) {
	say := fmt.Sprintf("[[sandbox tokens=%d]]", words)
	path, body := "/openai/deployments/"+deployment+"/chat/completions", fmt.Sprintf(`{"stream":%t,"max_tokens":1000,"messages":[{"role":"user","content":%q}]}`, k.streams(), say)
	switch k {
	case responses, responsesStream:
		path, body = "/openai/v1/responses", fmt.Sprintf(`{"model":%q,"store":false,"stream":%t,"max_output_tokens":1000,"input":%q}`, deployment, k.streams(), say)
	case messages, messagesStream:
		path, body = "/anthropic/v1/messages", fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":1000,"messages":[{"role":"user","content":%q}]}`, deployment, k.streams(), say)
	case embeddings:
		path, body = "/openai/deployments/"+deployment+"/embeddings", `{"input":"A text of some length."}`
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Api-Key", key)
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// seen is what a client sees.
type seen struct {
	status   int
	upstream string // that answered, or the deployment that did instead
	text     bool   // it has read some of the answer
	finish   bool   // it was told why the answer ended
	done     bool   // [DONE], or what stands for it
	code     string // of an error
	cut      bool   // the connection ended before the answer
	strange  bool   // it came whole, and is no answer: what another server says passes as it is
	raw      string // what came
}

// whole says whether it looks like an answer that lacks nothing.
func (s seen) whole() bool { return s.status == http.StatusOK && s.done && s.code == "" && !s.cut }

// String says it in the words of the table.
func (s seen) String() string {
	before := ""
	if s.text {
		before = "text, then "
	}
	switch {
	case s.status == 0:
		return "connection cut"
	case s.status != http.StatusOK:
		return fmt.Sprintf("%d %s", s.status, s.code)
	case s.whole():
		return "whole answer"
	case s.strange:
		return passed
	case s.code != "" && !s.done && !s.finish:
		return before + "error event " + s.code
	case s.cut && !s.done && !s.finish:
		return before + "connection cut"
	default:
		return "LOOKS WHOLE"
	}
}

// send asks, and reads the answer to its end.
func (k kind) send(ctx context.Context, client *http.Client, base, deployment string) (s seen, err error) {
	r, err := k.ask(ctx, base, deployment)
	if err != nil {
		return s, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return s, cmp.Or(ctx.Err(), nil) // that it was cut is what it sees
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	s.status, s.cut, s.raw = resp.StatusCode, err != nil, string(body)
	s.upstream, _, _ = strings.Cut(resp.Header.Get("X-Outcrop-Fallback"), ";")
	s.upstream = cmp.Or(s.upstream, resp.Header.Get("X-Upstream-Id"))
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		for line := range strings.Lines(string(body)) {
			if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); ok {
				s.event(data)
			}
		}
		return s, ctx.Err()
	}
	s.document(body)
	return s, ctx.Err()
}

// wireError is an error of any dialect, in an answer, a chunk or an event.
type wireError struct {
	Type, Code string
}

func (e *wireError) name() string { return cmp.Or(e.Code, e.Type) }

func (s *seen) document(body []byte) {
	var reply struct {
		Error *wireError
		ID    string // of an answer
		Data  []any  // of embeddings
	}
	switch err := json.Unmarshal(body, &reply); {
	case err != nil && s.status == http.StatusOK:
		s.strange = !s.cut
	case err != nil:
		s.code = "without a code"
	case reply.Error != nil:
		s.code = reply.Error.name()
	default:
		s.done = reply.ID != "" || len(reply.Data) > 0
	}
}

// event takes one of a stream, of any dialect.
func (s *seen) event(data string) {
	if data == "[DONE]" {
		s.done = true
		return
	}
	var e struct {
		Type     string
		Code     string // of Responses' error event
		Error    *wireError
		Response struct{ Error *wireError }
		Delta    json.RawMessage
		Choices  []struct {
			FinishReason *string `json:"finish_reason"`
			Delta        struct{ Content string }
		}
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		s.cut = true // within it
		return
	}
	for _, c := range e.Choices {
		s.text = s.text || c.Delta.Content != ""
		s.finish = s.finish || c.FinishReason != nil
	}
	switch e.Type {
	case "response.output_text.delta", "content_block_delta":
		s.text = true
	case "message_delta":
		s.finish = true
	case "response.completed", "message_stop":
		s.done = true
	case "response.failed":
		if e.Response.Error != nil {
			s.code = e.Response.Error.name()
		}
	case "error":
		s.code = cmp.Or(e.Code, s.code)
	}
	if e.Error != nil {
		s.code = e.Error.name()
	}
}
