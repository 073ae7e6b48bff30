package fixturetest

import (
	"encoding/json"
	"slices"
	"strings"
)

// quotable is how long a text of a request is, in bytes, that no log can have by chance.
const quotable = 12

// quotedIn is what a log has of a request that it must not: its credentials, and texts of its body.
func quotedIn(log string, request []byte) (found []string) {
	if log == "" {
		return nil
	}
	head, body, _ := strings.Cut(string(request), "\n\n")
	var said []string
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if slices.Contains([]string{"Api-Key", "X-Api-Key", "Authorization", "X-Upstream-Key", "Cookie"}, name) && value != "" {
			said = append(said, strings.TrimPrefix(value, "Bearer "))
		}
	}
	var document any
	if json.Unmarshal([]byte(body), &document) == nil {
		said = append(said, texts(document, false)...)
	}
	for _, text := range said {
		if quoted, err := json.Marshal(text); len(text) >= quotable && err == nil && (strings.Contains(log, text) || strings.Contains(log, strings.Trim(string(quoted), `"`))) {
			found = append(found, text)
		}
	}
	return found
}

// texts are the strings of a document that people or programs have written: not names of models, and the like.
func texts(value any, inside bool) (all []string) {
	switch v := value.(type) {
	case string:
		if inside {
			all = append(all, v)
		}
	case []any:
		for _, item := range v {
			all = append(all, texts(item, inside)...)
		}
	case map[string]any:
		for name, item := range v {
			free := slices.Contains([]string{"content", "text", "input", "inputs", "prompt", "query", "documents", "instructions", "arguments", "system", "url", "data", "user", "comment", "description"}, name)
			all = append(all, texts(item, free || inside && name != "type" && name != "role" && name != "model")...)
		}
	}
	return all
}
