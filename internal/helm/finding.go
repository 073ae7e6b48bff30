package helm

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Severity says what a [Finding] means for the deployment.
type Severity int

const (
	// Error says that what the values say does not happen, or the pod does not work.
	Error Severity = iota
	// Warning says that it works, and not as it seems, or not for long.
	Warning
	// Note says that nothing is wrong, and somebody should know.
	Note
)

// String is error, warning or note.
func (s Severity) String() string { return [...]string{"error", "warning", "note"}[s] }

// MarshalText is [Severity.String].
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Finding is one mistake in one place.
type Finding struct {
	// Code is one of [Codes].
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"` // "" when no single file is to blame
	Line     int      `json:"line,omitempty"` // from 1
	Column   int      `json:"column,omitempty"`
	// Path names the value: bedrock.env.AWS_REGION. It holds no value.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Remedy is what to type.
	Remedy string `json:"remedy,omitempty"`
}

// String is the finding on one line, without its remedy:
//
//	values.yaml:4:3: error HV001: bedrock: message
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	}
	fmt.Fprintf(&b, "%s %s: ", f.Severity, f.Code)
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	return b.String() + f.Message
}

// HasErrors reports whether one of them is an [Error].
func HasErrors(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Error })
}

// A Code is a kind of finding.
type Code struct {
	Code  string `json:"code"`
	About string `json:"about"`
}

// The codes. A code keeps its meaning for ever.
const (
	nullSection     = "HV001"
	nullPart        = "HV002"
	besideParent    = "HV003"
	notYAML         = "HV004"
	indentation     = "HV005"
	unread          = "HV006"
	leftBraces      = "HV007"
	badText         = "HV008"
	twice           = "HV009"
	unknownKey      = "HV010"
	wrongType       = "HV011"
	switchedOff     = "HV012"
	renamedKey      = "HV013"
	placeholder     = "HV014"
	noRegion        = "HV020"
	regionName      = "HV021"
	regionInSecrets = "HV022"
	regionWrong     = "HV023"
	keyAlias        = "HV030"
	secretInValues  = "HV031"
	secretsMap      = "HV032"
	keyEmpty        = "HV033"
	keysAndRole     = "HV034"
	roleARN         = "HV035"
	roleNowhere     = "HV036"
	imageEmpty      = "HV040"
	imageTag        = "HV041"
	imageArgs       = "HV042"
	envType         = "HV050"
	envSize         = "HV051"
	wrongHost       = "HV060"
	wrongPort       = "HV061"
	notDeployed     = "HV062"
	subPathMount    = "HV070"
	configSyntax    = "HV071"
	modelUnknown    = "HV080"
	modelName       = "HV081"
	upstreamField   = "HV082"
	endpointForm    = "HV083"
)

// Codes lists the kinds of findings.
func Codes() []Code {
	return []Code{
		{nullSection, "a section is null, so the sub-chart is deployed from its raw defaults"},
		{nullPart, "a part that templates look into is null"},
		{besideParent, "keys stand beside the section that they belong into"},
		{notYAML, "the file is not YAML"},
		{indentation, "a line's indentation fits nothing above it"},
		{unread, "Helm reads only a part of the file, without a word"},
		{leftBraces, "{} or [] is left where keys follow"},
		{badText, "tabs, control characters or bytes that are not UTF-8"},
		{twice, "a key stands twice"},
		{unknownKey, "a key that the chart does not read"},
		{wrongType, "a value that the chart's schema refuses"},
		{switchedOff, "a section is configured and switched off"},
		{renamedKey, "a key of an older chart"},
		{placeholder, "a placeholder was not replaced"},
		{noRegion, "no AWS region"},
		{regionName, "a variable of the region that not everybody reads"},
		{regionInSecrets, "the region comes from a Secret or ConfigMap, where EKS may override it"},
		{regionWrong, "not a region, or two regions"},
		{keyAlias, "a name of a credential that AWS's SDK for Python ignores"},
		{secretInValues, "a secret stands in values"},
		{secretsMap, "the secrets map keeps secrets in values"},
		{keyEmpty, "an empty credential"},
		{keysAndRole, "several sources of credentials, of which one wins"},
		{roleARN, "not the ARN of a role"},
		{roleNowhere, "the role is given to nothing"},
		{imageEmpty, "no image"},
		{imageTag, "a tag that moves, is old, or is not text"},
		{imageArgs, "Outcrop's image without a command to run"},
		{envType, "a value of an environment variable that is not text"},
		{envSize, "an environment variable too long for Linux"},
		{wrongHost, "a host that no Service of the release has"},
		{wrongPort, "a port or scheme that the Service does not have"},
		{notDeployed, "a Service that these values do not deploy"},
		{subPathMount, "a subPath mount, which never sees a change"},
		{configSyntax, "DIAL's configuration in these values is no JSON"},
		{modelUnknown, "a model id that the catalogue does not know, or knows as gone"},
		{modelName, "a model's name says another model than its endpoint"},
		{upstreamField, "fields of an upstream's extraData in a wrong place"},
		{endpointForm, "an endpoint's path, or its form, is not one that answers"},
	}
}

// sortFindings orders by file as given, line and column; what belongs to no file comes last.
func sortFindings(findings []Finding, files []string) {
	rank := func(f Finding) int {
		if i := slices.Index(files, f.File); i >= 0 {
			return i
		}
		return len(files)
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Code, b.Code))
	})
}

// WriteFindings writes them for people: the finding on a line, what to type below it.
func WriteFindings(w io.Writer, findings []Finding) error {
	for _, f := range findings {
		text := f.String() + "\n"
		if f.Remedy != "" {
			text += "    → " + strings.ReplaceAll(f.Remedy, "\n", "\n      ") + "\n"
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}
