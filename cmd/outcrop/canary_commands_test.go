package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"outcrop/internal/ledger/ledgertest"
	"outcrop/internal/redis/redistest"
)

// TestCanariesOfCommands: no command tells a secret of what it reads, whether it is good or bad.
func TestCanariesOfCommands(t *testing.T) {
	w := newCanaryWorld(t)
	dir := t.TempDir()
	good, settings := w.config(dir)
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad.json")
	for name, from := range map[string][]string{ // what is wrong, and what it is made of
		"a word for an object":     {`"keys": {`, `"keys": "` + w.plant("all-keys") + `", "x": {`},
		"a secret that is a list":  {`"key": "`, `"key": ["`},
		"half":                     {`-route-key"`, "\x00"},
		"a secret for a region":    {`"region": "us-east-1"`, `"region": "` + w.plant("remote-key") + `"`},
		"a secret in a wrong type": {`"aws_secret_access_key": "`, `"aws_secret_access_key": {"x": "`},
		"no quotes":                {`"aws_session_token": "` + canary, `"aws_session_token": ` + canary},
		"good":                     {"", ""},
	} {
		if err := os.WriteFile(bad, []byte(strings.Replace(string(text), from[0], from[1], 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"config", "check", bad}, {"config", "check", "--output", "json", bad}, {"config", "check", "--on-invalid-entity", "skip", bad}, {"config", "check", good, bad},
			{"explain", "--config", bad, "nova"}, {"doctor", "--config", bad}, {"aws", "policy", "--config", bad}, {"aws", "access", "--config", bad},
			{"config", "import", "--from", "catalogue", "--models", "amazon.nova-lite*", "--regions", "us-east-1", bad},
		} {
			w.command(t, name, args...)
		}
		if name != "good" {
			w.command(t, name, "serve", "--config", bad, "--settings", settings, "--listen", "127.0.0.1:0")
		}
	}
	redis, postgres := w.plant("redis-password"), w.plant("postgres-password")
	for _, args := range [][]string{
		{"serve", "--config", good, "--redis", "redis://:" + redis + "@127.0.0.1:no", "--settings", settings, "--listen", "127.0.0.1:0"},
		{"serve", "--config", good, "--redis", "redis://u:" + redis + "@h/%zz", "--settings", settings, "--listen", "127.0.0.1:0"},
		{"serve", "--config", good, "--redis", "redis://h/" + redis, "--settings", settings, "--listen", "127.0.0.1:0"},
		{"serve", "--config", good, "--postgres", "postgres://u:" + postgres + "@h:no/d", "--listen", "127.0.0.1:0"},
		{"serve", "--config", good, "--postgres", "host=h password=" + postgres + " sslmode=nonsense", "--listen", "127.0.0.1:0"},
		{"usage", "--postgres", "postgres://u:" + postgres + "@127.0.0.1:1/d"}, {"usage", "--postgres", "postgres://u:" + postgres + "@/%zz"},
		{"aws", "whoami"}, {"aws", "models"}, {"doctor", "--config", good, "--settings", settings},
	} {
		w.command(t, "", args...)
	}
}

// accessKeyID is what a key of AWS is called, as AWS itself shows it.
var accessKeyID = regexp.MustCompile(`AKIA[A-Z0-9]+`)

// command runs outcrop, and wants it to end in silence about secrets. It may tell an operator his account, and which of
// his keys it has.
func (w *canaryWorld) command(t *testing.T, what string, args ...string) {
	t.Helper()
	p := launch(t, w.env(), args...)
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		t.Errorf("%s: %v goes on: %s %s", what, args, &p.stdout, &p.stderr)
		return
	}
	for _, text := range []string{p.stdout.String(), p.stderr.String()} {
		text = accessKeyID.ReplaceAllString(strings.ReplaceAll(text, canaryAccount, ""), "")
		w.none(t, what+": "+strings.Join(args, " "), []byte(text))
	}
}

// TestCanariesOfADump: a process that is asked for its goroutines in the middle of requests tells no prompt.
func TestCanariesOfADump(t *testing.T) {
	w := newCanaryWorld(t)
	configFile, settingsFile := w.config(t.TempDir())
	p := launch(t, append(w.env(), "GOTRACEBACK=all"), "serve", "--config", configFile, "--settings", settingsFile, "--listen", "127.0.0.1:0")
	w.front = p.address(t)
	for i, d := range w.doors() {
		if i%2 == 1 && strings.HasPrefix(d.name, "stream of") {
			go w.leave(t, d)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); !w.told("Bedrock's prompts") || !w.told("another server's prompts"); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody was asked")
		}
	}
	p.end(t, syscall.SIGQUIT)
	if text := p.stderr.String(); !strings.Contains(text, "goroutine ") || !strings.Contains(text, "outcrop/internal/gateway") {
		t.Errorf("that is no dump: %s", text)
	}
	p.silent(t, w.canaries, "a dump")
}

func (w *canaryWorld) told(who string) bool {
	w.seen.Lock()
	defer w.seen.Unlock()
	return w.asked[who]
}

// TestCanariesOfReplicas: what replicas share tells no secret and no prompt either, and the log not while it is away.
func TestCanariesOfReplicas(t *testing.T) {
	w := newCanaryWorld(t)
	password := w.plant("redis-password")
	files := t.TempDir()
	shared, accounts := redistest.Start(t, "--requirepass", password, "--dir", files), ledgertest.Start(t)
	configFile, settingsFile := w.config(t.TempDir())
	env := append(w.env(), "OUTCROP_REDIS_URL=redis://:"+password+"@"+shared.Address, "OUTCROP_POSTGRES_URL="+strings.Replace(accounts.Database(), "outcrop@", "outcrop:"+w.plant("postgres-password")+"@", 1))
	p := launch(t, env, "serve", "--config", configFile, "--settings", settingsFile, "--listen", "127.0.0.1:0")
	w.front = p.address(t)
	a := as(w.plant("key-of-a"))
	again := func() {
		for _, d := range w.doors() {
			_, reply := w.ask(t, d, a, "")
			w.own(t, d, "", reply)
		}
	}
	again()
	shared.Stop()
	accounts.Kill()
	again()
	shared.Begin()
	accounts.Begin()
	again()
	p.end(t, syscall.SIGTERM)
	p.silent(t, w.canaries, "a replica")
	shared.Stop()
	silentFiles(t, w.canaries, files)
}
