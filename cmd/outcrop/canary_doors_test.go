package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type object = map[string]any

// config is a configuration with every kind of deployment, and a secret wherever one may stand.
func (w *canaryWorld) config(dir string) (configFile, settingsFile string) {
	w.t.Helper()
	chat := func(id string, upstreams ...object) object {
		m := object{"type": "chat", "endpoint": "bedrock:" + id}
		if len(upstreams) > 0 {
			m["upstreams"] = upstreams
		}
		return m
	}
	const nova, claude = "us.amazon.nova-lite-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	keys := w.awsKeys("upstream")
	other := w.url + "/other/model/chat/completions"
	remote := object{"id": "r", "endpoint": "http://told/" + w.plant("told-endpoint"), "key": w.plant("remote-key"), "extraData": object{"x": w.plant("extra-data")}}
	of := func(kind, endpoint string) object { return object{"type": kind, "endpoint": endpoint} }
	cfg := object{
		"models": object{
			"nova": chat(nova), "claude": chat(claude),
			"by-keys":     chat(nova, object{"extraData": object{"region": "us-east-1", "aws_access_key_id": keys.AccessKeyID}, "secretExtraData": object{"aws_secret_access_key": keys.SecretAccessKey, "aws_session_token": keys.SessionToken}}),
			"by-api-key":  chat(nova, object{"key": w.plant("bedrock-api-key"), "extraData": object{"region": "us-east-1"}}),
			"wrong-key":   chat(nova, object{"key": w.plant("wrong-api-key"), "extraData": object{"region": "us-east-1"}}),
			"wrong-keys":  chat(nova, object{"extraData": object{"region": "us-east-1", "aws_access_key_id": "AKIA" + strings.ToUpper(canary) + "WRONG", "aws_secret_access_key": w.plant("wrong-secret")}}),
			"by-role":     chat(nova, object{"extraData": object{"region": "us-east-1", "aws_assume_role_arn": "arn:aws:iam::" + canaryAccount + ":role/bedrock", "aws_external_id": w.plant("external-id")}}),
			"denied-role": chat(nova, object{"extraData": object{"region": "us-east-1", "aws_assume_role_arn": "arn:aws:iam::" + canaryAccount + ":role/denied"}}),
			"by-arn":      chat("arn:aws:bedrock:us-east-1:" + canaryAccount + ":application-inference-profile/sandbox-us-amazon-nova-lite-v1-0"),
			"nowhere":     chat(nova, object{"extraData": object{"region": "us-east-1", "aws_endpoint_url_bedrock_runtime": "http://127.0.0.1:1"}}),
			"proxied":     chat(nova, object{"extraData": object{"region": "us-east-1", "https_proxy": "http://user:" + w.plant("proxy-password") + "@127.0.0.1:1", "aws_endpoint_url_bedrock_runtime": "https://bedrock.invalid"}}),
			"embed":       of("embedding", "bedrock:amazon.titan-embed-text-v2:0"), "rank": of("rerank", "bedrock:cohere.rerank-v3-5:0"),
			"image":  chat("stability.stable-image-core-v1:1"),
			"remote": object{"type": "chat", "endpoint": other, "upstreams": []object{remote}, "defaultHeaders": object{"X-Default": w.plant("default-header")}, "features": object{"rateEndpoint": w.url + "/other/rate", "tokenizeEndpoint": w.url + "/other/tokenize"}},
			"gone":   object{"type": "chat", "endpoint": "http://127.0.0.1:1/x?key=" + w.plant("endpoint-query"), "upstreams": []object{remote}},
			"backup": object{"type": "chat", "endpoint": "bedrock:" + nova, "fallback": object{"outage": "nova"}, "upstreams": []object{{"extraData": object{"region": "us-east-1", "aws_endpoint_url_bedrock_runtime": "http://127.0.0.1:1"}}}},
			"guard":  object{"type": "chat", "endpoint": "bedrock:" + nova, "interceptors": []string{"on-the-way"}},
		},
		"applications": object{"app": object{"endpoint": w.url + "/other/on/app", "forwardAuthToken": true}},
		"interceptors": object{"on-the-way": object{"endpoint": w.url + "/other/on/way"}},
		"routes":       object{"r": object{"paths": []string{"/routed"}, "upstreams": []object{{"endpoint": w.url + "/other/route", "key": w.plant("route-key")}}}},
		"roles":        object{"default": object{"limits": object{"nova": object{"minute": 100000000}}}, "poor": object{"limits": object{"nova": object{"minute": 1}}}},
		"keys": object{
			w.plant("key-of-a"): object{"project": "team-a", "role": "default"}, w.plant("key-of-b"): object{"project": "team-b", "role": "default"},
			w.plant("key-of-the-poor"): object{"project": "team-poor", "role": "poor"}, w.plant("key-secured"): object{"project": "team-s", "role": "default", "secured": true},
		},
	}
	settings := object{
		"encryption": object{"secret": w.plant("encryption-secret"), "key": w.plant("encryption-key")},
		"identityProviders": object{
			"idp":    object{"jwksUrl": w.url + "/idp/keys", "issuer": "idp", "audience": "dial", "rolePath": "roles", "loggingKey": "email", "loggingSalt": w.plant("salt"), "userDisplayName": "name"},
			"opaque": object{"userInfoEndpoint": w.url + "/idp/user?k=" + w.plant("user-info-query"), "rolePath": "roles"},
		},
	}
	configFile, settingsFile = filepath.Join(dir, "aidial.config.json"), filepath.Join(dir, "aidial.settings.json")
	w.write(configFile, cfg)
	w.write(settingsFile, settings)
	return configFile, settingsFile
}

func (w *canaryWorld) write(file string, content any) {
	w.t.Helper()
	text, err := json.MarshalIndent(content, "", " ")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// door is where a prompt comes in: with what stands for %s in its body.
type door struct{ name, method, path, body string }

// doors are all that take prompts, and some of those that take none.
func (w *canaryWorld) doors() (all []door) {
	const message = `"messages":[{"role":"system","content":"canary7q-system"},{"role":"user","content":"canary7q-prompt %s","name":"canary7q_user_name"}]`
	chat := func(name, deployment, more string) {
		body := `{` + message + more + `}`
		if strings.HasPrefix(more, `,"messages"`) {
			body = `{` + more[1:] + `}`
		}
		all = append(all, door{name, http.MethodPost, "/openai/deployments/" + deployment + "/chat/completions", body})
	}
	const tools = `,"tools":[{"type":"function","function":{"name":"canary7q_tool","description":"canary7q-tool-description","parameters":{"type":"object","properties":{"canary7q_member":{"type":"string"}}}}}],"user":"canary7q-end-user"`
	for _, d := range []string{"nova", "claude", "by-keys", "by-api-key", "by-role", "by-arn", "wrong-key", "wrong-keys", "denied-role", "nowhere", "proxied", "remote", "gone", "backup", "guard", "app"} {
		chat("chat of "+d, d, `,"max_tokens":40`+tools)
		chat("stream of "+d, d, `,"max_tokens":40,"stream":true,"stream_options":{"include_usage":true}`)
	}
	for name, more := range map[string]string{
		"a wrong member": `,"temperature":"canary7q-temperature"`, "an unknown member": `,"canary7q_unknown":"canary7q-value"`, "a wrong role": `,"messages":[{"role":"canary7q-role","content":"x"}]`,
		"a wrong tool": `,"tools":[{"type":"canary7q-tool-type"}]`, "a wrong choice": `,"tool_choice":{"type":"function","function":{"name":"canary7q_no_tool"}}`,
		"a wrong schema": `,"response_format":{"type":"json_schema","json_schema":{"name":"canary7q","schema":{"type":"canary7q-type"}}}`, "half": `,"messages":[{"role":"canary7q-half`,
		"a schema of a tool": `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"canary7q_property":{"type":"canary7q"}},"required":"canary7q-required"}}}]`,
		"a configuration":    `,"custom_fields":{"configuration":{"canary7q":"canary7q-configuration"}}`, "tools that answer": `,"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"canary7q-id","type":"function","function":{"name":"canary7q_f","arguments":"{\"canary7q\": canary7q-arguments"}}]},{"role":"tool","tool_call_id":"canary7q-other","content":"canary7q-result"}]`,
	} {
		chat(name, "nova", more)
		chat(name+", Claude", "claude", more)
	}
	picture := base64.StdEncoding.EncodeToString(canaryPicture())
	for name, url := range map[string]string{
		"an image": "data:image/png;base64," + picture, "a wrong image": "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte("canary7q-bytes-of-no-image")),
		"a file": w.url + "/files/picture.png?sig=canary7q-url", "no file": w.url + "/files/none?sig=canary7q-url", "a file elsewhere": w.url + "/files/away?sig=canary7q-url",
		"a file with a password": "http://canary7q-user:canary7q-password@" + strings.TrimPrefix(w.url, "http://") + "/files/none", "no URL": "canary7q://canary7q-url", "a private file": "http://169.254.169.254/canary7q-path",
	} {
		chat(name, "nova", `,"messages":[{"role":"user","content":[{"type":"text","text":"canary7q-text %s"},{"type":"image_url","image_url":{"url":"`+url+`"}}]}]`)
	}
	post := func(name, path, body string) { all = append(all, door{name, http.MethodPost, path, body}) }
	post("chat without a path", "/openai/v1/chat/completions", `{"model":"nova",`+message+`}`)
	post("no deployment", "/openai/deployments/canary7q-deployment/chat/completions", `{`+message+`}`)
	post("no deployment in a model", "/openai/v1/chat/completions", `{"model":"canary7q-model",`+message+`}`)
	post("completions", "/openai/deployments/nova/completions", `{"prompt":"canary7q-prompt %s","max_tokens":20}`)
	post("embeddings", "/openai/deployments/embed/embeddings", `{"input":["canary7q-input %s"]}`)
	post("wrong embeddings", "/openai/deployments/embed/embeddings", `{"input":"canary7q-input %s","dimensions":"canary7q-dimensions"}`)
	post("rerank", "/v2/rerank", `{"model":"rank","query":"canary7q-query %s","documents":["canary7q-document"]}`)
	post("images", "/openai/v1/images/generations", `{"model":"image","prompt":"canary7q-prompt %s"}`)
	post("wrong images", "/openai/v1/images/generations", `{"model":"image","prompt":"canary7q-prompt %s","size":"canary7q-size"}`)
	for _, model := range []string{"nova", "claude", "remote", "app"} {
		post("responses of "+model, "/openai/v1/responses", `{"model":"`+model+`","input":"canary7q-input %s","instructions":"canary7q-instructions","metadata":{"canary7q":"canary7q-metadata"},"user":"canary7q-end-user"}`)
		post("messages of "+model, "/anthropic/v1/messages", `{"model":"`+model+`","max_tokens":40,"system":"canary7q-system","messages":[{"role":"user","content":"canary7q-prompt %s"}],"metadata":{"user_id":"canary7q-end-user"}}`)
	}
	post("a stream of responses", "/openai/v1/responses", `{"model":"nova","input":"canary7q-input %s","stream":true}`)
	post("a response in the background", "/openai/v1/responses", `{"model":"nova","input":"canary7q-input %s","background":true}`)
	post("a response after none", "/openai/v1/responses", `{"model":"nova","input":"canary7q-input %s","previous_response_id":"canary7q-response"}`)
	post("a stream of messages", "/anthropic/v1/messages", `{"model":"claude","max_tokens":40,"stream":true,"messages":[{"role":"user","content":"canary7q-prompt %s"}]}`)
	post("wrong messages", "/anthropic/v1/messages", `{"model":"claude","max_tokens":"canary7q-tokens","messages":[{"role":"canary7q-role","content":"canary7q-prompt %s"}]}`)
	post("unknown members of messages", "/anthropic/v1/messages", `{"model":"claude","max_tokens":9,"canary7q_member":{"canary7q_x":1},"messages":[{"role":"user","canary7q_member":1,"content":[{"type":"text","text":"canary7q-prompt %s","canary7q_member":2}]}],"tools":[{"name":"canary7q tool","input_schema":{"type":"object","properties":{"canary7q_property":{"type":3}}}}]}`)
	post("a count of messages", "/anthropic/v1/messages/count_tokens", `{"model":"claude","messages":[{"role":"user","content":"canary7q-prompt %s"}]}`)
	post("tokenize", "/v1/deployments/nova/tokenize", `{"inputs":[{"type":"string","value":"canary7q-value %s"}]}`)
	post("truncate", "/v1/deployments/nova/truncate_prompt", `{"inputs":[{`+message+`,"max_prompt_tokens":5}]}`)
	post("tokenize elsewhere", "/v1/deployments/remote/tokenize", `{"inputs":[{"type":"string","value":"canary7q-value %s"}]}`)
	post("rate", "/v1/remote/rate", `{"responseId":"canary7q-response","comment":"canary7q-comment %s"}`)
	post("a route", "/routed?question=canary7q-query", `{"x":"canary7q-body %s"}`)
	post("a query", "/openai/deployments/nova/chat/completions?api-version=2024-10-21&parameter=canary7q-parameter&api-key=canary7q-key-in-a-query", `{`+message+`}`)
	post("no route", "/canary7q-path", `{}`)
	for _, path := range []string{
		"/openai/models", "/openai/models/canary7q-model", "/v1/user/info", "/v1/bucket", "/v1/deployments/nova/limits", "/v1/user/usage", "/openai/v1/responses/canary7q-response",
		"/v1/ops/usage?group_by=day,model,project,user,upstream", "/v1/admin/health/config", "/anthropic/v1/models", "/v1/deployments/claude/configuration", "/v1/deployments/remote/configuration", "/v1/ops/usage?group_by=canary7q-group",
	} {
		all = append(all, door{"GET " + path, http.MethodGet, path, ""})
	}
	post("a reload", "/v1/ops/config/reload", "")
	return all
}

// fates are what is asked of the upstream, within the prompt.
func fates() []string {
	const text = ` message=\"canary7q-upstream %[1]s of arn:aws:iam::` + canaryAccount + `:role/x: canary7q-quote\"]]`
	all := []string{"", "[[cut]]", "[[sandbox cut=1]]", "[[sandbox badcrc=1]]", "[[sandbox empty]]", "[[sandbox end=2]]", "[[sandbox unknown-event]]", "[[sandbox refuse=iam]]", "[[sandbox refuse=bad-signature]]"}
	for _, kind := range []string{"ValidationException", "AccessDeniedException", "ThrottlingException", "InternalServerException", "ResourceNotFoundException", "ModelErrorException", "ServiceQuotaExceededException", "ModelTimeoutException"} {
		all = append(all, "[[sandbox error="+kind+strings.ReplaceAll(text, "%[1]s", kind))
	}
	for _, kind := range []string{"modelStreamErrorException", "throttlingException", "internalServerException", "validationException", "serviceUnavailableException"} {
		all = append(all, "[[sandbox exception="+kind+" after=2"+strings.ReplaceAll(text, "%[1]s", kind))
	}
	for _, e := range []string{"400 ValidationException", "403 AccessDeniedException", "403 InvalidSignatureException", "404 ResourceNotFoundException", "429 ThrottlingException", "500 InternalServerException", "503 ServiceUnavailableException", "401 html", "502 html", "200 html", "302 html", "400 invalid_request_error"} {
		all = append(all, "[[echo "+e+"]]")
	}
	return all
}

// ask calls a door as somebody, and is what came back, headers and body.
func (w *canaryWorld) ask(t *testing.T, d door, as http.Header, fate string) (status int, reply []byte) {
	t.Helper()
	body := d.body
	if strings.Contains(body, "%s") {
		body = fmt.Sprintf(d.body, fate)
	}
	req, err := http.NewRequestWithContext(t.Context(), d.method, w.front+d.path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = as.Clone()
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s, %s: %v", d.name, fate, err)
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	if err := resp.Header.Write(&out); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(&out, resp.Body) // a reply may break off
	return resp.StatusCode, out.Bytes()
}

// leave asks for a stream that does not end, for as long as the server lives.
func (w *canaryWorld) leave(t *testing.T, d door) {
	req, err := http.NewRequestWithContext(t.Context(), d.method, w.front+d.path, strings.NewReader(fmt.Sprintf(d.body, "[[sandbox drip=10s]]")))
	if err != nil {
		return
	}
	req.Header = as(w.plant("key-of-a"))
	req.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body) // it is cut
		_ = resp.Body.Close()
	}
}
