//go:build e2e

package e2e

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// streamBody is a stream that drips a token each 50 ms.
func streamBody(tokens string) string {
	return `{"stream":true,"messages":[{"role":"user","content":"Hi [[sandbox drip=50ms tokens=` + tokens + `]]"}]}`
}

// open begins a stream and returns once its first line is there.
func open(t *testing.T, url, tokens string) *bufio.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/openai/deployments/nova-lite/chat/completions", strings.NewReader(streamBody(tokens)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", demoKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %q, %v", resp.StatusCode, line, err)
	}
	return lines
}

// terminated begins fifty streams, sends SIGTERM, and returns how they end.
func terminated(t *testing.T, tokens string, flags ...string) (s *server, ends []string) {
	t.Helper()
	s = start(t, serveReady, nil, append([]string{"serve", "--sandbox", "--listen", "127.0.0.1:0"}, flags...)...)
	var streams []*bufio.Reader
	for range 50 {
		streams = append(streams, open(t, s.url, tokens))
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ends = make([]string, len(streams))
	var all sync.WaitGroup
	for i, stream := range streams {
		all.Go(func() {
			rest, err := io.ReadAll(stream)
			if err != nil {
				t.Errorf("a stream broke off: %v", err)
			}
			ends[i] = string(rest[max(0, len(rest)-400):])
		})
	}
	all.Wait()
	return s, ends
}

func (s *server) waitEnd(t *testing.T) {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatal("the program goes on after SIGTERM")
	}
}

// TestSIGTERMLetsStreamsEnd within the grace: each is whole.
func TestSIGTERMLetsStreamsEnd(t *testing.T) {
	s, ends := terminated(t, "60", "--drain-delay", "100ms", "--drain-timeout", "30s")
	for _, end := range ends {
		if !strings.HasSuffix(end, "data: [DONE]\n\n") || strings.Contains(end, `"error"`) {
			t.Errorf("a stream ends with %q", end)
		}
	}
	s.waitEnd(t)
}

// TestSIGTERMCutsStreamsWithAnError after the grace: none looks whole.
func TestSIGTERMCutsStreamsWithAnError(t *testing.T) {
	s, ends := terminated(t, "2000", "--drain-delay", "100ms", "--drain-timeout", "300ms")
	for _, end := range ends {
		if !strings.Contains(end, `data: {"error":{"message":"The server is stopping`) || strings.Contains(end, "[DONE]") {
			t.Errorf("a stream ends with %q", end)
		}
	}
	s.waitEnd(t)
}

// TestSIGTERMLosesNoRequest: while clients go on asking, each request that is accepted is answered, and the
// probe says at once that no more should come.
func TestSIGTERMLosesNoRequest(t *testing.T) {
	s := start(t, serveReady, nil, "serve", "--sandbox", "--listen", "127.0.0.1:0", "--drain-delay", "1s")
	var all sync.WaitGroup
	signalled := make(chan struct{})
	for range 20 {
		all.Go(func() { ask(t, s.url, signalled) })
	}
	if status := probe(t, s.url); status != http.StatusOK {
		t.Errorf("ready: %d", status)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.log.wait(t.Context(), regexp.MustCompile("not ready any more"), s.ended)
	if status := probe(t, s.url); status != http.StatusServiceUnavailable {
		t.Errorf("ready while draining: %d", status)
	}
	close(signalled)
	all.Wait()
	s.waitEnd(t)
}

// ask asks until the server has asked it to go, as a load balancer does that watches the probe.
func ask(t *testing.T, url string, signalled <-chan struct{}) {
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/openai/deployments/nova-lite/chat/completions",
			strings.NewReader(`{"messages":[{"role":"user","content":"Hi [[sandbox text=hi]]"}]}`))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Api-Key", demoKey)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("a request was lost: %v", err)
			return
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("status %d, %v", resp.StatusCode, err)
			return
		}
		select {
		case <-signalled:
			return
		default:
		}
	}
}

func probe(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/ready", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestASecondSignalEndsAtOnce, whatever runs.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	cmd := command(t, nil, "serve", "--sandbox", "--listen", "127.0.0.1:0", "--drain-delay", "1h")
	stdout, log := newOutput(), newOutput()
	cmd.Stdout, cmd.Stderr = stdout, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	if stdout.wait(t.Context(), serveReady, ended) == nil {
		t.Fatalf("no address: %s", log)
	}
	for n := range 2 {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatalf("signal %d: %v; the log: %s", n+1, err, log)
		}
		if log.wait(t.Context(), regexp.MustCompile("stopping"), ended) == nil {
			t.Fatalf("signal %d is not told of: %s", n+1, log)
		}
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatalf("it goes on after the second signal; the log: %s", log)
	}
}

// TestSIGHUPReloads, although the files are not looked at by themselves; it runs with no HOME.
func TestSIGHUPReloads(t *testing.T) {
	dir := t.TempDir()
	put := func(name string) {
		text := `{"models": {"` + name + `": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0"}}, "keys": {"a-key-of-a-team": {"project": "team", "role": "default"}}, "roles": {"default": {}}}`
		if err := os.WriteFile(filepath.Join(dir, "all.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("before")
	s := start(t, configReady, []string{"HOME="}, "serve", "--sandbox", "--config", dir, "--config-poll", "0", "--listen", "127.0.0.1:0")
	put("after")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if s.log.wait(t.Context(), regexp.MustCompile("the configuration was loaded"), s.ended) == nil {
		t.Fatalf("the log: %s", s.log)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/openai/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", "a-key-of-a-team")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `"id":"after"`) || strings.Contains(string(body), `"before"`) {
		t.Errorf("%v, %s", err, body)
	}
	s.stop(t)
}
