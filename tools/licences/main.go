// Command licences tells the licences of all modules that are in the binary, by their SPDX ids, and writes its bill of
// materials. It fails on a licence that it does not know, or that binds who uses it.
package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	root := flag.String("root", ".", "folder of the repository")
	write := flag.Bool("write", false, "write docs/licences.md instead of comparing with it")
	binary := flag.String("binary", "", "write a CycloneDX document of this binary to the standard output")
	flag.Parse()
	if err := run(*root, *write, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(root string, write bool, binary string) error {
	modules, err := modulesOf(root)
	if err != nil {
		return err
	}
	if binary != "" {
		return bill(os.Stdout, binary, modules)
	}
	file := filepath.Join(root, "docs", "licences.md")
	want := table(modules)
	if write {
		return os.WriteFile(file, want, 0o644) //nolint:gosec // a document
	}
	got, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("docs/licences.md is not what is in the binary: make licences writes it, and then look at what has changed")
	}
	return nil
}

// module is one that is in the binary.
type module struct {
	path, version string
	licences      []string
}

// modulesOf are the modules of the packages that the binary is made of, as the image has it, in the order of their paths.
func modulesOf(root string) (modules []module, err error) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", "./cmd/outcrop")
	cmd.Dir, cmd.Env, cmd.Stderr = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=-mod=readonly"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		words := strings.SplitN(line, " ", 3)
		if len(words) != 3 {
			continue // of the standard library, and ours
		}
		m := module{path: words[0], version: words[1]}
		if m.licences, err = licencesIn(words[2], apart(m.path)...); err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.path, m.version, err)
		}
		modules = append(modules, m)
	}
	return modules, nil
}

// apart are files about what is not in the binary: the picture of memory's logo, and what sqlite's tests and the modules in
// its graph have (its section 1, what is linked, are modules of this table).
func apart(path string) []string {
	switch path {
	case "modernc.org/memory":
		return []string{"LICENSE-LOGO"}
	case "modernc.org/sqlite":
		return []string{"LICENSE-3RD-PARTY.MD"}
	}
	return nil
}

// licencesIn are the licences of a module's folder, but for the files that are apart.
func licencesIn(dir string, apart ...string) (found []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if slices.Contains(apart, name) || e.IsDir() || !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		ids := identify(string(text))
		if len(ids) == 0 {
			return nil, fmt.Errorf("%s is a licence that this program does not know: read it, and teach it or leave the module", e.Name())
		}
		found = append(found, ids...)
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) == 0 {
		return nil, errors.New("it has no licence")
	}
	for _, id := range found {
		if !slices.Contains([]string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "blessing"}, id) {
			return nil, fmt.Errorf("its licence is %s, which binds who uses it", id)
		}
	}
	return found, nil
}

// identify finds the licences whose words a text has.
func identify(text string) (ids []string) {
	text = strings.Join(strings.Fields(text), " ")
	has := func(part string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(part)) }
	for _, l := range []struct{ id, words string }{
		{"AGPL-3.0", "GNU AFFERO GENERAL PUBLIC LICENSE Version"}, {"LGPL", "GNU LESSER GENERAL PUBLIC LICENSE Version"}, {"GPL", "GNU GENERAL PUBLIC LICENSE Version"},
		{"MPL-2.0", "Mozilla Public License"}, {"EPL", "Eclipse Public License"}, {"BUSL-1.1", "Business Source License"}, {"SSPL-1.0", "Server Side Public License"},
		{"Apache-2.0", "Apache License, Version 2.0"}, {"Apache-2.0", "Apache License Version 2.0"}, {"ISC", "Permission to use, copy, modify, and/or distribute"},
		{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
		{"blessing", "SQLite is in the Public Domain"}, {"blessing", "dedicated to the public domain"},
	} {
		if has(l.words) {
			ids = append(ids, l.id)
		}
	}
	switch {
	case !has("Redistribution and use in source and binary forms"):
	case has("Neither the name"), has("may not be used to endorse"), has("may be used to endorse"):
		ids = append(ids, "BSD-3-Clause")
	default:
		ids = append(ids, "BSD-2-Clause")
	}
	return ids
}

// table is docs/licences.md.
func table(modules []module) []byte {
	var b bytes.Buffer
	b.WriteString("# Licences\n\nWhat is in the binary beside Outcrop itself (Apache-2.0) and Go's standard library (BSD-3-Clause). Written by `make licences`\n" +
		"from the texts of the modules; a test fails when it is not true any more, and on a licence that is not known or that binds.\n\n| module | version | licence |\n|---|---|---|\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.path, m.version, strings.Join(m.licences, " AND "))
	}
	return b.Bytes()
}

// bill writes a bill of materials of a binary, which holds the modules that it says itself.
func bill(to *os.File, binary string, modules []module) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	d, err := newDocument(binary, info)
	if err != nil {
		return err
	}
	for _, dep := range info.Deps {
		i := slices.IndexFunc(modules, func(m module) bool { return m.path == dep.Path && m.version == dep.Version })
		if i < 0 {
			return fmt.Errorf("%s %s is in %s, and not in what ./cmd/outcrop is made of: build it again", dep.Path, dep.Version, binary)
		}
		d.add(dep, modules[i].licences)
	}
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
