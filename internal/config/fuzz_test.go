package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"
)

// seeds are the input files of all fixtures.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var out [][]byte
	for _, name := range names {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			if file.Name != partProblems && file.Name != partCompiled {
				out = append(out, file.Data)
			}
		}
	}
	return out
}

// The reader accepts what encoding/json accepts, and reads the same values.
func FuzzJSON(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	for _, seed := range []string{`"\ud834\udd1e\ud834\u0041\udd1e\u00"`, "[-0, 0.5e+10, 1E-2, -]", "[01]", "[1.]", "{\"a\":1,\"a\":{}}", "\"\x7f\"", "nul", "[\"\\u12g4\"]", "\"\\u+123\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, bad := parseJSON("f", data)
		if !utf8.Valid(data) {
			// encoding/json replaces invalid UTF-8; a key must not change in silence.
			if bad == nil {
				t.Fatal("invalid UTF-8 was accepted")
			}
			return
		}
		if valid := json.Valid(data); valid != (bad == nil) {
			t.Fatalf("encoding/json says valid=%t, the reader says %+v", valid, bad)
		}
		if bad != nil {
			if bad.line < 1 || bad.col < 1 || bad.line > 1+bytes.Count(data, []byte("\n")) {
				t.Fatalf("no such place: %+v", bad)
			}
			return
		}
		if twice(n) {
			return
		}
		want, got := decode(t, data), decode(t, n.appendJSON(nil))
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// twice reports whether an object somewhere has a name twice.
func twice(n *node) bool {
	seen := map[string]bool{}
	for _, m := range n.members {
		if seen[m.name] || twice(m.value) {
			return true
		}
		seen[m.name] = true
	}
	for _, item := range n.items {
		if twice(item) {
			return true
		}
	}
	return false
}

const (
	canary = "hush-canary-0123456789"
	// quotedCanary is a canary that %q, JSON and YAML write in another way.
	quotedCanary  = `hush-"canary\0123456789`
	escapedCanary = `hush-\"canary\\0123456789`
)

// frames are files in which a canary stands where secrets stand, in the later
// ones also where names stand; the fuzzed bytes go on after it.
func frames() []string {
	const c, named = escapedCanary, `"models": {"` + escapedCanary + `": {"endpoint": "bedrock:amazon.nova-lite-v1:0", "userRoles": ["x` + escapedCanary + `", "` + escapedCanary + `"]}}, `
	return []string{
		`{"keys": {"` + canary + `": `,
		`{"keys": {"` + canary + `": {"project": "p", "roles": ["r"]}, `,
		`{"models": {"m": {"endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"key": "` + canary + `"`,
		`{"models": {"m": {"endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"secretExtraData": {"aws_secret_access_key": "` + canary + `"`,
		`{"models": {"m": {"endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"aws_session_token": "` + canary + `"`,
		`{"models": {"m": {"defaults": {"messages": "` + canary + `"`,
		`{"keys": {"` + c + `": {"project": "` + c + `", "roles": ["` + c + `"]}}, ` + named,
		`{"keys": [{"key": "` + c + `", "project": "p"}], ` + named,
		`{"keys": {"p": "` + c + `"}, ` + named,
		`{"keys": {"` + c + `": {"project": "p", "roles": ["` + c + `y"]}}, ` + named + `"roles": {"` + c + `": {"limits": {"` + c + `z": `,
		`{"keys": {"n": {"project": "p", "role": "r", "key": "` + canary + `"`,
		`{"applications": {"a": {"endpoint": "http://u:` + canary + `@a/?k=` + canary + `", "default_headers": {"X-Key": "` + canary + `"}`,
		`{"models": {"m": {"baseUrl": "http://b", "upstreams": [{"interfaces": {"openaiChatCompletions": {"key": "` + canary + `"`,
		`{"models": {"m": {"baseUrl": "http://b", "interfaces": {"openaiChatCompletions": {"defaultHeaders": {"X-Key": "` + canary + `"`,
		`{"routes": {"r": {"paths": ["/r"], "upstreams": [{"endpoint": "http://r", "key": "` + canary + `"`,
		"keys:\n  " + canary + ": ",
		"keys:\n  " + canary + ": {project: p, roles: [r]}\n",
		"models:\n  m:\n    endpoint: bedrock:amazon.nova-lite-v1:0\n    upstreams:\n    - key: " + canary,
		"models:\n  m:\n    endpoint: bedrock:amazon.nova-lite-v1:0\n    upstreams:\n    - key: *" + canary,
		"",
	}
}

// Whatever a file holds, loading it ends, every problem is one line in a place
// that exists, and no problem and no dump shows a secret.
func FuzzLoad(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(uint8(len(frames())-1), false, seed)
		f.Add(uint8(len(frames())-1), true, seed)
	}
	for i, frame := range frames() {
		for _, tail := range []string{"", "}}", "{}}}", "\"", ", \"x\": 1}}", "}]}}}", "\n  x: 1\n", "\n\t", ": :", "7, \"models\": []}", "\"z\": {}}", "\"zzzzz\": 1, \"keys\": {}}"} {
			f.Add(uint8(i), !strings.HasPrefix(frame, "{"), []byte(tail))
		}
	}
	f.Fuzz(func(t *testing.T, frame uint8, yaml bool, data []byte) {
		if bytes.Contains(data, []byte("hush")) && int(frame)%len(frames()) != len(frames())-1 {
			return // the canary may stand where it is public
		}
		name := "a.json"
		if yaml {
			name = "a.yaml"
		}
		path := filepath.Join(t.TempDir(), name)
		content := append([]byte(frames()[int(frame)%len(frames())]), data...)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, problems := Load([]string{path}, Options{SkipInvalid: frame >= 128})
		var out strings.Builder
		for _, p := range problems {
			if line := p.String(); strings.ContainsAny(line, "\n\r") || p.Message == "" {
				t.Fatalf("not one line: %q", line)
			} else {
				out.WriteString(line)
			}
		}
		if err := cfg.Dump(&out); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%+v %+v", cfg.CompileDeployments(), cfg.Skipped)
		for _, form := range []string{canary, quotedCanary, escapedCanary} {
			if strings.Contains(out.String(), form) {
				t.Fatalf("the canary leaks: %s", out.String())
			}
		}
	})
}

// Whatever a file of settings and a variable hold, reading them ends, every problem is one line, and none shows a
// secret.
func FuzzLoadSettings(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"encryption": {"secret": "` + canary + `", "key": "` + canary + `"}}`, `{"encryption": {"password": "` + canary + `"`,
		`{"identityProviders": {"a": {"jwksUrl": "https://a", "rolePath": ["a.b", "fn:x"], "loggingSalt": "` + canary + `"}}}`,
		`{"storage": {"credential": "` + canary + `"}, "server": {"idleTimeout": 9223372036854775807, "idleTimeoutUnit": "HOURS"}}`,
		`{"access": {"admin": {"rules": [{"source": "roles", "function": "REGEX", "targets": ["("]}]}}}`,
		`{"config": {"files": "a", "reload": 1e400, "jsonMergeStrategy": []}, "perRequestApiKey": {"ttl": "9223372036854775807"}}`,
	} {
		f.Add([]byte(seed), "aidial.server.port", "8080")
		f.Add([]byte(seed), "aidial.config", "{}")
		f.Add([]byte(seed), "aidial.encryption.secret", canary)
		f.Add([]byte(seed), "proxy.encryption", `{"salt": "`+canary+`"}`)
		f.Add([]byte(seed), "aidial.identityProviders.a.loggingSalt", `"`+canary+`"`)
		f.Add([]byte(seed), "aidial..a", "")
		f.Add([]byte(seed), "aidial.a\rb", "")
	}
	f.Fuzz(func(t *testing.T, file []byte, name, value string) {
		if strings.HasSuffix(name, fileSuffix) || bytes.Contains(file, []byte("File\"")) {
			return // files of this machine
		}
		path := filepath.Join(t.TempDir(), "s.json")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		settings, problems := LoadSettings(path, []string{"aidial.encryption.secret=" + canary, name + "=" + value})
		if settings == nil {
			t.Fatal("no settings")
		}
		for _, p := range problems {
			line := p.String()
			if strings.ContainsAny(line, "\n\r") || p.Message == "" {
				t.Fatalf("not one line: %q", line)
			}
			if strings.Contains(line, canary) && !strings.Contains(name, canary) {
				t.Fatalf("the canary leaks: %s", line)
			}
		}
		if settings.IdleTimeout < 0 || settings.SilenceTimeout < 0 || settings.PassLifetime < 0 || settings.Reload < 0 {
			t.Fatalf("a time before its beginning: %+v", settings)
		}
	})
}
