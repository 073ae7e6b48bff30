package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// turnOf asks the plain model once and returns its message, which a client sends
// back as it came.
func turnOf(t *testing.T, s *Server, id string, body map[string]any) (message map[string]any, stop string) {
	t.Helper()
	rec := post(t, s, call{Op: opConverse, ModelID: id, Raw: encode(body)})
	if rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	got := decodeObject(rec.Body.Bytes())
	return object(dig(got, "output", "message")), text(got["stopReason"])
}

// A prompt with loop=K leads to K turns of calls, each with reasoning that the
// next request replays as it came, and to an answer with every result.
func TestLoop(t *testing.T) {
	const rounds = 10
	for _, c := range []struct{ id, extra string }{
		{idSonnet45, `{"thinking":{"type":"enabled","budget_tokens":1024}}`},
		{"us.anthropic.claude-sonnet-4-6", `{"thinking":{"type":"adaptive"}}`},
		{idOpus48, `{"thinking":{"type":"adaptive"}}`},
		{"openai.gpt-oss-120b-1:0", `{"reasoning_effort":"low"}`},
		{idNova2, `{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}}`},
	} {
		t.Run(c.id, func(t *testing.T) {
			s := newServer(t, Options{})
			body := decodeObject(fmt.Appendf(nil, short(`{$TOOLS,"additionalModelRequestFields":%s,
				"messages":[{"role":"user","content":[{"text":"Go. [[sandbox loop=%d]]"}]}]}`), c.extra, rounds))
			for round := range rounds {
				message, stop := turnOf(t, s, c.id, body)
				content := array(message["content"])
				use := object(dig(content[len(content)-1], "toolUse"))
				if stop != "tool_use" || use == nil || dig(content[0], "reasoningContent") == nil {
					t.Fatalf("round %d: %s %s", round, stop, encode(message))
				}
				result := map[string]any{"toolUseId": use["toolUseId"], "content": []any{map[string]any{"text": fmt.Sprintf("r%d", round)}}}
				body["messages"] = append(array(body["messages"]), message,
					map[string]any{"role": "user", "content": []any{map[string]any{"toolResult": result}}})
			}
			message, stop := turnOf(t, s, c.id, body)
			said := messageText(message)
			if stop != "end_turn" {
				t.Errorf("after %d results: %s", rounds, stop)
			}
			for round := range rounds {
				if !strings.Contains(said, fmt.Sprintf("f said: “r%d”", round)) {
					t.Errorf("the answer does not name result %d: %s", round, said)
				}
			}
		})
	}
}

// A new question after a loop is a new question: its tool is called again, and
// the loop is over.
func TestQuestionAfterALoop(t *testing.T) {
	s := newServer(t, Options{})
	body := decodeObject([]byte(short(`{$TOOLS,"messages":[{"role":"user","content":[{"text":"Go. [[sandbox loop=1]]"}]},$CALL,
		{"role":"user","content":[$RESULT]},$ASSISTANT,{"role":"user","content":[{"text":"What is the weather?"}]}]}`)))
	if message, stop := turnOf(t, s, idSonnet45, body); stop != "end_turn" || !strings.Contains(messageText(message), "You said: “What is the weather?”") {
		t.Errorf("%s %s", stop, encode(message))
	}
}

// A directive is no part of the prompt, in a history either, so that a prompt
// prefix is the same from turn to turn.
func TestDirectivesInTheHistory(t *testing.T) {
	s := newServer(t, Options{})
	ask := func(said string) float64 {
		body := short(`{"messages":[{"role":"user","content":[{"text":"` + said + `"},$POINT]},$ASSISTANT,$USER]}`)
		got := decodeObject(post(t, s, call{Op: opConverse, ModelID: idSonnet45, Raw: []byte(body)}).Body.Bytes())
		n, _ := got["usage"].(map[string]any)["cacheReadInputTokens"].(json.Number).Float64()
		return n
	}
	if first, second := ask("Long ago [[sandbox tokens=3]]"), ask("Long ago"); first != 0 || second == 0 {
		t.Errorf("cache reads %v and %v", first, second)
	}
}

// think=DURATION is a silence after the first word of reasoning.
func TestThinkPause(t *testing.T) {
	s := newServer(t, Options{})
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+opPath(opConverseStream, idSonnet45, escapeAll),
		bytes.NewReader(user("hi [[sandbox think=150ms]]")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sandbox")
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	arrived := &stamps{Reader: resp.Body}
	messages, err := decodeStream(t, arrived)
	if err != nil || kinds(messages)[1] != "delta0:reasoning.text" {
		t.Fatalf("%v %v", kinds(messages), err)
	}
	if !arrived.sawPause(120 * time.Millisecond) {
		t.Error("the stream was never silent")
	}
}

// stamps notes when reads end.
type stamps struct {
	io.Reader
	at []time.Time
}

func (s *stamps) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.at = append(s.at, time.Now())
	return n, err
}

func (s *stamps) sawPause(least time.Duration) bool {
	for i := 1; i < len(s.at); i++ {
		if s.at[i].Sub(s.at[i-1]) >= least {
			return true
		}
	}
	return false
}

// A system turn after a result, as Claude Code sends it, does not hide the result.
func TestSystemTurnAfterResult(t *testing.T) {
	rec := post(t, newServer(t, Options{}), call{Op: opInvoke, ModelID: idOpus48, Raw: []byte(`{"anthropic_version":"bedrock-2023-05-31","max_tokens":500,
		"tools":[{"name":"survey","input_schema":{"type":"object"}}],"messages":[
		{"role":"user","content":"Survey."},
		{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"survey","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"granite 42"}]},
		{"role":"system","content":"Be brief."}]}`)})
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "granite 42") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
