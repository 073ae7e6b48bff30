package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What the environment says of the settings.
const (
	// settingsVariable names the file, when no flag does.
	settingsVariable = "AIDIAL_SETTINGS"
	// DefaultSettingsFile is how DIAL calls the file; it is not looked for.
	DefaultSettingsFile = "aidial.settings.json"

	settingsPrefix    = "aidial."
	oldSettingsPrefix = "proxy."
	fileSuffix        = "_FILE"
)

// LoadSettings reads DIAL's static settings: what is built in, over it the file, and over it the variables of the
// environment (NAME=value) that begin with "aidial.": aidial.server.port=8080, their values JSON where they can be.
// A name with _FILE at its end gives the file that holds the value. Without a file, AIDIAL_SETTINGS names one, or
// there is none. It goes on after a mistake; problems name the line of the file, or the variable. The Settings are
// never nil.
func LoadSettings(file string, environ []string) (*Settings, []Problem) {
	l := &loader{placeholders: map[*node]bool{}}
	settings := defaultSettings(environ)
	stated, files := l.settingsOf(environ)
	if file == "" {
		file = valueOf(environ, settingsVariable)
	}
	var root *node
	if file != "" {
		root, files = l.readFile(file), append([]string{file}, files...)
	}
	if root = merge(root, stated, true); root != nil {
		l.checkPlaceholders(spot{node: root})
		readObject(l, spot{node: root}, settingsTable(), settings)
		l.checkAdmins(spot{node: root}, settings)
	}
	return settings, l.finish(files)
}

// defaultSettings are what DIAL has built in, of what means something here.
func defaultSettings(environ []string) *Settings {
	return &Settings{Admins: defaultAdmins(), PromptLog: defaultPromptLog(environ), Tracing: defaultTracing(), Load: LoadBounds{Queue: -1}}
}

// defaultAdmins are DIAL's rules of who is an admin.
func defaultAdmins() []ClaimRule {
	return []ClaimRule{{Source: "roles", Function: functionContain, Targets: []string{"admin"}}}
}

func valueOf(environ []string, name string) string {
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// settingsOf is what the environment states, nil for nothing, and the names that stand for files in messages.
func (l *loader) settingsOf(environ []string) (root *node, files []string) {
	stated := map[string]*node{}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		at := pos{file: "variable " + name}
		if unreadable(name) {
			at.file = "variable " + strconv.QuoteToASCII(name)
			files = append(files, at.file)
			l.report(Problem{Severity: Error, File: at.file, Message: "the name of the variable has a character that cannot be seen", Remedy: "write it again"})
			continue
		}
		path, current := strings.CutPrefix(name, settingsPrefix)
		if !current {
			var old bool
			if path, old = strings.CutPrefix(name, oldSettingsPrefix); !old {
				continue
			}
			l.report(Problem{Severity: Warning, File: at.file, Message: "the prefix proxy. is the old name of aidial.", Remedy: "call it " + settingsPrefix + strings.TrimSuffix(path, fileSuffix)})
		}
		files = append(files, at.file)
		path, n := l.variable(path, value, at)
		if n == nil {
			continue
		}
		if slices.Contains(strings.Split(path, "."), "") {
			l.report(Problem{Severity: Error, File: at.file, Message: "the name of a setting is missing between two dots", Remedy: "for example aidial.server.port"})
			continue
		}
		if old, twice := stated[path]; twice {
			l.report(Problem{Severity: Error, File: at.file, Path: path, Message: "stated by the " + old.file + " too", Remedy: "remove one of the two"})
			continue
		}
		stated[path] = n
	}
	slices.Sort(files)
	for _, path := range slices.Sorted(maps.Keys(stated)) { // a.b before a.b.c, which changes a part of it
		root = merge(root, nested(strings.Split(path, "."), stated[path]), true)
	}
	return root, files
}

// unreadable says whether a variable of the settings has a name that no message can have.
func unreadable(name string) bool {
	ours := strings.HasPrefix(name, settingsPrefix) || strings.HasPrefix(name, oldSettingsPrefix)
	return ours && strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) })
}

// variable is a variable's path and value, nil with a problem reported.
func (l *loader) variable(path, value string, at pos) (string, *node) {
	if inFile, ok := strings.CutSuffix(path, fileSuffix); ok {
		content, message := readSecret(value)
		if message != "" {
			l.report(Problem{Error, at.file, 0, 0, inFile, "the file that the variable names " + message, "a file that holds the value and nothing else"})
			return inFile, nil
		}
		l.secrets.add(content)
		path, value = inFile, content
		if n := structured(value, at); n != nil {
			return path, n
		}
		return path, &node{pos: at, kind: text, text: value} // a secret may look like a number
	}
	n, bad := parseJSON(at.file, []byte(value))
	if trimmed := strings.TrimSpace(value); bad != nil && trimmed != "" && strings.ContainsRune(`{["`, rune(trimmed[0])) {
		l.report(Problem{Error, at.file, 0, 0, path, "the value begins like JSON and is none: " + bad.message, bad.remedy})
		return path, nil
	}
	if bad != nil {
		return path, &node{pos: at, kind: text, text: value}
	}
	l.checkNames(spot{node: n, path: path})
	n.moveTo(at)
	return path, n
}

// structured is the JSON object or list in a text, nil for anything else.
func structured(value string, at pos) *node {
	n, bad := parseJSON(at.file, []byte(value))
	if bad != nil || n.kind != object && n.kind != list {
		return nil
	}
	n.moveTo(at)
	return n
}

// nested is the value inside objects of these names.
func nested(names []string, value *node) *node {
	for _, name := range slices.Backward(names) {
		value = &node{pos: value.pos, kind: object, members: []member{{pos: value.pos, name: name, value: value}}}
	}
	return value
}

// checkAdmins warns of rules that make admins of more people than they seem to. Without a provider of identities
// there are no claims, and no admins.
func (l *loader) checkAdmins(s spot, settings *Settings) {
	if len(settings.Providers) == 0 {
		return
	}
	at, _ := s.find("identityProviders")
	const remedy = `state access.admin.rules with the function EQUAL`
	if access, ok := s.find("access"); ok {
		if admin, ok := access.find("admin"); ok {
			if rules, ok := admin.find("rules"); ok {
				for i := range rules.items {
					if function, ok := rules.item(i).find("function"); ok && strings.EqualFold(function.text, functionContain) {
						l.warn(function, `CONTAIN looks for a part of the claim: of "admin", the role "not-admin" makes an admin too`, "use EQUAL")
					}
				}
				return
			}
		}
	}
	l.warn(at, `access.admin.rules is not stated, and DIAL's rule holds: every role that has "admin" in it makes an admin, also "not-admin"`, remedy)
}

// millis reads a number of milliseconds.
func (l *loader) millis(s spot, least int64, into *time.Duration) {
	const most = int64(10 * 365 * 24 * time.Hour / time.Millisecond)
	n := into.Milliseconds()
	l.integer(s, least, &n)
	if n > most {
		l.err(s, "must be a number of milliseconds, this is more than ten years", "")
		return
	}
	*into = time.Duration(n) * time.Millisecond
}
