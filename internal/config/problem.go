package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says what a [Problem] means for a start.
type Severity int

const (
	// Error says that the configuration says something that cannot be done, or that
	// would open what it means to close. Nothing should be served from it.
	Error Severity = iota
	// Warning says that the configuration can be served, but not all it says happens.
	Warning
)

// String is "error" or "warning".
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// MarshalText is [Severity.String], for the JSON form of a [Problem].
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Problem is one mistake in one place.
type Problem struct {
	Severity Severity `json:"severity"`
	// File is the name given to Load; "" when no single file is to blame.
	File string `json:"file,omitempty"`
	// Line and Col count from 1, Col in characters; 0 is unknown.
	Line int `json:"line,omitempty"`
	Col  int `json:"column,omitempty"`
	// Path names the value: models.claude.upstreams[0].extraData.region. An
	// entry of the keys map is keys[#1 project "team-a"]: its name is the key.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Remedy is what to do, or what happens in place of what was asked.
	Remedy string `json:"remedy,omitempty"`
}

// String is the problem in one line:
//
//	file:line:col: error: path: message (remedy)
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		for _, n := range []int{p.Line, p.Col} {
			if n > 0 {
				fmt.Fprintf(&b, ":%d", n)
			}
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Severity.String() + ": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Remedy != "" {
		b.WriteString(" (" + p.Remedy + ")")
	}
	return b.String()
}

// HasErrors reports whether one of the problems is an [Error].
func HasErrors(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

// SortProblems orders by file as given to [Load], line and column; what belongs
// to no file comes last.
func SortProblems(problems []Problem, files []string) {
	rank := func(p Problem) int {
		if i := slices.Index(files, p.File); i >= 0 {
			return i
		}
		return len(files)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}
