package gateway

import (
	"encoding/json"
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
)

// item is a deployment in a listing: DIAL Core's ModelData and DeploymentData, and the two members
// that OpenAI's own Model object has beside them.
type item struct {
	ID                   string          `json:"id"`
	Model                string          `json:"model"`
	Reference            string          `json:"reference"`
	DisplayName          string          `json:"display_name,omitempty"`
	DisplayVersion       string          `json:"display_version,omitempty"`
	IconURL              string          `json:"icon_url,omitempty"`
	Description          string          `json:"description,omitempty"`
	DescriptionKeywords  []string        `json:"description_keywords,omitempty"`
	Owner                string          `json:"owner"`
	OwnedBy              string          `json:"owned_by"`
	Status               string          `json:"status"`
	Object               string          `json:"object"`
	LifecycleStatus      string          `json:"lifecycle_status"`
	Created              int64           `json:"created"`
	CreatedAt            int64           `json:"created_at"`
	UpdatedAt            int64           `json:"updated_at"`
	ScaleSettings        *scaleSettings  `json:"scale_settings,omitempty"`
	Capabilities         capabilities    `json:"capabilities"`
	Features             features        `json:"features"`
	Interfaces           []string        `json:"interfaces"`
	InputAttachmentTypes []string        `json:"input_attachment_types,omitempty"`
	MaxInputAttachments  *int            `json:"max_input_attachments,omitempty"`
	MaxRetryAttempts     int             `json:"max_retry_attempts,omitempty"`
	Defaults             json.RawMessage `json:"defaults,omitempty"`
	TokenizerModel       string          `json:"tokenizer_model,omitempty"`
	EmbeddingDimensions  int             `json:"embedding_dimensions,omitempty"`
	Limits               catalog.Limits  `json:"limits,omitzero"`
	Pricing              catalog.Pricing `json:"pricing,omitzero"`
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

// newItem describes a deployment as the object "model" or "deployment".
func newItem(d *catalog.Deployment, object string) item {
	i := &d.Info
	created := i.CreatedAt
	if created == 0 {
		created = createdUnknown
	}
	out := item{
		ID: d.Name, Model: d.Name, Reference: d.Name,
		DisplayName: i.DisplayName, DisplayVersion: i.DisplayVersion, IconURL: i.IconURL,
		Description: i.Description, DescriptionKeywords: i.DescriptionKeywords,
		Owner: "organization-owner", OwnedBy: "organization-owner", Status: "succeeded",
		Object: object, LifecycleStatus: "generally-available",
		Created: created, CreatedAt: created, UpdatedAt: max(created, i.UpdatedAt),
		Capabilities:         newCapabilities(d),
		Features:             newFeatures(d),
		Interfaces:           []string{},
		InputAttachmentTypes: i.InputAttachmentTypes, MaxInputAttachments: i.MaxInputAttachments,
		MaxRetryAttempts: i.MaxRetryAttempts, Defaults: i.Defaults, TokenizerModel: i.TokenizerModel, EmbeddingDimensions: i.EmbeddingDimensions,
		Limits: i.Limits, Pricing: i.Pricing,
	}
	if i.Reference != "" {
		out.Reference = i.Reference
	}
	if chats(d) {
		out.Interfaces = append(out.Interfaces, "openaiChatCompletions")
	}
	if embeds(d) {
		out.Interfaces = append(out.Interfaces, "openaiEmbeddings")
	}
	if object == "deployment" {
		out.ScaleSettings = &scaleSettings{ScaleType: "standard"}
	}
	return out
}

func chats(d *catalog.Deployment) bool { return d.Serves(catalog.Chats) }

func embeds(d *catalog.Deployment) bool { return d.Serves(catalog.Embeddings) }

func newCapabilities(d *catalog.Deployment) capabilities {
	return capabilities{
		ScaleTypes: []string{"standard"}, ChatCompletion: chats(d), Embeddings: embeds(d), Rerank: d.Rerank != nil,
	}
}

func newFeatures(d *catalog.Deployment) features {
	out := features{Features: d.Info.Features, ChatCompletion: chats(d)}
	out.Tokenize = out.Tokenize || d.Count != nil
	out.TruncatePrompt = out.TruncatePrompt || d.Count != nil
	out.Configuration = out.Configuration || d.Configuration != nil
	if out.ReasoningEfforts == nil {
		out.ReasoningEfforts = []string{}
	}
	return out
}

type listing struct {
	Data   []item `json:"data"`
	Object string `json:"object"`
}

func (g *Gateway) handleModels(x *exchange, _ *http.Request, caller auth.Caller) error {
	return g.list(x, caller, "model")
}

func (g *Gateway) handleDeployments(x *exchange, _ *http.Request, caller auth.Caller) error {
	return g.list(x, caller, "deployment")
}

func (g *Gateway) list(x *exchange, caller auth.Caller, object string) error {
	out := listing{Data: []item{}, Object: "list"}
	for _, d := range g.deployments.List(caller) {
		out.Data = append(out.Data, newItem(d, object))
	}
	return x.reply(out)
}

func (g *Gateway) handleModel(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.one(x, r, caller, "model")
}

func (g *Gateway) handleDeployment(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.one(x, r, caller, "deployment")
}

func (g *Gateway) one(x *exchange, r *http.Request, caller auth.Caller, object string) error {
	d, err := g.deployments.Resolve(r, caller, r.PathValue("name"))
	if err != nil {
		return x.refuse(err)
	}
	return x.reply(newItem(d, object))
}

type userInfo struct {
	Roles           []string `json:"roles"`
	Project         string   `json:"project"`
	UserDisplayName string   `json:"userDisplayName"`
}

func (g *Gateway) handleUserInfo(x *exchange, _ *http.Request, caller auth.Caller) error {
	roles := caller.Roles
	if roles == nil {
		roles = []string{}
	}
	return x.reply(userInfo{Roles: roles, Project: caller.Project, UserDisplayName: caller.Project})
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
