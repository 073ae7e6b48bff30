package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// runSandbox starts the command and gives what it prints until its blank last
// paragraph, which comes when it listens; stop ends it.
func runSandbox(t *testing.T, args ...string) (printed string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	cmd := newSandboxCommand()
	cmd.SetArgs(append([]string{"--listen", "127.0.0.1:0"}, args...))
	cmd.SetOut(w)
	cmd.SetErr(io.Discard)
	done := make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		_ = w.CloseWithError(err) // nil is io.EOF
		done <- err
	}()
	var seen bytes.Buffer
	for !strings.Contains(seen.String(), "Faults on demand") {
		part := make([]byte, 1024)
		n, err := r.Read(part)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(part[:n])
	}
	return seen.String(), func() error {
		cancel()
		return <-done
	}
}

func TestSandboxCommand(t *testing.T) {
	cert := filepath.Join(t.TempDir(), "sandbox.pem")
	for _, c := range []struct {
		args    []string
		has     []string
		without string
	}{
		{nil, []string{"export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:", "export AWS_ENDPOINT_URL_BEDROCK_MANTLE=http://", "export AWS_ENDPOINT_URL_BEDROCK=http://", "export AWS_ENDPOINT_URL_STS=http://",
			"AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox",
			"AWS_DEFAULT_REGION=us-east-1" /* Python's SDK and CLI read no other */}, "AWS_BEARER"},
		{[]string{"--tls", "--tls-cert-out", cert}, []string{"=https://127.0.0.1:", "AWS_CA_BUNDLE=" + cert, "AWS_BEARER_TOKEN_BEDROCK=sandbox"}, "http://"},
		{[]string{"--credentials", "AKIA1:hush", "--tls", "--api-key", "hush2"}, []string{"AWS_ACCESS_KEY_ID=AKIA1 "}, "hush"},
	} {
		printed, stop := runSandbox(t, c.args...)
		for _, want := range c.has {
			if !strings.Contains(printed, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, printed)
			}
		}
		if strings.Contains(printed, c.without) {
			t.Errorf("%v: %q in\n%s", c.args, c.without, printed)
		}
		if err := stop(); err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
	}
	if pem, err := os.ReadFile(cert); err != nil || !strings.HasPrefix(string(pem), "-----BEGIN CERTIFICATE-----") {
		t.Errorf("certificate %.40q, %v", pem, err)
	}
}

// runtimeOf is the address that the sandbox printed.
func runtimeOf(t *testing.T, printed string) string {
	t.Helper()
	_, rest, _ := strings.Cut(printed, "AWS_ENDPOINT_URL_BEDROCK=")
	url, _, ok := strings.Cut(rest, "\n")
	if !ok {
		t.Fatalf("no address in %q", printed)
	}
	return url
}

// converse asks a sandbox as the owner of an API key and returns the status and the body.
func converse(t *testing.T, url, apiKey, text string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/model/us.amazon.nova-lite-v1:0/converse",
		strings.NewReader(`{"messages":[{"role":"user","content":[{"text":"`+text+`"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestSandboxCommandAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		apiKey string
		status int
		has    string
	}{
		{"the usual key", nil, "sandbox", http.StatusOK, "end_turn"},
		{"an unknown key", nil, "mine", http.StatusForbidden, "API Key"},
		{"--api-key is accepted", []string{"--api-key", "mine", "--api-key", "yours"}, "mine", http.StatusOK, "end_turn"},
		{"so is the second", []string{"--api-key", "mine", "--api-key", "yours"}, "yours", http.StatusOK, "end_turn"},
		{"--api-key replaces the usual one", []string{"--api-key", "mine"}, "sandbox", http.StatusForbidden, "API Key"},
		{"--refuse", []string{"--refuse", "throttle-requests"}, "sandbox", http.StatusTooManyRequests, "Too many requests"},
	} {
		t.Run(c.name, func(t *testing.T) {
			printed, stop := runSandbox(t, c.args...)
			status, body := converse(t, runtimeOf(t, printed), c.apiKey, "Hello!")
			if status != c.status || !strings.Contains(body, c.has) {
				t.Errorf("%d %s", status, body)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSandboxCommandPaces: a token takes the time that --pace says, or longer.
func TestSandboxCommandPaces(t *testing.T) {
	printed, stop := runSandbox(t, "--pace", "30ms")
	began := time.Now()
	if status, body := converse(t, runtimeOf(t, printed), "sandbox", "[[sandbox tokens=10]]"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("10 tokens took %s", took)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestSandboxCommandKnowsItsCallers: --credentials says who may sign, --account whose they are.
func TestSandboxCommandKnowsItsCallers(t *testing.T) {
	printed, stop := runSandbox(t, "--account", "210987654321", "--credentials", "AKIAONE:first", "--credentials", "AKIATWO:second:part")
	url := runtimeOf(t, printed)
	who := func(key, secret string) (*sts.GetCallerIdentityOutput, error) {
		return sts.New(sts.Options{
			Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		}).GetCallerIdentity(t.Context(), nil)
	}
	for key, secret := range map[string]string{"AKIAONE": "first", "AKIATWO": "second:part"} {
		if got, err := who(key, secret); err != nil || *got.Arn != "arn:aws:iam::210987654321:user/"+key {
			t.Errorf("%s is %+v, %v", key, got, err)
		}
	}
	if got, err := who("sandbox", "sandbox"); err == nil {
		t.Errorf("the usual key is accepted as %s", *got.Arn)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// What goes wrong in the server itself is told, here a client without TLS.
func TestSandboxCommandLogs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, outEnd := io.Pipe()
	log, logEnd := io.Pipe()
	cmd := newSandboxCommand()
	cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--tls"})
	cmd.SetOut(outEnd)
	cmd.SetErr(logEnd)
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
	part := make([]byte, 4096)
	n, err := out.Read(part)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(part[:n]), "at https://")
	address, _, _ := strings.Cut(rest, " ")
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if n, err = log.Read(part); err != nil || !strings.Contains(string(part[:n]), "TLS handshake error") {
		t.Errorf("%q, %v", part[:n], err)
	}
	_ = log.Close() // nobody reads on
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSandboxCommandRefusals(t *testing.T) {
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--listen", taken.Addr().String()}, taken.Addr().String() + " is in use"},
		{[]string{"--tls-cert-out", "x.pem"}, "together with --tls"},
		{[]string{"--tls", "--tls-cert-out", filepath.Join(t.TempDir(), "no", "x.pem")}, "--tls-cert-out"},
		{[]string{"--credentials", "hush"}, "--credentials number 1 is not KEY:SECRET"},
		{[]string{"--pace", "-1s"}, "--pace -1s is negative"},
		{[]string{"--api-key", ""}, "--api-key is empty"},
		{[]string{"--refuse", "me"}, `--refuse "me" is unknown; known are `},
		{[]string{"--account", "12"}, `--account "12" is not 12 digits`},
		{[]string{"extra"}, "extra"},
	} {
		cmd := newSandboxCommand()
		cmd.SetArgs(append([]string{"--listen", "127.0.0.1:0"}, c.args...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // what is not refused is served
		err := cmd.ExecuteContext(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}
