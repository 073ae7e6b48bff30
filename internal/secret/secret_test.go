package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"

	"outcrop/internal/secret"
)

const text = "hunter2-hunter2"

// forms are the shapes in which the text would be a leak.
func forms() []string {
	return []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("% x", text), "aHVudGVyMi1odW50ZXIy", fmt.Sprint([]byte(text))}
}

func mustHide(t *testing.T, how, got string) {
	t.Helper()
	for _, form := range forms() {
		if strings.Contains(got, form) {
			t.Errorf("%s leaks: %s", how, got)
		}
	}
}

type inner struct {
	Key secret.String
}

type outer struct {
	Name    string
	Key     secret.String  `json:"key" yaml:"key" xml:"key"`
	Attr    secret.String  `json:"-" yaml:"-" xml:"attr,attr"`
	Pointer *secret.String `json:"pointer" yaml:"pointer" xml:"pointer"`
	Inner   inner
	Deep    *inner
	List    []secret.String
}

func newOuter() outer {
	s := secret.New(text)
	return outer{Name: "n", Key: s, Attr: s, Pointer: &s, Inner: inner{s}, Deep: &inner{s}, List: []secret.String{s}}
}

func TestEveryVerbIsRedacted(t *testing.T) {
	s := secret.New(text)
	for _, tt := range []struct{ format, want string }{
		{"%v", "REDACTED"},
		{"%+v", "REDACTED"},
		{"%#v", `secret.String("REDACTED")`},
		{"%s", "REDACTED"},
		{"%40s", "REDACTED"},
		{"%.3s", "REDACTED"},
		{"%q", `"REDACTED"`},
		{"%#q", `"REDACTED"`},
		{"%x", "REDACTED"},
		{"% X", "REDACTED"},
		{"%d", "REDACTED"},
		{"%t", "REDACTED"},
		{"%c", "REDACTED"},
		{"%U", "REDACTED"},
	} {
		if got := fmt.Sprintf(tt.format, s); got != tt.want {
			t.Errorf("Sprintf(%q) = %s, want %s", tt.format, got, tt.want)
		}
		if got := fmt.Sprintf(tt.format, &s); got != tt.want {
			t.Errorf("Sprintf(%q) of a pointer = %s, want %s", tt.format, got, tt.want)
		}
	}
	if got := fmt.Sprint(s, &s); got != "REDACTED REDACTED" {
		t.Errorf("Sprint = %s", got)
	}
}

func TestNestedValuesAreRedacted(t *testing.T) {
	o := newOuter()
	m := map[secret.String]any{o.Key: []any{o.Key, o}}
	for _, v := range []any{o, &o, []any{o, &o}, m, &m, o.Deep, o.List, struct{ any }{o}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			mustHide(t, fmt.Sprintf("%s of %T", verb, v), fmt.Sprintf(verb, v))
		}
	}
}

// fmt does not call methods on unexported fields, it prints what it finds by
// reflection.
func TestNestedInUnexportedFields(t *testing.T) {
	type hidden struct {
		key  secret.String
		ptr  *secret.String
		list []secret.String
		byID map[string]secret.String
	}
	s := secret.New(text)
	h := hidden{s, &s, []secret.String{s}, map[string]secret.String{"a": s}}
	for _, v := range []any{h, &h, []hidden{h}, struct{ h hidden }{h}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			mustHide(t, fmt.Sprintf("%s of %T", verb, v), fmt.Sprintf(verb, v))
		}
	}
}

type keyError struct{ key secret.String }

func (e *keyError) Error() string { return fmt.Sprintf("the key %v was refused", e.key) }

func TestErrorsAreRedacted(t *testing.T) {
	s := secret.New(text)
	err := fmt.Errorf("upstream: %w (key %s)", errors.Join(&keyError{s}, fmt.Errorf("again %q", s)), s)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		mustHide(t, verb+" of an error", fmt.Sprintf(verb, err))
		mustHide(t, verb+" of an error's struct", fmt.Sprintf(verb, &keyError{s}))
	}
	if want := "upstream: the key REDACTED was refused\nagain \"REDACTED\" (key REDACTED)"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestLogsAreRedacted(t *testing.T) {
	o := newOuter()
	var buf bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
		log := slog.New(h).With("with", o.Key)
		log.Info("m", "plain", o.Key, "pointer", o.Pointer, "struct", o, "list", o.List, "err", &keyError{o.Key},
			slog.Group("g", "k", o.Key))
	}
	mustHide(t, "slog", buf.String())
	if got := strings.Count(buf.String(), "plain=REDACTED") + strings.Count(buf.String(), `"plain":"REDACTED"`); got != 2 {
		t.Errorf("both handlers should print the attribute as REDACTED:\n%s", buf.String())
	}
}

func TestEncodersAreRedacted(t *testing.T) {
	o := newOuter()
	j, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	x, err := xml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(map[secret.String]int{o.Key: 1})
	if err != nil {
		t.Fatal(err)
	}
	var g, tpl bytes.Buffer
	if err := gob.NewEncoder(&g).Encode(o.Key); err == nil {
		t.Error("gob should find nothing that it may encode")
	}
	mustHide(t, "gob", g.String())
	if err := template.Must(template.New("").Parse("{{.Key}} {{.Pointer}} {{.}}")).Execute(&tpl, o); err != nil {
		t.Fatal(err)
	}
	for how, out := range map[string]string{"json": string(j), "yaml": string(y), "xml": string(x), "json map key": string(keys), "template": tpl.String()} {
		mustHide(t, how, out)
		if !strings.Contains(out, "REDACTED") {
			t.Errorf("%s does not say REDACTED: %s", how, out)
		}
	}
	if want := `"key":"REDACTED","pointer":"REDACTED"`; !strings.Contains(string(j), want) {
		t.Errorf("json = %s, want it to hold %s", j, want)
	}
	if want := "key: REDACTED\npointer: REDACTED\n"; !strings.Contains(string(y), want) {
		t.Errorf("yaml = %s, want it to hold %s", y, want)
	}
}

func TestRevealGivesTheText(t *testing.T) {
	if got := secret.New(text).Reveal(); got != text {
		t.Errorf("Reveal = %q", got)
	}
}

func TestTheEmptySecretPrintsAsNothing(t *testing.T) {
	var zero secret.String
	if !zero.IsZero() || !secret.New("").IsZero() || secret.New("x").IsZero() {
		t.Error("IsZero is true of the empty text, and of it alone")
	}
	if got := fmt.Sprintf("%v|%s|%q|%#v", zero, zero, zero, zero); got != `||""|secret.String("")` {
		t.Errorf("the empty secret prints as %s", got)
	}
	out, err := json.Marshal(struct {
		Key  secret.String `json:"key"`
		Gone secret.String `json:"gone,omitzero"`
	}{})
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != `{"key":""}` {
		t.Errorf("json of the empty secret = %s", out)
	}
	if zero.Reveal() != "" {
		t.Errorf("Reveal of the empty secret = %q", zero.Reveal())
	}
}

func TestEqual(t *testing.T) {
	a, b := secret.New("hunter2"), secret.New("hunter3")
	if !a.Equal(secret.New("hunter2")) || a.Equal(b) || a.Equal(secret.String{}) || !(secret.String{}).Equal(secret.New("")) {
		t.Error("Equal is wrong")
	}
}
