package config

import (
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/secret"
)

// minSecret is the length below which a text is too common to be searched for:
// wiping "key" from every message would only make it unreadable. checkKey asks
// for longer keys.
const minSecret = 8

// A redactor wipes secrets from texts. Messages are written without secrets in
// the first place; it guards against the file that says a secret twice, once
// where it is public (a project named like its key).
type redactor []secret.String

// add hides the text, also where a message or a path quotes it with %q.
func (r *redactor) add(s string) {
	if len(s) < minSecret {
		return
	}
	*r = append(*r, secret.New(s))
	quoted := strconv.Quote(s)
	if quoted = quoted[1 : len(quoted)-1]; quoted != s {
		*r = append(*r, secret.New(quoted))
	}
}

func (r redactor) clean(s string) string {
	for _, hidden := range r {
		s = strings.ReplaceAll(s, hidden.Reveal(), secret.Redacted)
	}
	return s
}

func (r redactor) cleanAll(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = r.clean(s)
	}
	return out
}

// longestFirst makes a secret that holds another one vanish whole.
func (r redactor) longestFirst() redactor {
	slices.SortFunc(r, func(a, b secret.String) int { return len(b.Reveal()) - len(a.Reveal()) })
	return r
}
