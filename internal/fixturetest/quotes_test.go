package fixturetest

import (
	"slices"
	"testing"
)

// TestQuotesAreFound in a log, and names of models and roles are none.
func TestQuotesAreFound(t *testing.T) {
	request := []byte("POST /x\nApi-Key: a-key-of-team-a\n\n" + `{"model":"a-model-with-a-name","messages":[{"role":"a-role-with-a-name","content":[{"type":"text","text":"what is \"it\", then?"}]}],"tools":[{"function":{"arguments":"{\"secret\":\"swordfish\"}"}}]}`)
	for log, want := range map[string][]string{
		"": nil, "level=INFO model=a-model-with-a-name role=a-role-with-a-name": nil, `error="no a-key-of-team-a"`: {"a-key-of-team-a"},
		`error="what is \"it\", then?"`: {`what is "it", then?`}, `{\"secret\":\"swordfish\"}`: {`{"secret":"swordfish"}`},
	} {
		if got := quotedIn(log, request); !slices.Equal(got, want) {
			t.Errorf("%s: %q", log, got)
		}
	}
}
