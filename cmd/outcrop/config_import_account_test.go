package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"outcrop/internal/models"
	"outcrop/internal/sandbox"
)

// sandboxAccount puts a sandbox in AWS's place.
func sandboxAccount(t *testing.T, o sandbox.Options) {
	t.Helper()
	handler, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	aws := httptest.NewServer(handler)
	t.Cleanup(aws.Close)
	clearAWS(t)
	t.Setenv("AWS_ENDPOINT_URL", aws.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "sandbox")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
	t.Setenv("AWS_REGION", "us-east-1")
}

// TestImportEveryModelPassesTheCheck: what an import writes has no mistake, for any model that can be served.
func TestImportEveryModelPassesTheCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	check := catalogueCheck{catalogue, "2026-11-22"}
	for _, m := range catalogue.All() {
		if check.serves(m) && strings.Count(m.ID, ":") < 2 { // variants of more colons are for provisioned throughput
			ids = append(ids, m.ID)
		}
	}
	for _, file := range []string{"a.json", "a.yaml"} {
		if _, said, code := runConfig(t, "import", "--from", "catalogue", "--models", strings.Join(ids, ","), "--keys", "team-a", "--generate-keys", "--write", file); code != 0 {
			t.Fatal(said)
		}
		out, _, code := runConfig(t, "check", "--output", "json", file)
		var report struct {
			Errors, Warnings int
			Problems         []struct{ Path, Message string }
			Compiled         struct{ Models []any }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatal(err)
		}
		if code != 0 || report.Errors+report.Warnings > 0 || len(report.Compiled.Models) != len(ids) {
			t.Errorf("%s: exit code %d, %d of %d models, problems: %v", file, code, len(report.Compiled.Models), len(ids), report.Problems)
		}
	}
}

// TestImportFromTheAccountIsServed: an import from the account, with a key that it made, is served as it is.
func TestImportFromTheAccountIsServed(t *testing.T) {
	sandboxAccount(t, sandbox.Options{})
	file := filepath.Join(t.TempDir(), "aidial.config.yaml")
	_, said, code := runConfig(t, "import", "--models", "amazon.nova-lite-v1:0,anthropic.claude-sonnet-4-5*", "--keys", "team-a", "--generate-keys", "--write", file)
	key := regexp.MustCompile(`the key of project team-a, shown this once: (\w{26})\n`).FindStringSubmatch(said)
	if code != 0 || key == nil {
		t.Fatal(said)
	}
	base, _ := start(t, "serve", "--config", file)
	for _, name := range []string{"amazon.nova-lite-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"} {
		if a := post(t, base, key[1], name, hello); a.status != http.StatusOK || !strings.Contains(a.text, "hi there") {
			t.Errorf("%s: %+v", name, a)
		}
	}
	again, said, code := runConfig(t, "import", "--models", "amazon.nova-lite-v1:0", "--keys", "team-a", "--overwrite", "limits", file)
	if code != 0 || again != "" || strings.Contains(said, key[1]) {
		t.Errorf("exit code %d: %s%s", code, again, said)
	}
}

// TestImportOfAllThatCanBeCalled: what the account has in a region, and nothing that it has not.
func TestImportOfAllThatCanBeCalled(t *testing.T) {
	sandboxAccount(t, sandbox.Options{})
	t.Chdir(t.TempDir())
	if _, said, code := runConfig(t, "import", "--all-callable", "--exclude", "amazon.*", "--regions", "eu-west-1", "--write", "a.json"); code != 0 {
		t.Fatal(said)
	}
	written := readImported(t, "a.json")
	for text, has := range map[string]bool{"bedrock:eu.anthropic": true, "bedrock:us.": false, "bedrock:global.": false, "bedrock:amazon.": false} {
		if strings.Contains(written, text) != has {
			t.Errorf("%q is there: %v", text, !has)
		}
	}
}

// TestImportRefusalsOfTheAccount: what is wrong with the account is said with what to type, and nothing is written.
func TestImportRefusalsOfTheAccount(t *testing.T) {
	const nova = "amazon.nova-lite-v1:0"
	for _, tt := range []struct {
		name  string
		mood  string
		unset bool
		args  []string
		want  []string
	}{
		{"no credentials", "", true, []string{"--models", nova}, []string{"--from account", "--from catalogue"}},
		{"denied", "iam", false, []string{"--models", nova}, []string{nova + " is left out: the account is not authorized", "outcrop aws access"}},
		{"another region", "", false, []string{"--models", "us." + nova, "--regions", "eu-central-1"}, []string{"it cannot be called from eu-central-1; it is in us-east-1", "type --regions us-east-1"}},
		{"no such region", "", false, []string{"--models", nova, "--regions", "mars"}, []string{"--regions mars", "us-east-1"}},
		{"nothing chosen", "", false, nil, []string{"no model was chosen", "--all-callable"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sandboxAccount(t, sandbox.Options{Mood: tt.mood})
			if tt.unset {
				t.Setenv("AWS_ACCESS_KEY_ID", "")
				t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			}
			t.Chdir(t.TempDir())
			out, said, code := runConfig(t, append([]string{"import", "--write", "a.json"}, tt.args...)...)
			if code != 1 || out != "" {
				t.Errorf("exit code %d, stdout %q", code, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not in: %s", want, said)
				}
			}
			if _, err := os.Stat("a.json"); err == nil {
				t.Error("a file was written")
			}
		})
	}
}

// TestImportKeepsLinkAndPermissions: the file behind a link is written, whole, with the permissions that it had.
func TestImportKeepsLinkAndPermissions(t *testing.T) {
	t.Chdir(t.TempDir())
	writeImported(t, "real.json", "{}")
	if err := os.Chmod("real.json", 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.json", "a.json"); err != nil {
		t.Fatal(err)
	}
	if _, said, code := runConfig(t, "import", "--from", "catalogue", "--models", "amazon.nova-lite-v1:0", "--write", "a.json"); code != 0 {
		t.Fatal(said)
	}
	link, err := os.Lstat("a.json")
	if err != nil || link.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", link, err)
	}
	info, err := os.Stat("real.json")
	if err != nil || info.Mode().Perm() != 0o640 || info.Size() < 100 {
		t.Errorf("%v %v", info, err)
	}
	if left, err := filepath.Glob(".outcrop*"); err != nil || len(left) > 0 {
		t.Error("left over:", left, err)
	}
}

// TestImportOutputs: -o - prints the file and --output json the report; flags that make no sense say so.
func TestImportOutputs(t *testing.T) {
	t.Chdir(t.TempDir())
	nova := []string{"import", "--from", "catalogue", "--models", "amazon.nova-lite-v1:0"}
	out, said, code := runConfig(t, append(nova, "-o", "-")...)
	if code != 0 || !json.Valid([]byte(out)) || !strings.Contains(said, "added: models") {
		t.Errorf("exit code %d: %s%s", code, out, said)
	}
	out, _, code = runConfig(t, append(nova, "--output", "json", "a.yaml")...)
	var report importReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || len(report.Changes) != 1 || !strings.HasPrefix(report.Diff, "--- a.yaml") {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
	for _, tt := range []struct{ args, want string }{
		{"--write", "--write without a file"},
		{"--write -o b.json a.json", "--write and -o together"},
		{"--generate-keys", "--keys PROJECT"},
		{"--generate-keys --keys p a.json", "type --write"},
		{"--output xml", "text, json or yaml"},
		{"--adapter ftp://x", "--adapter"},
		{"--geo mars", "us, eu, apac"},
		{"--name-template {nam}", "{provider}"},
		{"--provider antropic", "did you mean anthropic?"},
		{"--models zzz*", "no model id matches"},
		{"--models ai21.j2-mid-v1", "AWS no longer serves it"},
	} {
		if _, said, code := runConfig(t, append(nova, strings.Fields(tt.args)...)...); code != 1 || !strings.Contains(said, tt.want) {
			t.Errorf("%s: exit code %d: %s", tt.args, code, said)
		}
	}
}
