package adapter

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"outcrop/internal/llm"
)

// fakeCore keeps what is stored in it.
type fakeCore struct {
	bucket string // the reply of GET /v1/bucket
	put    int    // the status of a PUT
	reply  string // to a PUT
	asked  atomic.Int64
	stored map[string]string // type and content, by path
	moved  string            // where everything is, if it has moved
}

func (c *fakeCore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.moved != "" {
		http.Redirect(w, r, c.moved, http.StatusTemporaryRedirect)
		return
	}
	if r.Header.Get("Api-Key") != "key-1" || r.Header.Get("Authorization") != "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet {
		c.asked.Add(1)
		_, _ = io.WriteString(w, c.bucket)
		return
	}
	file, header, err := r.FormFile("file")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return
	}
	c.stored[r.URL.Path] = header.Header.Get("Content-Type") + " " + string(data)
	w.WriteHeader(c.put)
	_, _ = io.WriteString(w, c.reply)
}

func newFakeCore(t *testing.T) (*fakeCore, *core) {
	t.Helper()
	fake := &fakeCore{bucket: `{"bucket":"Own","appdata":"Theirs/appdata/painter"}`, put: http.StatusOK, reply: `{"url":"files/Theirs/appdata/painter/images/x.png"}`, stored: map[string]string{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + "/dial/")
	if err != nil {
		t.Fatal(err)
	}
	return fake, newCore(&Options{Core: base, CacheSize: 8})
}

func TestStore(t *testing.T) {
	fake, c := newFakeCore(t)
	credentials := http.Header{"Api-Key": {"key-1"}, "Authorization": {"Bearer x"}}
	for _, file := range []llm.Blob{
		{MIME: "image/png", Bytes: []byte("picture")},
		{MIME: "image/png", Base64: base64.StdEncoding.EncodeToString([]byte("picture"))},
	} {
		got, err := c.store(t.Context(), credentials, file)
		if err != nil || got != "files/Theirs/appdata/painter/images/x.png" {
			t.Errorf("got %s, %v", got, err)
		}
	}
	if n := fake.asked.Load(); n != 1 {
		t.Errorf("the bucket was asked for %d times", n)
	}
	if len(fake.stored) != 1 {
		t.Errorf("stored %v", fake.stored)
	}
	for path, file := range fake.stored {
		if !strings.HasPrefix(path, "/dial/v1/files/Theirs/appdata/painter/images/") || !strings.HasSuffix(path, ".png") || len(path) != len("/dial/v1/files/Theirs/appdata/painter/images/.png")+64 || file != "image/png picture" {
			t.Errorf("stored %s at %s", file, path)
		}
	}
}

// A caller without app data has a bucket; a Core that does not say where the file is has put it where it
// was told to.
func TestStoreInTheCallersBucket(t *testing.T) {
	fake, c := newFakeCore(t)
	fake.bucket, fake.reply = `{"bucket":"Own"}`, `{}`
	got, err := c.store(t.Context(), http.Header{"Api-Key": {"key-1"}}, llm.Blob{MIME: "image/jpeg", Bytes: []byte("picture")})
	if err != nil || !strings.HasPrefix(got, "files/Own/images/") || !strings.HasSuffix(got, ".jpeg") {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestStoreFails(t *testing.T) {
	for _, tt := range []struct {
		name, key string
		change    func(*fakeCore)
		want      string
	}{
		{"no key", "", func(*fakeCore) {}, "no Api-Key came with the request"},
		{"unknown key", "key-2", func(*fakeCore) {}, "/v1/bucket with status 401"},
		{"no bucket", "key-1", func(f *fakeCore) { f.bucket = `{}` }, "DIAL Core names no bucket"},
		{"no JSON", "key-1", func(f *fakeCore) { f.bucket = `hush-hush` }, "DIAL Core's answer is no JSON"},
		{"not taken", "key-1", func(f *fakeCore) { f.put = 413 }, ".png with status 413"},
		{"moved", "key-1", func(f *fakeCore) { f.moved = "http://127.0.0.1:1/elsewhere" }, "with status 307"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake, c := newFakeCore(t)
			tt.change(fake)
			_, err := c.store(t.Context(), http.Header{"Api-Key": {tt.key}}, llm.Blob{MIME: "image/png", Bytes: []byte("picture")})
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") || tt.key != "" && strings.Contains(err.Error(), tt.key) {
				t.Errorf("got %v", err)
			}
		})
	}
}
