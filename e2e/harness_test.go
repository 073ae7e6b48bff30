//go:build e2e

// Package e2e drives the real binary over real sockets with strangers' clients: OpenAI's SDKs for Go,
// Python and Node, AWS's for Python, a shell. make e2e fetches them and runs it.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// demoKey is what the banner of serve --sandbox says.
	demoKey = "outcrop-demo"
	// patience is how long a program may take for what it does at once when all is well.
	patience = 30 * time.Second
)

// binary is the program under test, built once, as everybody builds it.
var binary = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("make", "--no-print-directory", "-C", "..", "build").CombinedOutput()
	if err != nil {
		return "", errors.New("make build: " + err.Error() + "\n" + string(out))
	}
	return filepath.Abs(filepath.Join("..", "bin", "outcrop"))
})

// command is the program with these arguments and no AWS environment but what env sets. It gets a
// SIGTERM when the test ends.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(cleanEnv(t), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	return cmd
}

// cleanEnv is this process's environment without anything that says who somebody is to AWS or to us.
// The instance metadata service is off: no test talks to an address outside this machine.
func cleanEnv(t *testing.T) []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "OUTCROP_") || name == "DEFAULT_REGION" || name == "HOME"
	})
	return append(env, "HOME="+t.TempDir(), "AWS_EC2_METADATA_DISABLED=true")
}

// result is what a program left when it had ended.
type result struct {
	stdout, stderr string
	code           int
}

// run runs the program to its end.
func run(t *testing.T, stdin io.Reader, env []string, args ...string) result {
	t.Helper()
	cmd := command(t, env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("outcrop %v: %v", args, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// server is the program while it serves.
type server struct {
	url    string
	banner string
	log    *output
	cmd    *exec.Cmd
	ended  chan struct{}
	killed bool // by the test: it need not end well
}

// start runs the program and waits until its standard output matches ready, whose first group is the
// address. At the end of the test it gets a SIGTERM and must exit with status 0.
func start(t *testing.T, ready *regexp.Regexp, env []string, args ...string) *server {
	t.Helper()
	cmd := command(t, env, args...)
	stdout, log := newOutput(), newOutput()
	cmd.Stdout, cmd.Stderr = stdout, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{log: log, cmd: cmd, ended: make(chan struct{})}
	var waited error
	go func() {
		waited = cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		<-s.ended
		if code := cmd.ProcessState.ExitCode(); code != 0 && !s.killed {
			t.Errorf("outcrop %v ended with %v, want exit status 0", args, waited)
		}
		if t.Failed() {
			t.Logf("outcrop %v wrote:\n%s", args, log)
		}
	})
	match := stdout.wait(t.Context(), ready, s.ended)
	if match == nil {
		t.Fatalf("outcrop %v: the address did not appear; it wrote:\n%s\n%s", args, stdout, log)
	}
	s.url, s.banner = match[1], stdout.String()
	return s
}

// stop sends SIGTERM and waits; the Cleanup of start looks at the status.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatal("the program goes on after SIGTERM")
	}
}

// The lines that come last, when a program is ready.
var (
	serveReady   = regexp.MustCompile(`(?s)address +(http://\S+)\n.*python3 -c [^\n]+\n`)
	configReady  = regexp.MustCompile(`(http://\S+)\n`)
	sandboxReady = regexp.MustCompile(`(?s)Bedrock sandbox at (https?://\S+) .*docs/sandbox\.md\)\n`)
)

// serve starts outcrop serve --sandbox at a free port.
func serve(t *testing.T) *server {
	t.Helper()
	return start(t, serveReady, nil, "serve", "--sandbox", "--listen", "127.0.0.1:0")
}

// serveAWS starts outcrop sandbox at a free port.
func serveAWS(t *testing.T, args ...string) *server {
	t.Helper()
	return start(t, sandboxReady, nil, append([]string{"sandbox", "--listen", "127.0.0.1:0"}, args...)...)
}

// output keeps what a program writes and lets others wait for it.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed at the next write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wait returns the first match of pattern, or nil when it does not come in time.
func (o *output) wait(ctx context.Context, pattern *regexp.Regexp, ended <-chan struct{}) []string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		o.mu.Lock()
		match, changed := pattern.FindStringSubmatch(o.buf.String()), o.changed
		o.mu.Unlock()
		if match != nil {
			return match
		}
		select {
		case <-changed:
		case <-ended:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// stranger runs a client in another language and shows what it wrote. It must succeed and its
// output must match count, which says that tests have run.
func stranger(t *testing.T, count *regexp.Regexp, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(cleanEnv(t), env...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s %s\n%s", filepath.Base(name), strings.Join(args, " "), out)
	if err != nil {
		t.Fatalf("%s: %v (make e2e-deps installs what it needs)", name, err)
	}
	if !count.Match(out) {
		t.Fatalf("%s ran no test", name)
	}
}
