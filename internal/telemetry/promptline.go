package telemetry

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/money"
	"outcrop/internal/usage"
)

const (
	// maxLine is how long an entry may be, in bytes, as DIAL's: one that would be longer goes without its bodies.
	maxLine = 16 << 20
	// maxHeader is where the value of a header is cut, in characters, and headerCut what shows that.
	maxHeader = 4096
	headerCut = ">>"
)

// line appends an Entry as a line of the log, in the order of DIAL's fields.
func (f headerFilter) line(dst []byte, e *usage.Entry) []byte {
	begun := len(dst)
	if dst = f.entry(dst, e); len(dst)-begun <= maxLine {
		return dst
	}
	bare, talk := *e, *e.Talk
	talk.Request, talk.Response, bare.Talk = nil, nil, &talk
	return f.entry(dst[:begun], &bare)
}

func (f headerFilter) entry(dst []byte, e *usage.Entry) []byte {
	t := e.Talk
	dst = member(append(dst, `{"apiType":"DialOpenAI","chat":{`...), "id", t.Conversation)
	dst = member(append(dst, `},"project":{`...), "id", e.Project)
	dst = member(append(dst, `},"user":{`...), "id", e.User)
	dst = append(member(append(dst, ','), "title", t.Title), '}')
	dst = f.whose(dst, t)
	dst = appendTokenUsage(dst, e)
	dst = appendPerModel(dst, t.PerModel)
	deployment := e.Deployment
	if len(t.Path) > 0 { // on the way to it that is an interceptor
		deployment = t.Path[len(t.Path)-1]
	}
	dst = member(append(dst, ','), "deployment", deployment)
	dst = member(append(dst, ','), "parent_deployment", t.Parent)
	dst = appendStrings(append(dst, `,"execution_path":`...), t.Path)
	dst = strconv.AppendInt(append(dst, `,"operation_duration_ms":`...), e.Finished.Milliseconds(), 10)
	said := !t.Secured && t.Response != nil
	if said {
		dst = jsonscan.AppendString(append(dst, `,"assembled_response":`...), string(assemble(t.Response)))
	}
	dst = member(append(dst, `,"trace":{`...), "trace_id", e.Trace)
	dst = member(append(dst, ','), "core_span_id", cmp.Or(e.Call, e.Span)) // calls that it led to name that as theirs
	dst = member(append(dst, ','), "core_parent_span_id", e.Parent)
	dst = member(append(dst, `},"request":{`...), "protocol", t.Protocol)
	dst = member(append(dst, ','), "method", t.Method)
	dst = member(append(dst, ','), "uri", t.URI)
	dst = member(append(dst, ','), "time", e.Began.UTC().Format("2006-01-02T15:04:05.000"))
	if !t.Secured && t.Request != nil {
		dst = member(append(dst, ','), "body", string(wholeRunes(t.Request)))
	}
	dst = member(append(dst, `},"response":{`...), "status", statusText(e.Status))
	dst = member(append(dst, ','), "upstream_uri", t.UpstreamURI)
	if said {
		dst = member(append(dst, ','), "body", string(wholeRunes(t.Response)))
	}
	return append(dst, "}}\n"...)
}

// member appends a member of an object that is a string.
func member(dst []byte, name, value string) []byte {
	return jsonscan.AppendString(append(jsonscan.AppendString(dst, name), ':'), value)
}

// statusText is the status as DIAL has it, a string: "" when no reply could be written.
func statusText(status int) string {
	if status == 0 {
		return ""
	}
	return strconv.Itoa(status)
}

// wholeRunes is a body without the part of a character that it was cut in.
func wholeRunes(body []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax-1, len(body)); i++ {
		last := body[len(body)-i:]
		if utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return body[:len(body)-i]
			}
			break
		}
	}
	return body
}

// whose appends the claims and the headers, if they are collected.
func (f headerFilter) whose(dst []byte, t *usage.Talk) []byte {
	if t.Claims != nil {
		dst = append(dst, `,"claims":{`...)
		for i, name := range slices.Sorted(maps.Keys(t.Claims)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(jsonscan.AppendString(dst, name), ':')
			if values := t.Claims[name]; len(values) == 1 && name != "roles" {
				dst = jsonscan.AppendString(dst, values[0])
			} else {
				dst = appendStrings(dst, values)
			}
		}
		dst = append(dst, '}')
	}
	if t.Headers == nil {
		return dst
	}
	dst = append(dst, `,"headers":{`...)
	first := true
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		if len(t.Headers[name]) == 0 || !f.logs(name) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = member(dst, name, cutHeader(t.Headers[name][0]))
	}
	return append(dst, '}')
}

// cutHeader is a value as it is logged.
func cutHeader(value string) string {
	if len(value) <= maxHeader {
		return value
	}
	n := 0
	for i := range value {
		if n++; n > maxHeader {
			return value[:i] + headerCut
		}
	}
	return value
}

func appendStrings(dst []byte, values []string) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, v)
	}
	return append(dst, ']')
}

// appendTokenUsage appends what the request used and what that cost: deployment_price is its own, price with all that
// it led to. Of one that used nothing there is nothing.
func appendTokenUsage(dst []byte, e *usage.Entry) []byte {
	total, known := priceOf(e)
	if e.Usage == (llm.Usage{}) && !known {
		return dst
	}
	dst = appendUsage(append(dst, `,"token_usage":{`...), e.Usage)
	if e.Priced {
		dst = append(append(dst, `,"deployment_price":`...), e.Cost.String()...)
	}
	if known {
		dst = append(append(dst, `,"price":`...), total.String()...)
	}
	return append(dst, '}')
}

// priceOf is what a request cost with those that it led to, as far as that is known.
func priceOf(e *usage.Entry) (total money.Amount, known bool) {
	for _, line := range e.Talk.PerModel {
		if line.Priced {
			total, known = total.Plus(line.Cost), true
		}
	}
	if len(e.Talk.PerModel) == 0 {
		return e.Cost, e.Priced
	}
	return total, known
}

// appendUsage appends the members of a usage in OpenAI's words. Images count as completion tokens, as in replies.
func appendUsage(dst []byte, u llm.Usage) []byte {
	number := func(name string, n int) {
		dst = strconv.AppendInt(append(append(append(dst, '"'), name...), `":`...), int64(n), 10)
	}
	number("completion_tokens", u.Output+u.Images)
	dst = append(dst, ',')
	number("prompt_tokens", u.Prompt())
	dst = append(dst, ',')
	number("total_tokens", u.Total()+u.Images)
	if u.CacheRead > 0 || u.CacheWrite > 0 {
		dst = append(dst, `,"prompt_tokens_details":{`...)
		number("cached_tokens", u.CacheRead)
		dst = append(dst, ',')
		number("cache_write_tokens", u.CacheWrite)
		dst = append(dst, '}')
	}
	if u.Reasoning > 0 {
		dst = append(dst, `,"completion_tokens_details":{`...)
		number("reasoning_tokens", u.Reasoning)
		dst = append(dst, '}')
	}
	return dst
}

// appendPerModel appends what each model was used for.
func appendPerModel(dst []byte, lines []usage.ModelUsage) []byte {
	if len(lines) == 0 {
		return dst
	}
	dst = append(dst, `,"usage_per_model":[`...)
	for i, line := range lines {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(member(append(dst, '{'), "model", line.Model), ',')
		dst = appendUsage(dst, line.Usage)
		if line.Priced {
			dst = append(append(dst, `,"cost":`...), line.Cost.String()...)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
