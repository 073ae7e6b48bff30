package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"outcrop/internal/auth"
	"outcrop/internal/bedrock"
	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/secret"
)

var update = flag.Bool("update", false, "rewrite the fixtures' upstream requests and replies")

// deployments of every fixture: name → model id and who may use it. A fixture may have one more, named
// "model", whose model id is its section "model", with the surface behind it when that is not the usual one.
var deployments = []deploymentOf{
	{"claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", nil, ""},
	{"llama", "us.meta.llama3-3-70b-instruct-v1:0", nil, ""},
	{"profile", "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123", nil, ""},
	{"for-power", "us.amazon.nova-lite-v1:0", []string{"power"}, ""},
	{"for-nobody", "us.amazon.nova-lite-v1:0", []string{}, ""},
}

type deploymentOf struct {
	name, id string
	roles    []string
	surface  string
}

// catalogueOnce reads the catalogue for all gateways of these tests.
var catalogueOnce = sync.OnceValues(models.Load)

// TestFixtures: a request, what Bedrock is asked, what it answers, what the client gets. One file is
// one promise.
func TestFixtures(t *testing.T) {
	var files []string
	for _, pattern := range []string{"testdata/*.txtar", "testdata/*/*.txtar"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no fixtures: %v", err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(file), "testdata/"), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { runFixture(t, archive) })
			if !*update {
				return
			}
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func runFixture(t *testing.T, archive *txtar.Archive) {
	if !strings.HasSuffix(strings.TrimSpace(string(archive.Comment)), ".") {
		t.Error("the fixture does not begin with a sentence")
	}
	upstream := &upstream{t: t, profile: section(archive, "profile")}
	var log bytes.Buffer
	handler := newGateway(t, memnet.Serve(t, upstream), &log, newSetting(t, archive))
	for i := 1; i == 1 || section(archive, numbered("request", i)) != nil; i++ {
		upstream.script, upstream.calls, upstream.got = section(archive, numbered("upstream reply", i)), 0, ""
		log.Reset()
		reply := exchange(t, handler, section(archive, numbered("request", i)))
		synctest.Wait() // for an upstream that was left
		if want := upstream.expected(); want != upstream.calls {
			t.Errorf("request %d: Bedrock was called %d times instead of %d", i, upstream.calls, want)
		}
		compare(t, archive, numbered("upstream request", i), upstream.got)
		compare(t, archive, numbered("reply", i), reply)
		compare(t, archive, numbered("log", i), formatLog(log.String()))
	}
}

// numbered is the name of a section of the first exchange, or of a later one: "request", "request 2".
func numbered(name string, i int) string {
	if i == 1 {
		return name
	}
	return fmt.Sprintf("%s %d", name, i)
}

// exchange sends a request and returns the reply as text.
func exchange(t *testing.T, handler http.Handler, text []byte) string {
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire(text))))
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v", p)
		}
	}()
	handler.ServeHTTP(recorder, request.WithContext(t.Context()))
	return formatReply(recorder)
}

func section(archive *txtar.Archive, name string) []byte {
	for _, f := range archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// compare checks a section, or rewrites it.
func compare(t *testing.T, archive *txtar.Archive, name, got string) {
	t.Helper()
	if *update {
		i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
		switch {
		case i >= 0:
			archive.Files[i].Data = []byte(got)
		case got != "" && !strings.HasPrefix(name, "log"):
			archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(got)})
		}
		return
	}
	want := section(archive, name)
	if want == nil && strings.HasPrefix(name, "log") {
		return
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// wire completes a request's text: the protocol version and the length of the body.
func wire(text []byte) string {
	head, body, _ := strings.Cut(string(text), "\n\n")
	body = strings.TrimSuffix(body, "\n")
	line, headers, _ := strings.Cut(head, "\n")
	return fmt.Sprintf("%s HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: req-1\r\n%s\r\nContent-Length: %d\r\n\r\n%s",
		line, strings.ReplaceAll(headers, "\n", "\r\n"), len(body), body)
}

func newGateway(t testing.TB, transport http.RoundTripper, log io.Writer, s setting) http.Handler {
	t.Helper()
	catalogue, err := catalogueOnce()
	if err != nil {
		t.Fatal(err)
	}
	client, err := bedrock.New(bedrock.Options{
		Region: "us-east-1", Endpoint: "http://bedrock", MantleEndpoint: "http://mantle", Transport: transport, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "hunter2", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	served := deployments
	if s.model != "" {
		id, surface, _ := strings.Cut(s.model, " ")
		served = append(slices.Clip(served), deploymentOf{name: "model", id: id, surface: surface})
	}
	var list []*catalog.Deployment
	for _, d := range served {
		chat, err := client.Model(d.id, bedrock.ModelOptions{Surface: d.surface})
		if err != nil {
			t.Fatal(err)
		}
		deployment := &catalog.Deployment{Name: d.name, Roles: d.roles, Chat: chat}
		able(deployment, chat)
		if d.name == "model" {
			s.apply(deployment, chat)
		}
		list = append(list, deployment)
	}
	visible, err := catalog.New(list)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New([]auth.Key{
		{Secret: secret.New("key-a"), Project: "team-a", Roles: []string{"default"}},
		{Secret: secret.New("key-p"), Project: "team-p", Roles: []string{"power"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(t, gateway.Options{
		Auth: keys, Deployments: gateway.Fixed(visible), Version: "test", Log: slog.New(slog.NewTextHandler(log, nil)),
		Fetch: s.remotes.fetcher(), Metadata: s.Metadata,
	})
}

// able gives a deployment all that its model can do.
func able(d *catalog.Deployment, model any) {
	if m, ok := model.(llm.EmbedModel); ok {
		d.Embed = m
	}
	if m, ok := model.(llm.RerankModel); ok {
		d.Rerank = m
	}
	if m, ok := model.(interface{ Native() llm.MessagesModel }); ok {
		d.Messages = m.Native
	}
}

// upstream is a Bedrock that answers as a script says.
type upstream struct {
	t       *testing.T
	script  []byte
	profile []byte // what the control plane knows of a profile; empty for nothing
	turn    sync.Mutex
	calls   int
	got     string // every call that differs from the one before it
}

// parts are the replies of a script, which stand between lines "next": the first is for the first call,
// and so on, the last for all that follow.
func (u *upstream) parts() []string { return strings.Split(string(u.script), "\nnext\n") }

// expected is how often it is to be called: once for each part that has a status, or as a line "calls"
// says.
func (u *upstream) expected() (n int) {
	for _, part := range u.parts() {
		for line := range strings.Lines(part) {
			calls := 0
			if _, err := fmt.Sscanf(line, "calls %d", &calls); err == nil {
				return calls
			}
			if strings.HasPrefix(line, "status ") {
				n++
			}
		}
	}
	return n
}

// note remembers a call and returns the reply to it.
func (u *upstream) note(call string) string {
	u.turn.Lock()
	defer u.turn.Unlock()
	parts := u.parts()
	part := parts[min(u.calls, len(parts)-1)]
	u.calls++
	if !strings.HasSuffix(u.got, call) {
		u.got += call
	}
	return part
}

// control answers a question to the control plane.
func (u *upstream) control(w http.ResponseWriter) {
	w.Header()["Date"] = nil
	if len(u.profile) == 0 {
		w.WriteHeader(http.StatusNotFound)
	}
	u.write(w, u.profile)
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, host := "bedrock", ""
	if r.Host == "mantle" {
		service, host = "bedrock-mantle", "mantle"
	}
	if r.Method == http.MethodGet {
		u.control(w)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		u.t.Error(err)
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20000101/us-east-1/"+service+"/aws4_request") {
		u.t.Errorf("not signed: %q", r.Header.Get("Authorization"))
	}
	script := u.note(r.Method + " " + host + r.URL.EscapedPath() + "\n" + bedrockHeaders(r.Header) + indent(body))
	w.Header()["Date"] = nil
	w.Header().Set("X-Amzn-Requestid", "aws-1")
	for line := range strings.Lines(script) {
		if !u.waited(r, line) {
			u.line(w, strings.TrimSpace(line))
		}
	}
}

// bedrockHeaders writes the headers by which a request asks Bedrock for something.
func bedrockHeaders(h http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if strings.HasPrefix(name, "X-Amzn-Bedrock-") {
			fmt.Fprintf(&b, "%s: %s\n", name, h.Get(name))
		}
	}
	return b.String()
}

// line does one line of a script: status, header, json, event, exception, or a way to break off.
func (u *upstream) line(w http.ResponseWriter, line string) {
	verb, rest, _ := strings.Cut(line, " ")
	name, value, _ := strings.Cut(rest, " ")
	switch verb {
	case "", "calls":
	case "header":
		w.Header().Set(name, value)
	case "status":
		status := 0
		if _, err := fmt.Sscan(rest, &status); err != nil {
			u.t.Error(err)
		}
		w.WriteHeader(status)
	case "json":
		u.write(w, []byte(rest))
	case "data":
		u.write(w, []byte("data: "+rest+"\n\n"))
	case "half-data":
		u.write(w, []byte("data: "+rest[:len(rest)/2]))
	case "event", "exception":
		u.write(w, encodeFrame(u.t, verb, name, value))
	case "bad-checksum":
		frame := encodeFrame(u.t, "event", name, value)
		frame[len(frame)-1] ^= 1
		u.write(w, frame)
	case "half":
		frame := encodeFrame(u.t, "event", name, value)
		u.write(w, frame[:len(frame)/2])
	case "cut":
		panic(http.ErrAbortHandler)
	default:
		u.t.Errorf("unknown line %q", line)
	}
}

func (u *upstream) write(w http.ResponseWriter, data []byte) {
	if _, err := w.Write(data); err != nil {
		u.t.Logf("writing: %v", err)
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		u.t.Logf("flushing: %v", err)
	}
}

func encodeFrame(t testing.TB, kind, name, payload string) []byte {
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":"+kind+"-type", eventstream.StringValue(name))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	m.Headers.Set(":message-type", eventstream.StringValue(kind))
	var out bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	if b := out.Bytes(); crc32.ChecksumIEEE(b[:len(b)-4]) == 0 {
		t.Fatal("an unlikely frame")
	}
	return out.Bytes()
}

func indent(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return string(body)
	}
	return out.String() + "\n"
}

// formatReply writes status, the headers that a client reads, and the body.
func formatReply(r *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", r.Code)
	for _, name := range []string{"Content-Type", "Retry-After", "X-Outcrop-Ignored", "X-Outcrop-Changed", "X-DIAL-CACHE-BREAKPOINT-PATH", "X-DIAL-CACHE-EXPIRE-AT", "X-Request-Id"} {
		if value := r.Header().Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	b.WriteString("\n")
	body := r.Body.Bytes()
	if strings.HasPrefix(r.Header().Get("Content-Type"), "application/json") {
		b.WriteString(indent(body))
	} else {
		b.Write(body)
	}
	if len(body) > 0 && !strings.HasSuffix(b.String(), "\n") {
		b.WriteString("\n")
	}
	return b.String()
}

// formatLog leaves out what every line has.
func formatLog(log string) string {
	_, rest, _ := strings.Cut(log, " level=")
	return "level=" + rest
}
