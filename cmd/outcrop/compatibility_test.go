package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/anthropic"
	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs/compatibility.md")

const (
	compatibilityFile = "../../docs/compatibility.md"
	repositoryRoot    = "../.."
)

// The tables of docs/compatibility.md are printed from the tables that the code itself uses.
func TestTheCompatibilityPageIsWhatTheCodeDoes(t *testing.T) {
	page, err := os.ReadFile(compatibilityFile)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for _, table := range []struct{ name, text string }{
		{"fields", fieldTable(openai.Fields())},
		{"embedding fields", fieldTable(openai.EmbeddingFields())},
		{"responses fields", fieldTable(openai.ResponsesFields())},
		{"completion fields", fieldTable(openai.CompletionFields())},
		{"messages fields", messagesTable()},
		{"features", featureTable(t)},
	} {
		open, end := "<!-- table "+table.name+" -->\n", "<!-- end "+table.name+" -->"
		before, rest, ok := strings.Cut(want, open)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the table %s", compatibilityFile, table.name)
		}
		want = before + open + table.text + end + after
	}
	if *update {
		if err := os.WriteFile(compatibilityFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("docs/compatibility.md is out of date, run go test ./cmd/outcrop -update (-want +got):\n%s", diff)
	}
}

const fieldHead = "| member | what becomes of it | note |\n| --- | --- | --- |\n"

func fieldTable(fields []openai.Field) string {
	var b strings.Builder
	b.WriteString(fieldHead)
	for _, f := range fields {
		fate := f.Fate.String()
		if f.Fate == openai.ByModel {
			fate += ": " + f.Feature.String()
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Path, fate, f.Note)
	}
	return b.String()
}

func messagesTable() string {
	var b strings.Builder
	b.WriteString(fieldHead)
	for _, f := range anthropic.Fields() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Path, f.Fate, f.Note)
	}
	return b.String()
}

// marks are the treatments in a cell.
func mark(treatment llm.Treatment) string {
	switch treatment {
	case llm.Forwarded:
		return "●"
	case llm.Translated:
		return "◐"
	case llm.Emulated:
		return "○"
	case llm.Ignored:
		return "–"
	default:
		return "✗"
	}
}

func featureTable(t *testing.T) string {
	t.Helper()
	client := testClient(t)
	var head, rule strings.Builder
	head.WriteString("| |")
	rule.WriteString("| --- |")
	var all []*bedrock.Model
	for _, family := range bedrock.Families() {
		m, err := client.Model(family.Example, bedrock.ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
		fmt.Fprintf(&head, " %s |", family.Name)
		rule.WriteString(" :-: |")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", head.String(), rule.String())
	for f := range llm.FeatureCount {
		fmt.Fprintf(&b, "| %s |", llm.Feature(f))
		for _, m := range all {
			fmt.Fprintf(&b, " %s |", mark(m.Treatment(llm.Feature(f))))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func testClient(t *testing.T) *bedrock.Client {
	t.Helper()
	client, err := inMemory(t).client(bedrock.Settings{Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// testName is a test of Go that the page names, in its package: `internal/gateway TestFaultMatrix`.
var testName = regexp.MustCompile("`([a-z0-9/]+) (Test[A-Za-z0-9_]+)`")

// fixtureName is a fixture that the page names, below internal.
var fixtureName = regexp.MustCompile("`([a-z0-9]+/testdata/[a-z0-9/_-]+[.]txtar)`")

// Every fixture and test that the page names exists, and every row of its table of threads names one.
func TestTheCompatibilityPageNamesRealTests(t *testing.T) {
	page, err := os.ReadFile(compatibilityFile)
	if err != nil {
		t.Fatal(err)
	}
	_, threads, ok := strings.Cut(string(page), "<!-- threads -->")
	if !ok {
		t.Fatal("no table of threads")
	}
	rows := 0
	for line := range strings.Lines(threads) {
		if !strings.HasPrefix(line, "| [") {
			continue
		}
		rows++
		if !fixtureName.MatchString(line) && !testName.MatchString(line) {
			t.Errorf("no fixture and no test: %s", line)
		}
	}
	if rows < 40 {
		t.Errorf("%d threads", rows)
	}
	for _, match := range fixtureName.FindAllStringSubmatch(string(page), -1) {
		if _, err := os.Stat(filepath.Join(repositoryRoot, "internal", match[1])); err != nil {
			t.Error(err)
		}
	}
	for _, match := range testName.FindAllStringSubmatch(string(page), -1) {
		if !hasTest(t, match[1], match[2]) {
			t.Errorf("%s has no %s", match[1], match[2])
		}
	}
}

func hasTest(t *testing.T, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repositoryRoot, pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}
