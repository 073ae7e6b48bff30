package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"outcrop/internal/auth"
)

// TestConsentsAreKept: what somebody agreed to holds after a restart, for them alone, and for who calls with the key
// of their request.
func TestConsentsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	before, err := newConsents(dir)
	if err != nil {
		t.Fatal(err)
	}
	user, project := auth.Caller{User: "u"}, auth.Caller{Project: "u"}
	for range 2 {
		if err := before.Give(user, "team/app"); err != nil {
			t.Fatal(err)
		}
	}
	nested := user
	nested.Pass = &auth.Pass{Holder: "another"}
	after, err := newConsents(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*consents{before, after} {
		if !c.Given(user, "team/app") || !c.Given(nested, "team/app") || c.Given(project, "team/app") || c.Given(user, "team") {
			t.Errorf("%v", c.given)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
	if info, err := os.Stat(filepath.Join(dir, consentFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	memory, err := newConsents("")
	if err != nil || memory.Give(user, "a") != nil || !memory.Given(user, "a") {
		t.Errorf("in memory: %v", err)
	}
}

// TestManyAgreeAtOnce: nobody's consent is lost.
func TestManyAgreeAtOnce(t *testing.T) {
	dir := t.TempDir()
	c, err := newConsents(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := c.Give(auth.Caller{User: fmt.Sprint(i)}, "app"); err != nil || !c.Given(auth.Caller{User: fmt.Sprint(i)}, "app") {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	all.Wait()
	if again, err := newConsents(dir); err != nil || len(again.given) != 20 {
		t.Errorf("%v, %v", again, err)
	}
}

// TestProcessesWithOneFile keep each other's consents.
func TestProcessesWithOneFile(t *testing.T) {
	dir := t.TempDir()
	first, err := newConsents(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := newConsents(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []*consents{first, second, first} {
		if err := c.Give(auth.Caller{User: "u"}, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if !first.Given(auth.Caller{User: "u"}, "1") {
		t.Error("the first has not heard of the second's")
	}
	if again, err := newConsents(dir); err != nil || len(again.given["Users/u/"]) != 3 {
		t.Errorf("%v, %v", again, err)
	}
}

// TestConsentsAreBounded: more than so many are not given, nor kept.
func TestConsentsAreBounded(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		c, err := newConsents(dir)
		if err != nil {
			t.Fatal(err)
		}
		c.most = 3
		for i := range 5 {
			caller := auth.Caller{User: fmt.Sprint(i)}
			if err := c.Give(caller, "app"); (err == nil) != (i < 3) || c.Given(caller, "app") != (i < 3) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if len(c.given) != 3 || c.Give(auth.Caller{User: "0"}, "app") != nil {
			t.Errorf("%d callers", len(c.given))
		}
	}
}

// TestDamagedConsents: a server whose file is damaged does not start, and says which it is and what to do.
func TestDamagedConsents(t *testing.T) {
	for text, want := range map[string]string{
		"": "damaged", "{": "damaged", "[]": "damaged", `{"version":1,"given":{"a":1}}`: "damaged", `{"version":1} {}`: "damaged", `{"version":1,"else":1}`: "damaged",
		`{"version":2}`: "version 2", `{}`: "version 0", `{"version":1,"given":{"Users/u/":null}}`: "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, consentFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := newConsents(dir)
		if want == "" {
			if err != nil || c.Give(auth.Caller{User: "u"}, "app") != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Join(dir, consentFile)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestConsentsThatCannotBeKept are not given, and a directory that is none is told at the start.
func TestConsentsThatCannotBeKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c, err := newConsents(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := c.Give(auth.Caller{User: "u"}, "app"); err == nil || c.Given(auth.Caller{User: "u"}, "app") {
		t.Errorf("given, with %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newConsents(file); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("a file for a directory: %v", err)
	}
}
