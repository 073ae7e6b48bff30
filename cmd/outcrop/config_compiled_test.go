package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const compiledConfig = `{
  "models": {
    "claude": {"type": "chat", "endpoint": "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0", "userRoles": ["power"], "interceptors": ["pii"],
      "features": {"consentRequired": true},
      "upstreams": [{"id": "off", "weight": 0, "extraData": {"region": "us-east-1"}}, {"tier": 1, "extraData": {"region": "us-west-2"}}]},
    "nova": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "maxRetryAttempts": 9, "fallback": {"contextLength": "claude", "outage": "gpt"},
      "upstreams": [{"id": "a", "weight": 2, "extraData": {"region": "us-east-1"}, "quota": {"tokensPerMinute": 200000, "requestsPerMinute": 50}}, {"id": "b", "extraData": {"region": "us-east-2"}}, {"tier": 2, "weight": 5}, {"tier": 2, "weight": 5}]},
    "gpt": {"type": "chat", "endpoint": "https://adapter/gpt?key=hush-in-a-url", "userRoles": [],
      "interfaces": {"anthropicMessages": {"mode": "translator", "translator": "messages"}, "openaiResponses": {"mode": "translator", "translator": "gone"}},
      "upstreams": [{"key": "hush-upstream-key"}]},
    "nowhere": {"type": "chat"}
  },
  "applications": {"assistant": {"endpoint": "http://assistant:5000/chat"}},
  "interceptors": {"pii": {"endpoint": "http://pii/chat", "defaultHeaders": {"Authorization": "Bearer hush-token"}}},
  "translators": {"messages": {"in": "anthropicMessages", "out": "openaiChatCompletions", "baseUrl": "http://translator"}},
  "routes": {"plain": {"paths": ["/plain/.*"], "upstreams": [{"endpoint": "http://routes/hush-path", "key": "hush-route-key"}]}},
  "keys": {"hush-key-1": {"project": "team-a", "roles": ["power"]}},
  "roles": {"power": {"limits": {"claude": {"minute": 1000, "requestDay": 5}}}}
}`

// What can be called is printed with who answers and who may call, and without a secret.
func TestConfigCheckTellsWhoAnswers(t *testing.T) {
	writeConfig(t, compiledConfig)
	out, _, code := runConfig(t, "check", "a.json")
	if code != 0 {
		t.Fatal(out)
	}
	_, got, _ := strings.Cut(out, "deployments: ")
	got, _, _ = strings.Cut(got, "\n\n")
	want := `7
  model claude, for roles power, after consent
      openaiChatCompletions: this process
      interceptors: pii
      upstream off: tier 0, weight 0, region us-east-1, disabled
      upstream #2: tier 1, weight 1, region us-west-2, asked
      limits of power: 1000 tokens a minute, 5 requests a day
  model nova, for everyone
      openaiChatCompletions: this process
      openaiResponses: this process
      anthropicMessages: this process
      upstream a: tier 0, weight 2, region us-east-1, quota 200000 tokens a minute, quota 50 requests a minute, 66.7 % of its tier
      upstream b: tier 0, weight 1, region us-east-2, 33.3 % of its tier
      upstream #3: tier 2, weight 5, asked when the lower tiers cannot answer, 50 % of its tier
      upstream #4: tier 2, weight 5, asked when the lower tiers cannot answer, 50 % of its tier
      at most 4 upstreams per request
      fallback: claude when the prompt is too long, gpt when no upstream can answer
  model gpt, for nobody
      openaiChatCompletions: https://adapter
      anthropicMessages: translator messages at http://translator
      upstream #1: tier 0, weight 1, asked
  model nowhere, for everyone
      nobody answers: requests get 503
  application assistant, for everyone
      openaiChatCompletions: http://assistant:5000
  interceptor pii, for the deployments that name it
      openaiChatCompletions: http://pii
  route plain, for everyone
      /plain/.*: http://routes
      upstream #1: tier 0, weight 1, asked
where prompts may run:
  claude: not known: the interceptor pii states no regions
  nova: the environment's region, us-east-1, us-east-2, us-west-2
  gpt: not known: it states no regions
  assistant: not known: it states no regions`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	asJSON, _, _ := runConfig(t, "check", "--output", "json", "a.json")
	if strings.Contains(out+asJSON, "hush-") {
		t.Errorf("a secret leaks:\n%s\n%s", out, asJSON)
	}
	if !strings.Contains(asJSON, `"answers": "translator messages at http://translator"`) {
		t.Errorf("the JSON does not tell who answers:\n%s", asJSON)
	}
}
