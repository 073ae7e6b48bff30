package adapter

import (
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/secret"
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

// What goes on to Core of a request's headers is what Core is to know: not what the caller proves itself
// with elsewhere, nor what Core itself has added, nor what is about this connection.
func TestForwardedHeaders(t *testing.T) {
	in := http.Header{}
	for _, name := range []string{
		"Api-Key", "Traceparent", "Tracestate", "X-Dial-Cache-Policy", "X-Conversation-Id",
		"Authorization", "X-Api-Key", "Cookie", "User-Agent", "Connection", "Transfer-Encoding", "Content-Length", "Content-Type", "Accept-Encoding",
		"X-Upstream-Key", "X-Upstream-Endpoint", "X-Upstream-Extra-Data", "Anthropic-Version", "Anthropic-Beta", "X-Stainless-Lang",
		"X-Dial-Deployment-Id", "X-Dial-Deployment-Features", "X-Dial-Override-Name", "X-Dial-Cache-Breakpoint-Path",
		"Api_key", "X_api_key", "X_upstream_key", "X-Upstream_extra-Data", "Transfer_encoding", "X_dial_deployment_id", "Anthropic_beta",
	} {
		in.Set(name, "v")
	}
	want := http.Header{
		"Api-Key": {"v"}, "Traceparent": {"v"}, "Tracestate": {"v"}, "X-Dial-Cache-Policy": {"v"}, "X-Conversation-Id": {"v"},
		"User-Agent": {"anthropicMessages-to-openaiChatCompletions-translator"},
	}
	if diff := cmp.Diff(want, forwarded(in)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A client that is pushed out of the cache is closed, so that its connections are.
func TestPushedOutClientsAreDropped(t *testing.T) {
	a, err := newAdapter(Options{
		CacheSize: 1, Log: slog.New(slog.DiscardHandler),
		Client: func(bedrock.Settings) (*bedrock.Client, error) {
			return bedrock.New(bedrock.Options{Region: "us-east-1", APIKey: secret.New("k")})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	dropped := 0
	drop := a.clients.drop
	a.clients.drop = func(c *bedrock.Client) { dropped++; drop(c) }
	for _, region := range []string{"eu-west-1", "eu-west-2", "eu-west-3"} {
		if _, err := a.client(t.Context(), bedrock.Settings{Region: region}); err != nil {
			t.Fatal(err)
		}
	}
	if dropped != 3 { // the process's own was the first
		t.Errorf("%d clients were closed", dropped)
	}
}
