package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"outcrop/internal/auth"
)

// consentFile is the name of the file below --data-dir.
const consentFile = "consents.json"

// consents are who has agreed to which deployment, and since when. They are kept in a file when there is one.
type consents struct {
	path string // "" for none

	mu    sync.RWMutex
	given map[string]map[string]time.Time // by who, by deployment
}

// consentText is the file. Version is 1.
type consentText struct {
	Version int                             `json:"version"`
	Given   map[string]map[string]time.Time `json:"given"`
}

// consentsInMemory are lost when the process ends.
func consentsInMemory() *consents { return &consents{given: map[string]map[string]time.Time{}} }

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
	text, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, c.write() // a directory that cannot be written to is told now, and not to a user
	}
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
	for who, deployments := range kept.Given {
		if deployments != nil {
			c.given[who] = deployments
		}
	}
	return c, nil
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
	who := caller.ID()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.given[who] == nil {
		c.given[who] = map[string]time.Time{}
	}
	if _, already := c.given[who][deployment]; already {
		return nil
	}
	c.given[who][deployment] = time.Now().UTC().Truncate(time.Second)
	if c.path == "" {
		return nil
	}
	err := c.write()
	if err != nil {
		delete(c.given[who], deployment)
	}
	return err
}

// write replaces the file as a whole: whoever reads it finds the old one or the new one, also after a crash.
func (c *consents) write() (err error) {
	text, err := json.MarshalIndent(consentText{1, c.given}, "", "  ")
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
