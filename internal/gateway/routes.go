package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/anthropic"
	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// routeGateway is every route of the gateway.
func (g *Gateway) routeGateway() {
	g.chatRoutes = "POST /openai/deployments/{name}/chat/completions or POST /openai/v1/chat/completions"
	g.open("GET /health", g.handleHealth)
	g.open("GET /ready", g.handleReady)
	g.open("GET /version", g.handleVersion)
	g.open("/", g.handleNoRoute)

	g.known("POST /openai/v1/chat/completions", g.handleChat)
	g.known("POST /openai/v1/completions", g.handleCompletions)
	g.known("POST /openai/v1/embeddings", g.handleEmbeddings)
	g.known("POST /openai/v1/responses", g.handleResponses)
	g.known("GET /openai/v1/responses/{id}", g.handleGetResponse)
	g.known("DELETE /openai/v1/responses/{id}", g.handleDeleteResponse)
	g.known("POST /openai/v1/responses/{id}/cancel", g.handleCancelResponse)
	g.knownIn(writeRerankError, "POST /v2/rerank", g.handleRerank)
	g.knownIn(writeRerankError, "POST /v1/rerank", g.handleRerankV1)
	g.known("POST /openai/v1/images/generations", g.handleImages)
	g.known("POST /openai/v1/images/edits", g.handleImageEdits)
	g.routeListings()
	g.known("GET /v1/user/info", g.handleUserInfo)
	g.known("GET /v1/bucket", g.handleBucket)
	g.known("GET /v1/consent/{name...}", g.handleConsent)
	g.known("POST /v1/consent/{name...}", g.handleGiveConsent)
	g.operator("POST /v1/ops/config/reload", g.handleReload)
	g.operator("GET /v1/admin/health/config", g.handleConfigHealth)
	g.admin("GET /v1/ops/usage", g.handleUsage)
	g.open("GET /.well-known/oauth-protected-resource/{path...}", g.handleNoMetadata)
	g.routeLimits()
	g.routeLater()
	g.routeFeedback()

	g.knownIn(anthropic.WriteError, "POST /anthropic/v1/messages", g.handleMessages)
	g.knownIn(anthropic.WriteError, "POST /anthropic/v1/messages/count_tokens", g.handleCountMessages)
	g.knownIn(anthropic.WriteError, "GET /anthropic/v1/models", g.handleClaudeModels)
	g.knownIn(anthropic.WriteError, "GET /anthropic/v1/models/{name...}", g.handleClaudeModel)
	g.noMessages("/anthropic/") // batches among it

	g.named("POST /openai/deployments", "chat/completions", g.chat)
	g.named("POST /openai/deployments", "completions", g.completions)
	g.named("POST /openai/deployments", "embeddings", g.embeddings)
	g.named("POST /openai/deployments", "images/generations", g.images)
	g.named("POST /openai/deployments", "images/edits", g.imageEdits)
	g.named("POST /v1/deployments", "tokenize", g.tokenize)
	g.named("POST /v1/deployments", "truncate_prompt", g.truncatePrompt)
	g.named("GET /v1/deployments", "configuration", g.configuration)
}

// routeAdapter is every route of the adapter.
func (g *Gateway) routeAdapter() {
	g.chatRoutes = "POST /openai/deployments/{model id}/chat/completions"
	g.unserved[catalog.Responses] = true
	g.open("GET /health", g.handleStatus)
	g.open("GET /ready", g.handleReady)
	g.open("GET /version", g.handleVersion)
	g.open("/", g.handleNoRoute)

	g.known("GET /openai/models", g.list(listing{objectModel, isModel, false}))

	g.knownIn(anthropic.WriteError, "POST /anthropic/v1/messages", g.handleMessages)
	g.knownIn(anthropic.WriteError, "POST /anthropic/v1/messages/count_tokens", g.handleCountMessages)
	g.noMessages("/anthropic/") // batches among it
	g.knownIn(anthropic.WriteError, "POST "+translatorTree+"v1/messages", g.handleTranslator)
	g.noMessages(translatorTree)

	g.named("POST /openai/deployments", "chat/completions", g.chat)
	g.named("POST /openai/deployments", "embeddings", g.embeddings)
	g.named("POST /openai/deployments", "tokenize", g.tokenize)
	g.named("POST /openai/deployments", "truncate_prompt", g.truncatePrompt)
	g.named("POST /openai/deployments", "rate", g.rate)
	g.named("GET /openai/deployments", "configuration", g.configuration)
}

// Routes are the patterns of all routes, sorted: "POST /openai/v1/chat/completions". Those of a configuration are
// not among them.
func (g *Gateway) Routes() (patterns []string) {
	for pattern, ours := range g.patterns {
		if ours {
			patterns = append(patterns, pattern)
		}
	}
	slices.Sort(patterns)
	return patterns
}

// handler answers one request. The error that it returns has been told to the client; it is for the
// log.
type handler func(x *exchange, r *http.Request) error

// knownHandler is a handler that needs a caller.
type knownHandler func(x *exchange, r *http.Request, caller auth.Caller) error

// namedHandler is a handler that needs a caller and the name of a deployment.
type namedHandler func(x *exchange, r *http.Request, caller auth.Caller, name string) error

// open routes to a handler that needs no caller.
func (g *Gateway) open(pattern string, h handler) {
	g.patterns[pattern] = true
	g.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		x := w.(*exchange) // ServeHTTP passes no other writer
		x.route = r.Pattern
		x.err = h(x, r)
	})
}

// known routes to a handler that needs a caller: without one it does not compile.
func (g *Gateway) known(pattern string, h knownHandler) { g.knownIn(openai.WriteError, pattern, h) }

// knownIn is known for a dialect that tells errors in another way than OpenAI's.
func (g *Gateway) knownIn(fail func(http.ResponseWriter, error), pattern string, h knownHandler) {
	kind := workOf(pattern)
	g.open(pattern, func(x *exchange, r *http.Request) error {
		x.fail = fail
		caller, err := g.auth.Authenticate(r)
		if err != nil {
			return x.refuse(refusal(err))
		}
		x.project, x.user = caller.Project, caller.LogName
		if err := g.enter(x, r, caller, kind); err != nil {
			return x.refuse(err)
		}
		g.observe(x, r, caller)
		return h(x, r, caller)
	})
}

// named routes to a handler of a deployment, whose name stands in the path, between the base of the
// pattern and the operation, or after the base when there is no operation. A name with slashes need not be escaped.
func (g *Gateway) named(base, operation string, h namedHandler) {
	if operation != "" {
		g.known(base+"/{name}/"+operation, func(x *exchange, r *http.Request, caller auth.Caller) error {
			return h(x, r, caller, r.PathValue("name"))
		})
	}
	if g.slashed[base] == nil {
		g.slashed[base] = map[string]namedHandler{}
		g.known(base+"/{rest...}", func(x *exchange, r *http.Request, caller auth.Caller) error {
			rest, longest := r.PathValue("rest"), ""
			for operation := range g.slashed[base] { // one may end as another does
				if name, ok := strings.CutSuffix(rest, "/"+operation); ok && name != "" && len(operation) > len(longest) {
					longest = operation
				}
			}
			if longest != "" {
				return g.slashed[base][longest](x, r, caller, strings.TrimSuffix(rest, "/"+longest))
			}
			if h := g.slashed[base][""]; h != nil && rest != "" {
				return h(x, r, caller, rest)
			}
			return g.handleNoRoute(x, r)
		})
	}
	g.slashed[base][operation] = h
}

// refusal is auth's error as a client's.
func refusal(err error) *llm.Error {
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	kind := llm.KindUnauthenticated
	if e, ok := errors.AsType[*auth.Error](err); ok {
		switch e.Reason {
		case auth.Ambiguous, auth.Duplicate:
			kind = llm.KindInvalid
		case auth.Address:
			kind = llm.KindForbidden
		case auth.Unreachable:
			kind = llm.KindServerUnavailable
		default: // DIAL's 401
		}
	}
	return &llm.Error{Kind: kind, Message: err.Error()}
}
