package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// newFileMode is for a file that is made: it may get keys.
const newFileMode = 0o600

// ReplaceFile writes the file whole or not at all: a new file takes the place of the old one, with its
// permissions. Of a symbolic link the file behind it is written.
func ReplaceFile(name string, data []byte) (err error) {
	target, mode, err := behind(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".outcrop-import-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
}

// behind follows links to the file that they mean, also to one that is not there yet.
func behind(name string) (target string, mode fs.FileMode, err error) {
	const longestChain = 40
	target = name
	for range longestChain {
		info, err := os.Lstat(target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return target, newFileMode, nil
		case err != nil:
			return "", 0, err
		case info.Mode()&fs.ModeSymlink == 0 && !info.Mode().IsRegular():
			return "", 0, fmt.Errorf("%s is not a file", target)
		case info.Mode()&fs.ModeSymlink == 0:
			return target, info.Mode().Perm(), nil
		}
		next, err := os.Readlink(target)
		if err != nil {
			return "", 0, err
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(target), next)
		}
		target = next
	}
	return "", 0, fmt.Errorf("%s: too many links", name)
}

// Secrets are the texts of a configuration that must not be shown: the names under keys, and what the fields
// for secrets hold.
func Secrets(name string, data []byte) []string {
	d, err := openDocument(name, data)
	if err != nil {
		return nil
	}
	var out []string
	if keys := d.root.section("keys"); keys != nil {
		for _, m := range keys.members {
			out = append(out, m.name)
		}
	}
	return secretsOf(d.root, out)
}

func secretsOf(t *tree, out []string) []string {
	for _, item := range t.items {
		out = secretsOf(item, out)
	}
	for _, m := range t.members {
		switch fold(m.name) {
		case "key", "secretextradata", "awssecretaccesskey", "awssessiontoken", "awsbearertokenbedrock", "clientsecret", "codeverifier":
			out = scalars(m.value, out)
		case "extradata", "defaultheaders":
			if m.value.kind == treeText || fold(m.name) == "defaultheaders" { // a string that holds an object
				out = scalars(m.value, out)
			}
		}
		out = secretsOf(m.value, out)
	}
	return out
}

func scalars(t *tree, out []string) []string {
	if t.kind < treeList && t.kind > treeBool {
		out = append(out, strings.Split(strings.TrimSpace(t.text), "\n")...)
	}
	for _, item := range t.items {
		out = scalars(item, out)
	}
	for _, m := range t.members {
		out = scalars(m.value, out)
	}
	return out
}
