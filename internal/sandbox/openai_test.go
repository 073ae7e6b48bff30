package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const (
	idMantle = "qwen.qwen3-32b"
	idOSS    = "openai.gpt-oss-120b"
	idGPT    = "openai.gpt-5.5"
)

// postOpenAI hands an OpenAI-shaped request to the handler, with an API key.
func postOpenAI(t testing.TB, s *Server, path, body string) (rec *httptest.ResponseRecorder) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://sandbox"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer sandbox")
	rec = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
		}
	}()
	s.ServeHTTP(rec, r)
	return rec
}

// chat fills in the shortest chat body.
func chat(model, said, more string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, model, said, more)
}

// sseEvents takes a stream apart; a whole one of chat completions ends with
// [DONE].
func sseEvents(t testing.TB, body []byte) (events []map[string]any, done bool) {
	t.Helper()
	for part := range bytes.SplitSeq(bytes.TrimSuffix(body, []byte("\n\n")), []byte("\n\n")) {
		name := ""
		for line := range bytes.SplitSeq(part, []byte("\n")) {
			field, value, _ := strings.Cut(string(line), ": ")
			switch {
			case field == "event":
				name = value
			case value == "[DONE]":
				done = true
			case field == "data":
				event := decodeObject([]byte(value))
				if event == nil || name != "" && event["type"] != name {
					t.Fatalf("event %q: %s", name, value)
				}
				events = append(events, event)
			}
		}
	}
	return events, done
}

const weatherTool = `{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}}}`

// A chat completion says the same as a stream of it, folded.
func TestChatCompletions(t *testing.T) {
	s := newServer(t, Options{})
	for _, c := range []struct{ path, model, said, more, text, thought, call, finish string }{
		{pathMantleChat, idMantle, "Hello", "", "You said: “Hello”.", "", "", "stop"},
		{pathMantleChat, idMantle, "Hello", `,"reasoning_effort":"low"`, "You said", "The user says “Hello”.", "", "stop"},
		{pathMantleChat, idOSS, "Hello", "", "You said", "The user says “Hello”.", "", "stop"},
		{pathRuntimeChat, "openai.gpt-oss-120b-1:0", "Hello", "", "You said", "The user says “Hello”.", "", "stop"},
		{pathMantleChat, idMantle, "Weather in Rome?", `,"tools":[` + weatherTool + `]`, "", "", `get_weather {"city":"Rome"}`, "tool_calls"},
		{pathMantleChat, idMantle, "Hello", `,"max_tokens":3`, "You said: “Hello”.", "", "", "length"},
		{pathMantleChat, idMantle, "Hello", `,"stop":"am"`, "I ", "", "", "stop"},
		{pathMantleChat, idMantle, "x [[sandbox text=ok stop=content_filtered]]", "", "ok", "", "", "content_filter"},
		{pathMantleChat, idMantle, "x", `,"response_format":{"type":"json_object"}`, `{"answer":"x"}`, "", "", "stop"},
		{pathMantleChat, idMantle, "Weather?", `,"tools":[` + weatherTool + `],"tool_choice":"none"`, "You said", "", "", "stop"},
	} {
		t.Run(c.model+" "+c.said+c.more, func(t *testing.T) {
			plain := decodeObject(postOpenAI(t, s, c.path, chat(c.model, c.said, c.more)).Body.Bytes())
			choice := object(first(plain["choices"]))
			said, thought, call := text(dig(choice, "message", "content")), text(dig(choice, "message", "reasoning_content")), ""
			for _, v := range array(dig(choice, "message", "tool_calls")) {
				call = text(dig(v, "function", "name")) + " " + text(dig(v, "function", "arguments"))
			}
			if !strings.Contains(said, c.text) || !strings.Contains(thought, c.thought) || (c.thought == "") != (thought == "") || call != c.call || choice["finish_reason"] != c.finish {
				t.Errorf("plain: %s", encode(plain))
			}
			events, done := sseEvents(t, postOpenAI(t, s, c.path, chat(c.model, c.said, c.more+`,"stream":true,"stream_options":{"include_usage":true}`)).Body.Bytes())
			var streamed, mused, called strings.Builder
			finish := ""
			for _, e := range events[:len(events)-1] {
				choice := object(first(e["choices"]))
				delta := object(choice["delta"])
				streamed.WriteString(text(delta["content"]))
				mused.WriteString(text(delta["reasoning_content"]))
				for _, v := range array(delta["tool_calls"]) {
					called.WriteString(text(dig(v, "function", "name")))
					called.WriteString(text(dig(v, "function", "arguments")))
				}
				finish += text(choice["finish_reason"])
			}
			usage := object(events[len(events)-1]["usage"])
			if streamed.String() != said || mused.String() != thought || called.String() != strings.Replace(call, " ", "", 1) || finish != c.finish || !done {
				t.Errorf("stream: %q %q %q %q %v", streamed.String(), mused.String(), called.String(), finish, done)
			}
			if usage["completion_tokens"] != dig(plain, "usage", "completion_tokens") {
				t.Errorf("usage: %v and %v", usage, plain["usage"])
			}
		})
	}
}

// A response says the same as the last event of its stream, and as the deltas.
func TestResponses(t *testing.T) {
	s := newServer(t, Options{})
	tool := `,"tools":[{"type":"function","name":"get_weather","parameters":{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}}]`
	for _, c := range []struct{ path, model, body, types, status string }{
		{pathProprietary, idGPT, `"input":"Hello"`, "reasoning message", "completed"},
		{pathMantleReply, idGPT, `"input":"Hello","reasoning":{"effort":"none"}`, "message", "completed"},
		{pathMantleReply, idOSS, `"input":"Hello"`, "reasoning message", "completed"},
		{pathProprietary, idGPT, `"input":[{"role":"user","content":[{"type":"input_text","text":"Weather in Rome?"}]}],"reasoning":{"summary":"auto"}` + tool, "reasoning function_call", "completed"},
		{pathProprietary, idGPT, `"input":"Hello","max_output_tokens":16`, "reasoning", "incomplete"},
	} {
		t.Run(c.path+c.body, func(t *testing.T) {
			body := fmt.Sprintf(`{"model":%q,%s`, c.model, c.body)
			plain := decodeObject(postOpenAI(t, s, c.path, body+"}").Body.Bytes())
			var types []string
			for _, item := range array(plain["output"]) {
				types = append(types, text(dig(item, "type")))
			}
			if strings.Join(types, " ") != c.types || plain["status"] != c.status {
				t.Errorf("%s", encode(plain))
			}
			events, _ := sseEvents(t, postOpenAI(t, s, c.path, body+`,"stream":true}`).Body.Bytes())
			var said strings.Builder
			for i, e := range events {
				if int(number(e["sequence_number"])) != i {
					t.Errorf("event %d has the number %v", i, e["sequence_number"])
				}
				if e["type"] == "response.output_text.delta" || e["type"] == "response.function_call_arguments.delta" {
					said.WriteString(text(e["delta"]))
				}
			}
			last := events[len(events)-1]
			if events[0]["type"] != "response.created" || last["type"] != "response."+c.status {
				t.Fatalf("%v … %v", events[0]["type"], last["type"])
			}
			// ids and texts follow from the request, which differs in stream
			item := object(array(dig(last, "response", "output"))[len(types)-1])
			if whole := orElse(text(item["arguments"]), text(dig(first(item["content"]), "text"))); c.status == "completed" && whole != said.String() {
				t.Errorf("deltas %q, whole %q", said.String(), whole)
			}
		})
	}
}

// Reasoning comes back as it was given, sealed; somebody else's is refused.
func TestResponsesReplayReasoning(t *testing.T) {
	s := newServer(t, Options{})
	ask := `{"model":"openai.gpt-5.5","include":["reasoning.encrypted_content"],"input":"Hello"}`
	item := object(first(decodeObject(postOpenAI(t, s, pathProprietary, ask).Body.Bytes())["output"]))
	again := func(item map[string]any) (int, any) {
		body := map[string]any{"model": idGPT, "input": []any{map[string]any{"role": "user", "content": "Hello"}, item, map[string]any{"role": "user", "content": "Go on"}}}
		rec := postOpenAI(t, s, pathProprietary, string(encode(body)))
		return rec.Code, dig(decodeObject(rec.Body.Bytes()), "error", "code")
	}
	if status, _ := again(item); status != 200 {
		t.Errorf("as it was given: %d", status)
	}
	item["encrypted_content"] = "Zm9yZWlnbg=="
	if status, code := again(item); status != 400 || code != "invalid_encrypted_content" {
		t.Errorf("somebody else's: %d %v", status, code)
	}
}

// Every fault of a directive breaks these streams too.
func TestOpenAIFaults(t *testing.T) {
	s := newServer(t, Options{})
	for _, c := range []struct {
		wish   string
		events int
		done   bool
		last   string // of the last event
	}{
		{"cut=2", 2, false, "chunk"},
		{"end=3", 3, false, "chunk"},
		{"empty", 0, false, ""},
		{"exception=throttlingException after=2", 3, false, "rate_limit_error"},
		{"batch=4 text=ok", 3, true, "stop"},
		{"unknown-event text=ok", 4, true, "stop"},
	} {
		rec := postOpenAI(t, s, pathMantleChat, chat(idMantle, "hi [[sandbox "+c.wish+"]]", `,"stream":true`))
		var events []map[string]any
		var done bool
		if rec.Body.Len() > 0 {
			events, done = sseEvents(t, rec.Body.Bytes())
		}
		if rec.Code != 200 || len(events) != c.events || done != c.done || !strings.Contains(rec.Body.String(), c.last) {
			t.Errorf("%s: %d, %d events, %v\n%s", c.wish, rec.Code, len(events), done, rec.Body)
		}
	}
	rec := postOpenAI(t, s, pathProprietary, `{"model":"openai.gpt-5.5","stream":true,"input":"hi [[sandbox exception=internalServerException after=4]]"}`)
	if events, _ := sseEvents(t, rec.Body.Bytes()); len(events) != 5 || events[4]["type"] != "error" || text(events[4]["message"]) == "" {
		t.Errorf("%s", rec.Body)
	}
	for wish, want := range map[string]struct {
		status int
		code   any
	}{
		"throttle=1":                        {429, "rate_limit_exceeded"},
		"error=ServiceUnavailableException": {503, nil},
		"refuse=no-model-access":            {403, "access_denied"},
		"refuse=plain-502":                  {502, nil},
		"fly=1":                             {400, nil},
	} {
		rec := postOpenAI(t, s, pathMantleChat, chat(idMantle, "hi [[sandbox "+wish+"]]", ""))
		if rec.Code != want.status || dig(decodeObject(rec.Body.Bytes()), "error", "code") != want.code {
			t.Errorf("%s: %d %s", wish, rec.Code, rec.Body)
		}
	}
}

// A model answers on its own routes only, and nobody answers for one that does
// not exist.
func TestOpenAIRoutes(t *testing.T) {
	s := newServer(t, Options{})
	for _, c := range []struct {
		path, model string
		status      int
		code        any
	}{
		{pathMantleChat, "acme.none", 404, "model_not_found"},
		{pathMantleChat, "", 400, nil},
		{pathMantleChat, "us.amazon.nova-lite-v1:0", 404, "model_not_found"}, // no geo prefix on mantle
		{pathMantleChat, "amazon.nova-lite-v1:0", 400, nil},
		{pathMantleChat, idGPT, 400, nil},
		{pathRuntimeChat, idMantle, 400, nil},
		{pathRuntimeChat, idOSS, 200, nil},
		{pathMantleChat, "openai.gpt-oss-120b-1:0", 400, nil}, // the runtime's name of it
	} {
		rec := postOpenAI(t, s, c.path, chat(c.model, "hi", ""))
		got := object(decodeObject(rec.Body.Bytes())["error"])
		if rec.Code != c.status || got["code"] != c.code {
			t.Errorf("%s %s: %d %s", c.path, c.model, rec.Code, rec.Body)
		}
		if want := "model `" + c.model + "` isn't supported on this route"; c.status == 400 && c.model != "" && got["message"] != want {
			t.Errorf("%s %s: %s", c.path, c.model, rec.Body)
		}
	}
	for path, want := range map[string]int{pathMantleReply: 400, pathProprietary: 200} {
		if rec := postOpenAI(t, s, path, `{"model":"openai.gpt-6-sol","input":"hi"}`); rec.Code != want {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
}

// Mantle's paths want signatures for mantle, the runtime's for the runtime.
func TestOpenAISignatures(t *testing.T) {
	srv := serve(t, Options{})
	for _, c := range []struct {
		service, path, model string
		status               int
	}{
		{mantleService, pathMantleChat, idMantle, 200},
		{"bedrock", pathMantleChat, idMantle, 403},
		{"bedrock", pathRuntimeChat, idOSS, 200},
		{mantleService, pathRuntimeChat, idOSS, 403},
		{mantleService, pathProprietary, idGPT, 200},
		{"bedrock", pathProprietary, idGPT, 200},
		{mantleService, pathProprietary, "us.openai.gpt-6-sol", 404},
		{"bedrock", pathProprietary, "us.openai.gpt-6-sol", 200},
	} {
		body := chat(c.model, "hi", "")
		if strings.HasSuffix(c.path, "responses") {
			body = fmt.Sprintf(`{"model":%q,"input":"hi"}`, c.model)
		}
		got := send(t, srv, wire{srv, sandboxKey, c.service}.request(t, c.path, []byte(body)))
		if got.status != c.status {
			t.Errorf("%s %s: %d %s", c.service, c.path, got.status, got.body)
		}
		if c.status == 403 && dig(decodeObject(got.body), "error", "type") != "authentication_error" {
			t.Errorf("%s", got.body)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://sandbox/v1/models", nil)
	r.Header.Set("Authorization", "Bearer wrong")
	rec := httptest.NewRecorder()
	newServer(t, Options{}).ServeHTTP(rec, r)
	if rec.Code != 401 || dig(decodeObject(rec.Body.Bytes()), "error", "code") != "invalid_api_key" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// GET /v1/models lists what mantle serves, every id callable on some path.
func TestMantleModels(t *testing.T) {
	s := newServer(t, Options{})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://sandbox/v1/models", nil)
	r.Header.Set("Authorization", "Bearer sandbox")
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	var ids []string
	for _, m := range array(decodeObject(rec.Body.Bytes())["data"]) {
		ids = append(ids, text(dig(m, "id")))
	}
	if !slices.Contains(ids, idMantle) || !slices.Contains(ids, idOSS) || !slices.Contains(ids, "openai.gpt-5.4-2026-03-05") || slices.Contains(ids, novaID) {
		t.Errorf("%v", ids)
	}
	for _, id := range ids {
		chatted := postOpenAI(t, s, pathMantleChat, chat(id, "hi", "")).Code
		answered := postOpenAI(t, s, pathProprietary, fmt.Sprintf(`{"model":%q,"input":"hi"}`, id)).Code
		plain := postOpenAI(t, s, pathMantleReply, fmt.Sprintf(`{"model":%q,"input":"hi"}`, id)).Code
		if chatted != 200 && answered != 200 && plain != 200 {
			t.Errorf("%s answers nowhere", id)
		}
	}
}

// Bodies that are refused, each with the parameter it is about.
func TestOpenAIRules(t *testing.T) {
	s := newServer(t, Options{})
	call := `{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]}`
	history := func(rest string) string {
		return fmt.Sprintf(`{"model":%q,"tools":[%s],"messages":[{"role":"user","content":"x"},%s]}`, idMantle, weatherTool, rest)
	}
	for _, c := range []struct{ path, body, param string }{
		{pathMantleChat, chat(idMantle, "x", ""), ""},
		{pathMantleChat, chat(idMantle, "x", `,"surprise":1`), "surprise"},
		{pathMantleChat, chat(idMantle, "x", `,"temperature":2.5`), "temperature"},
		{pathMantleChat, chat(idMantle, "x", `,"max_tokens":0`), "max_tokens"},
		{pathMantleChat, chat(idMantle, "x", `,"max_tokens":5,"max_completion_tokens":5`), "max_tokens"},
		{pathMantleChat, chat(idMantle, "x", `,"stream_options":{"include_usage":true}`), "stream_options"},
		{pathMantleChat, chat(idMantle, "x", `,"tools":[]`), "tools"},
		{pathMantleChat, chat(idMantle, "x", `,"tools":[{"type":"function","function":{"name":"a b"}}]`), "tools[0].function.name"},
		{pathMantleChat, chat(idMantle, "x", `,"tools":[{"type":"function","function":{"name":"a","strict":true,"parameters":{"type":"object"}}}]`), "tools[0].function.parameters"},
		{pathMantleChat, chat(idMantle, "x", `,"tool_choice":"required"`), "tool_choice"},
		{pathMantleChat, chat(idMantle, "x", `,"tools":[`+weatherTool+`],"tool_choice":{"type":"function","function":{"name":"other"}}`), "tool_choice"},
		{pathMantleChat, chat(idMantle, "x", `,"response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"object"}}}`), "response_format"},
		{pathMantleChat, chat(idOSS, "x", `,"reasoning_effort":"none"`), "reasoning_effort"},
		{pathMantleChat, `{"model":"qwen.qwen3-32b","messages":[]}`, "messages"},
		{pathMantleChat, `{"model":"qwen.qwen3-32b","messages":[{"role":"robot","content":"x"}]}`, "messages[0].role"},
		{pathMantleChat, `{"model":"qwen.qwen3-32b","messages":[{"role":"user","content":null}]}`, "messages[0].content"},
		{pathMantleChat, `{"model":"openai.gpt-oss-120b","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`, "messages[0].content[0]"},
		{pathMantleChat, history(call + `,{"role":"tool","tool_call_id":"c1","content":"18"}`), ""},
		{pathMantleChat, history(call), "messages[2].role"},
		{pathMantleChat, history(call + `,{"role":"tool","tool_call_id":"c2","content":"18"}`), "messages[2].role"},
		{pathMantleChat, history(strings.Replace(call, `"{}"`, `"["`, 1) + `,{"role":"tool","tool_call_id":"c1","content":"18"}`), "messages[1].tool_calls[0].function.arguments"},
		{pathProprietary, `{"model":"openai.gpt-5.5","input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xLjcK"}]}]}`, ""},
		{pathProprietary, `{"model":"openai.gpt-5.5","input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}]}]}`, "input[0].content[0]"},
		{pathMantleReply, `{"model":"openai.gpt-oss-120b","input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xLjcK"}]}]}`, "input[0].content[0]"},
		{pathProprietary, `{"model":"openai.gpt-5.5"}`, "input"},
		{pathProprietary, `{"model":"openai.gpt-5.5","input":"x","max_output_tokens":1}`, "max_output_tokens"},
		{pathProprietary, `{"model":"openai.gpt-5.5","input":"x","previous_response_id":"resp_1"}`, "previous_response_id"},
		{pathProprietary, `{"model":"openai.gpt-5.5","input":"x","tools":[{"type":"web_search"}]}`, "tools[0].type"},
		{pathProprietary, `{"model":"openai.gpt-5.5","input":[{"type":"function_call_output","call_id":"c1","output":"x"}]}`, "input"},
		{pathProprietary, `{"model":"openai.gpt-5.5","input":[{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}]}`, "input"},
		{pathProprietary, `{"model":"openai.gpt-5.5","input":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`, "input[0].content[0].type"},
	} {
		rec := postOpenAI(t, s, c.path, c.body)
		got := object(decodeObject(rec.Body.Bytes())["error"])
		if c.param == "" && rec.Code != 200 || c.param != "" && (rec.Code != 400 || got["param"] != c.param || text(got["message"]) == "" || got["type"] != "invalid_request_error") {
			t.Errorf("%s: %d %s", c.body, rec.Code, rec.Body)
		}
	}
	if rec := postOpenAI(t, s, pathMantleChat, "[]"); rec.Code != 400 {
		t.Errorf("no object: %d %s", rec.Code, rec.Body)
	}
}

// The tool loop of a directive works here as it does over Converse.
func TestOpenAILoop(t *testing.T) {
	s := newServer(t, Options{})
	body := decodeObject([]byte(chat(idOSS, "Go. [[sandbox loop=10]]", `,"tools":[`+weatherTool+`]`)))
	for round := range 10 {
		got := decodeObject(postOpenAI(t, s, pathMantleChat, string(encode(body))).Body.Bytes())
		message := object(dig(first(got["choices"]), "message"))
		use := object(first(message["tool_calls"]))
		if use == nil || text(message["reasoning_content"]) == "" {
			t.Fatalf("round %d: %s", round, encode(got))
		}
		body["messages"] = append(array(body["messages"]), message, map[string]any{"role": "tool", "tool_call_id": use["id"], "content": fmt.Sprintf("r%d", round)})
	}
	got := decodeObject(postOpenAI(t, s, pathMantleChat, string(encode(body))).Body.Bytes())
	if said := text(dig(first(got["choices"]), "message", "content")); !strings.Contains(said, "“r0”") || !strings.Contains(said, "“r9”") {
		t.Errorf("%s", encode(got))
	}
}

// FuzzOpenAI sends strangers' bodies to both APIs: a reply or an error in their
// shape, never a panic.
func FuzzOpenAI(f *testing.F) {
	f.Add([]byte(chat(idMantle, "hi [[sandbox tools=2]]", `,"n":3,"logprobs":true,"stream":true,"tools":[`+weatherTool+`]`)))
	f.Add([]byte(`{"model":"openai.gpt-5.5","stream":true,"input":[{"type":"reasoning","id":"r"},{"role":"user","content":[{"type":"input_text"}]},null]}`))
	f.Add([]byte(`{"model":"openai.gpt-5.5","input":"x","text":{"format":{"type":"json_schema","name":"a","schema":{"type":"object"}}}}`))
	s := newServer(f, Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, slow := range []string{"start=", "drip=", "think="} {
			if bytes.Contains(data, []byte(slow)) {
				return // it would only wait
			}
		}
		for _, path := range []string{pathMantleChat, pathMantleReply, pathRuntimeChat, pathProprietary} {
			rec := postOpenAI(t, s, path, string(data))
			if rec.Code >= 400 && text(dig(decodeObject(rec.Body.Bytes()), "error", "message")) == "" && !bytes.Contains(data, []byte("plain-")) {
				t.Errorf("%s: %d %.300s", path, rec.Code, rec.Body)
			}
		}
	})
}
