package bedrock

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"outcrop/internal/secret"
)

// keyAge is how long the content of a key's file is taken for the same. A short-term key lasts 12 hours
// and is replaced before, so a few seconds do no harm.
const keyAge = 10 * time.Second

// bearer is a Bedrock API key: one that never changes, or one in a file.
type bearer struct {
	file    string // "" for a key that never changes
	current atomic.Pointer[readKey]
	reading sync.Mutex
}

// readKey is a key and when it was read.
type readKey struct {
	key secret.String
	at  time.Time
}

func newBearer(key secret.String) *bearer {
	b := &bearer{}
	b.current.Store(&readKey{key: key})
	return b
}

// newBearerFile is for a key that is read when it is first needed.
func newBearerFile(file string) *bearer { return &bearer{file: file} }

// get is the key; the error names the file, never what is in it.
func (b *bearer) get() (secret.String, error) {
	now := b.current.Load()
	if b.file == "" || now != nil && time.Since(now.at) < keyAge {
		return now.key, nil
	}
	if now == nil {
		b.reading.Lock()
	} else if !b.reading.TryLock() {
		return now.key, nil // another request reads it
	}
	defer b.reading.Unlock()
	if newer := b.current.Load(); newer != now {
		return newer.key, nil
	}
	return b.read()
}

// read takes the key from its file. One that cannot be read, as in the moment it is replaced, leaves
// the old one in place.
func (b *bearer) read() (secret.String, error) {
	data, err := os.ReadFile(b.file)
	key := strings.TrimSpace(string(data))
	now := b.current.Load()
	switch {
	case err == nil && key != "":
		now = &readKey{secret.New(key), time.Now()}
	case now != nil:
		now = &readKey{now.key, time.Now()}
	case err != nil:
		return secret.String{}, &credentialError{err: fmt.Errorf("the file of the Bedrock API key: %w", err), client: textNoKey}
	default:
		return secret.String{}, &credentialError{err: fmt.Errorf("the file of the Bedrock API key, %s, is empty", b.file), client: textNoKey}
	}
	b.current.Store(now)
	return now.key, nil
}

// replaced says whether the file holds another key than the one that AWS refused.
func (b *bearer) replaced(refused secret.String) bool {
	if b.file == "" {
		return false
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	if newer := b.current.Load(); newer != nil && !newer.key.Equal(refused) {
		return true
	}
	key, err := b.read()
	return err == nil && !key.Equal(refused)
}
