package main

import (
	"strings"
	"testing"
)

// TestConfigCheckReadsDefaults: what would keep the server from its start, or refuse every request, is
// told before.
func TestConfigCheckReadsDefaults(t *testing.T) {
	const nova = `"a": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "defaults": `
	for _, tt := range []struct {
		defaults string
		code     int
		want     string
	}{
		{`{"max_tokens": 77, "temperature": 0.3}`, 0, ""},
		{`{"temperature": 9}`, 1, "error: models.a.defaults: temperature: expected a number from 0 to 2\n"},
		{`{"messages": []}`, 1, "error: models.a.defaults: messages: has no default"},
		{`{"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "banana"}}}}`, 1,
			"error: models.a.defaults: response_format.json_schema.schema: not a valid JSON Schema: at $.type: enum\n"},
		{`{"verbosity": "low"}`, 0, "warning: models.a.defaults: members without effect: verbosity (remove them)\n"},
		{`{"custom_fields": {"configuration": {"nope": 1}}}`, 0, "warning: models.a.defaults: the model refuses requests with these defaults: "},
		{`{"max_prompt_tokens": 1}`, 0, ""},
	} {
		out, _, code := runConfig(t, "check", write(t, configOf(nova+tt.defaults+"}")))
		if code != tt.code || !strings.Contains(out, tt.want) || tt.want == "" && strings.Contains(out, "models.a.defaults") {
			t.Errorf("%s: exit status %d\n%s", tt.defaults, code, out)
		}
	}
}
