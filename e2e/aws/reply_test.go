//go:build aws || e2e

package aws_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// wrong says what is wrong with the gateway's reply to a trial, "" when it is what a client of that API expects.
// refused says that AWS has refused what it was to refuse.
func (t *trial) wrong(a answer, refused bool) string {
	if refused {
		return wrongRefusal(t.route, a)
	}
	if a.status != 200 {
		return fmt.Sprintf("status %d where the request was good: %.300s", a.status, a.body)
	}
	if list := a.events(); list != nil {
		return wrongStream(t.route, list)
	}
	var v map[string]any
	if json.Unmarshal(a.body, &v) != nil {
		return "the body is no JSON object"
	}
	return missing(v, members(t.route))
}

// members are what a reply of a route cannot be without; a number is an element of a list.
func members(route string) []string {
	switch route {
	case routeChat:
		return []string{"id", "object=chat.completion", "choices.0.message.role=assistant", "choices.0.finish_reason", "usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens"}
	case routeMessages:
		return []string{"id", "type=message", "role=assistant", "content.0.type", "stop_reason", "usage.input_tokens", "usage.output_tokens"}
	case routeEmbed:
		return []string{"object=list", "data.0.object=embedding", "data.0.embedding.0", "usage.prompt_tokens"}
	case routeRerank:
		return []string{"results.0.relevance_score", "results.1.index"}
	case routeImages:
		return []string{"created", "data.0"}
	case routeCount:
		return []string{"input_tokens"}
	}
	return nil
}

// missing names the first member that is not there or has another value.
func missing(v map[string]any, paths []string) string {
	for _, path := range paths {
		path, want, valued := strings.Cut(path, "=")
		got := member(v, strings.Split(path, "."))
		if got == nil {
			return path + " is missing"
		}
		if valued && got != want {
			return fmt.Sprintf("%s is %v, not %s", path, got, want)
		}
	}
	return ""
}

func member(v any, path []string) any {
	for _, name := range path {
		switch now := v.(type) {
		case map[string]any:
			v = now[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(now) {
				return nil
			}
			v = now[i]
		default:
			return nil
		}
	}
	return v
}

// wrongStream looks at the end of a stream, and for an error in it.
func wrongStream(route string, list []event) string {
	for _, e := range list {
		var v map[string]any
		if e.name != "[DONE]" && json.Unmarshal(e.data, &v) != nil {
			return "an event is no JSON object"
		}
		if v["error"] != nil {
			return fmt.Sprintf("an error in the stream: %.300s", e.data)
		}
	}
	last := list[len(list)-1].name
	if route == routeMessages && last != "message_stop" || route == routeChat && last != "[DONE]" {
		return fmt.Sprintf("the stream ends with %q", last)
	}
	return ""
}

// wrongRefusal wants an error in the words of the route's API.
func wrongRefusal(route string, a answer) string {
	if a.status < 400 {
		return fmt.Sprintf("status %d where AWS was to refuse", a.status)
	}
	var v map[string]any
	if json.Unmarshal(a.body, &v) != nil {
		return "the error is no JSON object"
	}
	paths := []string{"error.message", "error.type"}
	if route == routeMessages {
		paths = append(paths, "type=error")
	}
	return missing(v, paths)
}
