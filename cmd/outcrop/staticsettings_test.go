package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// settled is what serve would do with the arguments and the environment.
func settled(t *testing.T, environ []string, args ...string) serveFlags {
	t.Helper()
	cmd := newServeCommand()
	var f serveFlags
	f.listen, f.poll = "127.0.0.1:8080", configPoll
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if cmd.Flags().Changed("config") {
		f.configs, _ = cmd.Flags().GetStringArray("config")
	}
	if cmd.Flags().Changed("config-poll") {
		f.poll, _ = cmd.Flags().GetDuration("config-poll")
	}
	if cmd.Flags().Changed("listen") {
		f.listen, _ = cmd.Flags().GetString("listen")
	}
	f.settings, _ = cmd.Flags().GetString("settings")
	if err := f.settle(cmd.Flags(), environ, io.Discard); err != nil {
		t.Fatal(err)
	}
	return f
}

// Flags go before the variables aidial.…, these before the file, and that before what is built in.
func TestSettingsAndFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("s.json", []byte(`{"config": {"files": ["a.json"], "reload": 20000, "onInvalidEntity": "skip"}, "server": {"port": 9000, "idleTimeout": 1000}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		Configs    string
		Poll, Idle time.Duration
		Listen     string
		Skip       bool
	}
	for _, tt := range []struct {
		environ []string
		args    []string
		want    outcome
	}{
		{nil, nil, outcome{"", configPoll, idleTimeout, "127.0.0.1:8080", false}},
		{nil, []string{"--settings", "s.json"}, outcome{"a.json", 20 * time.Second, time.Second, ":9000", true}},
		{[]string{"AIDIAL_SETTINGS=s.json"}, nil, outcome{"a.json", 20 * time.Second, time.Second, ":9000", true}},
		{[]string{"AIDIAL_SETTINGS=s.json", `aidial.config.files=["b.json","c.json"]`, "aidial.server.port=9001"}, nil, outcome{"b.json c.json", 20 * time.Second, time.Second, ":9001", true}},
		{
			[]string{"AIDIAL_SETTINGS=s.json", "aidial.server.port=9001"}, []string{"--config", "d.json", "--config-poll", "0", "--listen", "127.0.0.1:1", "--on-invalid-entity", "abort"},
			outcome{"d.json", 0, time.Second, "127.0.0.1:1", false},
		},
	} {
		f := settled(t, tt.environ, tt.args...)
		got := outcome{strings.Join(f.configs, " "), f.poll, f.idleTimeout(), f.listen, f.merge.SkipInvalid}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v %v (-want +got):\n%s", tt.environ, tt.args, diff)
		}
	}
}

// A mistake in the settings ends the start, and every one of them is printed.
func TestServeRefusesBadSettings(t *testing.T) {
	clearAWS(t)
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"aidial.config.json": "{}",
		"s.json":             "{\n\"server\": {\"port\": \"x\"},\n\"config\": {\"reload\": 0}}",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"serve", "--settings", "s.json"}, []string{"s.json:2:20: error: server.port: must be a whole number", "s.json:3:22: error: config.reload: must be at least 1", "the settings have errors, nothing is served"}},
		{[]string{"serve", "--settings", "missing.json"}, []string{"missing.json: error: cannot read the file: there is no such file"}},
		{[]string{"serve"}, []string{"none is read that is not named: outcrop serve --config aidial.config.json"}},
		{[]string{"serve", "--on-invalid-entity", "ignore", "--sandbox"}, []string{"neither abort"}},
		{[]string{"config", "check", "--settings", "s.json"}, nil},
	} {
		var out, stderr bytes.Buffer
		code := run(context.WithoutCancel(t.Context()), tt.args, strings.NewReader(""), &out, &stderr)
		for _, want := range tt.want {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%v: no %q in:\n%s", tt.args, want, stderr.String())
			}
		}
		if code != 1 {
			t.Errorf("%v: exit status %d", tt.args, code)
		}
	}
}

func TestConfigCheckOfSettings(t *testing.T) {
	writeConfig(t, checkedConfig+"}")
	if err := os.WriteFile("s.json", []byte(`{"config": {"files": ["a.json"]}, "kms": {"provider": "aws"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, code := runConfig(t, "check", "--settings", "s.json")
	if code != 0 || !strings.Contains(out, "s.json:1:42: warning: kms: has no effect in Outcrop") || !strings.Contains(out, "a.json:2:84") {
		t.Errorf("exit status %d, %s\n%s", code, errOut, out)
	}
}

func TestConfigSchemaPrintsOne(t *testing.T) {
	for _, args := range [][]string{{"schema"}, {"schema", "--settings"}} {
		if out, _, code := runConfig(t, args...); code != 0 || !strings.Contains(out, "draft/2020-12/schema") {
			t.Errorf("%v: exit status %d, %.100s", args, code, out)
		}
	}
}
