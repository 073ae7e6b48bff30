package gateway_test

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/llm/llmtest"
)

// TestEveryPathIsAnsweredInJSON: whatever a path is, and by whatever method, the answer is of this server, a browser
// may read it, and what was sent does not come back as it is.
func TestEveryPathIsAnsweredInJSON(t *testing.T) {
	h := core(t, gateway.Options{}, &catalog.Deployment{Name: "m", Chat: llmtest.Echo{}})
	paths := []string{
		"/", "//", "/.", "/..", "/./", "/../", "/a/../b", "/a/./b", "/a//b", "/%2e%2e/x", "/%2E%2e%2f%2e%2e%2fetc/passwd", "/openai", "/openai/", "/openai/models/",
		"/openai/models/%2F", "/openai/models/%2e%2e%2fx", "/openai/models/a%2fb", "/openai/models/%00", "/openai/models/%0d%0aSet-Cookie:a=b", "/openai/models/%ff",
		"/openai/models/%E2%80%AE", "/openai/models/<b>", "/openai/models/\"'`;--", "/openai/deployments/%20/chat/completions", "/openai/models/" + strings.Repeat("a", 30_000),
		"/openai/models/" + strings.Repeat("%2e%2e%2f", 3000), "/" + strings.Repeat("a/", 10_000), "/v1/deployments/", "/v1/deployments//configuration", "/v1/consent/",
		"/v1/files/", "/v1/files/b", "/v1/files/b/", "/v1/files/b/..", "/v1/toolset//mcp", "/anthropic", "/anthropic/", "/anthropic/v1/models/", "/anthropic/v1/models/%2e%2e",
		"/.well-known/", "/.well-known/oauth-protected-resource/", "/v1/ops/", "/v1/ops/config/reload/", "/v1/admin/config/file/", "/v1/user", "/v1/bucket/", "/health/", "/version/..",
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", http.NoBody)
			r.Method = method
			parsed, err := r.URL.Parse("http://gateway" + path)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			r.URL = parsed
			r.Header.Set("Api-Key", "key")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			checkFront(t, w, method+" "+path[:min(len(path), 60)])
		}
	}
}

// checkFront looks at an answer of the front door.
func checkFront(t *testing.T, w *httptest.ResponseRecorder, what string) {
	t.Helper()
	if w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("X-Request-Id") == "" {
		t.Errorf("%s: the headers %v", what, w.Header())
	}
	body := w.Body.String()
	switch {
	case strings.HasPrefix(what, "OPTIONS "):
		if w.Code != http.StatusOK || body != "" || w.Header().Get("Access-Control-Max-Age") != "86400" {
			t.Errorf("%s: %d %s", what, w.Code, body)
		}
		return
	case w.Code < 400 || w.Code == http.StatusInternalServerError:
		t.Errorf("%s: %d %.300s", what, w.Code, body)
	case w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "":
		t.Errorf("%s: no Allow", what)
	}
	var got struct{ Error struct{ Message string } }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Error.Message == "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s: %.300s: %v", what, body, err)
	}
	if len(body) > 1000 || strings.ContainsAny(got.Error.Message, "\x00\r\n\u202e\ufffd") {
		t.Errorf("%s comes back raw, or in full: %.300q", what, body)
	}
}

// TestOldClientsAreServed: what speaks HTTP/1.0 is answered, where DIAL Core refuses it.
func TestOldClientsAreServed(t *testing.T) {
	server := httptest.NewServer(core(t, gateway.Options{}))
	defer server.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /version HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || string(body) != "test" {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
}

// TestSizesByContentLength: what is announced to be too long is refused on every path, before anything of it is read.
func TestSizesByContentLength(t *testing.T) {
	h := core(t, gateway.Options{})
	for _, tt := range []struct {
		length int64
		media  string
		status int
	}{
		{64 << 20, "application/json", http.StatusNotFound}, {64<<20 + 1, "application/json", http.StatusRequestEntityTooLarge},
		{64<<20 + 1, "Multipart/Form-Data; boundary=x", http.StatusNotFound}, {512<<20 + 1, "multipart/form-data; boundary=x", http.StatusRequestEntityTooLarge},
		{64<<20 + 1, "", http.StatusRequestEntityTooLarge}, {-1, "application/json", http.StatusNotFound},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/nowhere", neverRead{t})
		r.ContentLength = tt.length
		r.Header.Set("Content-Type", tt.media)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%d bytes of %s: %d %s", tt.length, tt.media, w.Code, w.Body)
		}
	}
}

// TestSizesAreTheOperators: a shorter limit counts for what is announced, and for what is not.
func TestSizesAreTheOperators(t *testing.T) {
	h := core(t, gateway.Options{MaxBody: 100}, &catalog.Deployment{Name: "m", Chat: llmtest.Echo{}})
	body := `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	for _, tt := range []struct {
		body      string
		announced bool
		status    int
	}{
		{body, true, http.StatusOK}, {body, false, http.StatusOK},
		{body + strings.Repeat(" ", 100), true, http.StatusRequestEntityTooLarge}, {body + strings.Repeat(" ", 100), false, http.StatusRequestEntityTooLarge},
	} {
		r := chatRequest(t.Context(), strings.NewReader(tt.body))
		r.Header.Set("Api-Key", "key")
		if !tt.announced {
			r.ContentLength = -1
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || tt.status != http.StatusOK && !strings.Contains(w.Body.String(), "Request body is too large: it may have 100 bytes.") {
			t.Errorf("%d bytes, announced %v: %d %s", len(tt.body), tt.announced, w.Code, w.Body)
		}
	}
}

type neverRead struct{ t *testing.T }

func (n neverRead) Read([]byte) (int, error) {
	n.t.Error("the body is read")
	return 0, io.EOF
}

// TestTheFrontDoorNeedsNobody: probes are answered before there is a configuration, and whatever becomes of AWS.
func TestTheFrontDoorNeedsNobody(t *testing.T) {
	h := core(t, gateway.Options{Ready: func() string { return "draining" }})
	for what, want := range map[string]int{"GET /health": 200, "HEAD /health": 200, "GET /version": 200, "GET /ready": 503, "GET /openai/models": 401} {
		if w := call(t, h, what+" "); w.Code != want {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
}

// TestAllowIsTold: the methods of a path are told as they are, of names with slashes and of trees too.
func TestAllowIsTold(t *testing.T) {
	h := core(t, gateway.Options{}, &catalog.Deployment{Name: "m", Chat: llmtest.Echo{}})
	for what, want := range map[string]string{
		"DELETE /openai/models":                        "GET, HEAD, OPTIONS",
		"GET /openai/v1/embeddings":                    "POST, OPTIONS",
		"PUT /openai/deployments/a/b/chat/completions": "POST, OPTIONS",
		"GET /openai/deployments/a/b/embeddings":       "POST, OPTIONS",
		"HEAD /openai/deployments/m/chat/completions":  "POST, OPTIONS",
		"DELETE /openai/models/m":                      "GET, HEAD, OPTIONS",
		"POST /v1/deployments/m/configuration":         "GET, HEAD, OPTIONS",
		"GET /v1/deployments/m/tokenize":               "POST, OPTIONS",
		"DELETE /v1/consent/m":                         "GET, POST, HEAD, OPTIONS",
		"POST /v1/prompts/b/a/b/c":                     "GET, PUT, DELETE, HEAD, OPTIONS",
		"GET /v1/ops/config/reload":                    "POST, OPTIONS",
		"PATCH /anthropic/v1/models/m":                 "GET, HEAD, OPTIONS",
		"POST /health":                                 "GET, HEAD, OPTIONS",
	} {
		w := call(t, h, what+" key")
		if got := w.Header().Get("Allow"); w.Code != http.StatusMethodNotAllowed || got != want {
			t.Errorf("%s: %d %q, want %q", what, w.Code, got, want)
		}
	}
	for _, what := range []string{"GET /openai/nonsense", "POST /openai/deployments/m/nonsense", "POST /anthropic/v1/complete", "DELETE /v1/deployments/m/nonsense", "POST /openai/models/a/b"} {
		if w := call(t, h, what+" key"); w.Code != http.StatusNotFound || w.Header().Get("Allow") != "" {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
}

// TestTheLogHasNoPath: a path is the client's, and may be a secret.
func TestTheLogHasNoPath(t *testing.T) {
	var log strings.Builder
	visible, err := catalog.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, gateway.Options{Auth: everybody(), Deployments: gateway.Fixed(visible), Log: slog.New(slog.NewTextHandler(&log, nil)), Version: "test"})
	for _, what := range []string{"GET /hunter2", "POST /hunter2/../x", "BREW /hunter2", "POST /openai/models/hunter2", "GET /openai/models/hunter2", "GET /v1/files/hunter2/x", "GET /v1/consent/hunter2", "GET /anthropic/v1/models?after_id=hunter2"} {
		call(t, h, what+" key")
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error(log.String())
	}
	if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 8 || slices.Contains(lines, "") {
		t.Errorf("%d lines", len(lines))
	}
}

// FuzzFrontDoor: no path and no method makes the server fail, or answer outside JSON.
func FuzzFrontDoor(f *testing.F) {
	for _, path := range []string{"/", "//x", "/openai/models/a%2fb", "/v1/deployments/a/b/configuration", "/v1/consent/a", "/anthropic/v1/models?limit=3&after_id=x", "/v1/files/b/../x", "/%00"} {
		f.Add("GET", path)
		f.Add("POST", path)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" {
			return
		}
		h := core(t, gateway.Options{}, &catalog.Deployment{Name: "m", Chat: llmtest.Echo{}})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.Method, r.URL = method, u
		r.Header.Set("Api-Key", "key")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError || w.Code >= 300 && w.Code < 400 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q %q: %d %s", method, path, w.Code, w.Body)
		}
		if w.Code >= 400 && !json.Valid(w.Body.Bytes()) && !strings.HasPrefix(path, "/health") {
			t.Errorf("%q %q: %d %s", method, path, w.Code, w.Body)
		}
	})
}
