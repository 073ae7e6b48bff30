package models

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAFileChangesWhatItStates(t *testing.T) {
	const id = "us.amazon.nova-lite-v1:0"
	plain, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	changed, err := LoadWith([]byte(`{"models": [
		{"id": "us.amazon.nova-lite-v1:0", "max_output_tokens": 77, "input": ["text"], "streaming": null, "converse": {"prefill": false}, "prices": null},
		{"id": "us.acme.brand-new-v1:0", "context_window": 1000}
	]}`))
	if err != nil {
		t.Fatal(err)
	}
	before, _ := plain.Lookup(id)
	want := before.clone()
	want.MaxOutputTokens, want.Input, want.Streaming, want.Prices = 77, []string{"text"}, Unknown, nil
	want.Converse.Prefill = No
	after, _ := changed.Lookup(id)
	if diff := cmp.Diff(&want, after); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	fresh := Model{
		ID: "us.acme.brand-new-v1:0", Base: "acme.brand-new-v1:0", Geo: "us", Provider: "acme", Name: "brand-new-v1:0", Kind: Chat,
		ContextWindow: 1000, Lifecycle: Lifecycle{Status: Active},
	}
	added, ok := changed.Lookup(fresh.ID)
	if diff := cmp.Diff(&fresh, added); !ok || diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(changed.All()) != len(plain.All())+1 {
		t.Errorf("%d models, there were %d", len(changed.All()), len(plain.All()))
	}
	if again, _ := Load(); !reflect.DeepEqual(again, plain) {
		t.Error("the embedded catalogue has changed")
	}
}

func TestAFileOfModelsThatIsWrong(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{`{"models": [`, "line 1: not JSON"},
		{"{\n\"models\": [\n{\"id\": \"a.b\",}]}", "line 3: not JSON"},
		{`[]`, `line 1: expected {"models": [ … ]}`},
		{`{"models": {}}`, `expected {"models": [ … ]}`},
		{`{"models": [], "more": 1}`, "nothing beside models"},
		{`{"models": [{}]}`, "a model needs an id"},
		{`{"models": [{"id": 7}]}`, "id cannot be a number"},
		{"{\"models\": [{\"id\": \"a.b\"},\n{\"id\": \"a.b\"}]}", `line 2: the id "a.b" appears twice`},
		{`{"models": [{"id": "a.b", "max_output": 5}]}`, `unknown field "max_output"`},
		{`{"models": [{"id": "a.b", "context_window": "many"}]}`, "context_window cannot be a string"},
		{`{"models": [{"id": "a.b", "converse": {"thinking": "hard"}}]}`, `converse.thinking is "hard"; expected one of none, budget`},
		{`{"models": [{"id": "a.b", "kind": "Chat"}]}`, `kind is "Chat"; expected one of chat`},
		{`{"models": [{"id": "a.b", "lifecycle": {"status": "dead"}}]}`, "lifecycle.status"},
		{`{"models": [{"id": "a.b", "streaming": "yes"}]}`, "line 1"},
	} {
		if _, err := LoadWith([]byte(tt.file)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.file, err, tt.want)
		}
	}
}
