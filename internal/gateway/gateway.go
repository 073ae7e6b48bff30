package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/fetch"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// Options make a Gateway; Fetch and Metadata may be left out.
type Options struct {
	Auth    *auth.Authenticator
	Catalog *catalog.Catalog
	Log     *slog.Logger
	Version string
	// Fetch gets the files that requests name by URL; without one they are refused.
	Fetch *fetch.Fetcher
	// Metadata says that the upstream is told, for its own bill, whose request it is and through which
	// deployment.
	Metadata bool
}

// Gateway answers the DIAL API.
type Gateway struct {
	auth    *auth.Authenticator
	catalog *catalog.Catalog
	log     *slog.Logger
	version string
	fetch   *fetch.Fetcher
	vault   *vault
	tell    bool // Options.Metadata
	served  map[*catalog.Deployment]*served
	bodies  sync.Pool // of *[]byte
	routes  *http.ServeMux
}

// New returns the gateway. Its error names the deployment whose defaults are wrong.
func New(o Options) (*Gateway, error) {
	g := &Gateway{auth: o.Auth, catalog: o.Catalog, log: o.Log, version: o.Version, fetch: o.Fetch, tell: o.Metadata, routes: http.NewServeMux()}
	g.bodies.New = func() any { return new([]byte) }
	var err error
	if g.vault, err = newVault(usualVaultLimits()); err != nil {
		return nil, err
	}
	if g.served, err = serveAll(o.Catalog, o.Log); err != nil {
		return nil, err
	}
	g.route()
	return g, nil
}

// route is every route.
func (g *Gateway) route() {
	g.open("GET /health", g.handleHealth)
	g.open("GET /version", g.handleVersion)
	g.open("OPTIONS /", g.handlePreflight)
	g.open("/", g.handleNoRoute)

	g.known("POST /openai/deployments/{name}/chat/completions", g.handleDeploymentChat)
	g.known("POST /openai/v1/chat/completions", g.handleChat)
	g.known("POST /openai/deployments/{rest...}", g.handleSlashedChat)
	g.known("GET /openai/models", g.handleModels)
	g.known("GET /openai/v1/models", g.handleModels)
	g.known("GET /openai/models/{name...}", g.handleModel)
	g.known("GET /openai/v1/models/{name...}", g.handleModel)
	g.known("GET /openai/deployments", g.handleDeployments)
	g.known("GET /openai/deployments/{name...}", g.handleDeployment)
	g.known("GET /v1/user/info", g.handleUserInfo)
	g.known("POST /v1/deployments/{name}/tokenize", g.handleTokenize)
	g.known("POST /v1/deployments/{name}/truncate_prompt", g.handleTruncatePrompt)
	g.known("GET /v1/deployments/{name}/configuration", g.handleConfiguration)
	g.known("POST /v1/deployments/{rest...}", g.handleSlashedTokens)
	g.known("GET /v1/deployments/{rest...}", g.handleSlashedConfiguration)
}

// ServeHTTP gives every request an id, an access log line, and a reply even when a handler panics.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(w, r)
	defer g.finish(x)
	x.Header().Set(headerRequestID, x.id)
	allowOrigin(x.Header(), r.Header)
	if r.ContentLength != 0 {
		// net/http reads a body that the handler leaves unread before it sends the reply.
		if x.err = x.allow(x.began.Add(unreadTimeout)); x.err != nil {
			return
		}
	}
	r = oneSlash(r)
	if !isClean(r.URL.Path) {
		x.err = g.handleNoRoute(x, r) // the mux would redirect, in HTML
		return
	}
	g.routes.ServeHTTP(x, r)
}

// isClean says whether a path names every step of its own: the mux corrects others by a redirect.
func isClean(path string) bool {
	for _, detour := range [...]string{"//", "/./", "/../"} {
		if strings.Contains(path, detour) {
			return false
		}
	}
	return !strings.HasSuffix(path, "/.") && !strings.HasSuffix(path, "/..")
}

// oneSlash is the request with one leading slash: DIAL's clients may send several.
func oneSlash(r *http.Request) *http.Request {
	if !strings.HasPrefix(r.URL.Path, "//") {
		return r
	}
	clean, target := *r, *r.URL
	target.Path = "/" + strings.TrimLeft(target.Path, "/")
	if target.RawPath != "" {
		target.RawPath = "/" + strings.TrimLeft(target.RawPath, "/")
	}
	clean.URL = &target
	return &clean
}

// handler answers one request. The error that it returns has been told to the client; it is for the
// log.
type handler func(x *exchange, r *http.Request) error

// open routes to a handler that needs no caller.
func (g *Gateway) open(pattern string, h handler) {
	g.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		x := w.(*exchange) // ServeHTTP passes no other writer
		x.route = r.Pattern
		x.err = h(x, r)
	})
}

// known routes to a handler that needs a caller: without one it does not compile.
func (g *Gateway) known(pattern string, h func(x *exchange, r *http.Request, caller auth.Caller) error) {
	g.open(pattern, func(x *exchange, r *http.Request) error {
		caller, err := g.auth.Authenticate(r.Header)
		if err != nil {
			return x.refuse(refusal(err))
		}
		x.project = caller.Project
		return h(x, r, caller)
	})
}

// refusal is auth's error as a client's.
func refusal(err error) *llm.Error {
	kind := llm.KindUnauthenticated
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Reason == auth.Ambiguous {
		kind = llm.KindInvalid
	}
	return &llm.Error{Kind: kind, Message: err.Error()}
}

func (g *Gateway) handleHealth(x *exchange, _ *http.Request) error {
	x.WriteHeader(http.StatusOK)
	return nil
}

func (g *Gateway) handleVersion(x *exchange, _ *http.Request) error {
	x.Header().Set("Content-Type", "text/plain; charset=utf-8")
	return x.send([]byte(g.version))
}

func (g *Gateway) handleNoRoute(x *exchange, r *http.Request) error {
	return x.refuse(&llm.Error{
		Kind:    llm.KindNoRoute,
		Message: fmt.Sprintf("There is no route %.10s %.200s. Chat is POST /openai/deployments/{name}/chat/completions or POST /openai/v1/chat/completions.", r.Method, r.URL.Path),
		Err:     errNoRoute, // the path is the client's, and may be anything
	})
}

var errNoRoute = errors.New("no such route")

// handlePreflight answers browsers, as DIAL Core does: anything is allowed, for a day.
func (g *Gateway) handlePreflight(x *exchange, _ *http.Request) error {
	x.Header().Set("Access-Control-Max-Age", "86400")
	x.WriteHeader(http.StatusOK)
	return nil
}

// exposed are the headers of ours that a browser's script may read.
const exposed = headerRequestID + ", " + openai.HeaderIgnored + ", " + openai.HeaderChanged + ", " + openai.HeaderCachePath + ", " + openai.HeaderCacheExpiry

func allowOrigin(reply, request http.Header) {
	reply.Set("Access-Control-Allow-Origin", "*")
	reply.Set("Access-Control-Expose-Headers", exposed)
	if method := request.Get("Access-Control-Request-Method"); method != "" {
		reply.Set("Access-Control-Allow-Methods", method)
	}
	if headers := request.Get("Access-Control-Request-Headers"); headers != "" {
		reply.Set("Access-Control-Allow-Headers", headers)
	}
}
