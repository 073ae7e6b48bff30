package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/proxy"
	"outcrop/internal/secret"
)

// TestOnlyDIALsEditsChangeABody: members that the client left out get their defaults, the name may be
// another, and not a byte else changes.
func TestOnlyDIALsEditsChangeABody(t *testing.T) {
	const defaults = `{"max_tokens": 7, "custom_fields": {"a": [1, 2]}}`
	for _, tt := range []struct{ name, defaults, override, body, want string }{
		{"nothing to change", "", "", `{ "messages" : [ ] }`, `{ "messages" : [ ] }`},
		{"not even JSON, and nothing to change", "", "", `{`, `{`},
		{"both missing", defaults, "", ` { "x": 1 } `, ` { "x": 1,"max_tokens":7,"custom_fields":{"a": [1, 2]} } `},
		{"the client's value wins whole", defaults, "", `{"custom_fields":{},"max_tokens":null}`, `{"custom_fields":{},"max_tokens":null}`},
		{"an empty object", defaults, "", "\n{ }", "\n{\"max_tokens\":7,\"custom_fields\":{\"a\": [1, 2]} }"},
		{"another name", "", `o"p`, `{"a":"model","model": "m" ,"b":1}`, `{"a":"model","model": "o\"p" ,"b":1}`},
		{"another name and defaults", defaults, "o", `{"model":1,"max_tokens":1}`, `{"model":"o","max_tokens":1,"custom_fields":{"a": [1, 2]}}`},
		{"a name where there is none", "", "o", `{"b":1}`, `{"b":1}`},
		{"two names", "", "o", `{"model":"m","b":1,"model":"n"}`, `{"model":"o","b":1,"model":"o"}`},
		{"the name last", `{"z":1}`, "o", `{"b":1,"model":"m"}`, `{"b":1,"model":"o","z":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = string(body)
				_, _ = io.WriteString(w, "{}")
			}))
			defer server.Close()
			if err := forward(t, proxy.Options{URL: server.URL, Defaults: []byte(tt.defaults), OverrideName: tt.override}, httptest.NewRecorder(), tt.body); err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestABodyThatCannotBeEditedIsRefused(t *testing.T) {
	for _, body := range []string{"", "[]", `{"a":1`, `{"a":1}}`, `"text"`} {
		err := forward(t, proxy.Options{URL: "http://127.0.0.1:1", OverrideName: "o"}, httptest.NewRecorder(), body)
		if e := llm.AsError(err); e.Kind != llm.KindInvalid || !strings.Contains(e.Message, "line 1, column") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestHeadersOfDIALCore: the upstream's values go out, the caller's credentials and what it says of
// upstreams do not.
func TestHeadersOfDIALCore(t *testing.T) {
	var got http.Header
	var query string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, query = r.Header, r.URL.RawQuery
		w.Header().Set("X-Dial-Cache-Expire-At", "5")
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Keep-Alive", "timeout=1")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, "slow down")
	}))
	defer server.Close()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x?api-version=1", nil)
	request.Header = http.Header{
		"Api-Key": {"callers-key"}, "Authorization": {"Bearer callers-token"}, "X-Api-Key": {"callers-key"}, "Cookie": {"c=callers"},
		"X-Upstream-Extra-Data": {`{"region":"callers"}`}, "X-Upstream-Key": {"callers"}, "X-Upstream-Id": {"callers"},
		"X-Conversation-Id": {"conversation"}, "Content-Type": {"application/json"}, "Accept-Encoding": {"gzip"}, "Connection": {"close"},
	}
	remote := remoteOf(t, proxy.Options{
		URL: strings.Replace(server.URL, "http://", "http://user:pass@", 1), Endpoint: "http://up", ExtraData: secret.New(`{"region":"eu-west-1"}`), Features: "{}",
	})
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "one")
	if err := carry(remote, w, request, "{}"); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusTooManyRequests || w.Body.String() != "slow down" || w.Header().Get("Retry-After") != "7" || w.Header().Get("X-Dial-Cache-Expire-At") != "5" || w.Header().Get("Keep-Alive") != "" {
		t.Errorf("the reply is %d %v %s", w.Code, w.Header(), w.Body)
	}
	if len(got.Get("Api-Key")) < 20 || strings.Contains(got.Get("Api-Key"), "callers") {
		t.Errorf("Api-Key is %q", got.Get("Api-Key"))
	}
	got.Del("Api-Key")
	want := http.Header{
		"Authorization": {"Basic dXNlcjpwYXNz"}, "X-Upstream-Endpoint": {"http://up"}, "X-Upstream-Extra-Data": {`{"region":"eu-west-1"}`},
		"X-Dial-Deployment-Features": {"{}"}, "X-Conversation-Id": {"conversation"}, "Content-Type": {"application/json"}, "Content-Length": {"2"}, "X-Request-Id": {"one"},
	}
	got.Del("User-Agent")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if query != "api-version=1" {
		t.Errorf("the query is %q", query)
	}
}

// TestAStreamIsNotHeldBack: what the server has written is written on before it writes more.
func TestAStreamIsNotHeldBack(t *testing.T) {
	next := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
			<-next
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer server.Close()
	remote := remoteOf(t, proxy.Options{URL: server.URL})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := carry(remote, w, r, "{}"); err != nil {
			t.Error(err)
		}
	}))
	defer front.Close()
	resp, err := front.Client().Post(front.URL, "application/json", strings.NewReader("{}")) //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for range 3 {
		if !lines.Scan() || lines.Text() != "data: x" || !lines.Scan() {
			t.Fatalf("the stream says %q, %v", lines.Text(), lines.Err())
		}
		next <- struct{}{}
	}
	if !lines.Scan() || lines.Text() != "data: [DONE]" || !lines.Scan() || lines.Scan() { // to the end, or leaving would be what ends the answer
		t.Errorf("the stream goes on with %q", lines.Text())
	}
}

func TestWhatGoesWrong(t *testing.T) {
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "data: half\n\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	w := httptest.NewRecorder()
	err := forward(t, proxy.Options{URL: cut.URL}, w, "{}")
	if e := llm.AsError(err); e.Kind != llm.KindUpstream || w.Body.String() != "data: half\n\n" {
		t.Errorf("cut: %v, %s", err, w.Body)
	}
	err = forward(t, proxy.Options{URL: "http://127.0.0.1:1"}, httptest.NewRecorder(), "{}")
	if e := llm.AsError(err); e.Kind != llm.KindUpstream || strings.Contains(e.Message, "127.0.0.1") {
		t.Errorf("nobody there: %v", err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	request := httptest.NewRequestWithContext(left, http.MethodPost, "/", nil)
	err = carry(remoteOf(t, proxy.Options{URL: cut.URL}), httptest.NewRecorder(), request, "{}")
	if e := llm.AsError(err); e.Kind != llm.KindCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("the client left: %v", err)
	}
	for want, o := range map[string]proxy.Options{
		"URL":        {URL: "ftp://x"},
		"line break": {URL: "http://x", Endpoint: "a\nb"},
		"defaults":   {URL: "http://x", Defaults: []byte("[]")},
	} {
		if _, err := proxy.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func remoteOf(t *testing.T, o proxy.Options) *proxy.Remote {
	t.Helper()
	o.Transport = proxy.NewTransport()
	remote, err := proxy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

func forward(t *testing.T, o proxy.Options, w http.ResponseWriter, body string) error {
	t.Helper()
	return carry(remoteOf(t, o), w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), body)
}

// carry calls the remote with a request and writes the answer as it comes.
func carry(remote *proxy.Remote, w http.ResponseWriter, r *http.Request, body string) error {
	set := http.Header{"Api-Key": {"a-key-for-this-request-alone"}}
	if id := w.Header().Get("X-Request-Id"); id != "" {
		set.Set("X-Request-Id", id)
	}
	answer, err := remote.Call(r.Context(), &proxy.Call{Header: r.Header, Query: r.URL.RawQuery, Body: []byte(body), Set: set})
	if err != nil {
		return err
	}
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.Status)
	for piece, err := range answer.Pieces() {
		if err == nil && len(piece.Bytes) > 0 {
			_, err = w.Write(piece.Bytes)
		}
		if err != nil {
			return err
		}
		_ = http.NewResponseController(w).Flush()
	}
	return nil
}
