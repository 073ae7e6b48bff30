package importtest

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryDependencyHasItsReason: docs/dependencies.md has a line for every module that go.mod requires directly, and no
// other.
func TestEveryDependencyHasItsReason(t *testing.T) {
	required := map[string]bool{}
	lines := bufio.NewScanner(strings.NewReader(rootFile(t, "go.mod")))
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) == 2 && strings.Contains(words[0], ".") {
			required[words[0]] = true
		}
	}
	reasons := regexp.MustCompile(`(?m)^\| (\S+\.\S+) \| (?:yes|no) \| (\S.{10,}) \|$`).FindAllStringSubmatch(rootFile(t, "docs/dependencies.md"), -1)
	for _, r := range reasons {
		if !required[r[1]] {
			t.Errorf("docs/dependencies.md has %s, which go.mod does not require directly, or has it twice", r[1])
		}
		delete(required, r[1])
	}
	for module := range required {
		t.Errorf("go.mod requires %s: say in docs/dependencies.md why it is needed, or do without", module)
	}
}

// TestLicences: docs/licences.md has what the binary is made of, and no licence of it binds.
func TestLicences(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "run", ".", "-root", filepath.Join("..", ".."))
	cmd.Dir = filepath.Join("..", "..", "tools", "licences")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
