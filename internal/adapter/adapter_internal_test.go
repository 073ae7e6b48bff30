package adapter

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is kept for one caller, such as signed thinking, is found by the caller's name: two keys have two,
// and those without a key have a new one each time. No name shows a key.
func TestCallersAreToldApart(t *testing.T) {
	a := &adapter{salt: []byte("salt")}
	name := func(path string, headers ...string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, http.NoBody)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		caller, err := a.Authenticate(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(caller.Project, "hush") {
			t.Errorf("the caller is called %s", caller.Project)
		}
		return caller.Project
	}
	one := name("/openai/deployments/x/chat/completions", "Api-Key", "hush-1")
	if one != name("/anthropic/v1/messages", "Api-Key", "hush-1") {
		t.Error("one key has two names")
	}
	for _, other := range []string{
		name("/openai/deployments/x/chat/completions", "Api-Key", "hush-2"),
		name("/openai/deployments/x/chat/completions", "Api-Key", "hush-1", "Authorization", "Bearer hush"),
		name("/anthropic/v1/messages", "X-Api-Key", "hush-1"),
		name("/anthropic/v1/messages"),
	} {
		if other == one {
			t.Errorf("two callers are both %s", one)
		}
	}
	if first := name("/anthropic/v1/messages"); first == name("/anthropic/v1/messages") {
		t.Error("two callers without a key have one name")
	}
	b := &adapter{salt: []byte("another")}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
	r.Header.Set("Api-Key", "hush-1")
	if caller, err := b.Authenticate(r); err != nil || caller.Project == one {
		t.Errorf("the name does not depend on the process: %v, %v", caller, err)
	}
}
