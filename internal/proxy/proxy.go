package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"outcrop/internal/balance"
	"outcrop/internal/h1"
	"outcrop/internal/llm"
	"outcrop/internal/secret"
)

// Options make a Remote. Its upstream's values are for the other server to read.
type Options struct {
	// URL is that of the operation, ".../openai/deployments/NAME/chat/completions". In it {id} stands for a call's ID.
	URL string
	// Endpoint, Key and ExtraData are sent as X-UPSTREAM-ENDPOINT, -KEY and -EXTRA-DATA; "" is not sent.
	Endpoint  string
	Key       secret.String
	ExtraData secret.String
	// Upstreams are, in the order of the Group's, what is sent of each in the place of those three. A Group that is
	// nil has none to choose from.
	Upstreams []Upstream
	Group     *balance.Group
	// OverrideName is the name that the other server gets for the deployment, or "".
	OverrideName string
	// Defaults is a JSON object of members that a request gets that lacks them, or nil.
	Defaults []byte
	// Features is the deployment's, one JSON object, as X-DIAL-DEPLOYMENT-FEATURES, or "".
	Features string
	// DefaultHeaders are added to a request that does not bring them.
	DefaultHeaders http.Header
	// ForwardAuth lets the client's Authorization go on (forwardAuthToken).
	ForwardAuth bool
	Transport   http.RoundTripper
	// Total is how long an answer may take, Silence how long nothing may come of one that has begun; 0 is
	// without bound.
	Total, Silence time.Duration
}

// Upstream is what the other server is told of one of its upstreams.
type Upstream struct {
	Endpoint       string
	Key, ExtraData secret.String
}

// Remote is a deployment of another server. It is safe for concurrent use.
type Remote struct {
	url       *url.URL
	header    http.Header    // what every request gets
	own       []http.Header  // header for each upstream of the group
	group     *balance.Group // nil for none
	defaults  http.Header    // what a request gets that lacks it
	auth      bool           // the client's Authorization goes on
	edit      edit
	transport http.RoundTripper
	total     time.Duration
	silence   time.Duration
}

// New checks the options; it calls nobody.
func New(o Options) (*Remote, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the endpoint is not an http or https URL")
	}
	u.RawPath = strings.ReplaceAll(u.RawPath, idPlace, url.PathEscape(idPlace)) // or its braces would undo its other escapes
	r := &Remote{url: u, header: http.Header{}, defaults: o.DefaultHeaders, auth: o.ForwardAuth, transport: o.Transport, total: o.Total, silence: o.Silence}
	if err := checkDefaults(o.DefaultHeaders); err != nil {
		return nil, err
	}
	if u.User != nil {
		password, _ := u.User.Password()
		request := http.Request{Header: r.header}
		request.SetBasicAuth(u.User.Username(), password)
		u.User = nil
	}
	if err := setAll(r.header, map[string]string{"X-Dial-Override-Name": o.OverrideName, "X-Dial-Deployment-Features": o.Features}); err != nil {
		return nil, err
	}
	r.group = o.Group
	for _, u := range o.Upstreams {
		own := r.header.Clone()
		if err := u.set(own); err != nil {
			return nil, err
		}
		r.own = append(r.own, own)
	}
	if err := (Upstream{o.Endpoint, o.Key, o.ExtraData}).set(r.header); err != nil {
		return nil, err
	}
	r.edit, err = newEdit(o.Defaults, o.OverrideName)
	return r, err
}

func (u Upstream) set(h http.Header) error {
	return setAll(h, map[string]string{"X-Upstream-Endpoint": u.Endpoint, "X-Upstream-Key": u.Key.Reveal(), "X-Upstream-Extra-Data": u.ExtraData.Reveal()})
}

// setAll sets those headers that have a value.
func setAll(h http.Header, values map[string]string) error {
	for name, value := range values {
		if strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("the value for the header %s has a line break", name)
		}
		if value != "" {
			h.Set(name, value)
		}
	}
	return nil
}

// connectTimeout is how long a connection may take: DIAL Core's client.connectTimeout.
const connectTimeout = 10 * time.Second

// NewTransport returns a transport for servers of the operator: it keeps as many idle connections as there were
// calls at once, and asks for no compression, or a stream would come all at once.
func NewTransport() *h1.Beside { return NewTransportWithin(connectTimeout) }

// NewTransportWithin is NewTransport with that long for a connection; 0 is the usual.
func NewTransportWithin(connect time.Duration) *h1.Beside {
	dialer := net.Dialer{Timeout: cmp.Or(connect, connectTimeout), KeepAlive: 30 * time.Second}
	return h1.NewBeside(&http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: math.MaxInt, IdleConnTimeout: 60 * time.Second, DisableCompression: true,
		MaxResponseHeaderBytes: maxHead,
	})
}

// maxHead is how long the head of an answer may be, in bytes.
const maxHead = 256 << 10

// Call is a request on its way to another server. It is not copied, and closed before Body is used for anything else.
type Call struct {
	Method string // "" is POST
	// ID takes the place of {id} in the URL, for an operation on one thing. The body of such a call is not edited.
	ID     string
	Query  string      // the client's
	Header http.Header // the client's, of which what is its own business stays here
	Body   []byte
	// Set are headers that this server adds; nothing of the client's stands beside one.
	Set http.Header
	// Wire is how the answer will be written.
	Wire Wire
	// Wish is which upstream the client wants.
	Wish llm.Wish
	// Left says whether the client has gone, for whom nobody else is asked; nil is that the context says it.
	Left func() bool
	// Private keeps the client's Authorization here, whatever the remote's options.
	Private bool
	// Twice says that the call is as good when it is made twice: on a kept connection that is closed before it says a
	// word, as one that was idle for too long is.
	Twice bool

	lent bodies
}

// Close takes Body back: nobody reads it from then on. A transport may do so even after the answer has come, when a
// server answers before it has read all, and after it has given up: what then stands in the same memory would be sent
// in its place.
func (c *Call) Close() { c.lent.close() }

// Call asks the other server and returns when its answer begins. The error is an *llm.Error.
func (r *Remote) Call(ctx context.Context, c *Call) (*Answer, error) {
	body := c.Body
	if c.ID == "" {
		var err error
		if body, err = r.edit.apply(body); err != nil {
			return nil, err
		}
	} else if err := checkID(c.ID); err != nil {
		return nil, err
	}
	switch {
	case r.group == nil || r.group.Alone() && c.Wish.Upstream == "":
		return r.ask(ctx, asking{c, body, r.header, r.total})
	default:
		return r.choose(ctx, c, body)
	}
}

// asking is a call to one upstream.
type asking struct {
	*Call
	body   []byte
	header http.Header   // the remote's for the upstream
	within time.Duration // 0 is without bound
}

// ask calls one upstream.
func (r *Remote) ask(ctx context.Context, c asking) (*Answer, error) {
	clock := newClock(ctx, c.within)
	resp, err := r.transport.RoundTrip(r.outgoing(c).WithContext(clock.ctx)) //nolint:bodyclose // whoever has the answer does
	if err != nil {
		defer clock.stop()
		return nil, clock.explain(err, "Failed to connect to upstream server")
	}
	a := newAnswer(resp, c.Wire)
	a.clock, a.quiet, a.id = clock, r.silence, c.Set.Get("X-Request-Id")
	if resp.StatusCode < http.StatusOK || resp.StatusCode/100 == 3 {
		a.Close()
		return nil, misled(resp.StatusCode)
	}
	return a, nil
}

// ErrMisled is in the error of an answer that sends the caller elsewhere.
var ErrMisled = errors.New("it is not followed: correct the endpoint")

// misled is that error. The answer is not passed on: the caller's HTTP client would take its key there.
func misled(status int) error {
	return &llm.Error{
		Kind: llm.KindUpstream, Err: fmt.Errorf("the deployment's server answered with status %d: %w", status, ErrMisled),
		Message: "The deployment's server answered with a redirect. The operator has to correct the deployment's endpoint.",
	}
}

func gone(err error) error {
	return &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: err}
}
