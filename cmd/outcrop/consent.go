package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"outcrop/internal/auth"
)

// consentFile is the name of the file below --data-dir.
const consentFile = "consents.json"

// maxConsents is how many consents are kept: the file is written whole for each, and held in memory.
const maxConsents = 200_000

// consents are who has agreed to which deployment, and since when. They are kept in a file when there is one. What
// another process has put into the file is read when the next consent is given here, and kept.
type consents struct {
	path string // "" for none
	most int

	writing sync.Mutex // held for the file, and by whoever changes given
	mu      sync.RWMutex
	given   map[string]map[string]time.Time // by who, by deployment
}

// consentText is the file. Version is 1.
type consentText struct {
	Version int                             `json:"version"`
	Given   map[string]map[string]time.Time `json:"given"`
}

// consentsInMemory are lost when the process ends.
func consentsInMemory() *consents {
	return &consents{most: maxConsents, given: map[string]map[string]time.Time{}}
}

// newConsents reads those of the directory, which is made when it is not there; "" keeps them in memory.
func newConsents(dir string) (*consents, error) {
	c := consentsInMemory()
	if dir == "" {
		return c, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	c.path = filepath.Join(dir, consentFile)
	var err error
	if c.given, err = c.read(); errors.Is(err, fs.ErrNotExist) {
		c.given = map[string]map[string]time.Time{}
		return c, c.write(c.given) // a directory that cannot be written to is told now, and not to a user
	}
	return c, err
}

// read is what the file has.
func (c *consents) read() (map[string]map[string]time.Time, error) {
	text, err := os.ReadFile(c.path)
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	var kept consentText
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&kept); err != nil || decoder.More() {
		return nil, fmt.Errorf("--data-dir: %s is damaged (%w): put a copy back, or remove it, and everybody is asked to agree again", c.path, cmpErr(err))
	}
	if kept.Version != 1 {
		return nil, fmt.Errorf("--data-dir: %s has version %d, and this program knows version 1: it was written by a newer one", c.path, kept.Version)
	}
	given := make(map[string]map[string]time.Time, len(kept.Given))
	for who, deployments := range kept.Given {
		if deployments != nil {
			given[who] = deployments
		}
	}
	return given, nil
}

// cmpErr is the error, or that more follows what was read.
func cmpErr(err error) error {
	if err == nil {
		return errors.New("text after its end")
	}
	return err
}

// Given implements gateway.Consents.
func (c *consents) Given(caller auth.Caller, deployment string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, ok := c.given[caller.ID()][deployment]
	return ok
}

// Give implements gateway.Consents. What cannot be kept is not given.
func (c *consents) Give(caller auth.Caller, deployment string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.Given(caller, deployment) {
		return nil
	}
	// Who asks a deployment meanwhile does not wait for the disk: readers have the map of before.
	next := c.merged()
	number := 0
	for _, deployments := range next {
		number += len(deployments)
	}
	if number >= c.most {
		return fmt.Errorf("--data-dir: there are %d consents already, more are not kept: remove those of users and deployments that are gone from %s", number, consentFile)
	}
	if next[caller.ID()] == nil {
		next[caller.ID()] = map[string]time.Time{}
	}
	next[caller.ID()][deployment] = time.Now().UTC().Truncate(time.Second)
	if c.path != "" {
		if err := c.write(next); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given = next
	return nil
}

// merged is a copy of what is given, with what other processes have added to the file. A file that cannot be read is
// as good as none: it is replaced.
func (c *consents) merged() map[string]map[string]time.Time {
	next := make(map[string]map[string]time.Time, len(c.given)+1)
	for who, deployments := range c.given {
		next[who] = maps.Clone(deployments)
	}
	if c.path == "" {
		return next
	}
	others, err := c.read()
	if err != nil {
		return next
	}
	for who, deployments := range others {
		if next[who] == nil {
			next[who] = deployments
			continue
		}
		for deployment, since := range deployments {
			if _, own := next[who][deployment]; !own {
				next[who][deployment] = since
			}
		}
	}
	return next
}

// write replaces the file as a whole: whoever reads it finds the old one or the new one, also after a crash.
func (c *consents) write(given map[string]map[string]time.Time) (err error) {
	text, err := json.MarshalIndent(consentText{1, given}, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(c.path), consentFile+".*")
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(append(text, '\n'))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	if err := os.Rename(file.Name(), c.path); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	return syncDir(filepath.Dir(c.path))
}

// syncDir makes a rename last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
