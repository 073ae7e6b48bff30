package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"outcrop/internal/config"
	"outcrop/internal/secret"
)

// runKeys runs "outcrop keys ARGS".
func runKeys(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), append([]string{"keys"}, args...), strings.NewReader(stdin), &out, &errOut)
	return out.String(), errOut.String(), code
}

// The entry that keys new prints is one that a configuration takes, and the key is the entry's.
func TestANewKeyIsGood(t *testing.T) {
	for _, args := range [][]string{
		{"new", "--output", "json", "--project", "team-a", "--role", "power", "--role", "default", "--expires", "2999-12-31"},
		{"new", "--output", "json", "--digest=false"},
		{"new", "--output", "json", "--name", "portal"},
	} {
		out, errOut, code := runKeys(t, "", args...)
		var made struct {
			Key   string
			Entry json.RawMessage
		}
		if err := json.Unmarshal([]byte(out), &made); err != nil || code != 0 {
			t.Fatalf("%v: exit status %d, %s, %v", args, code, errOut, err)
		}
		if !regexp.MustCompile(`^ock-[0-9a-f]{40}$`).MatchString(made.Key) {
			t.Errorf("the key is %q", made.Key)
		}
		writeConfig(t, `{"models": {"nova": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}}, "roles": {"power": {}}, "keys": `+string(made.Entry)+`}`)
		cfg, problems := config.Load([]string{"a.json"}, config.Options{})
		if len(problems) > 0 || len(cfg.Keys) != 1 {
			t.Fatalf("%v: %v", args, problems)
		}
		if want := (config.Key{Secret: secret.New(made.Key)}).Sum(); cfg.Keys[0].Sum() != want {
			t.Errorf("%v: the entry is of another key: %s", args, made.Entry)
		}
		if digest := args[3] != "--digest=false"; strings.Contains(string(made.Entry), made.Key) == digest {
			t.Errorf("%v: %s", args, made.Entry)
		}
	}
}

func TestANewKeyIsPrintedOnce(t *testing.T) {
	out, _, code := runKeys(t, "", "new", "--project", "team-a")
	key := regexp.MustCompile(`ock-[0-9a-f]+`).FindString(out)
	if code != 0 || strings.Count(out, key) != 1 || !strings.Contains(out, `"digest": "`+config.Digest(secret.New(key))+`"`) {
		t.Errorf("exit status %d:\n%s", code, out)
	}
}

func TestKeysRefusesBadUse(t *testing.T) {
	for _, tt := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"new", "--expires", "soon"}, "must be a date like"},
		{"", []string{"new", "--expires", "2001-01-01"}, "which is past"},
		{"", []string{"new", "--project", " "}, "needs --project and --role"},
		{"", []string{"new", "--output", "xml"}, "must be text, json or yaml"},
		{"", []string{"digest"}, "standard input is empty"},
		{"two keys\n", []string{"digest"}, "no header can carry"},
		{strings.Repeat("a", 70_000), []string{"digest"}, "longer than 64 KiB"},
		{"", []string{"digest", "hush-key-1"}, "unknown command"},
		{"", []string{"list"}, "give --config FILE"},
		{"", []string{"list", "--config", "missing.json"}, "there is no such file"},
	} {
		out, errOut, code := runKeys(t, tt.stdin, tt.args...)
		if code != 1 || !strings.Contains(errOut, tt.want) || strings.Contains(out, "ock-") {
			t.Errorf("%v: exit status %d, %q, %q", tt.args, code, out, errOut)
		}
	}
}

func TestKeysDigest(t *testing.T) {
	const want = "sha256:d4ee9f58e5860574ca98e3b4839391e7a356328d4bd6afecefc2381df5f5b41b"
	out, _, code := runKeys(t, "hush\n", "digest", "-o", "json")
	if code != 0 || !strings.Contains(out, config.Digest(secret.New("hush"))) {
		t.Errorf("exit status %d, %s", code, out)
	}
	if out, _, _ := runKeys(t, "abc", "digest"); out != "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n" || want == out { // FIPS 180-2's example
		t.Errorf("got %s", out)
	}
}

func TestKeysList(t *testing.T) {
	writeConfig(t, `{
  "models": {"nova": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}},
  "keys": {
    "hush-key-1": {"project": "team-a", "roles": ["default"]},
    "portal": {"project": "portal", "roles": ["default"], "key": "hush-key-2", "expires": "2020-01-31", "allowedIpAddressRanges": ["10.0.0.0/8"], "secured": true},
    "nobody": {"project": "nobody", "roles": ["default"], "digest": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "allowedIpAddressRanges": []}
  }
}`)
	out, errOut, code := runKeys(t, "", "list", "--config", "a.json")
	want := `NAME    DIGEST        PROJECT  ROLES    EXPIRES                      FROM        SECURED
-       ` + config.Digest(secret.New("hush-key-1"))[7:19] + `  team-a   default  never                        everywhere  no
portal  ` + config.Digest(secret.New("hush-key-2"))[7:19] + `  portal   default  2020-02-01T00:00:00Z (past)  10.0.0.0/8  yes
nobody  ba7816bf8f01  nobody   default  never                        nowhere     no
`
	if out != want || code != 0 {
		t.Errorf("exit status %d, %s, got:\n%s\nwant:\n%s", code, errOut, out, want)
	}
	out, _, _ = runKeys(t, "", "list", "--config", "a.json", "-o", "json")
	if !json.Valid([]byte(out)) || strings.Contains(out, "hush-") || !strings.Contains(out, `"expired": true`) {
		t.Errorf("got %s", out)
	}
}

func TestExpiringKeysAreWarnedOf(t *testing.T) {
	writeConfig(t, `{"models": {"nova": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}},
  "keys": {"a": {"project": "a", "role": "default", "key": "hush-key-1", "expires": "2026-01-31"}, "b": {"project": "b", "role": "default", "key": "hush-key-2", "expires": "2026-12-31T12:00:00+02:00"}}}`)
	cfg, problems := config.Load([]string{"a.json"}, config.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range []struct{ now, want string }{
		{"2026-01-01T00:00:00Z", ""},
		{"2026-01-02T01:00:00Z", `a.json:2:85: warning: keys[#1 project "a"].expires: the key is good until 2026-02-01T00:00:00Z, for 29 days more (make`},
		{"2026-01-31T23:59:59Z", "for 0 days more"},
		{"2026-02-01T00:00:00Z", "the key is no longer good since 2026-02-01T00:00:00Z"},
		{"2026-12-31T10:00:00Z", "the key is no longer good since 2026-12-31T10:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range cfg.ExpiryProblems(now) {
			got += p.String() + "\n"
		}
		if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", tt.now, got, tt.want)
		}
	}
	if err := os.Remove("a.json"); err != nil {
		t.Fatal(err)
	}
}
