package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestLicencesThatBindAreRefused, and those that nobody knows.
func TestLicencesThatBindAreRefused(t *testing.T) {
	for text, want := range map[string][]string{
		"Apache License\n  Version 2.0, January 2004": {"Apache-2.0"}, "GNU GENERAL PUBLIC LICENSE\nVersion 3": nil, "Mozilla Public License Version 2.0": nil, "Do what you want.": nil,
		"Permission is hereby granted, free of charge,\nto any person obtaining a copy": {"MIT"},
		"Redistribution and use in source and binary forms, …":                          {"BSD-2-Clause"}, "Redistribution and use in source and binary forms, … Neither the name of": {"BSD-3-Clause"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := licencesIn(dir)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := licencesIn(t.TempDir()); err == nil {
		t.Error("no licence is one")
	}
}
