package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runConfig runs "outcrop config ARGS".
func runConfig(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), append([]string{"config"}, args...), strings.NewReader(""), &out, &errOut)
	return out.String(), errOut.String(), code
}

// writeConfig writes a file into the working directory of the test.
func writeConfig(t *testing.T, content string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.json", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

const checkedConfig = `{
  "models": {"nova": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "maxRetryAttempt": 2}},
  "keys": {"hush-key-1": {"project": "team-a", "roles": ["default"]}}`

func TestConfigCheckWithWarningsSucceeds(t *testing.T) {
	writeConfig(t, checkedConfig+"}")
	out, errOut, code := runConfig(t, "check", "a.json")
	if code != 0 || errOut != "" {
		t.Fatalf("exit status %d, stderr %q", code, errOut)
	}
	want := `models: 1
  nova → amazon.nova-lite-v1:0
      chat; the environment's region; default chain; for everyone
keys: 1
  #1 project "team-a": roles default
roles: none
deployments: 1
  model nova, for everyone
      openaiChatCompletions: this process
      openaiResponses: this process
      anthropicMessages: this process
where prompts may run:
  nova: the environment's region

a.json:2:84: warning: models.nova.maxRetryAttempt: unknown field, ignored (did you mean maxRetryAttempts?)
0 errors, 1 warning
`
	if out != want {
		t.Errorf("got:\n%s\nwant:\n%s", out, want)
	}
}

func TestConfigCheckWithErrorsExitsWith1(t *testing.T) {
	writeConfig(t, checkedConfig+`, "roles": 7}`)
	out, errOut, code := runConfig(t, "check", "a.json", "not-there.json")
	if code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if errOut != "" {
		t.Errorf("the report is on stdout alone, stderr has %q", errOut)
	}
	if !strings.HasSuffix(out, "\n2 errors, 1 warning\n") {
		t.Errorf("no summary:\n%s", out)
	}
}

func TestConfigCheckJSON(t *testing.T) {
	writeConfig(t, checkedConfig+`, "roles": 7}`)
	out, _, code := runConfig(t, "check", "--output", "json", "a.json")
	if code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	var report struct {
		Errors, Warnings int
		Problems         []struct {
			Severity, File, Path, Message, Remedy string
			Line, Column                          int
		}
		Compiled struct {
			Models []struct{ Name, ModelID, Credentials string }
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if report.Errors != 1 || report.Warnings != 1 || len(report.Problems) != 2 {
		t.Errorf("counts: %+v", report)
	}
	if p := report.Problems[1]; p.Severity != "error" || p.File != "a.json" || p.Line != 3 || p.Column != 81 || p.Path != "roles" || p.Message != "must be an object, is a number" {
		t.Errorf("problem = %+v", p)
	}
	if m := report.Compiled.Models[0]; m.Name != "nova" || m.ModelID != "amazon.nova-lite-v1:0" || m.Credentials != "default chain" {
		t.Errorf("model = %+v", m)
	}
	if strings.Contains(out, "hush-") {
		t.Errorf("a key leaks:\n%s", out)
	}
}

func TestConfigCheckOverwriteArrays(t *testing.T) {
	writeConfig(t, `{"models": {"m": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"region": "us-east-1"}}]}}, "keys": {"hush-key-1": {"project": "p", "roles": ["r"]}}}`)
	later := filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(later, []byte("models: {m: {upstreams: [{extraData: {region: eu-west-1}}]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"check", "a.json", later}, "region us-east-1"},
		{[]string{"check", "--overwrite-arrays", "a.json", later}, "region eu-west-1"},
	} {
		if out, _, code := runConfig(t, tt.args...); code != 0 || !strings.Contains(out, tt.want) {
			t.Errorf("%v: exit status %d, want %s in:\n%s", tt.args, code, tt.want, out)
		}
	}
}

func TestConfigCheckRefusesBadUse(t *testing.T) {
	writeConfig(t, checkedConfig+"}")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"check"}, "nothing to check: name a configuration file"},
		{[]string{"check", "--output", "xml", "a.json"}, `--output is "xml": it must be text or json`},
	} {
		if _, errOut, code := runConfig(t, tt.args...); code != 1 || !strings.Contains(errOut, tt.want) {
			t.Errorf("%v: exit status %d, stderr %q, want %s", tt.args, code, errOut, tt.want)
		}
	}
}
