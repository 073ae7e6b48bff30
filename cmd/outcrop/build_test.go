package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	diff "github.com/google/go-cmp/cmp"

	"outcrop/internal/sandbox"
)

// witness is a sandbox in AWS's place that remembers who called it.
type witness struct {
	next http.Handler

	mu    sync.Mutex
	roles map[string]string // access key id of a role's session: the role and who asked for it
	calls []string          // one line for each call of the runtime: who called, in which region, for which model
}

// caller is what an Authorization header says.
var caller = regexp.MustCompile(`Credential=(\w+)/\d{8}/([\w-]+)/`)

var issued = regexp.MustCompile(`<AccessKeyId>(\w+)</AccessKeyId>`)

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if model, ok := strings.CutPrefix(r.URL.Path, "/model/"); ok {
		w.mu.Lock()
		w.calls = append(w.calls, w.identity(r)+" for "+strings.TrimSuffix(model, "/converse"))
		w.mu.Unlock()
		w.next.ServeHTTP(out, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answered := httptest.NewRecorder()
	w.next.ServeHTTP(answered, r)
	if key := issued.FindStringSubmatch(answered.Body.String()); key != nil {
		w.remember(key[1], string(body), r)
	}
	out.WriteHeader(answered.Code)
	_, _ = out.Write(answered.Body.Bytes())
}

// remember keeps what a role's session was asked for with.
func (w *witness) remember(key, body string, r *http.Request) {
	form, err := url.ParseQuery(body)
	if err != nil {
		form = url.Values{"RoleArn": {err.Error()}}
	}
	_, role, _ := strings.Cut(form.Get("RoleArn"), "/")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roles[key] = fmt.Sprintf("role %s of session %s, external id %s, asked by %s", role, form.Get("RoleSessionName"),
		cmp.Or(form.Get("ExternalId"), "none"), w.identity(r))
}

// identity is the caller as its request says; w.mu is held.
func (w *witness) identity(r *http.Request) string {
	header := r.Header.Get("Authorization")
	match := caller.FindStringSubmatch(header)
	if match == nil {
		return header
	}
	key, region := match[1], match[2]
	if role, ok := w.roles[key]; ok {
		return role + "; in " + region
	}
	if token := r.Header.Get("X-Amz-Security-Token"); token != "" {
		key += " with token " + token
	}
	return key + " in " + region
}

// last is the newest call of the runtime.
func (w *witness) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) == 0 {
		return ""
	}
	return w.calls[len(w.calls)-1]
}

// sessions counts the roles that were assumed.
func (w *witness) sessions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.roles)
}

// newWitness puts a witness into AWS's place. The process has credentials and a region of its own, so
// that an upstream's setting that gets lost is seen as theirs.
func newWitness(t *testing.T) *witness {
	t.Helper()
	handler, err := sandbox.New(sandbox.Options{
		APIKeys: []string{"first-api-key", "second-api-key"},
		Credentials: []sandbox.Credential{
			{AccessKeyID: "PROCESS", SecretAccessKey: "process-secret"},
			{AccessKeyID: "KEYONE", SecretAccessKey: "secret-one"},
			{AccessKeyID: "KEYTWO", SecretAccessKey: "secret-one"},
			{AccessKeyID: "KEYTEMP", SecretAccessKey: "secret-temp", SessionToken: "first-token"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{next: handler, roles: map[string]string{}}
	aws := httptest.NewServer(w)
	t.Cleanup(aws.Close)
	clearAWS(t)
	t.Setenv("AWS_ENDPOINT_URL", aws.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "PROCESS")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "process-secret")
	t.Setenv("AWS_REGION", "us-east-1")
	return w
}

// TestEveryUpstreamCallsAsItself: each setting of an upstream reaches AWS, and two upstreams that differ
// in one setting alone do not share a client. Of such a pair the later one would take the earlier one's.
func TestEveryUpstreamCallsAsItself(t *testing.T) {
	const (
		nova = "us.amazon.nova-lite-v1:0"
		role = `"aws_assume_role_arn": "arn:aws:iam::123456789012:role/One"`
		one  = `"aws_access_key_id": "KEYONE", "aws_secret_access_key": "secret-one"`
		temp = `"aws_access_key_id": "KEYTEMP", "aws_secret_access_key": "secret-temp"`
	)
	const profile = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
	tests := []struct{ name, upstream, want string }{
		{"nothing", `{}`, "PROCESS in us-east-1"},
		{"a region", `{"extraData": {"region": "us-west-2"}}`, "PROCESS in us-west-2"},
		{"the region of an ARN", `{"modelId": "` + profile + `"}`, "PROCESS in eu-west-1 for " + profile},
		{"a model id", `{"modelId": "us.amazon.nova-pro-v1:0"}`, "PROCESS in us-east-1 for us.amazon.nova-pro-v1:0"},
		{"an API key", `{"key": "first-api-key"}`, "Bearer first-api-key"},
		{"another API key", `{"key": "second-api-key"}`, "Bearer second-api-key"},
		{"keys", `{"extraData": {` + one + `}}`, "KEYONE in us-east-1"},
		{"the keys elsewhere", `{"extraData": {"region": "us-west-2", ` + one + `}}`, "KEYONE in us-west-2"},
		{"another key id", `{"extraData": {"aws_access_key_id": "KEYTWO", "aws_secret_access_key": "secret-one"}}`, "KEYTWO in us-east-1"},
		{"a token", `{"extraData": {"aws_session_token": "first-token", ` + temp + `}}`, "KEYTEMP with token first-token in us-east-1"},
		{"a role", `{"extraData": {` + role + `}}`,
			"role One of session outcrop, external id none, asked by PROCESS in us-east-1; in us-east-1"},
		{"another role", `{"extraData": {"aws_assume_role_arn": "arn:aws:iam::123456789012:role/Two"}}`,
			"role Two of session outcrop, external id none, asked by PROCESS in us-east-1; in us-east-1"},
		{"the role elsewhere", `{"extraData": {"region": "us-west-2", ` + role + `}}`,
			"role One of session outcrop, external id none, asked by PROCESS in us-west-2; in us-west-2"},
		{"the role with an external id", `{"extraData": {"aws_external_id": "our-id", ` + role + `}}`,
			"role One of session outcrop, external id our-id, asked by PROCESS in us-east-1; in us-east-1"},
		{"the role with a session name", `{"extraData": {"aws_role_session_name": "by-team", ` + role + `}}`,
			"role One of session by-team, external id none, asked by PROCESS in us-east-1; in us-east-1"},
		{"the role with keys", `{"extraData": {` + one + `, ` + role + `}}`,
			"role One of session outcrop, external id none, asked by KEYONE in us-east-1; in us-east-1"},
		{"the role with a token", `{"extraData": {"aws_session_token": "first-token", ` + temp + `, ` + role + `}}`,
			"role One of session outcrop, external id none, asked by KEYTEMP with token first-token in us-east-1; in us-east-1"},
	}
	aws := newWitness(t)
	var models []string
	for i, tt := range tests {
		models = append(models, fmt.Sprintf(`"m%d": {"type": "chat", "endpoint": "bedrock:%s", "upstreams": [%s]}`, i, nova, tt.upstream))
	}
	base, _ := start(t, "serve", "--config", write(t, configOf(models...)))
	for i, tt := range tests {
		if a := post(t, base, "a-key-of-a-team", fmt.Sprintf("m%d", i), hello); a.status != http.StatusOK {
			t.Errorf("%s: %+v", tt.name, a)
		}
		want := tt.want
		if !strings.Contains(want, " for ") {
			want += " for " + nova
		}
		if got := aws.last(); got != want {
			t.Errorf("%s: AWS was called by\n\t%s, want\n\t%s", tt.name, got, want)
		}
	}
}

// TestAWrongSecretIsNotSavedByARightOne: what the name of a key does not tell keeps clients apart too.
func TestAWrongSecretIsNotSavedByARightOne(t *testing.T) {
	newWitness(t)
	model := func(name, keys string) string {
		return `"` + name + `": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": [{"extraData": {` + keys + `}}]}`
	}
	base, _ := start(t, "serve", "--config", write(t, configOf(
		model("right", `"aws_access_key_id": "KEYTEMP", "aws_secret_access_key": "secret-temp", "aws_session_token": "first-token"`),
		model("wrong-secret", `"aws_access_key_id": "KEYTEMP", "aws_secret_access_key": "wrong", "aws_session_token": "first-token"`),
		model("wrong-token", `"aws_access_key_id": "KEYTEMP", "aws_secret_access_key": "secret-temp", "aws_session_token": "second-token"`),
	)))
	for name, want := range map[string]int{"right": http.StatusOK, "wrong-secret": http.StatusBadGateway, "wrong-token": http.StatusBadGateway} {
		if a := post(t, base, "a-key-of-a-team", name, hello); a.status != want {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// TestEqualUpstreamsShareTheirCredentials: a role is assumed once, however many models it serves.
func TestEqualUpstreamsShareTheirCredentials(t *testing.T) {
	aws := newWitness(t)
	const upstreams = `"upstreams": [{"extraData": {"aws_assume_role_arn": "arn:aws:iam::123456789012:role/One"}}]}`
	base, _ := start(t, "serve", "--config", write(t, configOf(
		`"lite": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", `+upstreams,
		`"pro": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-pro-v1:0", `+upstreams,
	)))
	for _, name := range []string{"lite", "pro"} {
		if a := post(t, base, "a-key-of-a-team", name, hello); a.status != http.StatusOK {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if n := aws.sessions(); n != 1 {
		t.Errorf("%d sessions of one role", n)
	}
}

// configOf is a configuration of these models that one key may use.
func configOf(models ...string) string {
	return `{"models": {` + strings.Join(models, ",\n") + `},
		"keys": {"a-key-of-a-team": {"project": "team", "role": "default"}}, "roles": {"default": {}}}`
}

// get reads a listing of the server into out.
func get(t *testing.T, address string, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", "a-key-of-a-team")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		t.Fatal(err)
	}
}

func TestListingsShowWhatTheConfigurationSays(t *testing.T) {
	base, _ := start(t, "serve", "--sandbox", "--config", write(t, configOf(`"m": {
		"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0",
		"displayName": "Nova", "displayVersion": "1.0", "description": "Small and fast", "descriptionKeywords": ["vision"],
		"iconUrl": "nova.svg", "reference": "nova-ref", "tokenizerModel": "gpt-4-0314",
		"createdAt": 1700000000123, "updatedAt": 1700000100456,
		"inputAttachmentTypes": ["image/*"], "maxInputAttachments": 7, "maxRetryAttempts": 3, "defaults": {"temperature": 0.5},
		"limits": {"maxTotalTokens": 3000, "maxPromptTokens": 2000, "maxCompletionTokens": 1000},
		"pricing": {"unit": "token", "prompt": "0.01", "completion": "0.02", "cacheRead": "0.03", "cacheWrite": "0.04"}
	}`)))
	var got map[string]any
	get(t, base+"/openai/models/m", &got)
	delete(got, "features") // the next test's
	var want map[string]any
	if err := json.Unmarshal([]byte(`{
		"id": "m", "model": "m", "object": "model", "owner": "organization-owner", "owned_by": "organization-owner",
		"status": "succeeded", "lifecycle_status": "generally-available", "interfaces": ["openaiChatCompletions", "openaiResponses", "anthropicMessages"],
		"capabilities": {"scale_types": ["standard"], "completion": false, "chat_completion": true, "embeddings": false, "fine_tune": false, "inference": false},
		"display_name": "Nova", "display_version": "1.0", "description": "Small and fast", "description_keywords": ["vision"],
		"icon_url": "nova.svg", "reference": "nova-ref", "tokenizer_model": "gpt-4-0314",
		"created": 1700000000, "created_at": 1700000000, "updated_at": 1700000100,
		"input_attachment_types": ["image/*"], "max_input_attachments": 7, "max_retry_attempts": 3, "defaults": {"temperature": 0.5},
		"limits": {"max_total_tokens": 3000, "max_prompt_tokens": 2000, "max_completion_tokens": 1000},
		"pricing": {"unit": "token", "prompt": "0.01", "completion": "0.02", "cache_read": "0.03", "cache_write": "0.04"}
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if d := diff.Diff(want, got); d != "" {
		t.Errorf("the listing (-want +got):\n%s", d)
	}
}

// TestEachFeatureIsListedAsItself: a model that says the opposite of the default for one feature differs
// in that one feature from a model that says nothing.
func TestEachFeatureIsListedAsItself(t *testing.T) {
	tests := []struct{ field, value, listed string }{
		{"rateEndpoint", `"http://adapter/rate"`, "rate"},
		{"systemPromptSupported", "false", "system_prompt"},
		{"toolsSupported", "true", "tools"},
		{"parallelToolCallsSupported", "false", "parallel_tool_calls"},
		{"seedSupported", "true", "seed"},
		{"urlAttachmentsSupported", "true", "url_attachments"},
		{"folderAttachmentsSupported", "true", "folder_attachments"},
		{"assistantAttachmentsInRequestSupported", "true", "assistant_attachments_in_request"},
		{"contentPartsSupported", "true", "content_parts"},
		{"temperatureSupported", "false", "temperature"},
		{"customTemperatureSupported", "false", "custom_temperature_supported"},
		{"maxTokensSupported", "false", "max_tokens_supported"},
		{"maxCompletionTokensSupported", "true", "max_completion_tokens_supported"},
		{"cacheSupported", "true", "cache"},
		{"autoCachingSupported", "true", "auto_caching"},
		{"allowResume", "false", "allow_resume"},
		{"accessibleByPerRequestKey", "false", "accessible_by_per_request_key"},
		{"skillsSupported", "true", "skills_supported"},
		{"reasoningEfforts", `["low", "high"]`, "reasoning_efforts"},
	}
	const model = `"%s": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "features": {%s}}`
	models := []string{fmt.Sprintf(model, "plain", "")}
	for _, tt := range tests {
		models = append(models, fmt.Sprintf(model, tt.field, fmt.Sprintf("%q: %s", tt.field, tt.value)))
	}
	base, _ := start(t, "serve", "--sandbox", "--config", write(t, configOf(models...)))
	var listing struct {
		Data []struct {
			ID       string
			Features map[string]any
		}
	}
	get(t, base+"/openai/models", &listing)
	if len(listing.Data) != len(tests)+1 {
		t.Fatalf("%d models are listed", len(listing.Data))
	}
	plain := listing.Data[0].Features
	for _, served := range []string{"tokenize", "truncate_prompt", "configuration"} {
		if plain[served] != true {
			t.Errorf("%s, which every model has, is %v", served, plain[served])
		}
	}
	for i, tt := range tests {
		listed := listing.Data[i+1]
		var differ []string
		for name, value := range listed.Features {
			if !diff.Equal(value, plain[name]) {
				differ = append(differ, name)
			}
		}
		if listed.ID != tt.field || !slices.Equal(differ, []string{tt.listed}) {
			t.Errorf("%s: %s differs in %q, want %s", tt.field, listed.ID, differ, tt.listed)
		}
	}
	if got := fmt.Sprint(listing.Data[len(tests)].Features["reasoning_efforts"]); got != "[low high]" {
		t.Errorf("reasoning efforts are %s", got)
	}
}

// TestServeOverwritesArrays: without the flag a list of a later file follows the earlier one.
func TestServeOverwritesArrays(t *testing.T) {
	first := write(t, configOf(`"m": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "userRoles": ["default"]}`))
	second := write(t, `{"models": {"m": {"userRoles": ["power"]}}, "roles": {"power": {}}}`)
	args := []string{"serve", "--sandbox", "--config", first, "--config", second}
	base, _ := start(t, args...)
	if a := post(t, base, "a-key-of-a-team", "m", hello); a.status != http.StatusOK {
		t.Errorf("with both lists: %+v", a)
	}
	base, _ = start(t, append(args, "--overwrite-arrays")...)
	if a := post(t, base, "a-key-of-a-team", "m", hello); a.status != http.StatusForbidden {
		t.Errorf("with the second list alone: %+v", a)
	}
}
