package bedrock

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

func TestReasoningTagsAreTakenOutHoweverTheyAreCut(t *testing.T) {
	tests := []struct{ content, thought, answer string }{
		{"<reasoning>Hm.</reasoning>Paris.", "Hm.", "Paris."},
		{"<reasoning></reasoning>Paris.", "", "Paris."},
		{"<reasoning>a < b </reas </reasoning></reasoning>x", "a < b </reas ", "</reasoning>x"},
		{"<reasoning>never closed </reason", "never closed </reason", ""},
		{"Paris <reasoning>is</reasoning>.", "", "Paris <reasoning>is</reasoning>."},
		{"<reas", "", "<reas"},
		{"<b>bold</b>", "", "<b>bold</b>"},
		{"", "", ""},
	}
	for _, tt := range tests {
		for size := 1; size <= len(tt.content)+1; size++ {
			var thought, answer strings.Builder
			say := func(isThought bool, text string) {
				if isThought {
					thought.WriteString(text)
				} else {
					answer.WriteString(text)
				}
			}
			r := tagReader{on: true}
			for rest := tt.content; rest != ""; rest = rest[min(size, len(rest)):] {
				r.add(rest[:min(size, len(rest))], say)
			}
			r.end(say)
			if thought.String() != tt.thought || answer.String() != tt.answer {
				t.Errorf("%q in pieces of %d: %q and %q", tt.content, size, thought.String(), answer.String())
			}
		}
	}
}

func TestCallIDsAreUniqueAndComeBack(t *testing.T) {
	for _, id := range []string{"call_0", "call_12", "call3", "functions.get_weather:0"} {
		one, other := uniqueCallID(id, "resp_1", 0), uniqueCallID(id, "resp_2", 0)
		if one == other || one == id || bareCallID(one) != id || one != uniqueCallID(id, "resp_1", 7) {
			t.Errorf("%s becomes %s and %s, and %s again", id, one, other, bareCallID(one))
		}
	}
	for _, id := range []string{"call_abc123", "chatcmpl-tool-0123456789abcdef", "toolu_01", "x-x0123456789", "call_0-xyz"} {
		if got := uniqueCallID(id, "resp_1", 0); got != id || bareCallID(id) != id {
			t.Errorf("%s becomes %s, and comes back as %s", id, got, bareCallID(id))
		}
	}
	if got := uniqueCallID("", "resp_1", 2); bareCallID(got) != "call_2" {
		t.Errorf("a call without an id becomes %s", got)
	}
	if one, other := uniqueCallID("call_0", "", 0), uniqueCallID("call_0", "", 0); one == other || bareCallID(one) != "call_0" {
		t.Errorf("calls of answers without ids become %s and %s", one, other)
	}
}

// A server may write an answer's id after its calls, which are named after it.
func TestCallIDsAreUniqueWhereverTheAnswerHasItsID(t *testing.T) {
	const choices = `"choices":[{"index":0,"finish_reason":"tool_calls","message":{"tool_calls":[{"id":"call_0","function":{"name":"f","arguments":"{}"}}]}}]`
	for _, answer := range []string{`{"id":"resp_1",` + choices + `}`, `{` + choices + `,"id":"resp_1"}`} {
		events, err := (&chatDecoder{}).whole([]byte(answer))
		if err != nil || len(events) == 0 || events[0] != (llm.ToolCallStart{ID: uniqueCallID("call_0", "resp_1", 0), Name: "f"}) {
			t.Errorf("%s: %v, %v", answer, events, err)
		}
	}
	if _, err := (&chatDecoder{}).whole([]byte(`{"choices":[{"index":"first"}],"id":"resp_1"}`)); err == nil {
		t.Error("what is wrong in choices that come first is not seen")
	}
}

// events decodes the frames of a stream with either decoder.
func decodeFrames(decode frameFunc, frames ...string) (events []llm.Event, done bool, err error) {
	for _, data := range frames {
		var more []llm.Event
		if more, done, err = decode(sse.Frame{Data: []byte(data)}); err != nil {
			return events, false, err
		}
		events = append(events, more...)
	}
	return events, done, nil
}

func TestChatCompletionsOfOtherServers(t *testing.T) {
	const stop = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	tests := []struct {
		name   string
		frames []string
		want   []llm.Event
	}{
		{"an index that all calls share", []string{
			`{"id":"1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}`,
			`{"id":"1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{\"x\":1}"}}]}}]}`, stop, "[DONE]",
		}, []llm.Event{
			llm.ToolCallStart{ID: "a", Name: "f"}, llm.ToolCallDelta{Args: "{}"},
			llm.ToolCallStart{Index: 1, ID: "b", Name: "g"}, llm.ToolCallDelta{Index: 1, Args: `{"x":1}`},
			llm.Finish{Reason: llm.FinishToolCalls},
		}},
		{"an id in every delta, arguments as an object", []string{
			`{"choices":[{"delta":{"tool_calls":[{"index":3,"id":"a","function":{"name":"f"}}]}}]}`,
			`{"choices":[{"delta":{"tool_calls":[{"index":3,"id":"a","function":{"name":null,"arguments":{"x":1}}}]}}]}`, stop, "[DONE]",
		}, []llm.Event{
			llm.ToolCallStart{ID: "a", Name: "f"}, llm.ToolCallDelta{Args: `{"x":1}`}, llm.Finish{Reason: llm.FinishToolCalls},
		}},
		{"content as parts, reasoning under two names, a refusal", []string{
			`{"choices":[{"delta":{"reasoning":"Hm.","reasoning_content":"Hm.","content":[{"type":"text","text":"No"},{"type":"text","text":"."}],"refusal":null}}]}`,
			`{"choices":[{"delta":{"refusal":" Never."}}]}`, stop, "[DONE]",
		}, []llm.Event{
			llm.ReasoningDelta{Text: "Hm."}, &llm.TextDelta{Text: "No."}, &llm.TextDelta{Text: " Never."}, llm.Finish{Reason: llm.FinishStop},
		}},
		{"usage beside the last choice", []string{
			`{"service_tier":"flex","choices":[{"delta":{"content":"a"},"finish_reason":"content_filter"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"prompt_tokens_details":null}}`, "[DONE]",
		}, []llm.Event{
			&llm.TextDelta{Text: "a"}, llm.Finish{Reason: llm.FinishContentFilter, Tier: "flex", Usage: llm.Usage{Input: 3, Output: 1}},
		}},
	}
	for _, tt := range tests {
		got, done, err := decodeFrames((&chatDecoder{}).frame, tt.frames...)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil || !done {
			t.Errorf("%s: %v, done %v (-want +got):\n%s", tt.name, err, done, diff)
		}
	}
}

func TestEveryFinishReasonIsMapped(t *testing.T) {
	for word, want := range map[string]llm.FinishReason{
		"stop": llm.FinishStop, "length": llm.FinishLength, "tool_calls": llm.FinishToolCalls, "function_call": llm.FinishToolCalls,
		"content_filter": llm.FinishContentFilter, "insufficient_system_resource": llm.FinishOther, "": llm.FinishOther,
	} {
		got, detail := chatFinish(word)
		if got != want || (detail != "") != (want == llm.FinishOther && word != "") {
			t.Errorf("%q: got %s, %q", word, got, detail)
		}
	}
	for _, tt := range []struct {
		answer string
		want   llm.Finish
	}{
		{`"status":"completed"`, llm.Finish{Reason: llm.FinishStop}},
		{`"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}`, llm.Finish{Reason: llm.FinishLength}},
		{`"status":"incomplete","incomplete_details":{"reason":"content_filter"}`, llm.Finish{Reason: llm.FinishContentFilter}},
		{`"status":"incomplete","incomplete_details":{"reason":"bored"}`, llm.Finish{Reason: llm.FinishOther, Detail: "incomplete: bored"}},
	} {
		events, err := (&responsesDecoder{}).whole([]byte(`{` + tt.answer + `,"output":[]}`))
		if diff := cmp.Diff([]llm.Event{tt.want}, events); diff != "" || err != nil {
			t.Errorf("%s: %v %s", tt.answer, err, diff)
		}
	}
}

// What cannot be carried or makes no sense is an error, never left out.
func TestStrangeAnswersAreErrors(t *testing.T) {
	chat := func() frameFunc { return (&chatDecoder{}).frame }
	responses := func() frameFunc { return (&responsesDecoder{}).frame }
	for name, tt := range map[string]struct {
		decode frameFunc
		frame  string
	}{
		"audio":                        {chat(), `{"choices":[{"delta":{"audio":{"data":"x"}}}]}`},
		"a legacy call":                {chat(), `{"choices":[{"delta":{"function_call":{"name":"f"}}}]}`},
		"a second choice":              {chat(), `{"choices":[{"index":1,"delta":{"content":"x"}}]}`},
		"arguments without a call":     {chat(), `{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}`},
		"content that is a number":     {chat(), `{"choices":[{"delta":{"content":7}}]}`},
		"not JSON":                     {chat(), `{"choices":`},
		"DONE first":                   {chat(), `[DONE]`},
		"a tool of the server":         {responses(), `{"type":"response.output_item.added","output_index":0,"item":{"type":"web_search_call","id":"w"}}`},
		"a delta of an unknown kind":   {responses(), `{"type":"response.audio.delta","delta":"x"}`},
		"arguments for no call":        {responses(), `{"type":"response.function_call_arguments.delta","output_index":4,"delta":"{}"}`},
		"a call without a name":        {responses(), `{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c"}}`},
		"an error event":               {responses(), `{"type":"error","code":"server_error","message":"It failed.","param":null}`},
		"cancelled":                    {responses(), `{"type":"response.cancelled","response":{"status":"cancelled","output":[]}}`},
		"completed without a status":   {responses(), `{"type":"response.completed","response":{"output":[]}}`},
		"completed without a response": {responses(), `{"type":"response.completed"}`},
		"DONE without completed":       {responses(), `[DONE]`},
	} {
		if events, done, err := decodeFrames(tt.decode, tt.frame); err == nil || done {
			t.Errorf("%s: got %v, done %v", name, events, done)
		}
	}
	late := &chatDecoder{}
	if _, _, err := decodeFrames(late.frame, `{"choices":[{"delta":{},"finish_reason":"stop"}]}`, `{"choices":[{"delta":{"content":"x"}}]}`); err == nil {
		t.Error("content after the finish_reason is taken")
	}
}

func TestErrorsOfOpenAIsForm(t *testing.T) {
	tests := []struct {
		status int
		body   string
		kind   llm.Kind
		param  string
		retry  time.Duration
	}{
		{400, `{"error":{"message":"m","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`, llm.KindInvalid, "temperature", 0},
		{400, `{"error":{"message":"m","type":"BadRequestError","param":null,"code":400}}`, llm.KindInvalid, "", 0},
		{400, `{"error":{"message":"m","type":"invalid_request_error","code":"context_length_exceeded"}}`, llm.KindContextLength, "", 0},
		{400, `{"error":{"message":"This model's maximum context length is 8 tokens.","type":"BadRequestError","code":400}}`, llm.KindContextLength, "", 0},
		{400, `{"error":{"message":"m","type":"invalid_request_error","code":"content_filter"}}`, llm.KindContentFilter, "", 0},
		{401, `{"error":{"message":"m","type":"invalid_request_error","code":"invalid_api_key"}}`, llm.KindUpstream, "", 0},
		{403, `{"error":{"message":"m","type":"permission_error"}}`, llm.KindForbidden, "", 0},
		{404, `{"error":{"message":"m","type":"invalid_request_error","code":"model_not_found"}}`, llm.KindNotFound, "", 0},
		{404, "{\"error\":{\"message\":\"model `x` isn’t supported on this route\"}}", llm.KindNotFound, "", 0},
		{429, `{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}`, llm.KindRateLimited, "", 7 * time.Second},
		{500, `{"error":{"message":"m","type":"server_error"}}`, llm.KindUpstream, "", 0},
		{503, `{"error":{"message":"m","type":"overloaded_error"}}`, llm.KindUnavailable, "", 7 * time.Second},
		{503, `{"error":"overloaded"}`, llm.KindUnavailable, "", 7 * time.Second},
		{502, `<html>`, llm.KindUpstream, "", 0},
		{400, `{"message":"1 validation error","__type":"com.amazon#ValidationException"}`, llm.KindInvalid, "", 0},
	}
	for _, tt := range tests {
		err := refusal(&http.Response{
			StatusCode: tt.status, Header: http.Header{"Retry-After": {"7"}, "X-Request-Id": {"req-9"}}, Body: io.NopCloser(strings.NewReader(tt.body)),
		})
		e, ok := errors.AsType[*llm.Error](err)
		if !ok || e.Kind != tt.kind || e.RetryAfter != tt.retry || e.Message == "" || !strings.Contains(e.Err.Error(), "req-9") {
			t.Errorf("%s: got %+v", tt.body, err)
			continue
		}
		if cause, _ := errors.AsType[*awsError](e.Err); openAIParam(&llm.ChatRequest{}, cause.param, nil) != tt.param {
			t.Errorf("%s: blames %q", tt.body, cause.param)
		}
	}
}

// A stranger's words in an error stay out of the log, whatever member they are in.
func TestErrorsOfOpenAIsFormAreNotLogged(t *testing.T) {
	for _, body := range []string{
		`{"error":{"message":"hush","type":"invalid_request_error","code":"context_length_exceeded"}}`,
		`{"error":{"message":"hush","type":"invalid_request_error","code":"model_not_found"}}`,
		`{"error":{"message":"m","type":"hush words","code":"hush, said the prompt"}}`,
		`{"error":"hush"}`, `{"error":{"message":"isn't supported on this route, hush"}}`,
	} {
		err := refusal(&http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))})
		if e := llm.AsError(err); strings.Contains(e.Err.Error(), "hush") {
			t.Errorf("%s is logged as %v", body, e.Err)
		}
	}
}

func TestParamsOfOpenAIBecomeTheClients(t *testing.T) {
	sent := []int{0, 2, 2, 5}
	for theirs, want := range map[string]string{
		"messages[1].content[0].text": "messages[2].content[0].text", "messages.3.content": "messages[5].content", "messages[3]": "messages[5].content",
		"input[2].output": "messages[2].content", "max_output_tokens": "max_tokens", "text.format.schema": "response_format",
		"messages[4].content": "", "messages[99999999999999999999]": "", "hush": "", "": "",
	} {
		if got := openAIParam(&llm.ChatRequest{}, theirs, sent); got != want {
			t.Errorf("%q: got %q, want %q", theirs, got, want)
		}
	}
}

func FuzzOpenAIFrames(f *testing.F) {
	for _, seed := range []string{
		`{"id":"1","choices":[{"index":0,"delta":{"content":"a","tool_calls":[{"index":0,"id":"call_0","function":{"name":"f","arguments":"{"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}`,
		`{"type":"response.completed","response":{"id":"r","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}}`,
		`{"error":{"message":"m"}}`, `[DONE]`,
	} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, decode := range []frameFunc{(&chatDecoder{tags: tagReader{on: true}}).frame, (&responsesDecoder{}).frame} {
			events, done, err := decodeFrames(decode, first, second)
			finishes := 0
			for _, event := range events {
				if _, ok := event.(llm.Finish); ok {
					finishes++
				}
			}
			if done && finishes == 0 || finishes > 2 || err == nil && events == nil && done {
				t.Fatalf("done %v with %d finishes: %v, %v", done, finishes, events, err)
			}
		}
	})
}
