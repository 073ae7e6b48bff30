package openai

import (
	"bytes"
	"encoding/json"
)

// echoed are the members of a response that repeat the request, with OpenAI's defaults. The tier is the
// last one: the response says the one that served it, where it is known.
func echoed() [echoes]member {
	return [echoes]member{
		{"background", "false"},
		{"instructions", "null"},
		{"max_output_tokens", "null"},
		{"max_tool_calls", "null"},
		{"metadata", "{}"},
		{"parallel_tool_calls", "true"},
		{"previous_response_id", "null"},
		{"prompt_cache_key", "null"},
		{"reasoning", `{"effort":null,"summary":null}`},
		{"safety_identifier", "null"},
		{"store", "true"},
		{"temperature", "1"},
		{"text", `{"format":{"type":"text"}}`},
		{"tool_choice", `"auto"`},
		{"tools", "[]"},
		{"top_logprobs", "0"},
		{"top_p", "1"},
		{"truncation", `"disabled"`},
		{"user", "null"},
		{"service_tier", `"auto"`},
	}
}

// echoes is how many they are.
const echoes = 20

type member struct{ name, usual string }

// echo is where in the body the members are that a response repeats; from 0 to 0 of one that is absent.
type echo [echoes]struct{ from, to int }

func (e *echo) note(key string, from, to int) {
	for i, m := range echoed() {
		if m.name == key {
			e[i].from, e[i].to = from, to
		}
	}
}

func (e *echo) append(dst, body []byte) []byte {
	for i, m := range echoed() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), m.name...), `":`...)
		raw := bytes.TrimSpace(body[e[i].from:e[i].to])
		switch {
		case len(raw) == 0:
			dst = append(dst, m.usual...)
		case bytes.ContainsAny(raw, "\r\n"):
			dst = appendCompact(dst, raw) // a line break would end a frame
		default:
			dst = append(dst, raw...)
		}
	}
	return dst
}

func appendCompact(dst, raw []byte) []byte {
	b := bytes.NewBuffer(dst)
	_ = json.Compact(b, raw) // it has been scanned
	return b.Bytes()
}

// tierMember is how the echo's last member begins.
const tierMember = `,"service_tier":`

// cutTier is the echo without its last member, the tier.
func cutTier(echo []byte) (rest, tier []byte) {
	at := bytes.LastIndex(echo, []byte(tierMember))
	if at < 0 || bytes.ContainsAny(echo[at+len(tierMember):], ",}]") {
		return echo, nil
	}
	return echo[:at], echo[at+len(tierMember):]
}
