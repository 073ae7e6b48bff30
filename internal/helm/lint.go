package helm

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"outcrop/internal/config"
	"outcrop/internal/models"
)

// The charts that values are for.
const (
	ChartOutcrop = "outcrop" // ours
	ChartDIAL    = "dial"    // DIAL's umbrella chart; dial-extension alone when no section of the umbrella is there
	ChartAuto    = "auto"    // told by the keys
)

// LintOptions say what the values are judged by.
type LintOptions struct {
	// Chart is one of the Chart constants; "" is ChartAuto.
	Chart string
	// Configs are DIAL configurations that go with the values.
	Configs []File
	// Release and Namespace are those of the installation. A release of "" is told from the hosts, or is
	// dial; a namespace of "" matches any.
	Release, Namespace string
	// Schema is that of our chart; nil checks its values without.
	Schema *Schema
	// Catalogue knows the models; nil checks none.
	Catalogue *models.Catalogue
	// Today is YYYY-MM-DD, for models that end.
	Today string
}

// Lint reads values files, merges them in their order as Helm does, and reports all that it finds, in the
// order of the files.
func Lint(files []File, o LintOptions) ([]Finding, error) {
	if !slices.Contains([]string{"", ChartAuto, ChartDIAL, ChartOutcrop}, o.Chart) {
		return nil, fmt.Errorf("--chart is %q: it must be %s, %s or %s", o.Chart, ChartOutcrop, ChartDIAL, ChartAuto)
	}
	if len(files) == 0 {
		return nil, errors.New("no values file was given")
	}
	l := &linter{LintOptions: o}
	var root *node
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		if n := l.file(f, l.untangleRoot); n != nil {
			root = merge(root, n)
		}
	}
	if root == nil {
		root = &node{kind: object}
	}
	if len(root.members) > 0 || len(l.found) == 0 && o.Chart == ChartOutcrop {
		l.values(root)
	}
	for _, f := range o.Configs {
		names = append(names, f.Name)
		if n := l.file(f, nil); n != nil {
			l.configuration(n, "")
		}
	}
	sortFindings(l.found, names)
	return slices.Compact(l.found), nil
}

type linter struct {
	LintOptions
	found []Finding
	// partial: some of a file could not be read, so what seems to be missing may be there.
	partial bool
	// services is what the release deploys; nil when the values are not those of the umbrella.
	services []service
}

// at reports at a place.
func (l *linter) at(p place, severity Severity, code, path, message, remedy string) {
	l.found = append(l.found, Finding{code, severity, p.file, p.line, p.column, path, message, remedy})
}

// file reads one file; nil when it holds no mapping.
func (l *linter) file(f File, untangle func(*node)) *node {
	if isBlankFile(f.Data) {
		return nil
	}
	s := newSource(f)
	y := l.read(s)
	if y == nil {
		return nil
	}
	n := (&builder{source: s, lint: l, left: maxNodes}).node(y)
	if n.kind != object {
		if n.kind != null {
			l.at(n.at, Error, notYAML, "", "values are a mapping, and this is "+n.kind.String(), "write keys: `name: value`")
		}
		return nil
	}
	if untangle != nil {
		l.comments(s)
		untangle(n)
	}
	return n
}

// chartOf tells for which chart the values are.
func (l *linter) chartOf(root *node) string {
	if l.Chart != "" && l.Chart != ChartAuto {
		return l.Chart
	}
	for _, name := range []string{"mode", "aws", "configuration"} {
		if root.get(name) != nil && root.get("core") == nil && root.get("bedrock") == nil {
			return ChartOutcrop
		}
	}
	for name := range umbrella() {
		if m := root.member(name); m != nil && (name != "dial" || m.value.get("url") == nil) {
			return ChartDIAL
		}
	}
	for _, m := range root.members {
		if near := config.Nearest(m.name, func(yield func(string) bool) {
			for _, name := range []string{"core", "bedrock", "chat", "themes", "openai", "vertexai", "keycloak"} {
				if !yield(name) {
					return
				}
			}
		}); near != "" {
			return ChartDIAL
		}
	}
	if strings.Contains(root.find("image", "repository").text(), "ai-dial") {
		return ChartDIAL
	}
	return ChartOutcrop
}

// values checks what the files say together.
func (l *linter) values(root *node) {
	l.everywhere(root)
	switch {
	case l.chartOf(root) == ChartOutcrop:
		l.ours(root, "")
	case hasSection(root):
		l.umbrella(root)
	default: // dial-extension by itself
		l.known(root, "", extensionKeys())
		l.component(component{alias: "dial-extension", node: root, at: root.at, bedrock: true})
	}
}

func hasSection(root *node) bool {
	return slices.ContainsFunc(root.members, func(m member) bool { return isSection(m.name) || nearestSection(m.name) != "" })
}

func nearestSection(name string) string {
	return config.Nearest(name, func(yield func(string) bool) {
		for alias := range umbrella() {
			if len(alias) > 4 && !yield(alias) {
				return
			}
		}
	})
}

// comments looks at what comments tell people to type.
func (l *linter) comments(s *source) {
	scanned := scanLines(s.lines)
	for i, t := range scanned {
		if t.kind != inScalar && aliasForm.MatchString(t.note) {
			at := s.place(i+1, strings.LastIndex(s.lines[i], t.note)+1)
			l.at(at, Note, keyAlias, "", "this comment names AWS_ACCESS_KEY or AWS_SECRET_KEY, which boto3, and with it DIAL's adapter, ignores", "the names are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		}
		if t.kind != content || t.value != "{}" || t.item {
			continue
		}
		path, severity := t.key, Note
		if path == "" {
			path, severity = keyAbove(scanned, i), Warning
		}
		if path != "secrets" && path != "env" {
			continue
		}
		if names := commentedKeys(scanned, i); len(names) > 0 {
			at := s.place(i+1, strings.Index(s.lines[i], "{}")+1)
			l.at(at, severity, leftBraces, path, fmt.Sprintf("{} stands above keys that are comments (%s): whoever removes a # and leaves {} has a file that Helm refuses", strings.Join(names, ", ")), "delete {} when you take the first # away; better, name a Secret in extraEnvVarsSecret and leave this empty")
			if slices.Contains(names, "DEFAULT_REGION") {
				l.at(at, Warning, regionName, path, "the comment proposes DEFAULT_REGION as a secret: the name is deprecated, AWS's SDKs do not read it, and a region from a Secret is overridden on EKS", "write AWS_REGION and AWS_DEFAULT_REGION into env")
			}
		}
	}
}

var (
	aliasForm     = regexp.MustCompile(`\bAWS_(ACCESS|SECRET)_KEY\b`)
	commentedForm = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]*):(\s|$)`)
)

// commentedKeys are the keys in the comments right below.
func commentedKeys(scanned []textLine, line int) (names []string) {
	for _, t := range scanned[line+1:] {
		if t.kind != comment || t.indent < scanned[line].indent {
			break
		}
		if m := commentedForm.FindStringSubmatch(t.note); m != nil && !strings.HasPrefix(t.note, "--") {
			names = append(names, m[1])
		}
	}
	return names
}
