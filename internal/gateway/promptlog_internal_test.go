package gateway

import "testing"

// TestURIsHaveNoCredentials in the prompt log.
func TestURIsHaveNoCredentials(t *testing.T) {
	for uri, want := range map[string]string{
		"/v1/chat":                                   "/v1/chat",
		"/v1/chat?api-version=2024&x":                "/v1/chat?api-version=2024&x",
		"/r?key=hunter2&a=1":                         "/r?key=REDACTED&a=1",
		"/r?api_key=hunter2":                         "/r?api_key=REDACTED",
		"/r?a=1&access%5Ftoken=hunter2&%zz=hunter2":  "/r?a=1&access%5Ftoken=REDACTED&%zz=REDACTED",
		"/r?X-Amz-Signature=hunter2&sig=hunter2&b=?": "/r?X-Amz-Signature=REDACTED&sig=REDACTED&b=?",
	} {
		if got := (&PromptLog{Bodies: true}).openURI(uri); got != want {
			t.Errorf("%s: %s, not %s", uri, got, want)
		}
	}
}

// TestURIsHaveNoPrompts where the prompt log has no bodies.
func TestURIsHaveNoPrompts(t *testing.T) {
	const uri = "/r?api-version=2024-10-21&question=who&key=hunter2&who"
	const want = "/r?api-version=2024-10-21&question=REDACTED&key=REDACTED&who=REDACTED"
	if got := new(PromptLog).openURI(uri); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}
