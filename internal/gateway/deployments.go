package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

// interfaceTypes are what interface_type may ask for, and what each shows. MCP is served by toolsets, of which
// there are none yet.
func (g *Gateway) interfaceTypes() map[string]func(d *catalog.Deployment) bool {
	return map[string]func(d *catalog.Deployment) bool{
		"chat": func(d *catalog.Deployment) bool {
			return g.serves(d, catalog.Chats) || g.serves(d, catalog.Responses) || g.serves(d, catalog.Messages)
		},
		"embedding": func(d *catalog.Deployment) bool { return g.serves(d, catalog.Embeddings) },
		"mcp":       func(*catalog.Deployment) bool { return false },
		"custom_ui": func(d *catalog.Deployment) bool { return isApplication(d) && d.Info.ViewerURL != "" },
		"all":       isAny,
	}
}

// handleAllDeployments lists deployments of every kind, as a bare array. interface_type, once or several times,
// each with names between commas, says which; without it all are shown.
func (g *Gateway) handleAllDeployments(x *exchange, r *http.Request, caller auth.Caller) error {
	types := g.interfaceTypes()
	var wanted []func(d *catalog.Deployment) bool
	for _, list := range r.URL.Query()["interface_type"] {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			shows, ok := types[name]
			if !ok && name != "" {
				return x.refuse(llm.Invalid("interface_type", fmt.Sprintf("interface_type: %.40q is none: expected chat, embedding, mcp, custom_ui or all.", name)))
			}
			if ok {
				wanted = append(wanted, shows)
			}
		}
	}
	return g.show(x, caller, listing{object: objectDeployment, bare: true, shows: func(d *catalog.Deployment) bool {
		for _, shows := range wanted {
			if shows(d) {
				return true
			}
		}
		return len(wanted) == 0
	}})
}

// handleAnyDeployment shows one deployment of any kind.
func (g *Gateway) handleAnyDeployment(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	r.SetPathValue("name", name)
	return g.showOne(x, r, caller, listing{object: objectDeployment, shows: isAny})
}

// handleToolsets lists the toolsets: there are none yet.
func (g *Gateway) handleToolsets(x *exchange, _ *http.Request, _ auth.Caller) error {
	x.Header().Set("Content-Type", "application/json")
	return x.send([]byte(`{"data":[],"object":"list"}`))
}

func (g *Gateway) handleToolset(x *exchange, _ *http.Request, _ auth.Caller) error {
	return x.refuse(&llm.Error{Kind: llm.KindNotFound, Message: "There is no such toolset: this is a headless Core, toolsets are not served yet."})
}

// routeListings is every route of listings.
func (g *Gateway) routeListings() {
	models := listing{object: objectModel, shows: isModel}
	g.known("GET /openai/models", g.list(models))
	g.known("GET /openai/models/{name...}", g.one(models))
	askable := listing{object: objectModel, shows: isAny} // what may stand in a body's model
	g.known("GET /openai/v1/models", g.list(askable))
	g.known("GET /openai/v1/models/{name...}", g.one(askable))
	deployments := listing{object: objectDeployment, shows: isModel}
	g.known("GET /openai/deployments", g.list(deployments))
	g.known("GET /openai/deployments/{name...}", g.one(deployments))
	applications := listing{object: objectApplication, shows: isApplication}
	g.known("GET /openai/applications", g.list(applications))
	g.known("GET /openai/applications/{name...}", g.one(applications))
	g.known("GET /openai/toolsets", g.handleToolsets)
	g.known("GET /openai/toolsets/{name...}", g.handleToolset)
	g.known("GET /v1/deployments", g.handleAllDeployments)
	g.named("GET /v1/deployments", "", g.handleAnyDeployment)
}
