package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"outcrop/internal/doctor"
	"outcrop/internal/sandbox"
)

// account is an AWS account for the doctor: a sandbox, with answers of one's own before it.
type account struct {
	t       *testing.T
	options sandbox.Options
	// iam are the answers of IAM by action, the inner XML; an action without one is denied.
	iam map[string]string
	// quotas is the answer of Service Quotas; "" is denied.
	quotas string
	// paths are answers in place of the sandbox's, by a part of the path.
	paths map[string]http.HandlerFunc
	// caller is the ARN of GetCallerIdentity in place of the sandbox's.
	caller  string
	url     string
	once    sync.Once
	sandbox *sandbox.Server
}

// newAccount sets the environment of a healthy account; the server starts with the first report.
func newAccount(t *testing.T) *account {
	t.Helper()
	clearAdapter(t)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "KUBERNETES_SERVICE_HOST"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "sandbox")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
	t.Setenv("AWS_REGION", "us-east-1")
	a := &account{t: t, iam: map[string]string{}, paths: map[string]http.HandlerFunc{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.serve(w, r) }))
	t.Cleanup(server.Close)
	a.url = server.URL
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL) // of which a web identity's source reads no other name
	return a
}

func (a *account) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body))
	action, scope := form.Get("Action"), r.Header.Get("Authorization")
	switch {
	case strings.Contains(scope, "/iam/aws4_request"):
		a.answerIAM(w, action)
		return
	case r.Header.Get("X-Amz-Target") != "":
		a.answerQuotas(w)
		return
	case action == "GetCallerIdentity" && a.caller != "":
		_, _ = fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn><Account>111122223333</Account><UserId>AIDA</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>`, a.caller)
		return
	}
	for part, handle := range a.paths {
		if strings.Contains(r.URL.EscapedPath()+"?"+action, part) {
			handle(w, r)
			return
		}
	}
	a.once.Do(func() {
		if a.sandbox, err = sandbox.New(a.options); err != nil {
			a.t.Error(err)
		}
	})
	a.sandbox.ServeHTTP(w, r)
}

func (a *account) answerIAM(w http.ResponseWriter, action string) {
	inner, ok := a.iam[action]
	if !ok {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:iam::000000000000:user/sandbox is not authorized to perform: iam:%s</Message></Error></ErrorResponse>`, action)
		return
	}
	_, _ = fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>`, action, inner)
}

func (a *account) answerQuotas(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if a.quotas == "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","Message":"User: arn:aws:iam::000000000000:user/sandbox is not authorized to perform: servicequotas:ListServiceQuotas"}`)
		return
	}
	_, _ = io.WriteString(w, a.quotas)
}

// policies gives the caller policies, by name: a managed one for each.
func (a *account) policies(documents map[string]string) {
	for name, document := range documents {
		a.iam["GetUser"] = `<User><UserName>sandbox</UserName><Arn>arn:aws:iam::000000000000:user/sandbox</Arn><Path>/</Path><UserId>A</UserId><CreateDate>2026-01-01T00:00:00Z</CreateDate></User>`
		a.iam["ListUserPolicies"], a.iam["ListGroupsForUser"] = `<PolicyNames/>`, `<Groups/>`
		a.iam["ListAttachedUserPolicies"] = `<AttachedPolicies><member><PolicyName>` + name + `</PolicyName><PolicyArn>arn:aws:iam::aws:policy/` + name + `</PolicyArn></member></AttachedPolicies>`
		a.iam["GetPolicy"] = `<Policy><DefaultVersionId>v1</DefaultVersionId></Policy>`
		a.iam["GetPolicyVersion"] = `<PolicyVersion><Document>` + url.PathEscape(document) + `</Document></PolicyVersion>`
	}
}

// refusing answers as AWS refuses.
func refusing(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		text, _ := json.Marshal(map[string]string{"message": message})
		_, _ = w.Write(text)
	}
}

// answering answers with a document.
func answering(document string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, document) }
}

// models writes a configuration of deployments: name → the rest of the entry.
func (a *account) models(entries map[string]string) string {
	a.t.Helper()
	var list []string
	for name, entry := range entries {
		list = append(list, fmt.Sprintf("%q: %s", name, entry))
	}
	slices.Sort(list)
	file := filepath.Join(a.t.TempDir(), "aidial.config.json")
	text := `{"models": {` + strings.Join(list, ",\n") + `}, "keys": {"a-key-that-nobody-guesses": {"project": "p", "role": "default"}}, "roles": {"default": {}}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

const (
	novaModel   = `{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}`
	claudeModel = `{"type": "chat", "endpoint": "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0"}`
	globalModel = `{"type": "chat", "endpoint": "bedrock:global.anthropic.claude-haiku-4-5-20251001-v1:0"}`
)

// chats is a configuration of one deployment, "chat".
func (a *account) chats(entry string) string { return a.models(map[string]string{"chat": entry}) }

// ask runs the command and returns what it printed and its exit code.
func (a *account) ask(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	a.t.Helper()
	var out, err bytes.Buffer
	code = run(ctx, append([]string{"doctor"}, args...), strings.NewReader(""), &out, &err)
	return out.String(), err.String(), code
}

// report is the command's report.
func (a *account) report(args ...string) (doctor.Report, int) {
	a.t.Helper()
	stdout, stderr, code := a.ask(a.t.Context(), append(args, "--json")...)
	var r doctor.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		a.t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	return r, code
}

// find is the first finding of a code.
func find(r doctor.Report, code string) (doctor.Finding, bool) {
	i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == code })
	if i < 0 {
		return doctor.Finding{}, false
	}
	return r.Findings[i], true
}

// want fails unless there is a finding of the code whose text has all the parts.
func (a *account) want(r doctor.Report, code string, parts ...string) {
	a.t.Helper()
	f, ok := find(r, code)
	text, err := json.Marshal(f)
	if err != nil {
		a.t.Fatal(err)
	}
	all, _ := json.MarshalIndent(r.Findings, "", " ")
	if !ok {
		a.t.Fatalf("no %s in %s", code, all)
	}
	plain := strings.NewReplacer(`\"`, `"`, `\u003e`, ">", `\u003c`, "<", `\u0026`, "&").Replace(string(text))
	for _, part := range parts {
		if !strings.Contains(plain, part) {
			a.t.Errorf("%s has no %q: %s", code, part, plain)
		}
	}
	if f.Severity >= doctor.Warning && f.Remedy == "" {
		a.t.Errorf("%s says nothing to type: %s", code, plain)
	}
}
