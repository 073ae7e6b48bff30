package grant

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"outcrop/internal/iam"
	"outcrop/internal/secret"
)

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A key that cannot be written down is deleted again, and no key is made where there is no place for it.
func TestDeliver(t *testing.T) {
	const hidden = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	key := Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: secret.New(hidden), User: "dial"}
	for _, c := range []struct {
		undo error
		want string
	}{
		{nil, "was deleted again: no space left"},
		{errors.New("denied"), "aws iam delete-access-key --user-name dial --access-key-id AKIAIOSFODNN7EXAMPLE"},
	} {
		undone := false
		err := Delivery{File: "-", Out: full{}}.Deliver(func() (Key, func() error, error) {
			return key, func() error { undone = true; return c.undo }, nil
		})
		if err == nil || !undone || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), hidden) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "s")
	if err := (Delivery{File: file}).Deliver(func() (Key, func() error, error) { return Key{}, nil, errors.New("refused") }); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("an empty file was left")
	}
	err := Delivery{File: filepath.Join(file, "none")}.Deliver(func() (Key, func() error, error) {
		t.Error("a key was made that cannot be written down")
		return key, nil, nil
	})
	if err == nil {
		t.Error("no error")
	}
	if text := fmt.Sprintf("%v %+v %#v", key, key, key); strings.Contains(text, hidden) {
		t.Error(text)
	}
}

// Documents that say the same in another order are the same.
func TestCanonical(t *testing.T) {
	read := func(text string) iam.Document {
		t.Helper()
		d, err := iam.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a := read(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/a","arn:aws:iam::111122223333:role/b"]},"Action":["sts:AssumeRole","sts:TagSession"]}]}`)
	b := read(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/b","arn:aws:iam::111122223333:role/a"]},"Action":["sts:TagSession","sts:AssumeRole"]}}`)
	if canonical(a) != canonical(b) {
		t.Error(diff(a, b))
	}
	b.Statement[0].Effect = iam.Deny
	if got := diff(a, b); !strings.Contains(got, "-       \"Effect\": \"Allow\"") || !strings.Contains(got, "+       \"Effect\": \"Deny\"") {
		t.Error(got)
	}
}

// Shell arguments hold whatever a document says.
func TestQuoted(t *testing.T) {
	if got := quoted("it's"); got != `'it'\''s'` {
		t.Error(got)
	}
}
