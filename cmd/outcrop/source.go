package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"outcrop/internal/config"
)

// source is where a configuration is read from.
type source struct {
	paths []string // files, and directories of files
	merge config.Options
	// secrets are the files that the configuration names for the secrets in them, as it was read last.
	secrets []string
}

// files are the files of the paths, in their order, those of a directory by name. Hidden ones are left out:
// Kubernetes keeps each version of a mounted ConfigMap in a directory "..2024_10_25_…" with a link "..data" to
// it, and the files are links through that
// (https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically).
func (s source) files() (files []string, err error) {
	for _, path := range s.paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			files = append(files, path) // that it cannot be read is told with the other mistakes
			continue
		}
		found, err := configsIn(path)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

func configsIn(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || !slices.Contains([]string{".json", ".yaml", ".yml"}, strings.ToLower(filepath.Ext(name))) {
			continue
		}
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			continue
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("the configuration: the directory %s has no file named *.json, *.yaml or *.yml: put the configuration there, or name its file", dir)
	}
	return files, nil
}

// contents stand for what the files hold now, readable or not.
type contents [sha256.Size]byte

// contents reads everything: a mount, an editor and a copy change files in different ways, and what they hold
// is all that they have in common.
func (s source) contents() contents {
	sum := sha256.New()
	files, err := s.files()
	if err != nil {
		sum.Write([]byte(err.Error()))
	}
	for _, file := range slices.Concat(files, s.secrets) {
		data, err := os.ReadFile(file)
		if err != nil {
			data = []byte(err.Error())
		}
		for _, part := range [][]byte{[]byte(file), data} {
			sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			sum.Write(part)
		}
	}
	return contents(sum.Sum(nil))
}

// read takes note of the files that a configuration named besides its own, and says whether they are others than
// before.
func (s *source) read(cfg *config.Config) (others bool) {
	if cfg == nil || slices.Equal(s.secrets, cfg.SecretFiles()) {
		return false
	}
	s.secrets = slices.Clone(cfg.SecretFiles())
	return true
}

// load reads the files. An error means that there are none to read; the problems may have errors among them.
func (s source) load() (*config.Config, []config.Problem, error) {
	files, err := s.files()
	if err != nil {
		return nil, nil, err
	}
	cfg, problems := config.Load(files, s.merge)
	return cfg, problems, nil
}
