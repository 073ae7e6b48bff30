package openai

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"outcrop/internal/llm"
)

const (
	hi       = `{"role":"user","content":"a"}`
	tinyPart = `{"type":"text","text":"a"}`
	tinyCall = `{"id":"a","function":{"name":"f"}}`
)

// copies joins the copies of s that an array or object of n such things takes; every # becomes the
// copy's number.
func copies(n int, s string) string {
	before, after, numbered := strings.Cut(s, "#")
	if !numbered {
		return strings.TrimSuffix(strings.Repeat(s+",", n), ",")
	}
	var b []byte
	for i := range n {
		b = append(strconv.AppendInt(append(b, before...), int64(i), 10), after...)
		b = append(b, ',')
	}
	return strings.TrimSuffix(string(b), ",")
}

func chatOf(messages, more string) string { return `{"messages":[` + messages + `]` + more + `}` }

func TestLimits(t *testing.T) {
	parts := func(n int) string { return `{"role":"user","content":[` + copies(n, tinyPart) + `]}` }
	calls := func(n int) string { return `{"role":"assistant","tool_calls":[` + copies(n, tinyCall) + `]}` }
	tests := map[string]struct {
		most int
		body func(n int) string
		want string
	}{
		"messages": {50_000, func(n int) string { return chatOf(copies(n, hi), "") }, "messages: too many messages; at most 50000 are accepted."},
		"parts": {5_000, func(n int) string { return chatOf(hi+","+parts(n), "") },
			"messages[1].content: too many parts; at most 5000 are accepted."},
		"tool calls": {1_000, func(n int) string { return chatOf(hi+","+calls(n), "") },
			"messages[1].tool_calls: too many tool calls; at most 1000 are accepted."},
		"tools": {1_000, func(n int) string { return chatOf(hi, `,"tools":[`+copies(n, `{"function":{"name":"f#"}}`)+`]`) },
			"tools: too many tools; at most 1000 are accepted."},
		"stop": {2_500, func(n int) string { return chatOf(hi, `,"stop":[`+copies(n, `"a"`)+`]`) },
			"stop: too many strings; at most 2500 are accepted."},
		"members of the body": {1_000, func(n int) string { return chatOf(hi, ","+copies(n-1, `"x#":1`)) },
			"x999: too many members in its object; at most 1000 are accepted."},
		"null members": {1_000, func(n int) string { return chatOf(hi, ","+copies(n-1, `"x#":null`)) },
			"x999: too many members in its object; at most 1000 are accepted."},
		"members of a message": {1_000, func(n int) string { return chatOf(`{"role":"user","content":"a",`+copies(n-2, `"x#":1`)+`}`, "") },
			"messages[0].x998: too many members in its object; at most 1000 are accepted."},
		"members of a function": {1_000, func(n int) string {
			return chatOf(hi, `,"tools":[{"function":{"name":"f",`+copies(n-1, `"x#":1`)+`}}]`)
		},
			"tools[0].function.x999: too many members in its object; at most 1000 are accepted."},
		"max_tokens": {2147483647, func(n int) string { return chatOf(hi, fmt.Sprintf(`,"max_tokens":%d`, n)) },
			"max_tokens: expected an integer from 1 to 2147483647."},
		"max_completion_tokens": {2147483647, func(n int) string { return chatOf(hi, fmt.Sprintf(`,"max_tokens":5,"max_completion_tokens":%d`, n)) },
			"max_completion_tokens: expected an integer from 1 to 2147483647."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, _, err := DecodeChat([]byte(tt.body(tt.most))); err != nil {
				t.Errorf("%d: %v", tt.most, err)
			}
			_, _, err := DecodeChat([]byte(tt.body(tt.most + 1)))
			param, _, _ := strings.Cut(tt.want, ":")
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindInvalid || e.Message != tt.want || e.Param != param {
				t.Errorf("%d: got %v", tt.most+1, err)
			}
		})
	}
}

// What is skipped or passed on whole may have any number of members.
func TestMembersOfSkippedObjectsAreNotLimited(t *testing.T) {
	many := `{` + copies(5000, `"x#":1`) + `}`
	body := chatOf(hi, `,"logit_bias":`+many+`,"tools":[{"function":{"name":"f","parameters":`+many+`}}]`)
	if _, _, err := DecodeChat([]byte(body)); err != nil {
		t.Error(err)
	}
}

// What an error may take of a reply and of a log line, in bytes.
const (
	longestMessage = 400
	longestParam   = 512
)

func TestErrorsAreShortWhateverTheInput(t *testing.T) {
	values := map[string]string{
		"long": strings.Repeat("x", 1<<20), "control": strings.Repeat(`\u0001`, 1<<10), "wide": strings.Repeat("é", 300),
		"wider": strings.Repeat("😀", 300), "quotes": strings.Repeat(`\"`, 300), "unaligned": "a" + strings.Repeat("😀", 300),
	}
	for name, value := range values {
		for _, body := range wrongBodies(value) {
			_, _, err := DecodeChat([]byte(body))
			e, ok := errors.AsType[*llm.Error](err)
			if !ok {
				t.Errorf("%s, %.100s: accepted", name, body)
				continue
			}
			if len(e.Message) > longestMessage || len(e.Param) > longestParam || !utf8.ValidString(e.Message+e.Param) {
				t.Errorf("%s: %d bytes of message, %d of param: %.200s", name, len(e.Message), len(e.Param), e.Message)
			}
		}
	}
}

// wrongBodies are refused in every place where the text, a JSON string without its quotes, is near
// what the error tells.
func wrongBodies(value string) []string {
	quoted := `"` + value + `"`
	twice := quoted + ":1," + quoted + ":2"
	last := strings.Repeat(hi+",", 9999) // to make the path long
	return []string{
		chatOf(hi, ","+twice), chatOf(hi, ","+quoted+":tru"), chatOf(hi, ","+quoted+":"+strings.Repeat("[", 600)), quoted, value,
		chatOf(last+`{"role":"assistant","content":[`+strings.Repeat(tinyPart+",", maxParts-1)+`{`+twice+`}]}`, ""),
		chatOf(last+`{"role":"assistant","content":[`+strings.Repeat(tinyPart+",", maxParts-1)+`{"image_url":{`+twice+`}}]}`, ""),
		chatOf(last+`{"role":"assistant","tool_calls":[`+strings.Repeat(tinyCall+",", maxToolCalls-1)+`{"function":{`+twice+`}}]}`, ""),
		chatOf(`{"role":"user","content":"a","custom_content":{`+twice+`}}`, ""),
		chatOf(`{"role":`+quoted+`}`, ""), chatOf(`{"role":"user","content":`+value+`}`, ""), chatOf(`{`+quoted+`:`+quoted+`}`, ""),
		chatOf(`{"role":"user","content":[{"type":`+quoted+`}]}`, ""), chatOf(`{"role":"user","content":[{"type":"image_url","image_url":`+quoted+`}]}`, ""),
		chatOf(`{"role":"user","content":[{"type":"image_url","image_url":"data:`+value+`,AAAA"}]}`, ""),
		chatOf(`{"role":"user","content":[{"type":"image_url","image_url":"ftp://`+value+`"}]}`, ""),
		chatOf(`{"role":"assistant","tool_calls":[{"type":`+quoted+`}]}`, ""),
		chatOf(`{"role":"assistant","tool_calls":[{"id":`+quoted+`,"function":{"arguments":`+quoted+`}}]}`, ""),
		chatOf(`{"role":"function","name":`+quoted+`,"content":"a"}`, ""), chatOf(`{"role":"user","content":"a","cache_control":{"ttl":`+quoted+`}}`, ""),
		chatOf(`{"role":"user","content":"a","custom_content":{"attachments":[{"type":"a/b","data":"!`+value+`"}]}}`, ""),
		chatOf(`{"role":"user","content":[{"type":"input_audio","input_audio":{"format":`+quoted+`}}]}`, ""),
		chatOf(hi, `,"reasoning_effort":`+quoted), chatOf(hi, `,"service_tier":`+quoted), chatOf(hi, `,"response_format":{"type":"json_schema","json_schema":`+quoted+`}`),
		chatOf(hi, `,"tools":[{"function":{"name":"f",`+twice+`}}]`), chatOf(hi, `,"tools":[{"type":`+quoted+`}]`),
		chatOf(hi, `,"tool_choice":`+quoted), chatOf(hi, `,"tools":[{"function":{"name":"f"}}],"tool_choice":{"function":{"name":`+quoted+`}}`),
		chatOf(hi, `,"tool_choice":{"function":{`+twice+`}}`), chatOf(hi, `,"stop":[`+quoted+`,1]`), chatOf(hi, `,"stream":`+quoted),
		chatOf(hi, `,"temperature":`+strings.Repeat("9", 5000)), chatOf(hi, `,"max_tokens":`+strings.Repeat("9", 5000)),
		chatOf(hi, `,"n":`+quoted), chatOf(hi, `,"response_format":{"type":`+quoted+`}`), chatOf(hi, `,"response_format":{`+twice+`}`),
		chatOf(hi, `,"modalities":[`+quoted+`]`), chatOf(hi, `,"custom_fields":{"configuration":[`+quoted+`]}`),
		chatOf(hi, `,"custom_fields":{`+twice+`}`), chatOf(hi, `,"stream_options":{`+twice+`}`), chatOf(hi, `,"functions":[`+quoted+`]`),
	}
}

// refusedBodies hold size bytes of many small things, and cross a limit.
func refusedBodies(size int) map[string]string {
	fill := func(s string) string { return copies(size/(len(s)+1), s) }
	return map[string]string{
		"unknown names":      chatOf(hi, ","+copies(size/12, `"x#":1`)),
		"names of a message": chatOf(`{"role":"user","content":"a",`+copies(size/12, `"x#":1`)+`}`, ""),
		"stop":               chatOf(hi, `,"stop":[`+fill(`"a"`)+`]`),
		"empty stop":         chatOf(hi, `,"stop":[`+fill(`""`)+`]`),
		"tiny messages":      chatOf(fill(hi), ""),
		"an unclosed end":    `{"messages":[` + fill(hi),
		"parts":              chatOf(`{"role":"user","content":[`+fill(tinyPart)+`]}`, ""),
		"tool calls":         chatOf(`{"role":"assistant","tool_calls":[`+fill(tinyCall)+`]}`, ""),
		"tools":              chatOf(hi, `,"tools":[`+fill(`{"function":{"name":"f"}}`)+`]`),
		"escaped names":      chatOf(hi, ","+fill(`"\u0078#":1`)),
	}
}

// fullBodies hold size bytes of many small things, or of one that has to be copied, and stay just
// within every limit.
func fullBodies(size int) map[string]string {
	fill := func(s string) string { return copies(size/(len(s)+1), s) }
	parts := func(n int, part string) string { return `{"role":"user","content":[` + copies(n, part) + `]}` }
	names := func(n int) string { return copies(n, `"x#":1`) }
	return map[string]string{
		"members":            chatOf(fill(`{"role":"user","content":"a",`+names(maxMembers-2)+`}`), ""),
		"33 members":         chatOf(fill(parts(maxParts, `{"type":"text","text":"a",`+names(fewNames)+`}`)), ""),
		"parts":              chatOf(fill(parts(maxParts, tinyPart)), ""),
		"messages":           chatOf(copies(maxMessages, hi), ""),
		"messages of parts":  chatOf(copies(maxMessages, parts(size/maxMessages/len(tinyPart)-2, tinyPart)), ""),
		"tool calls":         chatOf(fill(`{"role":"assistant","tool_calls":[`+copies(maxToolCalls, tinyCall)+`]}`), ""),
		"tool results":       chatOf(fill(`{"role":"tool","tool_call_id":"a","content":[`+copies(maxParts, tinyPart)+`]}`), ""),
		"data URLs":          chatOf(parts(maxFiles, `{"type":"image_url","image_url":"data:image/png;;;;;;base64,AAAA"}`), ""),
		"escaped text":       chatOf(fill(parts(maxParts, `{"type":"text","text":"\u0061\u0061"}`)), ""),
		"one long text":      chatOf(`{"role":"user","content":"`+strings.Repeat(`\u0061`, size/6)+`"}`, ""),
		"arguments":          chatOf(`{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"a\":\"`+strings.Repeat(`\\u0061`, size/7)+`\"}"}}]}`, ""),
		"attachments":        chatOf(`{"role":"user","content":"a","custom_content":{"attachments":[`+copies(maxFiles, `{"url":"files/"}`)+`]}}`, ""),
		"texts attached":     chatOf(`{"role":"user","content":"a","custom_content":{"attachments":[{"data":"`+strings.Repeat("YWFh", size/4)+`"}]}}`, ""),
		"reasoning":          chatOf(copies(maxThoughts/maxTurn, `{"role":"assistant","custom_content":{"state":{"outcrop":{"reasoning":[`+copies(maxTurn, `{"text":"a"}`)+`]}}}}`), ""),
		"turns of reasoning": chatOf(copies(maxThoughts, `{"role":"assistant","custom_content":{"state":{"outcrop":{"reasoning":[{"text":"a"}]}}}}`), ""),
		"redacted reasoning": chatOf(`{"role":"assistant","custom_content":{"state":{"outcrop":{"reasoning":[{"redacted":"`+strings.Repeat("AAAA", size/4)+`"}]}}}}`, ""),
		"texts of reasoning": chatOf(copies(maxMessages, `{"role":"assistant","reasoning":"a"}`), ""),
		"strange states":     chatOf(fill(`{"role":"assistant","custom_content":{"state":{`+copies(2000, `"x#":1`)+`}}}`), ""),
		"cache points":       chatOf(copies(maxMarks/maxParts, parts(maxParts, `{"type":"text","text":"a","cache_control":{}}`)), ""),
		"cached results":     chatOf(copies(maxMarks/maxParts, `{"role":"tool","tool_call_id":"a","content":[`+copies(maxParts, `{"type":"text","text":"a","cache_control":{}}`)+`]}`), ""),
		"function calls":     chatOf(copies(maxMessages/2, `{"role":"assistant","function_call":{"name":"f"}},{"role":"function","name":"f"}`), ""),
		"waiting functions": chatOf(copies(maxWaiting-1, `{"role":"assistant","function_call":{"name":"g"}}`)+","+
			copies(20_000, `{"role":"assistant","function_call":{"name":"f"}},{"role":"function","name":"f"}`), ""),
		"broken arguments":       chatOf(`{"role":"assistant","tool_calls":[`+copies(maxToolCalls, `{"id":"a","function":{"name":"f","arguments":"x"}}`)+`]}`, ""),
		"a long broken argument": chatOf(`{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"`+strings.Repeat(`\u0001`, size/6)+`"}}]}`, ""),
		"one long name":          chatOf(hi, `,"`+strings.Repeat(`\u0061`, size/6)+`":1`),
	}
}

// Memory that grew faster than the body would let a few requests take all of it, and work that grew
// with the square of the body would take minutes.
func TestHostileBodiesTakeLittle(t *testing.T) {
	for name, body := range refusedBodies(30 << 20) {
		t.Run(name, func(t *testing.T) {
			if err := decodeThriftily(t, body); err == nil {
				t.Error("accepted")
			}
		})
	}
	for name, body := range fullBodies(6 << 20) {
		t.Run("full "+name, func(t *testing.T) {
			if err := decodeThriftily(t, body); err != nil {
				t.Error(err)
			}
		})
	}
}

// decodeThriftily decodes a body and checks what that took: at most six times the body and 1 MB.
func decodeThriftily(t *testing.T, text string) error {
	t.Helper()
	body := []byte(text)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	_, _, err := DecodeChat(body)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	spent := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes: %.2f times as much memory, %s", len(body), float64(spent)/float64(len(body)), took)
	if spent > 6*uint64(len(body))+1<<20 || took > 20*time.Second {
		t.Errorf("%d bytes: %d bytes allocated in %s", len(body), spent, took)
	}
	return err
}
