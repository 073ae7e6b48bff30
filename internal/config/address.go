package config

import (
	"encoding/json"
	"maps"
	"net/url"
	"strings"

	"outcrop/internal/secret"
)

// Operation is what can be asked of another server, by DIAL's name of it in overridePaths.
type Operation string

// The operations.
const (
	PostChat       Operation = "postAzureOpenaiChatCompletions"
	PostEmbeddings Operation = "postAzureOpenaiEmbeddings"
	PostResponses  Operation = "postOpenaiResponses"
	GetResponse    Operation = "getOpenaiResponsesById"
	DeleteResponse Operation = "deleteOpenaiResponsesById"
	CancelResponse Operation = "postOpenaiResponsesCancel"
	PostMessages   Operation = "postAnthropicMessages"
	CountTokens    Operation = "postAnthropicMessagesCountTokens"
)

// ResponseID stands in the address of [GetResponse], [DeleteResponse] and [CancelResponse] for the id of the response.
const ResponseID = "{id}"

// operation is where an operation is asked: path is that of DIAL Core's own API, with {name} for the deployment.
type operation struct {
	Operation
	in   Interface
	path string
	// tail is what is put behind the legacy address of its interface.
	tail string
}

func operations() []operation {
	return []operation{
		{PostChat, ChatCompletions, "/openai/deployments/{name}/chat/completions", ""},
		{PostEmbeddings, Embeddings, "/openai/deployments/{name}/embeddings", ""},
		{PostResponses, Responses, "/openai/v1/responses", ""},
		{GetResponse, Responses, "/openai/v1/responses/" + ResponseID, "/" + ResponseID},
		{DeleteResponse, Responses, "/openai/v1/responses/" + ResponseID, "/" + ResponseID},
		{CancelResponse, Responses, "/openai/v1/responses/" + ResponseID + "/cancel", "/" + ResponseID + "/cancel"},
		{PostMessages, AnthropicMessages, "/anthropic/v1/messages", ""},
		{CountTokens, AnthropicMessages, "/anthropic/v1/messages/count_tokens", "/count_tokens"},
	}
}

func findOperation(name Operation) (operation, bool) {
	for _, o := range operations() {
		if o.Operation == name {
			return o, true
		}
	}
	return operation{}, false
}

// mainOperation is the one that an interface is there for.
func mainOperation(i Interface) Operation {
	for _, o := range operations() {
		if o.in == i {
			return o.Operation
		}
	}
	return ""
}

// Asked are the interfaces and the operation that each is there for, in DIAL's order.
func Asked() []struct {
	In Interface
	Operation
} {
	type asked = struct {
		In Interface
		Operation
	}
	return []asked{{ChatCompletions, PostChat}, {Embeddings, PostEmbeddings}, {Responses, PostResponses}, {AnthropicMessages, PostMessages}}
}

// Address is where another server is asked for an operation; false when none is. An interface with a translator
// is asked there, and nowhere when there is none of that name. Otherwise it is the base URL of the interface, or the
// deployment's where the interface is declared, with the operation's path; else the endpoint, or for Responses the
// responsesEndpoint.
func (m Model) Address(name Operation) (address string, ok bool) {
	o, ok := findOperation(name)
	if !ok {
		return "", false
	}
	c, declared := m.Interfaces[o.in]
	base := c.BaseURL
	switch {
	case c.Translated && c.By == nil:
		return "", false
	case c.Translated: // sees the request as the client wrote it
		return under(c.By.BaseURL, strings.ReplaceAll(o.path, "{name}", escaped(m.Name))), true
	case declared && base == "":
		base = m.BaseURL
	}
	if base == "" {
		return m.legacy(o, declared)
	}
	there := m.Name
	if m.OverrideName != "" {
		there = m.OverrideName
	}
	template, own := c.OverridePaths[name]
	if !own {
		return under(base, strings.ReplaceAll(o.path, "{name}", escaped(there))), true
	}
	if o.in == ChatCompletions || o.in == Embeddings {
		template = strings.ReplaceAll(template, ResponseID, escaped(m.Name))
	}
	return under(base, strings.ReplaceAll(template, "{overrideName}", escaped(there))), true
}

// legacy is the address without a base URL. An endpoint is for what the type says, unless another interface is
// declared.
func (m Model) legacy(o operation, declared bool) (address string, ok bool) {
	switch natural := (o.in == Embeddings) == (m.Type == TypeEmbedding); {
	case o.in == Responses && m.ResponsesEndpoint != "":
		return under(m.ResponsesEndpoint, o.tail), true
	case o.in != ChatCompletions && o.in != Embeddings || m.Bedrock != "" || m.URL == "" || !natural && !declared:
		return "", false
	}
	return m.URL, true
}

// answers says whether another server is asked for anything, in any interface.
func (m Model) answers() bool {
	for _, asked := range Asked() {
		if _, ok := m.Address(asked.Operation); ok || m.Interfaces[asked.In].Translated {
			return true
		}
	}
	return false
}

// mainAddress is the first address at which another server is asked, "" for none.
func (m Model) mainAddress() string {
	for _, asked := range Asked() {
		if address, ok := m.Address(asked.Operation); ok {
			return address
		}
	}
	return ""
}

// under is a path under a base URL.
func under(base, path string) string {
	if path == "" {
		return base
	}
	return strings.TrimSuffix(base, "/") + path
}

// escaped is a name as it stands in a path; its slashes stay, as clients write them.
func escaped(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// DefaultsOf are the body fields that a request in that interface gets when it lacks them, the interface's own over
// the deployment's; nil for none.
func (m Model) DefaultsOf(i Interface) json.RawMessage {
	under := m.Defaults
	if i == Responses {
		under = m.ResponsesDefaults
	}
	return over(m.Interfaces[i].Defaults, under)
}

// over is both objects, of members in both the first one's.
func over(first, second json.RawMessage) json.RawMessage {
	a, badA := parseJSON("", first)
	b, badB := parseJSON("", second)
	switch {
	case badB != nil:
		return first
	case badA != nil:
		return second
	}
	for _, m := range b.members {
		if a.get(m.name) == nil {
			a.members = append(a.members, m)
		}
	}
	return a.appendJSON(nil)
}

// HeadersOf are the headers that a call in that interface gets when the client did not send them.
func (m Model) HeadersOf(i Interface) map[string]secret.String {
	both := maps.Clone(m.DefaultHeaders)
	if both == nil {
		return m.Interfaces[i].DefaultHeaders
	}
	maps.Copy(both, m.Interfaces[i].DefaultHeaders)
	return both
}

// FeaturesOf are the features in that interface.
func (m Model) FeaturesOf(i Interface) Features {
	if f := m.Interfaces[i].Features; f != nil {
		return *f
	}
	return m.Features
}

// UpstreamInterface is what an upstream has for one interface.
type UpstreamInterface struct {
	Endpoint   string
	Key, Extra secret.String
}

// For is what another server gets for this upstream in that interface: what is stated for the interface, else the
// upstream's own. An endpoint for chats is none for the Responses or the Messages API.
func (u Upstream) For(i Interface) UpstreamInterface {
	out := u.Interfaces[i]
	if out.Key.IsZero() {
		out.Key = u.Key
	}
	if out.Extra.IsZero() {
		out.Extra = u.Foreign
	}
	for _, endpoint := range []struct {
		address string
		fits    bool
	}{{u.ResponsesEndpoint, i == Responses}, {u.Endpoint, i == ChatCompletions || i == Embeddings}, {u.BaseURL, true}} {
		if out.Endpoint == "" && endpoint.fits {
			out.Endpoint = endpoint.address
		}
	}
	return out
}
