package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// newFileMode is for a file that is made: it may get keys.
const newFileMode = 0o600

// ReplaceFile writes the file whole or not at all: a new file takes the place of the old one, with its
// permissions and, where the system allows that, its owner. Of a symbolic link the file behind it is written.
func ReplaceFile(name string, data []byte) (err error) {
	target, before, err := behind(name)
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
	mode := fs.FileMode(newFileMode)
	if before != nil {
		mode = before.Mode().Perm()
	}
	_, err = f.Write(data)
	if err = errors.Join(err, own(f, before), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
}

// behind follows links to the file that they mean, also to one that is not there yet, of which info is nil.
func behind(name string) (target string, info fs.FileInfo, err error) {
	const longestChain = 40
	target = name
	for range longestChain {
		info, err := os.Lstat(target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return target, nil, nil
		case err != nil:
			return "", nil, err
		case info.Mode()&fs.ModeSymlink == 0 && !info.Mode().IsRegular():
			return "", nil, fmt.Errorf("%s is not a file", target)
		case info.Mode()&fs.ModeSymlink == 0:
			return target, info, nil
		}
		next, err := os.Readlink(target)
		if err != nil {
			return "", nil, err
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(target), next)
		}
		target = next
	}
	return "", nil, fmt.Errorf("%s: too many links", name)
}

// Secrets are the texts of a configuration that must not be shown: the names under keys, and what the fields
// for secrets hold.
func Secrets(name string, data []byte) []string {
	d, err := openDocument(name, data)
	if err != nil {
		return nil
	}
	out := secrets{data: d.data}
	if keys := d.root.section("keys"); keys != nil {
		for _, m := range keys.members {
			out.add(m.name, m.start, flowEnd(d.data, m.start))
		}
	}
	out.find(d.root)
	return out.texts
}

// secrets collects what must not be shown: as it is meant, and as the file spells it.
type secrets struct {
	data  []byte
	texts []string
}

// add takes a text and where the file has it; an end that is not behind the start is not known.
func (s *secrets) add(text string, start, end int) {
	s.lines(text)
	if end > start && end <= len(s.data) {
		raw := string(s.data[start:end])
		if i := strings.IndexAny(raw, `"'`); i >= 0 { // behind an anchor, or a tag
			raw = strings.Trim(raw[i:], `"'`)
		}
		s.lines(raw)
	}
}

// lines takes each line by itself, as a diff shows it.
func (s *secrets) lines(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(s.texts, line) {
			s.texts = append(s.texts, line)
		}
	}
}

func (s *secrets) find(t *tree) {
	for _, item := range t.items {
		s.find(item)
	}
	for _, m := range t.members {
		switch fold(m.name) {
		case "key", "apikey", "awsapikey", "secretextradata", "awssecretaccesskey", "awssessiontoken", "awsbearertokenbedrock",
			"clientsecret", "codeverifier", "defaultheaders":
			s.all(m.value)
		case "extradata":
			if m.value.kind == treeText { // it holds an object
				s.all(m.value)
			}
		}
		s.find(m.value)
	}
}

// all takes everything in a value.
func (s *secrets) all(t *tree) {
	if t.kind < treeList && t.kind > treeBool {
		s.add(t.text, t.start, t.end)
	}
	for _, item := range t.items {
		s.all(item)
	}
	for _, m := range t.members {
		s.all(m.value)
	}
}
