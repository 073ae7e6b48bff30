package adapter_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/adapter"
	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/fetch"
	"outcrop/internal/fixturetest"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
)

var update = flag.Bool("update", false, "rewrite the fixtures' upstream requests and replies, and the tables of docs/adapter.md")

// catalogueOnce reads the catalogue for all adapters of these tests.
var catalogueOnce = sync.OnceValues(models.Load)

// TestFixtures: the environment, a request with the headers that DIAL Core adds, what Bedrock is asked
// and with whose credentials, what it answers, what Core gets. One file is one promise.
//
// Sections named "server GET http://core/v1/…" are what Core, or a stranger, answers (status, headers,
// body); "server log" is what they were asked, without bodies. Of each role or key, "as" says what the
// adapter asked for.
func TestFixtures(t *testing.T) {
	fixturetest.Run(t, *update, func(t *testing.T, a *fixturetest.Archive) {
		w := newWorld(t)
		w.answers = a.Section
		w.upstream.Profile = a.Section("profile")
		var log fixturetest.Log
		handler := w.adapter(t, strings.Split(strings.TrimSpace(string(a.Section("env"))), "\n"), &log)
		a.Play(t, handler, w.upstream, &log)
		a.Compare(t, "server log", w.asked.String())
	})
}

// world is what an adapter can reach: Bedrock in every region, and Core.
type world struct {
	upstream *fixturetest.Upstream
	aws      http.Handler                // which is upstream, unless a test has another
	answers  func(section string) []byte // of Core and of strangers

	mu      sync.Mutex
	asked   strings.Builder
	clients []bedrock.Settings // that were made, by the number in their access key id
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{answers: func(string) []byte { return nil }}
	w.upstream = &fixturetest.Upstream{
		T: t, Place: func(r *http.Request) string { return r.Host },
		Note: func(r *http.Request) string { return "as " + w.identity(r) + "\n" },
	}
	w.aws = w.upstream
	return w
}

// adapter is one in this world, with an environment and changes to its options. Its log is text.
func (w *world) adapter(t testing.TB, environ []string, log io.Writer, changes ...func(*adapter.Options)) http.Handler {
	t.Helper()
	catalogue, err := catalogueOnce()
	if err != nil {
		t.Fatal(err)
	}
	environment, err := adapter.ReadEnvironment(environ)
	if err != nil {
		t.Fatal(err)
	}
	o := environment.Options
	o.Client = w.client(t, environment.Region, catalogue)
	o.Extra = readExtra
	core := memnet.Serve(t, w.servers(t))
	o.CoreTransport = core
	o.Fetch = fetch.Options{
		Dial: core.DialContext,
		Resolve: func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		},
	}
	o.Models = []adapter.Model{{ID: "us.amazon.nova-lite-v1:0", Name: "Nova Lite (US)"}}
	o.Log, o.Version = slog.New(slog.NewTextHandler(plain{log}, nil)), "test"
	for _, change := range changes {
		change(&o)
	}
	handler, err := adapter.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// plain writes a log without what is random in it: the digests of keys.
type plain struct{ io.Writer }

var keyDigest = regexp.MustCompile(`project=(key|nobody)-\w+`)

func (p plain) Write(b []byte) (int, error) {
	_, err := p.Writer.Write(keyDigest.ReplaceAll(b, []byte("project=$1")))
	return len(b), err
}

// client makes clients that say by their access key id what they were made of.
func (w *world) client(t testing.TB, region string, catalogue *models.Catalogue) func(bedrock.Settings) (*bedrock.Client, error) {
	transport := memnet.Serve(t, w.aws)
	return func(s bedrock.Settings) (*bedrock.Client, error) {
		w.mu.Lock()
		id := fmt.Sprintf("AKID%d", len(w.clients))
		w.clients = append(w.clients, s)
		w.mu.Unlock()
		if s.Region == "" {
			s.Region = region
		}
		return bedrock.New(bedrock.Options{
			Region: s.Region, Endpoint: "http://runtime." + s.Region, MantleEndpoint: "http://mantle." + s.Region,
			Transport: transport, Catalogue: catalogue, Credentials: credentials.NewStaticCredentialsProvider(id, "hunter2", ""),
		})
	}
}

// identity is with what a call was signed.
func (w *world) identity(r *http.Request) string {
	n := 0
	if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKID%d/", &n); err != nil {
		return "nobody"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return describe(w.clients[n])
}

// describe says in words what a client was made of.
func describe(s bedrock.Settings) string {
	from := "the process"
	switch {
	case !s.APIKey.IsZero():
		from = "an API key"
	case s.AccessKeyID != "" && !s.SessionToken.IsZero():
		from = s.AccessKeyID + " with a session token"
	case s.AccessKeyID != "":
		from = s.AccessKeyID
	}
	var tags []string
	for _, tag := range s.Tags {
		tags = append(tags, tag.Key+"="+tag.Value)
	}
	out := from
	if s.AssumeRoleARN != "" {
		out = s.AssumeRoleARN + " by " + from
	}
	if s.RoleSessionName != "" {
		out += ", session " + s.RoleSessionName
	}
	if s.ExternalID != "" {
		out += ", external id " + s.ExternalID
	}
	if len(tags) > 0 {
		out += ", tags " + strings.Join(tags, " ")
	}
	return out
}

// servers are Core and strangers, which answer as the sections say.
func (w *world) servers(t testing.TB) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		call := r.Method + " http://" + r.Host + r.URL.EscapedPath()
		w.mu.Lock()
		defer w.mu.Unlock()
		fmt.Fprintf(&w.asked, "%s (Api-Key: %s)\n", strings.TrimSuffix(call+"?"+r.URL.RawQuery, "?"), r.Header.Get("Api-Key"))
		for name := range r.Header {
			if name == "Authorization" || name == "X-Api-Key" || strings.HasPrefix(name, "X-Upstream-") {
				t.Errorf("%s was sent %s", r.Host, name)
			}
		}
		text := w.answers("server " + call)
		if text == nil {
			out.WriteHeader(http.StatusNotFound)
			return
		}
		fixturetest.Answer(t, out, text)
	}
}

// readExtra is what cmd/outcrop does, as far as these tests need it.
func readExtra(doc string) (adapter.Upstream, error) {
	u, problems := config.ReadExtraData([]byte(doc))
	for _, p := range problems {
		if field := strings.TrimPrefix(strings.TrimPrefix(p.Path, "extraData"), "."); p.Severity == config.Error {
			return adapter.Upstream{}, &llm.Error{Kind: llm.KindInvalid, Param: field, Message: strings.TrimPrefix(field+": ", ": ") + p.Message}
		}
	}
	out := adapter.Upstream{
		Settings: bedrock.Settings{
			Region: u.Region, APIKey: u.Key, AccessKeyID: u.AccessKeyID, SecretAccessKey: u.SecretAccessKey, SessionToken: u.SessionToken,
			AssumeRoleARN: u.AssumeRoleARN, ExternalID: u.ExternalID, RoleSessionName: u.RoleSessionName,
		},
		Model:   bedrock.ModelOptions{BaseModel: u.BaseModel, Surface: u.Surface, Claude: u.ClaudeClient},
		ModelID: u.ModelID,
	}
	if g := u.Guardrail; g.ID != "" {
		out.Model.Guardrail = &bedrock.Guardrail{ID: g.ID, Version: g.Version, Trace: g.Trace, StreamProcessingMode: g.StreamProcessingMode}
	}
	return out, nil
}
