package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// explained runs the command on a request and returns its exit status and output.
func runExplain(t *testing.T, request string, args ...string) (code int, out string) {
	t.Helper()
	clearAWS(t)
	var b strings.Builder
	code = run(t.Context(), append([]string{"explain", "-f", "-"}, args...), strings.NewReader(request), &b, &b)
	return code, b.String()
}

func TestExplainShowsWhatWouldBecomeOfARequest(t *testing.T) {
	const claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	for _, tt := range []struct {
		name, request string
		args          []string
		code          int
		want          []string
	}{
		{"plain", `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":1000000}`, []string{"--region", "us-east-1", "amazon.nova-lite-v1:0"}, 0, []string{
			"surface      converse, in one piece", "POST https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse",
			`"text": "Hi"`, "ignored  nothing", "changed  max_tokens: ", "about $", "nothing was sent",
		}},
		{"reported", `{"stream":true,"seed":7,"temperature":0.3,"reasoning_effort":"low","messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}`,
			[]string{"--region", "eu-west-1", claude}, 0, []string{
				"as a stream", "/converse-stream", `"budget_tokens"`, "ignored  seed: no Bedrock model that chats takes it", "ignored  temperature: ",
				"fetched  messages[0].content[1].image_url.url: would be fetched from https://example.com/a.png",
			}},
		{"another surface", `{"messages":[{"role":"user","content":"Hi"}]}`, []string{"--region", "us-east-1", "qwen.qwen3-32b"}, 0, []string{
			"surface      mantle", "POST https://bedrock-mantle.us-east-1.api.aws/v1/chat/completions", "no price is known",
		}},
		{"images", `{"n":2,"messages":[{"role":"user","content":"A cat"}]}`, []string{"--region", "us-east-1", "stability.stable-image-core-v1:1"}, 0, []string{
			"surface      invoke, in one piece", "/invoke", `"prompt": "A cat"`, "$0.080000 for 2 images",
		}},
		{"Claude in its own words", `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":77}`, []string{"--region", "us-east-1", "anthropic.claude-haiku-4-5"}, 0, []string{
			"surface      mantle", "/anthropic/v1/messages", "at most 77 of an answer",
		}},
		{"functions", `{"messages":[{"role":"user","content":"Hi"}],"functions":[{"name":"f"}]}`, []string{"--region", "us-east-1", claude}, 0, []string{
			`"disable_parallel_tool_use": true`, "ignored  nothing",
		}},
		{"functions of a model that calls several", `{"messages":[{"role":"user","content":"Hi"}],"functions":[{"name":"f"}]}`, []string{"--region", "us-east-1", "us.meta.llama3-3-70b-instruct-v1:0"}, 0, []string{"ignored  nothing"}},
		{"no schema", `{"messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"banana"}}}}`,
			[]string{"--region", "us-east-1", claude}, 1, []string{"(at response_format.json_schema.schema)"}},
		{"refused", `{"messages":[{"role":"user","content":"Hi"}],"reasoning_effort":"none"}`, []string{"--region", "us-east-1", "openai.gpt-oss-120b-1:0"}, 1, []string{
			"the request would be refused (invalid): ", "(at reasoning_effort)",
		}},
		{"not a request", `{"messages":[{"role":"user"}]}`, []string{"--region", "us-east-1", claude}, 1, []string{"(at messages[0].content)"}},
		{"no region", `{"messages":[{"role":"user","content":"Hi"}]}`, []string{claude}, 1, []string{"no AWS region: give --region, or set AWS_REGION"}},
		{"no model id", `{"messages":[{"role":"user","content":"Hi"}]}`, []string{"--region", "us-east-1", "no model"}, 1, []string{"the model id holds"}},
		{"truncated", `{"max_prompt_tokens":60,"messages":[{"role":"user","content":"` + strings.Repeat("one two three ", 100) + `"},{"role":"assistant","content":"ok"},{"role":"user","content":"Hi"}]}`,
			[]string{"--region", "us-east-1", claude}, 0, []string{"left out for max_prompt_tokens: messages [0 1]"}},
		{"two bounds of the answer", `{"max_tokens":10,"max_completion_tokens":20,"frobnicate":1,"messages":[{"role":"user","content":"Hi","name":"Bob"}]}`, []string{"--region", "us-east-1", claude}, 0, []string{
			"ignored  max_tokens: ignored beside another max_completion_tokens", "ignored  frobnicate: it is not known here", "ignored  messages[0].name: Bedrock has no names of speakers",
		}},
		{"an ARN that tells no model", `{"messages":[{"role":"user","content":"Hi"}]}`, []string{"arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"}, 0, []string{
			"not known    which model is behind the ARN", "baseModel of the upstream",
		}},
		{"a guardrail that is no part of the body", `{"messages":[{"role":"user","content":"Hi"}],"custom_fields":{"configuration":{"guardrailConfig":{"guardrailIdentifier":"gr1","guardrailVersion":"2"}}}}`,
			[]string{"--region", "us-east-1", "qwen.qwen3-32b"}, 0, []string{"/v1/chat/completions\nX-Amzn-Bedrock-Guardrailidentifier: gr1\nX-Amzn-Bedrock-Guardrailversion: 2\n{"}},
		{"choices", `{"n":3,"messages":[{"role":"user","content":"Hi"}]}`, []string{"--region", "us-east-1", claude}, 0, []string{"for each of 3 choices"}},
		{"long values", `{"messages":[{"role":"user","content":"` + strings.Repeat("a", 5000) + `"}]}`, []string{"--region", "us-east-1", claude}, 0, []string{"--output json shows all"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out := runExplain(t, tt.request, tt.args...)
			if code != tt.code {
				t.Errorf("exit status %d", code)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

func TestExplainReadsADeployment(t *testing.T) {
	file := write(t, configOf(`"claude": {"type": "chat", "endpoint": "bedrock:arn:aws:bedrock:us-west-2:111122223333:application-inference-profile/abc", "defaults": {"max_tokens": 77},
		"upstreams": [{"key": "hush-bedrock-api-key", "baseModel": "anthropic.claude-sonnet-4-5-20250929-v1:0", "guardrail": {"id": "gr1", "version": "1"}}]}`))
	code, out := runExplain(t, `{"messages":[{"role":"user","content":"Hi"}]}`, "--output", "json", "--config", file, "claude")
	var report explanation
	if err := json.Unmarshal([]byte(out), &report); code != 0 || err != nil {
		t.Fatalf("exit status %d, %v\n%s", code, err, out)
	}
	body := strings.ReplaceAll(strings.ReplaceAll(string(report.Body), " ", ""), "\n", "")
	if report.Deployment != "claude" || report.Unknown != "" || report.Region != "us-west-2" || report.Credentials != "Bedrock API key" || report.Tokens.MaxAnswer != 77 ||
		!strings.Contains(body, `"guardrailIdentifier":"gr1"`) || !strings.Contains(body, `"deployment":"claude"`) || strings.Contains(out, "hush") {
		t.Errorf("%s", out)
	}
	if code, out := runExplain(t, `{}`, "--config", file, "nova"); code != 1 || !strings.Contains(out, `no model named "nova"`) {
		t.Errorf("exit status %d\n%s", code, out)
	}
}

// TestExplainKnowsWhatItCannotExplain: what other servers answer is named as such.
func TestExplainKnowsWhatItCannotExplain(t *testing.T) {
	writeConfig(t, `{"models": {"gpt": {"endpoint": "http://adapter/chat"}}, "applications": {"app": {"endpoint": "http://app/chat"}},
		"interceptors": {"pii": {"endpoint": "http://pii"}}, "routes": {"rates": {"paths": ["/r"], "response": {}}}, "keys": {"a-key-of-team-a": {"project": "p", "role": "default"}}}`)
	for name, want := range map[string]string{
		"gpt": "go to another server", "app": "of the kind application", "pii": "of the kind interceptor", "rates": "of the kind route", "none": `no model named "none"`,
	} {
		if code, out := runExplain(t, `{"messages":[{"role":"user","content":"Hi"}]}`, "--config", "a.json", "--region", "us-east-1", name); code != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s, want %q", name, code, out, want)
		}
	}
}
