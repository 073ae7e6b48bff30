package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/fetch"
	"outcrop/internal/kv"
	"outcrop/internal/limit"
	"outcrop/internal/llm"
	"outcrop/internal/proxy"
	"outcrop/internal/usage"
)

// Options make a Gateway; only the first four are needed.
type Options struct {
	Auth        Authenticator
	Deployments Deployments
	Log         *slog.Logger
	Version     string
	// Load bounds what the process has in work; nil for no bounds.
	Load *Load
	// Fetch gets the files that requests name by URL; without one they are refused.
	Fetch *fetch.Fetcher
	// Store puts a file that a model made where the caller can get it, with the credentials that the
	// request came with, and says where that is; without one the file is in the reply itself.
	Store func(ctx context.Context, credentials http.Header, file llm.Blob) (url string, err error)
	// Core gives the chat of a deployment at the DIAL Core that stands before this server, for the request's
	// caller; without one, Messages requests cannot be translated for it.
	Core func(r *http.Request, deployment string) llm.ChatModel
	// CoreTimeouts bound those chats; the heartbeat is the server's own.
	CoreTimeouts catalog.Timeouts
	// Metadata says that the upstream is told, for its own bill, whose request it is and through which
	// deployment.
	Metadata bool
	// Ready says why no requests should be sent here now, "" when they should; nil is for always.
	Ready func() (reason string)
	// Record gets the Entry of every request that has ended, but for probes and those that Load refused, in the request's goroutine; nil
	// for nobody.
	Record func(usage.Entry)
	// PromptLog says what of a request the prompt log has beside its Entry; nil for no such log.
	PromptLog *PromptLog
	// Traces give requests their places in traces; nil is for nobody to tell of any.
	Traces *Traces
	// Limits admit requests and count what they use, by Rules; nil for no limits.
	Limits *limit.Limiter
	Rules  *limit.Rules
	// Passes are the per-request keys, which Auth knows too; nil for a gateway that calls no other server of DIAL's.
	Passes *auth.Passes
	// Consents know who has agreed to what; nil for nobody to anything.
	Consents Consents
	// MaxBody and MaxUpload are how long a body may be, in bytes, and one of multipart/form-data that is not read
	// whole: DIAL Core's resources.maxSize and storage.maxUploadedFileSize. 0 is its default, 64 MiB and 512 MiB.
	MaxBody, MaxUpload int64
	// Buckets give the places of callers their names; nil for names that are not secret.
	Buckets *Buckets
	// Operations are for administrators; nil for none.
	Operations Operations
	// Ledger tells administrators what was used; nil for none.
	Ledger Ledger
	// Routes are paths beside those of the API, for other servers.
	Routes []Route
	// Secret is what ids and thinking that clients keep are sealed with; nil is a secret of this process alone.
	Secret []byte
	// Shared is what this process and its replicas have in common, SharedLists and Bus likewise: per-request keys,
	// thinking, responses, bills. Secret must be the same at all of them. nil is for a process alone.
	Shared      kv.Store
	SharedLists kv.Lists
	Bus         kv.Bus
	// Hold keeps what this gateway needs of its deployments, for an answer that is made while nobody waits, until it
	// is let go; nil when nothing has to be kept.
	Hold func() (release func())
	// BackgroundLifetime is how long a response of another server is asked after that is made in the background,
	// and BackgroundPoll how often; 0 is DIAL Core's (a day, 10 s).
	BackgroundLifetime, BackgroundPoll time.Duration
	// Before is the gateway in whose place this one comes: what that keeps of conversations goes on. nil for
	// the first.
	Before *Gateway
}

// Authenticator finds out who makes a request. Its error is an *auth.Error or an *llm.Error.
type Authenticator interface {
	Authenticate(r *http.Request) (auth.Caller, error)
}

// Deployments are what requests may name.
type Deployments interface {
	// Resolve finds the deployment with that name for a request of the caller, or an error for the client.
	Resolve(r *http.Request, caller auth.Caller, name string) (*catalog.Deployment, error)
	// List is what the caller may use, in the order of listings.
	List(caller auth.Caller) []*catalog.Deployment
	// All are those that are known before any request, but for interceptors.
	All() []*catalog.Deployment
	// Interceptor is the one with that name, or nil.
	Interceptor(name string) *catalog.Deployment
}

// passLifetime is how long a per-request key is good that nobody takes back: DIAL Core's perRequestApiKey.ttl.
const passLifetime = 30 * time.Minute

// Fixed are the deployments of a catalog, whatever the request.
func Fixed(c *catalog.Catalog) Deployments { return fixed{c} }

type fixed struct{ *catalog.Catalog }

func (f fixed) Resolve(_ *http.Request, caller auth.Caller, name string) (*catalog.Deployment, error) {
	return f.Catalog.Resolve(caller, name)
}

// Gateway answers the DIAL API.
type Gateway struct {
	auth        Authenticator
	deployments Deployments
	log         *slog.Logger
	version     string
	load        *Load
	fetch       *fetch.Fetcher
	store       func(ctx context.Context, credentials http.Header, file llm.Blob) (string, error)
	core        func(r *http.Request, deployment string) llm.ChatModel
	coreLimits  catalog.Timeouts
	vault       *vault
	responses   *responses
	hold        func() (release func())
	follows     time.Duration // Options.BackgroundLifetime
	polls       time.Duration
	bills       *bills
	whyNot      func() string // Options.Ready
	passes      *auth.Passes
	consents    Consents
	buckets     *Buckets
	operations  Operations
	ledger      Ledger
	maxBody     int64
	maxUpload   int64
	record      func(usage.Entry)
	promptLog   *PromptLog
	traces      *Traces
	prices      map[string]*usage.Price // by deployment, for the prompt log
	limits      *limit.Limiter
	rules       *limit.Rules
	outputs     *outputs
	idPrefix    string // of entries
	ids         atomic.Uint64
	tell        bool   // Options.Metadata
	behind      bool   // a Core: it is the one that accounts for what is asked here
	chatRoutes  string // where chats go, for who has lost the way
	served      map[*catalog.Deployment]*served
	bodies      sync.Pool // of *[]byte
	routes      *http.ServeMux
	items       sync.Map                           // of json.RawMessage by listedKey: listings as they are shown
	unserved    [catalog.Interfaces]bool           // APIs without a route
	remote      bool                               // there are deployments that other servers have
	patterns    map[string]bool                    // of all routes; false is for those that closeTrees made
	slashed     map[string]map[string]namedHandler // by base and operation, for names with slashes
	configured  []Route                            // in their order
}

// New returns the gateway. Its error names the deployment whose defaults are wrong.
func New(o Options) (*Gateway, error) {
	g, err := newGateway(o)
	if err == nil {
		g.routeGateway()
		g.closeTrees()
	}
	return g, err
}

// NewAdapter returns the same handlers with the routes of DIAL's Bedrock adapter.
func NewAdapter(o Options) (*Gateway, error) {
	g, err := newGateway(o)
	if err == nil {
		g.behind = true
		g.routeAdapter()
		g.closeTrees()
	}
	return g, err
}

func newGateway(o Options) (*Gateway, error) {
	g := &Gateway{
		auth: o.Auth, deployments: o.Deployments, log: o.Log, version: o.Version, load: o.Load, fetch: o.Fetch, store: o.Store, core: o.Core,
		coreLimits: o.CoreTimeouts, tell: o.Metadata, whyNot: o.Ready, passes: o.Passes, consents: o.Consents, record: o.Record,
		configured: routesInOrder(o.Routes), buckets: o.Buckets, operations: o.Operations, ledger: o.Ledger, follows: o.BackgroundLifetime, polls: o.BackgroundPoll,
		maxBody: cmp.Or(o.MaxBody, maxBody), maxUpload: cmp.Or(o.MaxUpload, maxUpload),
		routes: http.NewServeMux(), slashed: map[string]map[string]namedHandler{}, patterns: map[string]bool{},
	}
	if g.consents == nil {
		g.consents = noConsents{}
	}
	if g.passes == nil {
		g.passes = auth.NewPasses(passLifetime)
	}
	g.bills, g.outputs, g.idPrefix = newBills(), &outputs{}, rand.Text()[:13]+"-"
	g.limits, g.rules = o.Limits, o.Rules
	g.traces = o.Traces
	if g.promptLog = o.PromptLog; g.promptLog != nil {
		g.prices = pricesOf(o.Deployments)
	}
	var err error
	if g.buckets == nil {
		if g.buckets, err = usualBuckets(); err != nil {
			return nil, err
		}
	}
	g.bodies.New = func() any { return new([]byte) }
	if o.Before != nil {
		g.vault, g.bills, g.responses, g.outputs = o.Before.vault, o.Before.bills, o.Before.responses, o.Before.outputs
	} else if err = g.begin(&o); err != nil {
		return nil, err
	}
	if g.hold = o.Hold; g.hold == nil {
		g.hold = func() func() { return func() {} }
	}
	if g.served, err = serveAll(o.Deployments.All(), o.Log); err != nil {
		return nil, err
	}
	g.remote = slices.ContainsFunc(o.Deployments.All(), func(d *catalog.Deployment) bool {
		return len(d.Interceptors) > 0 || slices.ContainsFunc(d.Remotes[:], func(r *proxy.Remote) bool { return r != nil })
	})
	return g, nil
}

// begin makes what outlives configurations.
func (g *Gateway) begin(o *Options) error {
	common, err := newShared(o)
	if err != nil {
		return err
	}
	if g.vault, err = newVault(usualVaultLimits()); err != nil {
		return err
	}
	if g.vault.far, err = newFarVault(common); err != nil {
		return err
	}
	if g.responses, err = newResponses(o.Secret); err != nil {
		return err
	}
	g.bills.shared = common
	return g.responses.share(common)
}

// ServeHTTP gives every request an id, an access log line, and a reply even when a handler panics.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(w, r)
	x.most = g.maxBody
	defer g.finish(x)
	x.set(headerRequestID, x.id)
	x.allowOrigin(r.Header)
	if r.ContentLength != 0 {
		// net/http reads a body that the handler leaves unread before it sends the reply.
		if x.err = x.allow(x.began.Add(unreadTimeout)); x.err != nil {
			return
		}
	}
	if g.atDoor(x, r) {
		return
	}
	r = oneSlash(r)
	if !isClean(r.URL.Path) {
		x.err = g.handleNoRoute(x, r) // the mux would redirect, in HTML
		return
	}
	g.routes.ServeHTTP(x, r)
}

func (g *Gateway) handleHealth(x *exchange, _ *http.Request) error {
	x.routine = true
	x.WriteHeader(http.StatusOK)
	return nil
}

func (g *Gateway) handleVersion(x *exchange, _ *http.Request) error {
	x.Header().Set("Content-Type", "text/plain; charset=utf-8")
	return x.send([]byte(g.version))
}
