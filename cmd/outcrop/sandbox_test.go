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
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
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
		{nil, []string{"export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:", "export AWS_ENDPOINT_URL_BEDROCK=http://", "export AWS_ENDPOINT_URL_STS=http://",
			"AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox"}, "AWS_BEARER"},
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

func TestSandboxCommandAnswers(t *testing.T) {
	printed, stop := runSandbox(t)
	_, rest, _ := strings.Cut(printed, "AWS_ENDPOINT_URL_BEDROCK=")
	url, _, _ := strings.Cut(rest, "\n")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/foundation-models", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sandbox")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
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
		{[]string{"--tls", "--tls-cert-out", filepath.Join(t.TempDir(), "no", "x.pem"), "--listen", "127.0.0.1:0"}, "--tls-cert-out"},
		{[]string{"--credentials", "hush"}, "--credentials number 1 is not KEY:SECRET"},
		{[]string{"--pace", "-1s"}, "--pace -1s is negative"},
		{[]string{"--refuse", "me"}, `"me" is unknown; known are `},
		{[]string{"--account", "12"}, `"12" is not 12 digits`},
		{[]string{"extra"}, "extra"},
	} {
		cmd := newSandboxCommand()
		cmd.SetArgs(c.args)
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}
