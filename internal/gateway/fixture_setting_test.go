package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"outcrop/internal/bedrock"
	"outcrop/internal/catalog"
	"outcrop/internal/fetch"
	"outcrop/internal/fixturetest"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
)

// setting is what a fixture says of its deployment "model", in its sections "model" and "deployment",
// and of the rest of the world, in sections named "remote http://…".
type setting struct {
	model   string
	remotes remotes

	Defaults json.RawMessage
	Timeouts struct{ FirstToken, InterToken, Total, Heartbeat string }
	Count    bool // it counts tokens
	Metadata bool
	Full     string // of the server's load: "places", or the "caller" of key-a has its share, or "bodies"
	Store    string // where files are stored; "broken" for a storage that fails
}

func newSetting(t *testing.T, archive *fixturetest.Archive) setting {
	t.Helper()
	s := setting{model: strings.TrimSpace(string(archive.Section("model"))), remotes: remotes{t: t, files: map[string][]byte{}}}
	if text := archive.Section("deployment"); text != nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range archive.Files {
		if url, ok := strings.CutPrefix(f.Name, "remote "); ok {
			s.remotes.files[url] = f.Data
		}
	}
	return s
}

// apply makes the deployment as the fixture says.
func (s *setting) apply(d *catalog.Deployment, m *bedrock.Model) {
	parse := func(text string) time.Duration {
		if text == "" {
			return 0
		}
		duration, err := time.ParseDuration(text)
		if err != nil {
			s.remotes.t.Fatal(err)
		}
		return duration
	}
	d.Info.Defaults = s.Defaults
	d.Timeouts = catalog.Timeouts{
		FirstToken: parse(s.Timeouts.FirstToken), InterToken: parse(s.Timeouts.InterToken),
		Total: parse(s.Timeouts.Total), Heartbeat: parse(s.Timeouts.Heartbeat),
	}
	d.Configuration = m.Configuration
	if s.Count {
		d.Count = m
	}
}

// load is what the server has in work, as the fixture says.
func (s *setting) load() *gateway.Load {
	if s.Full == "" {
		return nil
	}
	load := gateway.NewLoad(gateway.LoadOptions{Places: 3, Bodies: 4096})
	if err := load.Fill(s.Full, "team-a"); err != nil {
		s.remotes.t.Fatal(err)
	}
	return load
}

// store is a place for files that a model makes, as the fixture says.
func (s *setting) store() func(context.Context, http.Header, llm.Blob) (string, error) {
	if s.Store == "" {
		return nil
	}
	return func(_ context.Context, credentials http.Header, file llm.Blob) (string, error) {
		switch {
		case credentials.Get("Api-Key") == "" || file.MIME == "" || file.Base64 == "" && file.Bytes == nil:
			return "", fmt.Errorf("stored without a key, a type or bytes: %v", credentials)
		case s.Store == "broken":
			return "", fmt.Errorf("the storage is full")
		}
		return s.Store + "/" + file.Name, nil
	}
}

// remotes are servers of the internet: of each URL the status, the header and, after an empty line, the
// body; a body that begins with "base64:" is in base64.
type remotes struct {
	t     testing.TB
	files map[string][]byte
}

// fetcher gets files from the remotes. Names that begin with "internal." have a private address, and
// those that begin with "nobody." none.
func (r remotes) fetcher() *fetch.Fetcher {
	return fetch.New(fetch.Options{
		Dial: memnet.Serve(r.t, r).DialContext,
		Resolve: func(_ context.Context, _, host string) ([]netip.Addr, error) {
			switch name, _, _ := strings.Cut(host, "."); name {
			case "internal":
				return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
			case "nobody":
				return nil, fmt.Errorf("lookup %s: no such host", host)
			}
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		},
	})
}

func (r remotes) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	for name, values := range req.Header {
		if name == "Api-Key" || name == "Authorization" {
			r.t.Errorf("a stranger was sent %s: %s", name, values)
		}
	}
	text, ok := r.files["http://"+req.Host+req.URL.Path]
	if !ok {
		r.t.Errorf("%s%s was fetched", req.Host, req.URL.Path)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fixturetest.Answer(r.t, w, text)
}
