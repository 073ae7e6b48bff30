//go:build aws || e2e

package aws_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// last is the line that tells what the run came to.
func (s *session) last() string {
	n := map[string]int{}
	for _, f := range s.findings {
		n[f.State]++
	}
	return fmt.Sprintf("spent %.6f USD of %.2f; ran %d: %d same, %d differ, %d wrong, %d refused by AWS; left out %d",
		s.spent, s.budget, len(s.findings)-n[stateLeft], n[stateSame], n[stateDiffers], n[stateWrong], n[stateRefused], n[stateLeft])
}

// text is the report as Markdown.
func (s *session) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Amazon Bedrock beside the sandbox\n\nRegion %s. %s.\n", s.who.region, s.last())
	for _, state := range []string{stateWrong, stateDiffers, stateRefused, stateSame, stateLeft} {
		title := false
		for _, f := range s.findings {
			if f.State != state {
				continue
			}
			if !title {
				fmt.Fprintf(&b, "\n## %s\n\n", strings.ToUpper(state[:1])+state[1:])
				title = true
			}
			f.text(&b)
		}
	}
	return b.String()
}

func (f *finding) text(b *strings.Builder) {
	fmt.Fprintf(b, "- **%s** (`%s`, %.6f USD)", f.Case, f.Model, f.Spent)
	if f.Why != "" {
		fmt.Fprintf(b, ": %s", f.Why)
	}
	b.WriteString("\n")
	for _, d := range f.Differences {
		fmt.Fprintf(b, "  - %s: AWS has %s, the sandbox has %s\n", d.Where, told(d.AWS), told(d.Sandbox))
	}
}

func told(what string) string {
	if what == "" {
		return "nothing"
	}
	return "`" + what + "`"
}

// write leaves report.md and report.json in a directory. Neither holds a reply's text: but for the messages of
// errors, which are redacted, there are shapes alone.
func (s *session) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	list, err := json.MarshalIndent(map[string]any{"region": s.who.region, "budgetUSD": s.budget, "spentUSD": s.spent, "findings": s.findings}, "", "  ")
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"report.md": s.text(), "report.json": string(list) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s.redact.text(text)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
