package adapter_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/adapter"
	"outcrop/internal/config"
)

// TestEnvironment: what each variable does, alone and wrong.
func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		environ string // separated by newlines
		got     func(e *adapter.Environment) any
		want    string
	}{
		{"", func(e *adapter.Environment) any { return e.Region }, ""},
		{"AWS_REGION=us-east-1", func(e *adapter.Environment) any { return e.Region }, "us-east-1"},
		{"AWS_REGION=us-east-1\nAWS_DEFAULT_REGION=us-east-2", func(e *adapter.Environment) any { return e.Region }, "us-east-2"},
		{"AWS_REGION=us-east-1\nAWS_DEFAULT_REGION=us-east-2\nDEFAULT_REGION=eu-west-1", func(e *adapter.Environment) any { return e.Region }, "eu-west-1"},
		{"AWS_REGION=us-east-1\nAWS_DEFAULT_REGION=us-east-2\nDEFAULT_REGION=eu-west-1", func(e *adapter.Environment) any { return len(e.Warnings) }, "3"},
		{"AWS_DEFAULT_REGION=\nAWS_REGION=us-east-1", func(e *adapter.Environment) any { return e.Region }, "us-east-1"},
		{"", func(e *adapter.Environment) any { return e.Options.ClaudeClient }, "legacy"},
		{"AWS_CLAUDE_DEFAULT_CLIENT=mantle", func(e *adapter.Environment) any { return e.Options.ClaudeClient }, "mantle"},
		{"", func(e *adapter.Environment) any { return e.Options.ClaudeMaxTokens }, "0"},
		{"CLAUDE_DEFAULT_MAX_TOKENS=1536", func(e *adapter.Environment) any { return e.Options.ClaudeMaxTokens }, "1536"},
		{`COMPATIBILITY_MAPPING={"a":"b"}`, func(e *adapter.Environment) any { return e.Options.Compatible }, "map[a:b]"},
		{`AWS_SESSION_TAGS={"a":"*UserInfo.project"}`, func(e *adapter.Environment) any { return e.Options.Tags }, "[{a UserInfo.project true}]"},
		{`AWS_SESSION_TAGS={"a":"nowhere"}`, func(e *adapter.Environment) any { return len(e.Warnings) }, "1"},
		{"", func(e *adapter.Environment) any { return e.Options.SessionName }, "BedrockAccessSession"},
		{"AWS_ROLE_SESSION_NAME=mine", func(e *adapter.Environment) any { return e.Options.SessionName }, "mine"},
		{"AWS_ASSUME_ROLE_ARN=arn:aws:iam::111122223333:role/a", func(e *adapter.Environment) any { return e.Options.ProcessRole }, "true"},
		{"DIAL_URL=http://core:8080/dial", func(e *adapter.Environment) any { return e.Options.Core }, "http://core:8080/dial"},
		{"", func(e *adapter.Environment) any { return e.Options.Core == nil }, "true"},
		{"", func(e *adapter.Environment) any { return e.Options.APIVersion }, "2025-01-01-preview"},
		{"DIAL_API_VERSION=2026-01-01", func(e *adapter.Environment) any { return e.Options.APIVersion }, "2026-01-01"},
		{"", func(e *adapter.Environment) any { return e.KeepAlive }, "0s"},
		{"TIMEOUT_KEEP_ALIVE=70", func(e *adapter.Environment) any { return fmt.Sprint(e.KeepAlive, len(e.Warnings)) }, "1m10s 0"},
		{"TIMEOUT_KEEP_ALIVE=5", func(e *adapter.Environment) any { return fmt.Sprint(e.KeepAlive, len(e.Warnings)) }, "5s 1"},
		{"", func(e *adapter.Environment) any { return e.Options.Timeouts }, "{10m0s 10m0s 10m0s 1h0m0s 15s}"},
		{"REQUEST_TIMEOUT_SECONDS=0.5", func(e *adapter.Environment) any { return e.Options.Timeouts.Whole }, "500ms"},
		{"REQUEST_TIMEOUT_SECONDS=7200", func(e *adapter.Environment) any { return e.Options.Timeouts.Total }, "2h0m0s"},
		{"CLIENT_CACHE_MAX_SIZE=8", func(e *adapter.Environment) any { return e.Options.CacheSize }, "8"},
		{"LOG_LEVEL=debug", func(e *adapter.Environment) any { return e.Level }, "DEBUG"},
		{"LOG_LEVEL=WARNING", func(e *adapter.Environment) any { return e.Level }, "WARN"},
		{"LOG_LEVEL=CRITICAL", func(e *adapter.Environment) any { return e.Level }, "ERROR"},
		{"", func(e *adapter.Environment) any { return e.Level }, "INFO"},
		{"WEB_CONCURRENCY=1\nBOTOCORE_MAX_RETRY_ATTEMPTS=0", func(e *adapter.Environment) any { return len(e.Meaningless) }, "0"},
		{"WEB_CONCURRENCY=4\nDIAL_SDK_LOG=DEBUG\nDIAL_SDK_X=1\nBOTOCORE_MAX_RETRY_ATTEMPTS=2", names, "[BOTOCORE_MAX_RETRY_ATTEMPTS WEB_CONCURRENCY DIAL_SDK_LOG DIAL_SDK_X]"},

		{"AWS_DEFAULT_REGION=eu_west_1", nil, "AWS_DEFAULT_REGION must be the name of an AWS region, such as eu-west-1"},
		{"AWS_REGION=Ireland", nil, "AWS_REGION must be"},
		{"DEFAULT_REGION=${REGION}\nAWS_REGION=us-east-1", nil, "DEFAULT_REGION must be"},
		{"AWS_CLAUDE_DEFAULT_CLIENT=x", nil, "AWS_CLAUDE_DEFAULT_CLIENT must be one of legacy, mantle, converse"},
		{"COMPATIBILITY_MAPPING=hush", nil, `COMPATIBILITY_MAPPING must be a JSON object of strings, such as {"my-claude":"anthropic.claude-sonnet-4-5-20250929-v1:0"}`},
		{`COMPATIBILITY_MAPPING={"a":1}`, nil, "COMPATIBILITY_MAPPING must be"},
		{"AWS_SESSION_TAGS=[]", nil, "AWS_SESSION_TAGS is not a JSON object of strings: write"},
		{"REQUEST_TIMEOUT_SECONDS=abc", nil, "REQUEST_TIMEOUT_SECONDS must be a number of seconds above 0"},
		{"REQUEST_TIMEOUT_SECONDS=0", nil, "REQUEST_TIMEOUT_SECONDS must be"},
		{"REQUEST_TIMEOUT_SECONDS=NaN", nil, "REQUEST_TIMEOUT_SECONDS must be"},
		{"TIMEOUT_KEEP_ALIVE=-1", nil, "TIMEOUT_KEEP_ALIVE must be"},
		{"CLAUDE_DEFAULT_MAX_TOKENS=many", nil, "CLAUDE_DEFAULT_MAX_TOKENS must be a whole number of at least 1"},
		{"CLIENT_CACHE_MAX_SIZE=0", nil, "CLIENT_CACHE_MAX_SIZE must be"},
		{"LOG_LEVEL=loud", nil, "LOG_LEVEL must be one of DEBUG, INFO"},
		{"DIAL_URL=core", nil, "DIAL_URL must be a URL such as"},
		{"DIAL_URL=ftp://core", nil, "DIAL_URL must be"},
		{"DIAL_URL=http://hush:hush@core", nil, "DIAL_URL must be"},
		{"LOG_LEVEL=loud\nDIAL_URL=core", nil, "\n"}, // both are told
	} {
		e, err := adapter.ReadEnvironment(strings.Split(tt.environ, "\n"))
		if tt.got == nil {
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%s: got the error %v", tt.environ, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.environ, err)
		} else if got := fmt.Sprint(tt.got(e)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.environ, got, tt.want)
		}
	}
}

func names(e *adapter.Environment) any {
	var out []string
	for _, v := range e.Meaningless {
		out = append(out, v.Name)
	}
	return out
}

const page = "../../docs/adapter.md"

// The tables of docs/adapter.md are printed from those that the code uses.
func TestTheAdapterPageIsWhatTheCodeDoes(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"environment": environmentTable(), "extra": extraTable()} {
		open, end := "<!-- table "+name+" -->\n", "<!-- end "+name+" -->"
		before, rest, ok := strings.Cut(want, open)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the table %s", page, name)
		}
		want = before + open + table + end + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("docs/adapter.md is out of date, run go test ./internal/adapter -update (-want +got):\n%s", diff)
	}
}

func environmentTable() string {
	var b strings.Builder
	b.WriteString("| variable | here | note |\n| --- | --- | --- |\n")
	for _, v := range adapter.Variables() {
		word := "honoured"
		if !v.Honoured {
			word = "without meaning"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, word, v.Note)
	}
	return b.String()
}

func extraTable() string {
	var b strings.Builder
	b.WriteString("| field | value | what it says |\n| --- | --- | --- |\n")
	for _, f := range config.ExtraFields() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Kind, f.About)
	}
	return b.String()
}

// Every variable that the reference names has its row, and its form.
func TestVariablesAreWellFormed(t *testing.T) {
	form := regexp.MustCompile(`^[A-Z_]+\*?$`)
	seen := map[string]bool{}
	for _, v := range adapter.Variables() {
		if !form.MatchString(v.Name) || seen[v.Name] || !v.Honoured && v.Note == "" {
			t.Errorf("%+v", v)
		}
		seen[v.Name] = true
	}
}
