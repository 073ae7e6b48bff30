package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a set String prints as.
const Redacted = "REDACTED"

// String holds a secret text: a key, a password, a token. It prints as
// [Redacted], and as nothing when it is empty, whatever prints it.
//
// The zero value is the empty secret. == compares identity, not text: [String.Equal]
// compares that.
type String struct {
	// A pointer, because fmt cannot call methods on an unexported field and
	// prints its memory instead: of a pointer inside a struct it prints the
	// address. TestNestedInUnexportedFields shows it.
	text *string
}

// New wraps s.
func New(s string) String {
	if s == "" {
		return String{}
	}
	return String{text: &s}
}

// Reveal returns the text. Call it where the secret is used (a header, a
// signer), never to print it.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Equal reports whether two secrets are the same text, in a time that tells nothing of where they differ.
func (s String) Equal(other String) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// IsZero reports whether there is no text. encoding/json (omitzero) and YAML
// encoders look for this method by its name.
func (s String) IsZero() bool { return s.text == nil }

// String is [Redacted], or "" when there is no text.
func (s String) String() string {
	if s.IsZero() {
		return ""
	}
	return Redacted
}

// GoString is what %#v prints.
func (s String) GoString() string { return fmt.Sprintf("secret.String(%q)", s.String()) }

// Format serves every verb of fmt, so that none (%x, %d, a width, a flag) falls
// back to reflection.
func (s String) Format(f fmt.State, verb rune) {
	out := s.String()
	switch {
	case verb == 'v' && f.Flag('#'):
		out = s.GoString()
	case verb == 'q':
		out = fmt.Sprintf("%q", out)
	}
	// A formatter has nowhere to report a failed write; fmt drops it as well.
	_, _ = io.WriteString(f, out)
}

// LogValue is what log/slog records.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText serves encoding/xml (elements and attributes), the keys of JSON
// maps and every encoder that knows encoding.TextMarshaler.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is the JSON string of [String.String].
func (s String) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", s.String()), nil }

// MarshalYAML serves the YAML libraries, which look for it by its name.
func (s String) MarshalYAML() (any, error) { return s.String(), nil }
