package main

import (
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestCanaries: no secret, prompt or account id is in what outcrop serve writes, whatever happens to its requests: the
// log, the metrics, spans, the prompt log without bodies, the ledger and the counters, and what others are answered.
func TestCanaries(t *testing.T) {
	w := newCanaryWorld(t)
	dir, kept := t.TempDir(), t.TempDir()
	configFile, settingsFile := w.config(dir)
	metrics := "127.0.0.1:" + freePort(t)
	p := launch(t, w.env(), "serve", "--config", configFile, "--settings", settingsFile, "--listen", "127.0.0.1:0", "--fetch-allow", "127.0.0.0/8",
		"--data-dir", filepath.Join(kept, "data"), "--prompt-log", filepath.Join(kept, "prompts.log"), "--metrics-listen", metrics)
	w.front = p.address(t)
	w.knock(t)
	scraped := w.scrape(t, "http://"+metrics+"/metrics")
	w.none(t, "the metrics", scraped)
	if err := os.WriteFile(configFile, []byte(`{"keys": {"`+w.plant("key-in-a-broken-file")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.stderr.wait(t, "the last good one is still served")
	p.end(t, syscall.SIGTERM)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	p.silent(t, w.canaries, "outcrop serve")
	silentFiles(t, w.canaries, kept)
	w.none(t, "the spans", w.spans.Bytes())
	w.proves(t, p)
}

// knock goes through every door, as two callers, with every fate.
func (w *canaryWorld) knock(t *testing.T) {
	t.Helper()
	a, b := as(w.plant("key-of-a")), as(w.plant("key-of-b"))
	for _, name := range []string{"X-Custom", "Traceparent", "Tracestate", "User-Agent", "Referer", "Cookie", "X-Forwarded-For", "Accept-Language", "Baggage"} {
		a.Set(name, w.plant("header"))
	}
	succeeded := 0
	for _, d := range w.doors() {
		for i, fate := range fates() {
			if i > 0 && !strings.Contains(d.body, "%s") {
				break
			}
			status, reply := w.ask(t, d, a, fate)
			if i == 0 && status == http.StatusOK {
				succeeded++
			}
			w.own(t, d, fate, reply)
		}
	}
	if succeeded < 40 {
		t.Errorf("only %d requests succeeded", succeeded)
	}
	for _, who := range []http.Header{b, as(w.plant("key-of-the-poor")), as(w.plant("key-secured")), as(w.plant("key-of-nobody")), bearer(w.token(true)), bearer(w.token(false)), bearer(w.plant("opaque-token")), {}} {
		for _, d := range w.doors() {
			if strings.Contains(d.path+d.body, "canary7q-password") {
				continue
			}
			d.body, d.path = strings.ReplaceAll(d.body, canary, "b"), strings.ReplaceAll(d.path, canary, "b")
			_, reply := w.ask(t, d, who, "")
			w.others(t, d, reply)
		}
	}
}

// others wants in a reply nothing of another caller. What a token says of its holder the holder may read, and an
// administrator which model is behind a deployment.
func (w *canaryWorld) others(t *testing.T, d door, reply []byte) {
	t.Helper()
	for _, found := range w.in(reply) {
		name := found[strings.LastIndexByte(found, ' ')+1:]
		switch {
		case name == canary+"-answer", d.path == "/v1/user/info" && slices.Contains([]string{canary + "-name", canary + "-email", canary + "-claim"}, name),
			strings.HasPrefix(d.path, "/v1/ops/") && name == canaryAccount:
		default:
			t.Errorf("somebody else reads %q: %s: %s", found, d.name, around(reply, name))
		}
	}
}

// own wants in a reply nothing but what its caller has said, or the model. What another server answers is passed on as it
// is, so that such a one can tell what it was told itself.
func (w *canaryWorld) own(t *testing.T, d door, fate string, reply []byte) {
	t.Helper()
	told := []string{"told-endpoint", "remote-key", "extra-data", "default-header", "route-key"}
	relayed := relayedPattern.MatchString(d.path + d.body + d.name)
	for text, what := range w.secrets() {
		if strings.Contains(string(reply), text) && !(relayed && (slices.Contains(told, what) || text == canaryAccount)) {
			t.Errorf("%s %s: a reply has %q: %s", d.name, fate, text, around(reply, text))
		}
	}
}

// relayedPattern finds the doors behind which another server answers.
var relayedPattern = regexp.MustCompile(`remote|\bapp\b|guard|/routed`)

// secrets are those canaries that their own caller may not read either, and what they are.
func (w *canaryWorld) secrets() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := maps.Clone(w.texts)
	maps.DeleteFunc(all, func(_, what string) bool {
		return what == "header" || what == "a per-request key" || strings.Contains(what, "base64")
	})
	return all
}

// proves wants that all were told canaries who should have been, and that all wrote what they should have.
func (w *canaryWorld) proves(t *testing.T, p *process) {
	t.Helper()
	w.seen.Lock()
	defer w.seen.Unlock()
	for _, who := range []string{
		"Bedrock's prompts", "Bedrock's credentials", "another server's prompts", "another server's upstream key", "another server's request key", "the collector's headers", "a server of files",
	} {
		if !w.asked[who] {
			t.Errorf("no canary came to %s: this test proves nothing of it", who)
		}
	}
	if n := strings.Count(p.stderr.String(), "\n"); n < 1000 {
		t.Errorf("the log has %d lines only", n)
	}
	if w.spans.Len() < 10_000 {
		t.Errorf("the spans have %d bytes only", w.spans.Len())
	}
}

func as(key string) http.Header       { return http.Header{"Api-Key": {key}} }
func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// scrape reads the metrics.
func (w *canaryWorld) scrape(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "outcrop_requests_total") {
		t.Fatalf("%v: %s", err, text)
	}
	return text
}

// freePort is a port of this machine that nobody listens at now.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// env is outcrop's environment, with its secrets.
func (w *canaryWorld) env() []string {
	keys := w.awsKeys("process")
	return []string{
		"AWS_ENDPOINT_URL=" + w.url, "AWS_ENDPOINT_URL_BEDROCK_MANTLE=" + w.url, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey, "AWS_SESSION_TOKEN=" + keys.SessionToken,
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + w.url, "OTEL_EXPORTER_OTLP_HEADERS=X-Collector-Key=" + w.plant("collector-key"), "OTEL_BSP_SCHEDULE_DELAY=200",
	}
}
