package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

func responsesEnvelope() *ResponsesEnvelope {
	return &ResponsesEnvelope{
		ID: "resp_dial_1", Model: "demo", Created: time.Unix(1700000000, 0), Encrypted: true, Summary: true, Sealer: openSeal{},
		Echo: []byte(`"store":true,"service_tier":"auto"`),
	}
}

// plays are sequences of every kind.
func plays() map[string][]llm.Event {
	text := func(s string) llm.Event { return &llm.TextDelta{Text: s} }
	thought := func(s string) llm.Event { return llm.ReasoningDelta{Text: s} }
	stop := llm.Finish{Reason: llm.FinishStop, Tier: "default", Usage: llm.Usage{Input: 3, Output: 4, CacheRead: 2, CacheWrite: 1, Reasoning: 2}}
	calls := llm.Finish{Reason: llm.FinishToolCalls}
	cite := llm.Citation{Title: "T", URL: "https://x", Quote: "q", TextFrom: 0, TextTo: 2}
	image := llm.BlobOut{Blob: llm.Blob{MIME: "image/png", Bytes: []byte("abc")}}
	return map[string][]llm.Event{
		"nothing":     {llm.Start{}, stop},
		"text":        {llm.Start{ID: "1"}, text("He"), llm.Pause{}, text("l\nlo \"ä\""), stop},
		"empty text":  {llm.Start{}, text(""), text("a"), text(""), stop},
		"cut":         {text("a"), llm.Finish{Reason: llm.FinishLength}},
		"filtered":    {text("a"), llm.Finish{Reason: llm.FinishContentFilter}},
		"other":       {text("a"), llm.Finish{Detail: "odd"}},
		"thinking":    {llm.Start{}, thought("h"), thought("m"), text("a"), stop},
		"signed":      {thought("h"), llm.ReasoningDelta{Signature: "s"}, thought("i"), llm.ReasoningDelta{Signature: "t"}, text("a"), stop},
		"redacted":    {thought("h"), llm.ReasoningDelta{Redacted: []byte("r")}, llm.ReasoningDelta{Redacted: []byte("s")}, text("a"), stop},
		"only signed": {llm.ReasoningDelta{Signature: "s"}, text("a"), stop},
		"cut thought": {thought("h"), llm.Finish{Reason: llm.FinishLength}},
		"a call":      {text("a"), llm.ToolCallStart{Index: 0, ID: "c0", Name: "f"}, llm.ToolCallDelta{Index: 0, Args: `{"a"`}, llm.Pause{}, llm.ToolCallDelta{Index: 0, Args: `:1}`}, calls},
		"empty call":  {llm.ToolCallStart{ID: "c0", Name: "f"}, calls},
		"cut call":    {llm.ToolCallStart{ID: "c0", Name: "f"}, llm.Finish{Reason: llm.FinishLength}},
		"calls at once": {
			llm.ToolCallStart{Index: 0, ID: "c0", Name: "f"}, llm.ToolCallStart{Index: 1, ID: "c1", Name: "g"}, llm.ToolCallDelta{Index: 1, Args: "{}"},
			llm.ToolCallDelta{Index: 0, Args: "{"}, llm.ToolCallDelta{Index: 0, Args: "}"}, calls,
		},
		"in turns": {
			thought("h"), text("a"), thought("i"), llm.ToolCallStart{ID: "c0", Name: "f"}, llm.ToolCallDelta{Args: "{}"}, text("b"), calls,
		},
		"citations": {text("ab"), cite, text("c"), llm.ToolCallStart{ID: "c0", Name: "f"}, text("defg"), llm.Citation{
			Title: "a.pdf", Unit: "page", Document: 1, From: 2, To: 3, TextFrom: 4, TextTo: 6,
		}, stop},
		"a lone citation": {llm.ToolCallStart{ID: "c0", Name: "f"}, cite, calls},
		"an image":        {text("a"), image, stop},
		"a stored image":  {llm.BlobOut{Blob: llm.Blob{MIME: "image/png", Name: "n"}, URL: "files/b/i.png"}, stop},
		"a file":          {llm.BlobOut{Blob: llm.Blob{MIME: "application/pdf", Base64: "AAAA"}}, stop},
		"custom":          {text("a"), llm.Finish{Reason: llm.FinishStop, Custom: []byte("{\n\"guardrail\":1}")}},
		"after the end":   {text("a"), stop, text("b")},
	}
}

// eventsTold are the events of a stream.
func eventsTold(t *testing.T, body string) (list []map[string]any) {
	t.Helper()
	for frame := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(frame, "\n")
		var event map[string]any
		if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &event); err != nil || !ok || name != fmt.Sprint("event: ", event["type"]) {
			t.Fatalf("%v: %q", err, frame)
		}
		if number, _ := event["sequence_number"].(float64); int(number) != len(list) {
			t.Errorf("event %d has the number %v", len(list), event["sequence_number"])
		}
		list = append(list, event)
	}
	return list
}

// A response is the same, streamed or not, whoever asks for what.
func TestResponseEqualsItsStream(t *testing.T) {
	for name, play := range plays() {
		for _, wants := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
			env := responsesEnvelope()
			env.Encrypted, env.Summary = wants[0], wants[1]
			script := llmtest.Play(play...)
			w := httptest.NewRecorder()
			final, err := WriteResponsesStream(w, script.Chat(t.Context(), nil), env)
			if err != nil {
				t.Fatal(name, err)
			}
			object, head, err := CollectResponse(script.Chat(t.Context(), nil), env)
			if err != nil || head == nil {
				t.Fatal(name, err)
			}
			if !bytes.Equal(object, final) {
				t.Errorf("%s: collected\n%s\nstreamed\n%s", name, object, final)
			}
			list := eventsTold(t, w.Body.String())
			var whole any
			if err := json.Unmarshal(object, &whole); err != nil {
				t.Fatalf("%s: %v: %s", name, err, object)
			}
			if diff := cmp.Diff(whole, list[len(list)-1]["response"]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			checkItems(t, name, list)
			if script.Open() != 0 {
				t.Error("the sequence is still open")
			}
		}
	}
}

// checkItems holds a stream to what OpenAI's clients rely on: every item is added once, done once, and its
// deltas, joined, are what it says in the end.
func checkItems(t *testing.T, name string, list []map[string]any) {
	t.Helper()
	var order []string
	said, done := map[string]string{}, map[string]any{}
	for _, event := range list {
		kind, id := event["type"].(string), fmt.Sprint(event["item_id"])
		if item, ok := event["item"].(map[string]any); ok {
			id = item["id"].(string)
		}
		switch {
		case kind == "response.output_item.added":
			if int(event["output_index"].(float64)) != len(order) || slices.Contains(order, id) {
				t.Errorf("%s: %s is added at %v", name, id, event["output_index"])
			}
			order = append(order, id)
		case kind == "response.output_item.done":
			if done[id] != nil {
				t.Errorf("%s: %s is done twice", name, id)
			}
			done[id] = event["item"]
		case strings.HasSuffix(kind, ".delta"):
			if done[id] != nil || !slices.Contains(order, id) {
				t.Errorf("%s: %s of %s, which is not open", name, kind, id)
			}
			said[id] += event["delta"].(string)
		case strings.HasSuffix(kind, "text.done"), strings.HasSuffix(kind, "arguments.done"):
			text, _ := event["text"].(string)
			args, _ := event["arguments"].(string)
			if said[id] != text+args {
				t.Errorf("%s: %s said %q, and in the end %q", name, id, said[id], text+args)
			}
		}
	}
	output := list[len(list)-1]["response"].(map[string]any)["output"].([]any)
	for i, id := range order {
		if diff := cmp.Diff(done[id], output[i]); diff != "" {
			t.Errorf("%s: %s: %s", name, id, diff)
		}
	}
	if len(output) != len(order) {
		t.Errorf("%s: %d items, %d were added", name, len(output), len(order))
	}
}

// digest is a stream in words.
func digest(list []map[string]any) string {
	var b strings.Builder
	for _, event := range list {
		kind := strings.TrimPrefix(event["type"].(string), "response.")
		fmt.Fprint(&b, kind)
		for _, member := range []string{"output_index", "delta", "text", "arguments"} {
			if v, ok := event[member]; ok {
				fmt.Fprintf(&b, " %v", v)
			}
		}
		if item, ok := event["item"].(map[string]any); ok {
			fmt.Fprintf(&b, " %v %v", item["id"], item["status"])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestResponsesStream(t *testing.T) {
	for _, test := range []struct{ play, want string }{
		{"thinking", `created
in_progress
output_item.added 0 rs_dial_1_0 in_progress
reasoning_summary_part.added 0
reasoning_summary_text.delta 0 h
reasoning_summary_text.delta 0 m
reasoning_summary_text.done 0 hm
reasoning_summary_part.done 0
output_item.done 0 rs_dial_1_0 completed
output_item.added 1 msg_dial_1_1 in_progress
content_part.added 1
output_text.delta 1 a
output_text.done 1 a
content_part.done 1
output_item.done 1 msg_dial_1_1 completed
completed
`},
		{"a call", `created
in_progress
output_item.added 0 msg_dial_1_0 in_progress
content_part.added 0
output_text.delta 0 a
output_text.done 0 a
content_part.done 0
output_item.done 0 msg_dial_1_0 completed
output_item.added 1 fc_dial_1_1 in_progress
function_call_arguments.delta 1 {"a"
function_call_arguments.delta 1 :1}
function_call_arguments.done 1 {"a":1}
output_item.done 1 fc_dial_1_1 completed
completed
`},
		{"cut call", `created
in_progress
output_item.added 0 fc_dial_1_0 in_progress
function_call_arguments.done 0 
output_item.done 0 fc_dial_1_0 incomplete
incomplete
`},
		{"an image", `created
in_progress
output_item.added 0 msg_dial_1_0 in_progress
content_part.added 0
output_text.delta 0 a
output_text.done 0 a
content_part.done 0
output_item.done 0 msg_dial_1_0 completed
output_item.added 1 ig_dial_1_1 in_progress
image_generation_call.completed 1
output_item.done 1 ig_dial_1_1 completed
completed
`},
	} {
		w := httptest.NewRecorder()
		if _, err := WriteResponsesStream(w, llmtest.Play(plays()[test.play]...).Chat(t.Context(), nil), responsesEnvelope()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, digest(eventsTold(t, w.Body.String()))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.play, diff)
		}
	}
}

func TestResponseObjects(t *testing.T) {
	for _, test := range []struct {
		play            string
		encrypted, show bool
		want            []string // what is in the object
	}{
		{"text", false, false, []string{
			`"id":"resp_dial_1","object":"response","created_at":1700000000,"status":"completed","error":null,"incomplete_details":null,"store":true,"service_tier":"default","model":"demo"`,
			`"usage":{"input_tokens":6,"input_tokens_details":{"cached_tokens":2,"cache_write_tokens":1},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":10}`,
		}},
		{"nothing", false, false, []string{`"output":[]`, `"status":"completed"`}},
		{"cut", false, false, []string{`"status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"}`, `"type":"message","status":"incomplete"`, `"service_tier":"auto"`}},
		{"filtered", false, false, []string{`"incomplete_details":{"reason":"content_filter"}`}},
		{"other", false, false, []string{`"incomplete_details":{"reason":"other"}`}},
		{"thinking", false, false, []string{`"output":[{"id":"rs_dial_1_0","type":"reasoning","status":"completed","summary":[]},{`}},
		{"thinking", true, false, []string{`"summary":[],"encrypted_content":"sealed:{\"text\":\"hm\"}"}`}},
		{"signed", true, true, []string{`[{"type":"summary_text","text":"h"}],"encrypted_content":"sealed:{\"text\":\"h\",\"signature\":\"s\"}"`, `{\"text\":\"i\",\"signature\":\"t\"}`}},
		{"redacted", true, true, []string{`"summary":[],"encrypted_content":"sealed:{\"redacted\":\"cg==\"}"`}},
		{"empty call", false, false, []string{`"call_id":"c0","name":"f","arguments":"{}"`}},
		{"citations", false, false, []string{
			`{"type":"url_citation","url":"https://x","title":"T","quote":"q","start_index":0,"end_index":2}`,
			`{"type":"file_citation","file_id":"","filename":"a.pdf","index":1,"unit":"page","from":2,"to":3,"start_index":1,"end_index":3}`,
		}},
		{"an image", false, false, []string{`{"id":"ig_dial_1_1","type":"image_generation_call","status":"completed","result":"YWJj"}`}},
		{"a stored image", false, false, []string{`"output":[]`, `"custom_content":{"attachments":[{"type":"image/png","title":"n","url":"files/b/i.png"}]}`}},
		{"a file", false, false, []string{`"custom_content":{"attachments":[{"type":"application/pdf","data":"AAAA"}]}`}},
		{"custom", false, false, []string{`"custom_content":{"guardrail":1}`}},
	} {
		env := responsesEnvelope()
		env.Encrypted, env.Summary = test.encrypted, test.show
		object, _, err := CollectResponse(llmtest.Play(plays()[test.play]...).Chat(t.Context(), nil), env)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range test.want {
			if !strings.Contains(string(object), want) {
				t.Errorf("%s: no %s in %s", test.play, want, object)
			}
		}
	}
}

// An error ends a response wherever it comes: as a status while nothing was said, as response.failed after
// that, and never as a response that is complete.
func TestResponseFailsAnywhere(t *testing.T) {
	failure := &llm.Error{Kind: llm.KindInvalid, Param: "messages[3].content[0]", Message: "messages[3].content[0]: too wide, as messages[-1]."}
	for name, play := range plays() {
		for at := range play {
			script := &llmtest.Script{Steps: llmtest.Play(play[:at]...).Steps}
			script.Steps = append(script.Steps, llmtest.Step{Err: failure})
			if slices.ContainsFunc(play[:at], func(e llm.Event) bool { _, ended := e.(llm.Finish); return ended }) {
				continue
			}
			w := httptest.NewRecorder()
			final, err := WriteResponsesStream(w, script.Chat(t.Context(), nil), responsesEnvelope())
			if e := llm.AsError(err); e.Param != "input[3].content[0]" || e.Message != "input[3].content[0]: too wide, as instructions." {
				t.Fatalf("%s at %d: %v", name, at, err)
			}
			if w.Code == http.StatusBadRequest {
				if final != nil || !strings.Contains(w.Body.String(), `"param":"input[3].content[0]"`) {
					t.Errorf("%s at %d: %s, %s", name, at, w.Body, final)
				}
				continue
			}
			list := eventsTold(t, w.Body.String())
			last := list[len(list)-1]
			object := last["response"].(map[string]any)
			if last["type"] != "response.failed" || object["status"] != "failed" || object["usage"] != nil || !json.Valid(final) ||
				!strings.Contains(string(final), `"error":{"code":"invalid_prompt","message":"input[3]`) || strings.Contains(string(final), inProgress) {
				t.Errorf("%s at %d: %s", name, at, final)
			}
			if _, _, err := CollectResponse(script.Chat(t.Context(), nil), responsesEnvelope()); llm.AsError(err).Param != "input[3].content[0]" {
				t.Error(err)
			}
		}
	}
}

func TestResponseWithoutAnEnd(t *testing.T) {
	w := httptest.NewRecorder()
	final, err := WriteResponsesStream(w, events(&llm.TextDelta{Text: "a"}), responsesEnvelope())
	if err == nil || !strings.Contains(string(final), `"status":"failed","error":{"code":"server_error"`) {
		t.Error(err, string(final))
	}
	if _, _, err := CollectResponse(events(&llm.TextDelta{Text: "a"}), responsesEnvelope()); err == nil {
		t.Error("no error")
	}
}

func TestResponseToAClientThatIsGone(t *testing.T) {
	w := &recorder{header: http.Header{}, breaks: 1}
	final, err := WriteResponsesStream(w, events(&llm.TextDelta{Text: "a"}, llm.Pause{}, &llm.TextDelta{Text: "b"}, llm.Finish{Reason: llm.FinishStop}), responsesEnvelope())
	if e := llm.AsError(err); e.Kind != llm.KindCanceled || !errors.Is(err, errGone) || final != nil {
		t.Error(err, string(final))
	}
}

func TestBareResponses(t *testing.T) {
	env := responsesEnvelope()
	for _, test := range []struct {
		status  string
		failure error
		want    string
	}{
		{"queued", nil, `"status":"queued","error":null`},
		{"in_progress", nil, `"status":"in_progress","error":null`},
		{"cancelled", nil, `"status":"cancelled","error":null`},
		{"failed", &llm.Error{Kind: llm.KindRateLimited, Message: "m"}, `"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}`},
		{"failed", errors.New("secret"), `"status":"failed","error":{"code":"server_error","message":"The server failed to process the request."}`},
	} {
		object := BareResponse(env, test.status, test.failure)
		if !json.Valid(object) || !strings.Contains(string(object), test.want) || !strings.Contains(string(object), `"output":[],"usage":null`) {
			t.Errorf("%s: %s", test.status, object)
		}
	}
}

func TestWriteResponse(t *testing.T) {
	w, env := httptest.NewRecorder(), responsesEnvelope()
	env.Ignored = []string{"user"}
	play := llmtest.Play(llm.Start{Ignored: []string{"reasoning_effort"}, Changed: []string{"tools[1].function.strict", "messages[2].tool_calls[0].function.arguments"}},
		llm.Finish{Reason: llm.FinishStop})
	object, head, err := CollectResponse(play.Chat(t.Context(), nil), env)
	if err == nil {
		err = WriteResponse(w, object, env, head)
	}
	h := w.Header()
	if err != nil || w.Body.String() != string(object)+"\n" || h.Get(HeaderIgnored) != "user, reasoning.effort" || h.Get(HeaderChanged) != "tools[1].strict, input[2]" {
		t.Error(err, h, w.Body)
	}
	if err := WriteResponse(httptest.NewRecorder(), BareResponse(env, "queued", nil), env, nil); err != nil {
		t.Error(err)
	}
}

// BenchmarkResponsesStream is what 100 deltas cost, each flushed by itself.
func BenchmarkResponsesStream(b *testing.B) {
	for _, deltas := range []int{0, 100, 200} {
		list := []any{llm.Start{}}
		for range deltas {
			list = append(list, &llm.TextDelta{Text: " and so on"}, llm.Pause{})
		}
		seq, env := events(append(list, llm.Finish{Reason: llm.FinishStop})...), responsesEnvelope()
		b.Run(fmt.Sprint(deltas), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := WriteResponsesStream(discard{&recorder{header: http.Header{}}}, seq, env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
