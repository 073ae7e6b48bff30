package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// width is that of the report, in characters.
const width = 110

// widest is how wide the column of the subjects is at most; after a longer one the message has its own line.
const widest = 26

// WriteText prints the report for people: a group for each class with the worst of it last, then what to do,
// the worst last again, and how many there are.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	longest := 0
	for _, f := range r.Findings {
		longest = max(longest, min(utf8.RuneCountInString(f.Subject), widest))
	}
	var todo []Finding
	for _, class := range Classes() {
		group := worstLast(slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Class != class }))
		if len(group) > 0 {
			fmt.Fprintf(&b, "%s\n", class)
		}
		for _, f := range group {
			fmt.Fprintf(&b, "  %-8s%-11s", f.Severity, f.Code)
			margin := 21
			switch n := utf8.RuneCountInString(f.Subject); {
			case n > longest:
				fmt.Fprintf(&b, "%s\n%*s", clean(f.Subject), margin, "")
			case n > 0:
				fmt.Fprintf(&b, "%-*s  ", longest, clean(f.Subject))
				margin += longest + 2
			}
			b.WriteString(wrap(clean(f.Message), margin) + "\n")
			if f.Severity >= Warning || f.Severity == Info && f.Remedy != "" {
				todo = append(todo, f)
			}
		}
	}
	if len(todo) > 0 {
		b.WriteString("\nwhat to do\n")
	}
	for _, f := range worstLast(todo) {
		fmt.Fprintf(&b, "  %-8s%-11s%s\n", f.Severity, f.Code, wrap(clean(strings.TrimLeft(f.Subject+": "+f.Message, ": ")), 21))
		if f.Remedy != "" {
			fmt.Fprintf(&b, "%s→ %s\n", strings.Repeat(" ", 21), wrap(clean(f.Remedy), 23))
		}
		if err := writeStatements(&b, f); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// summary is the line of the counts.
func (r *Report) summary() string {
	var parts []string
	for i := Error; i > OK; i-- {
		word := i.String()
		if n := r.Counts[word]; n != 1 && (i == Error || i == Warning) {
			word += "s"
		}
		parts = append(parts, fmt.Sprintf("%d %s", r.Counts[i.String()], word))
	}
	line := strings.Join(append(parts, fmt.Sprintf("%d ok", r.Counts[OK.String()])), ", ")
	if r.Interrupted {
		line += "; interrupted, so not all was checked"
	}
	return line
}

func worstLast(list []Finding) []Finding {
	slices.SortStableFunc(list, func(a, b Finding) int { return int(a.Severity) - int(b.Severity) })
	return list
}

func writeStatements(b *strings.Builder, f Finding) error {
	if len(f.Statements) == 0 {
		return nil
	}
	margin := strings.Repeat(" ", 23)
	fmt.Fprintf(b, "%sto add to %s:\n", margin, wrap(clean(f.In), 33))
	for _, s := range f.Statements {
		text, err := json.MarshalIndent(s, margin, "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%s%s\n", margin, text)
	}
	return nil
}

// wrap breaks a text into lines that begin at the margin.
func wrap(text string, margin int) string {
	var b strings.Builder
	at := margin
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", margin))
			at = margin
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

// clean takes out what could steer a terminal: texts of AWS and of files are others'.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
