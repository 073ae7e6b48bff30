package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Options say how files are merged.
type Options struct {
	// OverwriteArrays makes a list of a later file replace the earlier one
	// instead of following it (DIAL: config.jsonMergeStrategy.overwriteArrays).
	OverwriteArrays bool
	// SkipInvalid leaves out what has mistakes instead of refusing all: a model, an application, an interceptor, a
	// translator, a route, a key or a role (DIAL: config.onInvalidEntity). Other mistakes stay errors.
	SkipInvalid bool
	// TokenRoles says that callers may come with tokens, which bring roles that no file names (identityProviders of the
	// settings).
	TokenRoles bool
}

// Load reads the files in order, merges and checks them. It goes on after a
// mistake: the Config holds what could be read and is never nil, the problems
// are all there are, in the order of the files.
func Load(files []string, o Options) (*Config, []Problem) {
	l := &loader{placeholders: map[*node]bool{}, tokenRoles: o.TokenRoles}
	cfg := &Config{tokenRoles: o.TokenRoles, RateLimitSchedule: defaultSchedule()}
	if len(files) == 0 {
		l.report(Problem{Severity: Error, Message: "no configuration file was given", Remedy: "name at least one aidial.config.json"})
	}
	var root *node
	for _, file := range files {
		root = merge(root, l.readFile(file), o.OverwriteArrays)
	}
	if root != nil {
		l.readRoot(spot{node: root}, cfg)
		l.known = cfg.Translators
		for _, check := range l.checks {
			check()
		}
		l.checkFallbacks(cfg)
		if o.SkipInvalid {
			l.leaveOut(spot{node: root}, cfg)
		}
		cfg.resolveTranslators()
		cfg.secretFiles = append(cfg.secretFiles, l.secretFiles...)
		if !l.incomplete {
			l.checkWhole(root, files, cfg)
		}
	}
	problems := l.finish(files)
	cfg.hidden = l.secrets
	for i := range cfg.Skipped {
		cfg.Skipped[i].ID, cfg.Skipped[i].Reason = l.secrets.clean(cfg.Skipped[i].ID), l.secrets.clean(cfg.Skipped[i].Reason)
	}
	return cfg, problems
}

// loader collects what goes wrong, and what several parts need to know.
type loader struct {
	problems []finding
	// incomplete: a file could not be read, so what is missing may be in it.
	incomplete bool
	// secrets are wiped from every problem, whatever built it.
	secrets redactor
	// placeholders are the values already reported as such.
	placeholders map[*node]bool
	locale       string
	// tokenRoles is that of the Options.
	tokenRoles bool
	// checks are what can be told only when all sections are read.
	checks []func()
	known  []Translator
	// secretFiles are files of secrets that have been read.
	secretFiles []string
	names
}

// A finding is a problem and what it is part of, as entityName names it.
type finding struct {
	Problem
	entity string
}

func (l *loader) report(p Problem) { l.problems = append(l.problems, finding{Problem: p}) }

func (l *loader) err(s spot, message, remedy string) { l.say(Error, s, message, remedy) }

func (l *loader) warn(s spot, message, remedy string) { l.say(Warning, s, message, remedy) }

func (l *loader) say(severity Severity, s spot, message, remedy string) {
	if l.placeholders[s.node] {
		return // one mistake, one line
	}
	l.problems = append(l.problems, finding{Problem{severity, s.file, s.line, s.col, s.path, message, remedy}, s.entity})
}

// finish is what was found, in order and without secrets.
func (l *loader) finish(files []string) []Problem {
	l.secrets.longestFirst()
	var out []Problem
	said := make(map[Problem]bool, len(l.problems))
	for _, found := range l.problems {
		p := found.Problem
		p.Path, p.Message, p.Remedy = l.secrets.clean(p.Path), l.secrets.clean(p.Message), l.secrets.clean(p.Remedy)
		if !said[p] { // of versions that share a mistake
			out = append(out, p)
		}
		said[p] = true
	}
	SortProblems(out, files)
	return out
}

// readFile is the root object of the file, or nil with a problem reported.
func (l *loader) readFile(file string) *node {
	root, bad := parseFile(file)
	if bad == nil && root.kind != object {
		bad = &syntaxError{root.pos, "a configuration is an object, this is " + root.kind.String(), `start with {"models": …}`}
	}
	if bad != nil {
		l.incomplete = true
		l.report(Problem{Error, file, bad.line, bad.col, "", bad.message, bad.remedy})
		return nil
	}
	for _, m := range root.members { // also of a section that stands there twice
		if m.name == keysSection {
			l.hideKeys(m.value)
		}
	}
	l.checkNames(spot{node: root})
	return root
}

func parseFile(file string) (*node, *syntaxError) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, &syntaxError{pos: pos{file: file}, message: "cannot read the file: " + readFailure(err)}
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, &syntaxError{pos{file, 1, 1}, "this is UTF-16 text", "save the file as UTF-8"}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if isYAML(file, data) {
		return parseYAML(file, data)
	}
	return parseJSON(file, data)
}

func readFailure(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// isYAML goes by the extension, and without a telling one by the first
// character: JSON begins with a brace.
func isYAML(file string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".json":
		return false
	case ".yaml", ".yml":
		return true
	}
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] != '{'
}

// checkNames reports names that occur twice in one object of one file, and
// marks all but the last one, which is what DIAL takes.
func (l *loader) checkNames(s spot) {
	for i := range s.items {
		l.checkNames(s.item(i))
	}
	s.markLost()
	first := make(map[string]pos, len(s.members))
	for i, m := range s.members {
		v := s.member(i)
		l.checkNames(v)
		if at, twice := first[m.name]; twice {
			l.err(v.namedAt(m.pos), fmt.Sprintf("the same name twice: on line %d and on line %d", at.line, m.line), "only the last one would count; remove one")
			continue
		}
		first[m.name] = m.pos
	}
}

// placeholder reports whether the text holds a ${NAME} or %%NAME%% that a
// template step (envsubst, Helm) should have replaced.
func placeholder(s string) bool {
	for _, form := range []struct{ open, end string }{{"${", "}"}, {"%%", "%%"}} {
		_, after, found := strings.Cut(s, form.open)
		name, _, closed := strings.Cut(after, form.end)
		if found && closed && isVariable(name) {
			return true
		}
	}
	return false
}

// bounds says whether a value, of no entity, decides what may be used: of the configuration or of the settings.
func bounds(path string) bool {
	section, _, _ := strings.Cut(path, ".")
	section, _, _ = strings.Cut(section, "[")
	return slices.Contains([]string{"rateLimitSchedule", "retriableErrorCodes", "redis", "postgres", "limits"}, section)
}

func isVariable(name string) bool {
	name, _, _ = strings.Cut(name, ":") // ${NAME:-default}
	for i, c := range name {
		if c != '_' && !isLetter(c) && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// checkPlaceholders walks the whole tree: an error where the value decides who
// may call what, a warning elsewhere. Prose and defaults may hold anything.
func (l *loader) checkPlaceholders(s spot) {
	const message = "a placeholder (like ${NAME}) was left in the value"
	const remedy = "replace it before the file is read, for example with envsubst"
	if s.kind == text && placeholder(s.text) {
		severity := Warning
		if s.entity != "" || bounds(s.path) {
			severity = Error
		}
		l.say(severity, s, message, remedy)
		l.placeholders[s.node] = true
		return
	}
	for i := range s.items {
		l.checkPlaceholders(s.item(i))
	}
	for i, m := range s.members {
		v := s.member(i)
		if s.path == keysSection && placeholder(m.name) {
			l.err(v.namedAt(m.pos), "a placeholder (like ${NAME}) was left in the key itself: whoever guesses its name has the key", remedy)
		}
		switch m.name {
		case "description", "intro", "displayName", "display_name", "defaults", "responsesDefaults", "responses_defaults":
			continue
		}
		l.checkPlaceholders(v)
	}
}
