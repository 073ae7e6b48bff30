package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// canary is part of every secret and every prompt of these tests, in capitals or not, with what it stands for behind it:
// whatever has it was told what it must not know.
const canary = "canary7q"

// canaryAccount is the account's id, wherever AWS tells it.
const canaryAccount = "417093658241"

// canaries are the texts that nothing may have that a process writes.
type canaries struct {
	mu    sync.Mutex
	texts map[string]string // by text, what it is
}

func newCanaries() *canaries {
	return &canaries{texts: map[string]string{canaryAccount: "the account's id"}}
}

// plant makes a secret or a prompt.
func (c *canaries) plant(what string) string {
	text := canary + "-" + what
	c.add(text, what)
	return text
}

// add takes a text that is secret as it is, such as a token.
func (c *canaries) add(text, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts[text] = what
	for shift := range 3 { // as base64 has it, wherever it begins
		coded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), text...))
		if inner := strings.TrimRight(coded, "="); len(inner) > 14 {
			c.texts[inner[4:len(inner)-2]] = what + " in base64"
		}
	}
}

// sandboxUser is what the sandbox calls the user of a key, by the key's id: AWS's users have names.
var sandboxUser = regexp.MustCompile(`user/AKIA[A-Z0-9]+`)

var canaryPattern = regexp.MustCompile(`(?i)` + canary + `[A-Za-z0-9-]*`)

// in is what a text has of them, each once.
func (c *canaries) in(text []byte) (found []string) {
	text = sandboxUser.ReplaceAll(text, nil)
	for _, match := range canaryPattern.FindAll(text, -1) {
		found = append(found, string(match))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for each, what := range c.texts {
		if bytes.Contains(text, []byte(each)) {
			found = append(found, what+": "+each)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// none wants none of them in what was written somewhere.
func (c *canaries) none(t *testing.T, where string, text []byte) {
	t.Helper()
	for _, found := range c.in(text) {
		t.Errorf("%s has %q: %s", where, found, around(text, found[strings.LastIndexByte(found, ' ')+1:]))
	}
}

// around is what stands where a text was found.
func around(text []byte, found string) []byte {
	at := bytes.Index(text, []byte(found))
	if at < 0 {
		return nil
	}
	return text[max(0, at-300):min(len(text), at+len(found)+120)]
}

// canaryArguments is the variable with the arguments of a process of TestCanaryProcess.
const canaryArguments = "OUTCROP_CANARY_ARGUMENTS"

// TestCanaryProcess is outcrop, as a process that the tests of canaries start, and nothing else by itself.
func TestCanaryProcess(t *testing.T) {
	var args []string
	if text := os.Getenv(canaryArguments); text == "" {
		return
	} else if err := json.Unmarshal([]byte(text), &args); err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, args, strings.NewReader(""), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// process is outcrop by itself, with all that it writes to its standard output and error.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr output
	ended          chan struct{}
}

// launch starts outcrop with an environment that has nothing but env.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	text, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCanaryProcess$"), ended: make(chan struct{})}
	p.cmd.Env = append([]string{
		canaryArguments + "=" + string(text), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "PATH=" + os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true",
	}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the test looks at the state
		close(p.ended)
	}()
	return p
}

// address waits until it serves.
func (p *process) address(t *testing.T) string {
	t.Helper()
	p.stdout.wait(t, " on http://")
	return addressPattern.FindString(p.stdout.String())
}

// end sends a signal and waits.
func (p *process) end(t *testing.T, with os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(with); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		t.Fatalf("it goes on after %v: %s", with, &p.stderr)
	}
}

// silent wants that it has written no canary.
func (p *process) silent(t *testing.T, c *canaries, who string) {
	t.Helper()
	c.none(t, who+": the standard output", []byte(p.stdout.String()))
	c.none(t, who+": the standard error", []byte(p.stderr.String()))
}

// silentFiles wants that no file below a directory has one.
func silentFiles(t *testing.T, c *canaries, dir string) {
	t.Helper()
	files := 0
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		if strings.HasSuffix(path, ".journal") || strings.Contains(path, "outcrop.db") || strings.HasSuffix(path, ".aof") { // it sums by model, and a model may be an ARN
			text = bytes.ReplaceAll(text, []byte(canaryAccount), nil)
		}
		c.none(t, "the file "+filepath.Base(path), text)
		return err
	}); err != nil {
		t.Error(err)
	}
	if files == 0 {
		t.Errorf("there are no files in %s", dir)
	}
}
