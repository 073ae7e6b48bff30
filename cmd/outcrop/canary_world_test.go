package main

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"outcrop/internal/sandbox"
)

// canaryWorld is all that outcrop talks to, with canaries in what it says, and in what it is told.
type canaryWorld struct {
	*canaries
	t     *testing.T
	url   string
	key   *rsa.PrivateKey
	aws   http.Handler
	front string // outcrop's address, for who calls it back

	seen  sync.Mutex
	asked map[string]bool // who was asked with a canary: else it would prove nothing
	spans bytes.Buffer
}

// The keys of AWS that outcrop has: of its environment, and of an upstream.
func (c *canaries) awsKeys(whose string) sandbox.Credential {
	id := "AKIA" + strings.ToUpper(canary) + strings.ToUpper(whose)
	c.add(id, "access key id of "+whose)
	return sandbox.Credential{AccessKeyID: id, SecretAccessKey: c.plant("secret-access-key-of-" + whose), SessionToken: c.plant("session-token-of-" + whose)}
}

func newCanaryWorld(t *testing.T) *canaryWorld {
	t.Helper()
	w := &canaryWorld{canaries: newCanaries(), t: t, asked: map[string]bool{}}
	aws, err := sandbox.New(sandbox.Options{
		Account: canaryAccount, APIKeys: []string{w.plant("bedrock-api-key")}, Credentials: []sandbox.Credential{w.awsKeys("process"), w.awsKeys("upstream")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	w.aws = aws
	mux := http.NewServeMux()
	mux.HandleFunc("/", w.serveAWS)
	mux.HandleFunc("/other/", w.serveOther)
	mux.HandleFunc("/idp/keys", w.serveKeys)
	mux.HandleFunc("/idp/user", w.serveUser)
	mux.HandleFunc("/v1/traces", w.serveSpans)
	mux.HandleFunc("/files/{rest...}", w.serveFiles)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// tells notes that somebody was told a canary.
func (w *canaryWorld) tells(who string, text string) {
	w.seen.Lock()
	defer w.seen.Unlock()
	if strings.Contains(strings.ToLower(text), canary) {
		w.asked[who] = true
	}
}

// echoPattern is what a message asks a server to answer: [[echo STATUS TYPE]], with all that it was asked, its headers too.
var echoPattern = regexp.MustCompile(`\[\[echo (\d+) (\w+)\]\]`)

// serveAWS is a Bedrock, which quotes the whole request in an error when it is asked to.
func (w *canaryWorld) serveAWS(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has left
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.tells("Bedrock's prompts", string(body))
	w.tells("Bedrock's credentials", r.Header.Get("Authorization"))
	if w.echoes(out, r, body) {
		return
	}
	w.aws.ServeHTTP(out, r)
}

// echoes answers with what was asked.
func (w *canaryWorld) echoes(out http.ResponseWriter, r *http.Request, body []byte) bool {
	asked := echoPattern.FindSubmatch(body)
	if asked == nil {
		return false
	}
	head, err := httputil.DumpRequest(r, false)
	if err != nil {
		w.t.Error(err)
	}
	status, kind := 0, string(asked[2])
	if _, err := fmt.Sscan(string(asked[1]), &status); err != nil {
		w.t.Error(err)
	}
	text := fmt.Sprintf("User: arn:aws:sts::%s:assumed-role/r/s (%s) asked %s with %q", canaryAccount, canaryAccount, head, body)
	answer, err := json.Marshal(map[string]any{"message": text, "error": map[string]any{"message": text, "type": kind, "code": text, "param": text}})
	if err != nil {
		w.t.Error(err)
	}
	if kind == "html" {
		answer = []byte("<html>" + text)
	} else {
		out.Header().Set("X-Amzn-Errortype", kind)
	}
	out.Header().Set("Content-Type", "application/json")
	out.Header().Set("Location", w.url+"/files/redirected?"+canary+"-location")
	out.WriteHeader(status)
	_, _ = out.Write(answer) // the client may have left
	return true
}

// serveOther is a model, an application, an interceptor, a route's server, and whatever else has an address.
func (w *canaryWorld) serveOther(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has left
	}
	w.tells("another server's prompts", string(body))
	w.tells("another server's upstream key", r.Header.Get("X-Upstream-Key"))
	if key := r.Header.Get("Api-Key"); len(key) == 32 {
		w.add(key, "a per-request key")
		w.tells("another server's request key", canary)
	}
	switch {
	case strings.Contains(string(body), "[[cut]]"):
		panic(http.ErrAbortHandler)
	case w.echoes(out, r, body):
		return
	case strings.HasPrefix(r.URL.Path, "/other/on"): // an application or an interceptor
		if back, err := http.NewRequestWithContext(r.Context(), http.MethodPost, w.front+"/openai/deployments/nova/chat/completions", bytes.NewReader(body)); err == nil {
			back.Header = http.Header{"Api-Key": r.Header["Api-Key"], "Content-Type": {"application/json"}}
			if answer, err := http.DefaultClient.Do(back); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body) // only that it was asked counts
				_ = answer.Body.Close()
			}
		}
	}
	out.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(out, `{"choices":[{"index":0,"message":{"role":"assistant","content":"`+canary+`-answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}`)
}

func (w *canaryWorld) serveKeys(out http.ResponseWriter, _ *http.Request) {
	coded := base64.RawURLEncoding.EncodeToString
	_ = json.NewEncoder(out).Encode(map[string]any{"keys": []any{map[string]string{ // the client may have left
		"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig",
		"n": coded(w.key.N.Bytes()), "e": coded(big.NewInt(int64(w.key.E)).Bytes()),
	}}})
}

// serveUser knows nobody, and says whom it was asked about.
func (w *canaryWorld) serveUser(out http.ResponseWriter, r *http.Request) {
	http.Error(out, "no such token: "+r.Header.Get("Authorization"), http.StatusInternalServerError)
}

// token is an administrator's, or one whose signature is wrong.
func (w *canaryWorld) token(good bool) string {
	claims := jwt.MapClaims{
		"iss": "idp", "aud": "dial", "sub": "user-1", "roles": []string{"admin", "default"}, "exp": time.Now().Add(time.Hour).Unix(),
		"email": w.plant("email") + "@example.com", "name": w.plant("name"), "other": w.plant("claim"),
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = "one"
	text, err := token.SignedString(w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	if !good {
		text = text[:len(text)-8] + "AAAAAAAA"
	}
	for i, part := range strings.Split(text, ".")[1:] {
		w.add(part, fmt.Sprintf("part %d of a token", i+1))
	}
	return text
}

// serveSpans is a collector of traces, which refuses every second time and says what it got.
func (w *canaryWorld) serveSpans(out http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		packed, err := gzip.NewReader(r.Body)
		if err != nil {
			w.t.Error(err)
			return
		}
		body = packed
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return // outcrop has ended
	}
	w.tells("the collector's headers", r.Header.Get("X-Collector-Key"))
	w.seen.Lock()
	defer w.seen.Unlock()
	before := w.spans.Len()
	w.spans.Write(text)
	if before == 0 {
		http.Error(out, "not now: "+r.Header.Get("X-Collector-Key"), http.StatusBadRequest)
	}
}

// serveFiles has a picture, and files that are not there, or elsewhere.
func (w *canaryWorld) serveFiles(out http.ResponseWriter, r *http.Request) {
	w.tells("a server of files", r.URL.RawQuery)
	switch r.PathValue("rest") {
	case "picture.png":
		out.Header().Set("Content-Type", "image/png")
		_, _ = out.Write(canaryPicture()) // the client may have left
	case "away":
		http.Redirect(out, r, "http://"+canary+"-redirect.invalid/?"+canary+"-redirected", http.StatusFound)
	default:
		http.Error(out, "no "+r.URL.String(), http.StatusNotFound)
	}
}

// canaryPicture is a PNG of one pixel with a canary behind it.
func canaryPicture() []byte {
	png, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	if err != nil {
		return nil
	}
	return append(png, canary+"-picture"...)
}
