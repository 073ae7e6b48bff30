package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"outcrop/internal/iam"
	"outcrop/internal/models"
)

// Credential is a key pair the sandbox accepts. Never log one.
type Credential struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // "" for a long-lived key
}

// String hides the secret from every formatter.
func (c Credential) String() string { return c.AccessKeyID + ":REDACTED" }

// GoString does the same for %#v.
func (c Credential) GoString() string { return c.String() }

// Options says whom the sandbox trusts and how it behaves. The zero value is
// ready to use.
type Options struct {
	// Credentials are accepted for SigV4; empty means the access key "sandbox"
	// with the secret "sandbox".
	Credentials []Credential
	// APIKeys are accepted as bearer tokens; empty means "sandbox".
	APIKeys []string
	// Account is the account id, 12 digits; empty means "000000000000".
	Account string
	// Pace is the delay before every generated token; 0 is as fast as possible.
	Pace time.Duration
	// Now is the clock of signatures and sessions; nil means time.Now.
	Now func() time.Time
	// Mood names a refusal that every call of the runtime meets, "" none: the
	// state of an account that lacks access, for example. Those of the signature
	// layer, of throttles and of a failing service meet the control plane and STS
	// as well. docs/sandbox.md lists the names.
	Mood string
	// Access says in which state models of every account begin, MODEL=STATE or
	// MODEL@REGION=STATE: anthropic=form, cohere.rerank-v3-5:0=agreement. MODEL is
	// a base id, its beginning up to a dot, or *; the longest one counts. Models
	// that no entry is about are available. docs/sandbox.md lists the states.
	Access []string

	// ServiceControlPolicy is a policy document that stands over the whole account, beside AWS's
	// FullAWSAccess: what it denies is denied to everybody. Empty is none.
	ServiceControlPolicy []byte
	// Route says which region answers a call of a geographic inference profile, and so whose model the
	// caller must be allowed: "source" (also ""), the region of the call; a region of the profile; or
	// "every", where all of them must be allowed.
	Route string
	// Clusters are the EKS clusters of the account; empty means one called "sandbox".
	Clusters []Cluster
	// OIDCRoots are trusted for the HTTPS of identity providers, beside the system's.
	OIDCRoots *x509.CertPool
	// OIDCKeys gives the signing keys of an issuer that cannot be asked for them: by issuer, a JWKS
	// document or the URL of one.
	OIDCKeys map[string]string
}

// Server is Bedrock's runtime, its control plane, and what an account has around it (STS, IAM, EKS,
// Service Quotas) in one handler. It is safe for concurrent use.
type Server struct {
	catalogue *models.Catalogue
	demos     map[string]*models.Model // by the id of the profile that stands for it
	verifier  *verifier
	sessions  *sessions
	iam       *iamStore
	scp       *iam.Document
	route     string
	eks       *eksStore
	oidc      *oidcKeys
	account   string
	pace      time.Duration
	now       func() time.Time
	mood      mood
	throttled *tally
	cache     *promptCache
}

var _ http.Handler = (*Server)(nil)

var accountPattern = regexp.MustCompile(`^\d{12}$`)

// New makes a sandbox. It fails on options that contradict themselves, naming
// the option.
func New(o Options) (*Server, error) {
	catalogue, err := models.Load()
	if err != nil {
		return nil, err
	}
	s := &Server{
		catalogue: catalogue, account: o.Account, pace: o.Pace, now: o.Now, mood: mood{Refuse: o.Mood},
		throttled: newTally(rememberedConversations), demos: demoIDs(catalogue),
	}
	if s.account == "" {
		s.account = "000000000000"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if !accountPattern.MatchString(s.account) {
		return nil, fmt.Errorf("sandbox: Account %q is not 12 digits", o.Account)
	}
	if o.Mood != "" && !slices.Contains(refusalNames(), o.Mood) {
		return nil, fmt.Errorf("sandbox: Mood %q is unknown; known are %s", o.Mood, strings.Join(refusalNames(), ", "))
	}
	if s.mood.Access, err = newAccessBook(o.Access, s.now); err != nil {
		return nil, err
	}
	s.cache = newPromptCache(s.now)
	if s.sessions, err = newSessions(s.now); err != nil {
		return nil, err
	}
	if err := s.openAccount(o); err != nil {
		return nil, err
	}
	s.verifier, err = newVerifier(o, s)
	return s, err
}

// newVerifier collects the credentials of the options.
func newVerifier(o Options, s *Server) (*verifier, error) {
	v := &verifier{keys: map[string]Credential{}, sessions: s.sessions, iam: s.iam, now: s.now, account: s.account}
	credentials, apiKeys := o.Credentials, o.APIKeys
	if len(credentials) == 0 {
		credentials = []Credential{{AccessKeyID: "sandbox", SecretAccessKey: "sandbox"}}
	}
	if len(apiKeys) == 0 {
		apiKeys = []string{"sandbox"}
	}
	for i, c := range credentials {
		if c.AccessKeyID == "" || c.SecretAccessKey == "" {
			return nil, fmt.Errorf("sandbox: Credentials[%d] needs an access key id and a secret", i)
		}
		v.keys[c.AccessKeyID] = c
	}
	for i, k := range apiKeys {
		if k == "" {
			return nil, fmt.Errorf("sandbox: APIKeys[%d] is empty", i)
		}
		v.apiKeys = append(v.apiKeys, sha256.Sum256([]byte(k)))
	}
	return v, nil
}

// maxBody is the largest request Bedrock takes, of InvokeModel and Converse
// alike (docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html).
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
const maxBody = 25_000_000

// ServeHTTP answers one request of any of the services.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := newRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	// The SDKs correct their clock by this header, so it follows the clock that
	// judges signatures.
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	// One byte more tells a body that is too long; the rest is left unread.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		writeError(w, undecodable("The request body ended early."))
		return
	}
	segments, ok := pathSegments(r.URL)
	switch {
	case ok && openaiPath(r.Method, r.URL.Path):
		s.serveOpenAI(w, r, body)
	case ok && anthropicPath(r.Method, r.URL.Path):
		s.serveAnthropic(w, r, body)
	case ok && r.Method == http.MethodPost && len(segments) == 3 && segments[0] == "model" && runtimeOp(segments[2]) != "":
		s.serveRuntime(w, r, &call{Op: runtimeOp(segments[2]), ModelID: segments[1], Raw: body})
	case len(body) > maxBody:
		writeError(w, &apiError{
			Status: http.StatusRequestEntityTooLarge, Type: "RequestEntityTooLargeException",
			Message: fmt.Sprintf("Request body exceeds %d bytes; send less.", maxBody),
		})
	case len(segments) == 0:
		s.serveForm(w, r, body, id)
	case ok && segments[0] == "clusters":
		s.serveEKS(w, r, body, segments)
	case r.URL.Path == agentPath && r.Method == http.MethodGet:
		s.serveAgent(w, r)
	case ok && s.isControl(r.Method, segments):
		s.serveControl(w, r, body, segments)
	default:
		writeError(w, &apiError{
			Status: http.StatusNotFound, Type: "UnknownOperationException", Namespace: authNamespace,
			Message: "The sandbox has no operation " + r.Method + " " + r.URL.EscapedPath() + "; docs/sandbox.md lists what it has.",
		})
	}
}

// serveForm answers the services that have one path: Service Quotas by a header, IAM and STS by the
// version in a form.
func (s *Server) serveForm(w http.ResponseWriter, r *http.Request, body []byte, id string) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		s.serveQuotas(w, r, body, target)
		return
	}
	if r.Method == http.MethodPost {
		if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Version") == iamVersion {
			s.serveIAM(w, r, body, form)
			return
		}
	}
	s.serveSTS(w, r, body, id)
}

// pathSegments splits the path as it came over the wire, so that an ARN whose
// slashes are escaped stays one segment, and only then decodes each.
func pathSegments(u *url.URL) ([]string, bool) {
	path := strings.Trim(u.EscapedPath(), "/")
	if path == "" {
		return nil, true
	}
	segments := strings.Split(path, "/")
	for i, escaped := range segments {
		plain, err := url.PathUnescape(escaped)
		if err != nil || plain == "" {
			return segments, false
		}
		segments[i] = plain
	}
	return segments, true
}

// runtimeOp names the operation of the last path segment, "" for none.
func runtimeOp(segment string) string {
	switch segment {
	case "converse":
		return opConverse
	case "converse-stream":
		return opConverseStream
	case "invoke":
		return opInvoke
	case "invoke-with-response-stream":
		return opInvokeStream
	case "count-tokens":
		return opCountTokens
	}
	return ""
}

// serveRuntime is the line of one runtime request: who, what, which wishes,
// refuse or answer.
func (s *Server) serveRuntime(w http.ResponseWriter, r *http.Request, c *call) {
	if len(c.Raw) > maxBody { // what was not read cannot be verified
		writeError(w, constraints(c))
		return
	}
	who, refused := s.verifier.verify(r, c.Raw, "bedrock")
	if refused != nil {
		writeError(w, refused)
		return
	}
	c.Region, c.Caller = who.Region, who.ARN
	c.Model = s.model(c.ModelID)
	if refused := c.decode(); refused != nil {
		writeError(w, refused)
		return
	}
	s.answer(w, r, c, who)
}

// answer is the rest of that line, for a call that has been decoded.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, c *call, who identity) {
	wish, texts, err := readDirectives(r.Header, c)
	if err != nil {
		c.fail(w, badDirective(err))
		return
	}
	if wait(r.Context(), wish.start) != nil {
		return // the client has left
	}
	if denied := s.mayCall(r, c, who, wish.route); denied != nil {
		c.fail(w, denied)
		return
	}
	if refused := s.refuse(c, who, wish); refused != nil {
		c.fail(w, refused)
		return
	}
	for _, t := range texts {
		t.drop()
	}
	if wish.whoami {
		wish.text, wish.hasText = who.describe(), true
	}
	e := exchange{w: w, r: r, call: c, wish: wish, pace: s.pace}
	switch {
	case c.Op == opCountTokens:
		e.reply(map[string]any{"inputTokens": countTokens(c.Body)}, 0)
	case c.isConverse():
		s.converse(&e)
	case c.isOpenAI():
		s.openai(&e)
	case c.isAnthropic():
		s.messages(&e)
	default:
		s.invoke(&e)
	}
}

// refuse gives the first refusal a call meets: one that was wished for, or one
// that AWS would give.
func (s *Server) refuse(c *call, who identity, wish directive) *apiError {
	if wish.throttle > 0 && s.throttled.add(c.conversation(who.Key)) <= wish.throttle {
		return known("throttle-requests")
	}
	if wish.errorType != "" {
		return exceptionError(wish.errorType, wish.status, wish.message)
	}
	state := s.mood
	if wish.refuse != "" {
		state.Refuse = wish.refuse
	}
	if refused := validate(c, &state); refused != nil {
		return refused
	}
	if wish.fault.kind == faultException && !c.streams() {
		return exceptionError(wish.fault.exception, 0, wish.message)
	}
	return nil
}

// decode parses the body. Only InvokeModel may carry something else than JSON.
func (c *call) decode() *apiError {
	if len(bytes.TrimSpace(c.Raw)) == 0 {
		c.Body = map[string]any{}
		return nil
	}
	if json.Valid(c.Raw) {
		c.Body = decodeObject(c.Raw)
	}
	if c.Body == nil && c.Op != opInvoke && c.Op != opInvokeStream {
		return undecodable(notAJSONObject)
	}
	return nil
}

// conversation names what a throttle counts: this text, of this sender.
func (c *call) conversation(key string) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", key)
	switch messages, ok := c.Body["messages"]; {
	case ok:
		// Encoding a value that was decoded from JSON cannot fail.
		_ = json.NewEncoder(h).Encode(messages)
	default:
		h.Write(c.Raw)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// wait pauses until d has passed or ctx ends, and returns ctx's error.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fail sends a refusal in the shape of the call's API.
func (c *call) fail(w http.ResponseWriter, e *apiError) {
	switch {
	case c.isOpenAI():
		writeOpenAIError(w, e)
	case c.isAnthropic():
		writeAnthropicError(w, e)
	default:
		writeError(w, e)
	}
}

// writeError sends a refusal in the shape of rest-json. Without
// x-amzn-errortype an SDK would call it UnknownError and never retry it.
func writeError(w http.ResponseWriter, e *apiError) {
	if e.Type != "" { // a refusal of what stands in front of the service has none
		w.Header().Set("X-Amzn-Errortype", e.header())
	}
	writeJSON(w, e.Status, e.body())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v)) // a client that left is not an error of ours
}

// encode writes JSON as Bedrock does: keys in alphabetical order (v must be a
// map), no escapes that only HTML needs. Its values come from JSON or from this
// package, so encoding cannot fail.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// newRequestID is a random UUID, version 4.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
