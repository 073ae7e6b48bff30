package charts_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	tableBegin = "<!-- values -->\n"
	tableEnd   = "<!-- end values -->\n"
)

// The table of README.md is made of the comments of values.yaml.
func TestReadmeTable(t *testing.T) {
	const name = "outcrop/README.md"
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), tableBegin)
	_, after, end := strings.Cut(rest, tableEnd)
	if !ok || !end {
		t.Fatalf("%s lacks %s or %s", name, tableBegin, tableEnd)
	}
	golden(t, name, before+tableBegin+table(t)+tableEnd+after)
}

func table(t *testing.T) string {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(file(t, "values.yaml"), &document); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| value | default | what it is |\n| --- | --- | --- |\n")
	rows(t, &b, "", document.Content[0])
	return b.String()
}

// rows writes a row for each value that has a comment of its own. What has none is a section.
func rows(t *testing.T, b *strings.Builder, path string, node *yaml.Node) {
	t.Helper()
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		comment := description(key.HeadComment)
		if comment == "" && value.Kind == yaml.MappingNode && len(value.Content) > 0 {
			rows(t, b, name, value)
			continue
		}
		if comment == "" {
			t.Errorf("values.yaml:%d: %s has no description, a comment that begins with `# -- `", key.Line, name)
		}
		var decoded any
		if err := value.Decode(&decoded); err != nil {
			t.Fatal(err)
		}
		fallback, err := json.Marshal(decoded)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", name, fallback, comment)
	}
}

func description(comment string) string {
	for line := range strings.Lines(comment) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "# -- "); ok {
			return strings.TrimSpace(text)
		}
	}
	return ""
}
