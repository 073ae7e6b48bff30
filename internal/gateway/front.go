package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/anthropic"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// frontMethods are those that the front door lets in, beside OPTIONS.
const frontMethods = "GET POST PUT DELETE HEAD PATCH"

// maxUpload is the longest body of multipart/form-data, in bytes, as in DIAL Core (storage.maxUploadedFileSize).
const maxUpload = 512 << 20

// atDoor answers what no route has to be known for: a browser's preflight, a strange method, a body that is
// announced to be too long. It says whether it has answered.
func (g *Gateway) atDoor(x *exchange, r *http.Request) (answered bool) {
	switch {
	case r.Method == http.MethodOptions:
		x.err = g.handlePreflight(x, r)
	case !slices.Contains(strings.Fields(frontMethods), r.Method):
		methods := g.methodsOf(r)
		if len(methods) == 0 {
			methods = strings.Fields(frontMethods)
		}
		x.err = x.wrongMethod(r, methods)
	case !strings.HasPrefix(r.URL.Path, "/"): // *, which is for OPTIONS: the mux would make it a path and redirect there
		x.Header()["Connection"] = []string{"close"}
		x.err = x.refuse(llm.Invalid("", "The path of a request begins with a slash."))
	case r.ContentLength > g.maxBody && r.ContentLength > g.frontLimit(r):
		x.err = x.refuse(errTooLarge(g.frontLimit(r)))
	default:
		return false
	}
	return true
}

// frontLimit is how long the body of a request may be, in bytes.
func (g *Gateway) frontLimit(r *http.Request) int64 {
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/form-data") {
		return g.maxUpload
	}
	return g.maxBody
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

// handleNoRoute answers for a path that is nobody's, and for one that other methods have.
func (g *Gateway) handleNoRoute(x *exchange, r *http.Request) error {
	if t := g.dynamic(r); t != nil {
		return g.handleRoute(x, r, t)
	}
	if methods := g.methodsOf(r); len(methods) > 0 {
		return x.wrongMethod(r, methods)
	}
	return x.refuse(&llm.Error{
		Kind:    llm.KindNoRoute,
		Message: fmt.Sprintf("There is no route %.10s %s. Chat is %s.", r.Method, shownPath(r), g.chatRoutes),
		Err:     errNoRoute, // the path is the client's, and may be anything
	})
}

var errNoRoute = errors.New("no such route")

// wrongMethod is the answer to a method that a path does not have, with those that it has.
func (x *exchange) wrongMethod(r *http.Request, methods []string) error {
	if slices.Contains(methods, http.MethodGet) && !slices.Contains(methods, http.MethodHead) {
		methods = append(methods, http.MethodHead)
	}
	allow := strings.Join(append(slices.Clip(methods), http.MethodOptions), ", ")
	x.Header().Set("Allow", allow)
	return x.refuse(&llm.Error{
		Kind: llm.KindNoMethod, Message: fmt.Sprintf("The method %.10s is not allowed for %s. It has %s.", r.Method, shownPath(r), allow), Err: errMethod,
	})
}

var errMethod = errors.New("the path has other methods")

// shownPath is the path of a request as an error may have it: percent-encoded, and not long.
func shownPath(r *http.Request) string {
	path := r.URL.EscapedPath()
	return path[:min(len(path), 200)]
}

// methodsOf are the methods by which something answers at the path of a request.
func (g *Gateway) methodsOf(r *http.Request) (methods []string) {
	if !isClean(r.URL.Path) {
		return nil
	}
	probe := http.Request{URL: r.URL, Host: r.Host}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if method == r.Method || method == http.MethodGet && r.Method == http.MethodHead {
			continue
		}
		probe.Method = method
		if _, pattern := g.routes.Handler(&probe); g.leads(pattern, r.URL.EscapedPath()) {
			methods = append(methods, method)
		}
	}
	return methods
}

// closeTrees answers at the root of every tree of paths that has no answer there: the mux would redirect into the
// tree, in HTML.
func (g *Gateway) closeTrees() {
	for _, pattern := range slices.Sorted(maps.Keys(g.patterns)) {
		i := strings.LastIndexByte(pattern, '/')
		if last := pattern[i+1:]; last != "" && !strings.HasSuffix(last, "...}") || strings.Count(pattern, "/") < 2 {
			continue
		}
		if root := pattern[:i]; !g.patterns[root] {
			g.open(root, g.handleNoRoute)
			g.patterns[root] = false
		}
	}
}

// leads says whether a pattern that matches a path has an answer of its own for it. One that takes all that
// follows may only be looking for an operation, or take the name of a deployment.
func (g *Gateway) leads(pattern, path string) bool {
	base, wild, _ := strings.Cut(pattern, "{")
	if !g.patterns[pattern] || strings.HasSuffix(pattern, "/") {
		return false
	}
	if !strings.HasSuffix(wild, "...}") || strings.Contains(wild, "/") {
		return true
	}
	_, start, _ := strings.Cut(base, " ")
	rest := strings.TrimPrefix(path, start)
	operations, ok := g.slashed[strings.TrimSuffix(base, "/")]
	for operation := range operations {
		if operation != "" && strings.HasSuffix(rest, "/"+operation) {
			return true
		}
	}
	return rest != "" && !strings.Contains(rest, "/") && (!ok || operations[""] != nil)
}

// handlePreflight answers browsers, as DIAL Core does: anything is allowed, for a day.
func (g *Gateway) handlePreflight(x *exchange, _ *http.Request) error {
	x.route = "OPTIONS /"
	x.Header().Set("Access-Control-Max-Age", "86400")
	x.WriteHeader(http.StatusOK)
	return nil
}

// exposed are the headers of ours that a browser's script may read, beside those that any may.
const exposed = headerRequestID + ", " + openai.HeaderIgnored + ", " + openai.HeaderChanged + ", " + openai.HeaderCachePath + ", " +
	openai.HeaderCacheExpiry + ", " + anthropic.HeaderRequestID + ", Retry-After, Allow, " +
	headerUpstreamID + ", " + headerUpstreamAttempts + ", " + headerCost + ", " + headerFallback

func (x *exchange) allowOrigin(request http.Header) {
	x.set("Access-Control-Allow-Origin", "*")
	x.set("Access-Control-Expose-Headers", exposed)
	if method := request.Get("Access-Control-Request-Method"); method != "" {
		x.set("Access-Control-Allow-Methods", method)
	}
	if headers := request.Get("Access-Control-Request-Headers"); headers != "" {
		x.set("Access-Control-Allow-Headers", headers)
	}
}

// handleNoMetadata tells an MCP client that looks for the authorization of a toolset (RFC 9728) that there is
// none: it goes on without.
func (g *Gateway) handleNoMetadata(x *exchange, _ *http.Request) error {
	return x.refuse(noRoute("There is no metadata of a protected resource: this is a headless Core, toolsets and MCP are not served yet."))
}
