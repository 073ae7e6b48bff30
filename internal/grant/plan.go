package grant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"outcrop/internal/onboard"
)

// What a step does.
const (
	Exists  = "exists" // it is there as it should be
	Create  = "create"
	Change  = "change"
	Attach  = "attach"
	Delete  = "delete"
	Write   = "write"   // a file on this machine
	Blocked = "blocked" // it is there, but differs: nothing is applied before that is decided
)

// What became of a step that was to be applied.
const (
	Done   = "done"
	Failed = "failed"
	Left   = "left" // an earlier one failed
)

// Step is one call of AWS, or one that is not needed.
type Step struct {
	Do      string           `json:"do"`
	What    string           `json:"what"` // IAM user dial
	Why     string           `json:"why"`
	Command string           `json:"command,omitempty"` // the same with AWS's CLI, for a shell
	Diff    string           `json:"diff,omitempty"`
	Became  string           `json:"became,omitempty"`
	Problem *onboard.Problem `json:"problem,omitempty"`

	action string // the permission that it takes
	run    func(context.Context) error
}

// Text is something to put elsewhere: a manifest, a fragment of Helm values, a document for another account.
type Text struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Plan is what has to be done so that somebody may call Bedrock.
type Plan struct {
	Account string   `json:"account,omitempty"`
	For     string   `json:"for"` // user dial
	Steps   []*Step  `json:"steps,omitempty"`
	Texts   []Text   `json:"texts,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	Applied bool     `json:"applied"`
}

// ErrBlocked says that a plan has blocked steps.
var ErrBlocked = errors.New("nothing was applied: what differs has to be decided first")

// Blocked says whether something differs that the plan may not replace.
func (p *Plan) Blocked() bool {
	for _, s := range p.Steps {
		if s.Do == Blocked {
			return true
		}
	}
	return false
}

// Open is the number of steps that --apply would take.
func (p *Plan) Open() int {
	n := 0
	for _, s := range p.Steps {
		if s.run != nil && s.Became != Done {
			n++
		}
	}
	return n
}

// Apply takes the steps in their order and stops at the first that fails: its error. The steps say what became
// of them. report is called after each; it may be nil.
func (p *Plan) Apply(ctx context.Context, report func(*Step)) error {
	if p.Blocked() {
		return ErrBlocked
	}
	p.Applied = true
	var failed error
	for _, s := range p.Steps {
		switch {
		case s.run == nil:
			continue
		case failed != nil:
			s.Became = Left
			continue
		}
		s.Became = Done
		if err := s.run(ctx); err != nil {
			s.Became, s.Problem = Failed, onboard.Explain(err, s.Do+" "+s.What, s.action)
			failed = s.Problem
		}
		if report != nil {
			report(s)
		}
	}
	return failed
}

// WriteText prints the plan, or what became of it, for people.
func (p *Plan) WriteText(w io.Writer) error {
	if err := p.WriteSteps(w); err != nil {
		return err
	}
	return p.WriteRest(w)
}

// WriteSteps prints what is going to be done.
func (p *Plan) WriteSteps(w io.Writer) error {
	var b strings.Builder
	b.WriteString("Bedrock for " + p.For)
	if p.Account != "" {
		b.WriteString(" in account " + p.Account)
	}
	b.WriteString("\n\n")
	for i, s := range p.Steps {
		s.text(&b, i+1)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteRest prints what follows the steps: what is open, and what goes elsewhere.
func (p *Plan) WriteRest(w io.Writer) error {
	var b strings.Builder
	b.WriteString(p.summary())
	for _, t := range p.Texts {
		fmt.Fprintf(&b, "\n# %s\n%s", t.Title, t.Text)
	}
	for _, n := range p.Notes {
		b.WriteString("\nnote: " + n)
	}
	if len(p.Notes) > 0 {
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Step) text(b *strings.Builder, n int) {
	do := s.Do
	if s.Became != "" {
		do += ", " + s.Became
	}
	fmt.Fprintf(b, "%2d. %-14s %s\n", n, do, s.What)
	if s.Why != "" {
		b.WriteString("    " + s.Why + "\n")
	}
	if s.Diff != "" {
		b.WriteString("      " + strings.ReplaceAll(strings.TrimRight(s.Diff, "\n"), "\n", "\n      ") + "\n")
	}
	if s.Problem != nil {
		b.WriteString("    " + s.Problem.Error() + "\n")
	}
	if s.Command != "" && s.Became != Done {
		b.WriteString("    $ " + s.Command + "\n")
	}
}

func (p *Plan) summary() string {
	switch n := p.Open(); {
	case len(p.Steps) == 0:
		return ""
	case p.Blocked():
		return "\nBlocked: nothing is applied before the steps marked so are decided.\n"
	case n == 0 && !p.Applied:
		return "\nNothing to do.\n"
	case n == 0:
		return "\nApplied.\n"
	case p.Applied:
		return p.stopped()
	default:
		return fmt.Sprintf("\nNothing was changed. --apply takes the %d open steps.\n", n)
	}
}

// stopped lists what was not done.
func (p *Plan) stopped() string {
	var b strings.Builder
	b.WriteString("\nStopped. What is done is kept: correct the problem and type the command again. Not done:\n")
	for _, s := range p.Steps {
		if s.run != nil && s.Became != Done {
			b.WriteString("  " + s.Do + " " + s.What + "\n")
		}
	}
	return b.String()
}
