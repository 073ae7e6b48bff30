package doctor

import (
	"fmt"
	"slices"
	"strings"

	"outcrop/internal/iam"
)

// Severity is how bad a finding is.
type Severity uint8

// The severities, the least bad first.
const (
	OK Severity = iota
	Skipped
	Info
	Warning
	Error
)

// String is the word of the report.
func (s Severity) String() string {
	return [...]string{"ok", "skipped", "info", "warning", "error"}[s]
}

// MarshalText is String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(text []byte) error {
	for i := OK; i <= Error; i++ {
		if i.String() == string(text) {
			*s = i
			return nil
		}
	}
	return fmt.Errorf("%q is no severity", text)
}

// Finding is what one check has to say of one thing. It holds no secret.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Class    string   `json:"class"`
	Subject  string   `json:"subject,omitempty"` // deployment, upstream, endpoint or file:line
	Message  string   `json:"message"`           // one sentence
	Remedy   string   `json:"remedy,omitempty"`  // what to type
	// Statements are what to add to a policy, exactly.
	Statements []iam.Statement `json:"statements,omitempty"`
	// In says whose policy that is: the caller's, or a role's trust.
	In string `json:"statements_in,omitempty"`
}

// The exit codes of a report.
const (
	ExitWell          = 0
	ExitConfiguration = 2 // the configuration or the environment
	ExitCredentials   = 3 // credentials, token file, STS
	ExitNetwork       = 4
	ExitAccess        = 5 // permissions, and access to models
	ExitModel         = 6 // models, their life and their quotas
	ExitStrict        = 7 // warnings alone, with --strict
	ExitInterrupted   = 130
)

// exitOf is the exit code of an error, by the part of its code before the dash, or its class.
func (f Finding) exitOf() int {
	family, _, _ := strings.Cut(f.Code, "-")
	if family == "RUN" {
		family = f.Class
	}
	switch family {
	case "CONF", "ENV", ClassConfiguration, ClassEnvironment:
		return ExitConfiguration
	case "CRED", "TOKEN", "STS", ClassCredentials, ClassToken, ClassSTS:
		return ExitCredentials
	case "NET", ClassNetwork:
		return ExitNetwork
	case "PERM", "ACCESS", ClassPermissions:
		return ExitAccess
	default:
		return ExitModel
	}
}

// Report is all that was found, in the order of the checks.
type Report struct {
	// CostUSD is the estimate for the probes, made before them.
	CostUSD     float64        `json:"estimated_cost_usd"`
	Interrupted bool           `json:"interrupted,omitempty"`
	Counts      map[string]int `json:"counts"` // by severity
	Findings    []Finding      `json:"findings"`
}

func (r *Report) count() {
	r.Counts = map[string]int{}
	for i := OK; i <= Error; i++ {
		r.Counts[i.String()] = 0
	}
	for _, f := range r.Findings {
		r.Counts[f.Severity.String()]++
	}
}

// Exit is the process's exit code: that of the first class with an error.
func (r *Report) Exit(strict bool) int {
	if r.Interrupted {
		return ExitInterrupted
	}
	worst := ExitWell
	for _, f := range r.Findings {
		switch {
		case f.Severity == Error && (worst == ExitWell || worst == ExitStrict || f.exitOf() < worst):
			worst = f.exitOf()
		case f.Severity == Warning && strict && worst == ExitWell:
			worst = ExitStrict
		}
	}
	return worst
}

// The classes of checks, in their order.
const (
	ClassConfiguration = "configuration"
	ClassEnvironment   = "environment"
	ClassCredentials   = "credentials"
	ClassToken         = "token"
	ClassNetwork       = "network"
	ClassSTS           = "sts"
	ClassModels        = "models"
	ClassPermissions   = "permissions"
	ClassOutlook       = "outlook"
)

// Classes are what --only takes, in the order of the report.
func Classes() []string {
	return []string{
		ClassConfiguration, ClassEnvironment, ClassCredentials, ClassToken, ClassNetwork, ClassSTS, ClassModels, ClassPermissions, ClassOutlook,
	}
}

func isClass(name string) bool { return slices.Contains(Classes(), name) }

// stops says whether what follows with the same credentials, or the same way, would find the same again.
func (f Finding) stops() bool {
	switch f.Code {
	case "CRED-001", "CRED-002", "CRED-004", "CRED-010", "CRED-011", "CRED-013", "CRED-014", "STS-001", "STS-002", "RUN-002",
		"NET-001", "NET-002", "NET-003", "NET-008", "NET-009":
		return f.Severity == Error
	}
	return false
}
