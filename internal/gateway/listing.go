package gateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

// item is a deployment in a listing: DIAL Core's ModelData, DeploymentData and ApplicationData, and the two
// members that OpenAI's own Model object has beside them.
type item struct {
	ID                   string                     `json:"id"`
	Model                string                     `json:"model,omitempty"`
	Application          string                     `json:"application,omitempty"`
	Reference            string                     `json:"reference"`
	DisplayName          string                     `json:"display_name,omitempty"`
	DisplayVersion       string                     `json:"display_version,omitempty"`
	IconURL              string                     `json:"icon_url,omitempty"`
	Description          string                     `json:"description,omitempty"`
	Intro                string                     `json:"intro,omitempty"`
	DescriptionKeywords  []string                   `json:"description_keywords,omitempty"`
	Owner                string                     `json:"owner"`
	OwnedBy              string                     `json:"owned_by"`
	Status               string                     `json:"status"`
	Object               string                     `json:"object"`
	LifecycleStatus      string                     `json:"lifecycle_status,omitempty"`
	Created              int64                      `json:"created"`
	CreatedAt            int64                      `json:"created_at"`
	UpdatedAt            int64                      `json:"updated_at"`
	ScaleSettings        *scaleSettings             `json:"scale_settings,omitempty"`
	Capabilities         capabilities               `json:"capabilities"`
	Features             features                   `json:"features"`
	Interfaces           []string                   `json:"interfaces"`
	InterfaceConfigs     map[string]interfaceConfig `json:"interface_configs,omitempty"`
	InputAttachmentTypes []string                   `json:"input_attachment_types,omitempty"`
	MaxInputAttachments  *int                       `json:"max_input_attachments,omitempty"`
	MaxRetryAttempts     int                        `json:"max_retry_attempts,omitempty"`
	Defaults             json.RawMessage            `json:"defaults,omitempty"`
	ResponsesDefaults    json.RawMessage            `json:"responses_defaults,omitempty"`
	TokenizerModel       string                     `json:"tokenizer_model,omitempty"`
	EmbeddingDimensions  int                        `json:"embedding_dimensions,omitempty"`
	Limits               catalog.Limits             `json:"limits,omitzero"`
	Pricing              catalog.Pricing            `json:"pricing,omitzero"`
	Dependencies         []string                   `json:"dependencies,omitempty"`
	ViewerURL            string                     `json:"viewer_url,omitempty"`
	EditorURL            string                     `json:"editor_url,omitempty"`
}

// interfaceConfig is what one interface has of its own. The headers that DIAL Core shows there are left out:
// they may be credentials.
type interfaceConfig struct {
	Defaults json.RawMessage   `json:"defaults,omitempty"`
	Features *catalog.Features `json:"features,omitempty"`
}

type scaleSettings struct {
	ScaleType string `json:"scale_type"`
}

type capabilities struct {
	ScaleTypes     []string `json:"scale_types"`
	Completion     bool     `json:"completion"`
	ChatCompletion bool     `json:"chat_completion"`
	Embeddings     bool     `json:"embeddings"`
	FineTune       bool     `json:"fine_tune"`
	Inference      bool     `json:"inference"`
	// Rerank is beyond DIAL's shape, and there only when it is so.
	Rerank bool `json:"rerank,omitempty"`
}

// features are a deployment's own, and what is known of every deployment.
type features struct {
	catalog.Features
	MCP            bool `json:"mcp"`
	ChatCompletion bool `json:"chat_completion"`
	ResponsesAPI   bool `json:"responses_api"`
}

// createdUnknown is what DIAL Core says when it does not know a time.
const createdUnknown = 1672534800

// The objects that a listing may hold. The same deployment looks a little different in each.
const (
	objectModel       = "model"
	objectDeployment  = "deployment"
	objectApplication = "application"
)

// newItem describes a deployment as one of the objects.
func (g *Gateway) newItem(d *catalog.Deployment, object string) item {
	i := &d.Info
	created := i.CreatedAt
	if created == 0 {
		created = createdUnknown
	}
	out := item{
		ID: d.Name, Reference: cmp.Or(i.Reference, d.Name),
		DisplayName: i.DisplayName, DisplayVersion: i.DisplayVersion, IconURL: i.IconURL,
		Description: i.Description, Intro: i.Intro, DescriptionKeywords: i.DescriptionKeywords,
		Owner: "organization-owner", OwnedBy: "organization-owner", Status: "succeeded", Object: object,
		Created: created, CreatedAt: created, UpdatedAt: max(created, i.UpdatedAt),
		Capabilities:         newCapabilities(d),
		Features:             g.newFeatures(d),
		Interfaces:           g.interfacesOf(d),
		InterfaceConfigs:     newInterfaceConfigs(i.InterfaceConfigs),
		InputAttachmentTypes: i.InputAttachmentTypes, MaxInputAttachments: i.MaxInputAttachments,
		MaxRetryAttempts: i.MaxRetryAttempts, Defaults: i.Defaults, ResponsesDefaults: i.ResponsesDefaults,
		TokenizerModel: i.TokenizerModel, EmbeddingDimensions: i.EmbeddingDimensions,
		Limits: i.Limits, Pricing: i.Pricing, Dependencies: i.Dependencies,
	}
	if d.Kind == catalog.Application {
		out.Application, out.ViewerURL, out.EditorURL = d.Name, i.ViewerURL, i.EditorURL
	} else {
		out.Model, out.LifecycleStatus = d.Name, "generally-available"
	}
	if object == objectDeployment {
		out.ScaleSettings = &scaleSettings{ScaleType: "standard"}
	}
	return out
}

func newInterfaceConfigs(all []catalog.InterfaceConfig) map[string]interfaceConfig {
	if len(all) == 0 {
		return nil
	}
	out := make(map[string]interfaceConfig, len(all))
	for _, c := range all {
		own := interfaceConfig{Defaults: c.Defaults}
		if c.Features != nil {
			own.Features = new(*c.Features)
			own.Features.ReasoningEfforts = append([]string{}, own.Features.ReasoningEfforts...)
		}
		out[c.Interface.String()] = own
	}
	return out
}

// interfacesOf are the APIs in which a deployment can be asked, by DIAL's names.
func (g *Gateway) interfacesOf(d *catalog.Deployment) []string {
	out := make([]string, 0, catalog.Interfaces)
	for i := range catalog.Interface(catalog.Interfaces) {
		if g.serves(d, i) {
			out = append(out, i.String())
		}
	}
	return out
}

// serves says whether a deployment can be asked in an API. Its interceptors see chats and embeddings alone: by
// the other APIs a request would come past them.
func (g *Gateway) serves(d *catalog.Deployment, i catalog.Interface) bool {
	return d.Serves(i) && !g.unserved[i] && (i <= catalog.Embeddings || len(d.Interceptors) == 0)
}

func chats(d *catalog.Deployment) bool { return d.Serves(catalog.Chats) }

func embeds(d *catalog.Deployment) bool { return d.Serves(catalog.Embeddings) }

func newCapabilities(d *catalog.Deployment) capabilities {
	return capabilities{
		ScaleTypes: []string{"standard"}, ChatCompletion: chats(d), Embeddings: embeds(d), Rerank: d.Rerank != nil,
	}
}

func (g *Gateway) newFeatures(d *catalog.Deployment) features {
	out := features{Features: d.Info.Features, ChatCompletion: chats(d), ResponsesAPI: g.serves(d, catalog.Responses)}
	out.Rate = out.Rate || d.Feedback != nil
	out.Tokenize = out.Tokenize || d.Count != nil || d.TokenizeAt != nil
	out.TruncatePrompt = out.TruncatePrompt || d.Count != nil || d.TruncateAt != nil
	out.Configuration = out.Configuration || d.Configuration != nil || d.ConfigurationAt != nil
	if out.ReasoningEfforts == nil {
		out.ReasoningEfforts = []string{}
	}
	return out
}

// listedKey finds an item as JSON, which never changes while its gateway serves.
type listedKey struct {
	object     string
	deployment *catalog.Deployment
}

// item is a deployment as JSON.
func (g *Gateway) item(d *catalog.Deployment, object string) (json.RawMessage, error) {
	key := listedKey{object, d}
	if known, ok := g.items.Load(key); ok {
		return known.(json.RawMessage), nil // nothing else is stored there
	}
	text, err := json.Marshal(g.newItem(d, object))
	if err != nil {
		return nil, err
	}
	if g.served[d] != nil { // else it is of this request alone
		g.items.Store(key, json.RawMessage(text))
	}
	return text, nil
}

// listing is which deployments a route shows, and as which object.
type listing struct {
	object string
	shows  func(d *catalog.Deployment) bool
	bare   bool // an array, and not {"data": …, "object": "list"}
}

func isModel(d *catalog.Deployment) bool { return d.Kind == catalog.Model }

func isApplication(d *catalog.Deployment) bool { return d.Kind == catalog.Application }

func isAny(*catalog.Deployment) bool { return true }

// list shows what the caller may use, in the order of the configuration.
func (g *Gateway) list(l listing) knownHandler {
	return func(x *exchange, _ *http.Request, caller auth.Caller) error { return g.show(x, caller, l) }
}

func (g *Gateway) show(x *exchange, caller auth.Caller, l listing) error {
	begin, end := `{"data":[`, `],"object":"list"}`
	if l.bare {
		begin, end = "[", "]"
	}
	var items [][]byte
	size := len(begin) + len(end)
	for _, d := range g.deployments.List(caller) {
		if !l.shows(d) {
			continue
		}
		text, err := g.item(d, l.object)
		if err != nil {
			return x.refuse(err)
		}
		items, size = append(items, text), size+len(text)+1
	}
	body := append(make([]byte, 0, size), begin...)
	for i, text := range items {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, text...)
	}
	x.Header().Set("Content-Type", "application/json")
	return x.send(append(body, end...))
}

// one shows the deployment that the path names.
func (g *Gateway) one(l listing) knownHandler {
	return func(x *exchange, r *http.Request, caller auth.Caller) error {
		return g.showOne(x, r, caller, l)
	}
}

func (g *Gateway) showOne(x *exchange, r *http.Request, caller auth.Caller, l listing) error {
	name := r.PathValue("name")
	if name == "" {
		return g.handleNoRoute(x, r)
	}
	d, err := g.listed(x, r, caller, name)
	if err == nil && !l.shows(d) {
		err = &llm.Error{Kind: llm.KindNotFound, Message: fmt.Sprintf("The deployment %s is no %s. GET /v1/deployments lists all.", d.Name, l.object)}
	}
	if err != nil {
		if methods := g.methodsOf(r); llm.AsError(err).Kind == llm.KindNotFound && len(methods) > 0 {
			return x.wrongMethod(r, methods) // the operation of a deployment, and not the name of one
		}
		return x.refuse(err)
	}
	text, err := g.item(d, l.object)
	if err != nil {
		return x.refuse(err)
	}
	x.Header().Set("Content-Type", "application/json")
	return x.send(text)
}

// listed is the deployment of that name, as the caller may see it.
func (g *Gateway) listed(x *exchange, r *http.Request, caller auth.Caller, name string) (*catalog.Deployment, error) {
	d, err := g.deployments.Resolve(r, caller, name)
	if err == nil {
		x.deployment = d.Name
	}
	return d, err
}

// reply answers with a value as JSON.
func (x *exchange) reply(value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return x.refuse(err)
	}
	x.Header().Set("Content-Type", "application/json")
	return x.send(body)
}
