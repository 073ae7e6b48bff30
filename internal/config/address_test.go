package config

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Where another server is asked follows DIAL's order, for each operation.
func TestAddress(t *testing.T) {
	const all = `"interfaces": {"openaiChatCompletions": {}, "openaiEmbeddings": {}, "openaiResponses": {}, "anthropicMessages": {}}`
	for _, tt := range []struct {
		name, model string
		operation   Operation
		want        string // "" is nowhere
	}{
		{"an endpoint is taken as it is", `"endpoint": "http://e/x?y=1"`, PostChat, "http://e/x?y=1"},
		{"an endpoint of chats is none of embeddings", `"endpoint": "http://e"`, PostEmbeddings, ""},
		{"an endpoint of embeddings", `"type": "embedding", "endpoint": "http://e"`, PostEmbeddings, "http://e"},
		{"and none of chats", `"type": "embedding", "endpoint": "http://e"`, PostChat, ""},
		{"unless they are declared", `"type": "embedding", "endpoint": "http://e", "interfaces": {"openaiChatCompletions": {}}`, PostChat, "http://e"},
		{"an endpoint is none of Responses", `"endpoint": "http://e"`, PostResponses, ""},
		{"nor of Messages", `"endpoint": "http://e", "interfaces": {"anthropicMessages": {}}`, PostMessages, ""},
		{"responsesEndpoint", `"responsesEndpoint": "http://r/v1/responses"`, PostResponses, "http://r/v1/responses"},
		{"one response is below it", `"responsesEndpoint": "http://r/v1/responses"`, GetResponse, "http://r/v1/responses/{id}"},
		{"to cancel one", `"responsesEndpoint": "http://r/v1/responses/"`, CancelResponse, "http://r/v1/responses/{id}/cancel"},
		{"a base URL without an interface", `"baseUrl": "http://b"`, PostChat, ""},
		{"a base URL of chats", `"baseUrl": "http://b/", ` + all, PostChat, "http://b/openai/deployments/m/chat/completions"},
		{"of embeddings", `"baseUrl": "http://b", ` + all, PostEmbeddings, "http://b/openai/deployments/m/embeddings"},
		{"of Responses", `"baseUrl": "http://b", ` + all, PostResponses, "http://b/openai/v1/responses"},
		{"of one response", `"baseUrl": "http://b", ` + all, DeleteResponse, "http://b/openai/v1/responses/{id}"},
		{"of Messages", `"baseUrl": "http://b", ` + all, PostMessages, "http://b/anthropic/v1/messages"},
		{"of their count", `"baseUrl": "http://b", ` + all, CountTokens, "http://b/anthropic/v1/messages/count_tokens"},
		{"an interface's own", `"baseUrl": "http://b", "interfaces": {"anthropicMessages": {"base_url": "http://i/x"}}`, PostMessages, "http://i/x/anthropic/v1/messages"},
		{"a declared base comes before the endpoint", `"endpoint": "http://e", "baseUrl": "http://b", ` + all, PostChat, "http://b/openai/deployments/m/chat/completions"},
		{"a declared base comes before responsesEndpoint", `"responsesEndpoint": "http://r", "baseUrl": "http://b", ` + all, PostResponses, "http://b/openai/v1/responses"},
		{"overrideName is in the path", `"overrideName": "a b/c", "baseUrl": "http://b", ` + all, PostChat, "http://b/openai/deployments/a%20b/c/chat/completions"},
		{"a path of one's own", `"overrideName": "o", "baseUrl": "http://b/", "interfaces": {"openaiChatCompletions": {"overridePaths": {"postAzureOpenaiChatCompletions": "/x/{overrideName}/{id}?v=1"}}}`, PostChat, "http://b/x/o/m?v=1"},
		{"without an overrideName", `"baseUrl": "http://b", "interfaces": {"openaiChatCompletions": {"overridePaths": {"postAzureOpenaiChatCompletions": "/x/{overrideName}"}}}`, PostChat, "http://b/x/m"},
		{"of one response", `"baseUrl": "http://b", "interfaces": {"openaiResponses": {"overridePaths": {"getOpenaiResponsesById": "/r/{id}/of/{overrideName}"}}}`, GetResponse, "http://b/r/{id}/of/m"},
		{"a path needs a base", `"endpoint": "http://e", "interfaces": {"openaiChatCompletions": {"overridePaths": {"postAzureOpenaiChatCompletions": "/x"}}}`, PostChat, "http://e"},
		{"a translator sees the client's path", `"endpoint": "http://e", "overrideName": "o", "interfaces": {"openaiEmbeddings": {"mode": "translator", "translator": {"out": "openaiChatCompletions", "baseUrl": "http://t/"}}}`, PostEmbeddings, "http://t/openai/deployments/m/embeddings"},
		{"a translator by name", `"endpoint": "http://e", "interfaces": {"anthropicMessages": {"mode": "translator", "translator": "known"}}`, CountTokens, "http://known/anthropic/v1/messages/count_tokens"},
		{"an unknown translator falls back to nothing", `"endpoint": "http://e", "baseUrl": "http://b", "interfaces": {"openaiChatCompletions": {"mode": "translator", "translator": "gone"}}`, PostChat, ""},
		{"an operation that does not exist", `"endpoint": "http://e"`, "getChat", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "a.json", fmt.Sprintf(`{"models": {"m": {%s}}, "translators": {"known": {"in": "anthropicMessages", "out": "openaiChatCompletions", "baseUrl": "http://known"}}}`, tt.model))
			cfg, problems := Load([]string{path}, Options{})
			if HasErrors(problems) {
				t.Fatal(problems)
			}
			got, ok := cfg.Models[0].Address(tt.operation)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q %v, want %q", got, ok, tt.want)
			}
		})
	}
}

// What an interface states is laid over the deployment's, member by member and not deeper.
func TestWhatAnInterfaceHasOfItsOwn(t *testing.T) {
	path := write(t, "a.json", `{"models": {"m": {"endpoint": "http://e", "defaults": {"a": {"x": 1}, "b": 1}, "responsesDefaults": {"r": 1}, "defaultHeaders": {"x-a": "1", "X-B": "1"},
		"features": {"toolsSupported": true},
		"interfaces": {"openaiChatCompletions": {"defaults": {"a": {"y": 2}}, "defaultHeaders": {"X-b": "2"}, "features": {"seedSupported": true}}, "openaiResponses": {"defaults": {"r": 2}}},
		"upstreams": [{"endpoint": "http://u", "key": "k", "responsesEndpoint": "http://ur", "baseUrl": "http://ub", "extraData": {"a": 1}, "interfaces": {"anthropicMessages": {"key": "own", "extraData": "text"}}}]}}}`)
	cfg, problems := Load([]string{path}, Options{})
	if HasErrors(problems) {
		t.Fatal(problems)
	}
	m := cfg.Models[0]
	for i, want := range map[Interface]string{ChatCompletions: `{"a":{"y":2},"b":1}`, Responses: `{"r":2}`, AnthropicMessages: `{"a":{"x":1},"b":1}`} {
		if got := string(m.DefaultsOf(i)); got != want {
			t.Errorf("%s: defaults %s, want %s", i, got, want)
		}
	}
	if h := m.HeadersOf(ChatCompletions); h["X-A"].Reveal() != "1" || h["X-B"].Reveal() != "2" || m.DefaultHeaders["X-B"].Reveal() != "1" {
		t.Errorf("headers %v, the deployment's %v", h, m.DefaultHeaders)
	}
	if f := m.FeaturesOf(ChatCompletions); !f.ToolsSupported || !f.SeedSupported || m.FeaturesOf(Responses).SeedSupported {
		t.Errorf("features %+v", f)
	}
	for i, want := range map[Interface][3]string{
		ChatCompletions: {"http://u", "k", `{"a":1}`}, Responses: {"http://ur", "k", `{"a":1}`}, AnthropicMessages: {"http://ub", "own", "text"},
	} {
		u := m.Upstreams[0].For(i)
		if diff := cmp.Diff(want, [3]string{u.Endpoint, u.Key.Reveal(), u.Extra.Reveal()}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", i, diff)
		}
	}
}

// The file of another server's key is read with the configuration.
func TestKeyFileOfAnotherServer(t *testing.T) {
	key := write(t, "key", "hush-from-a-file\n")
	path := write(t, "a.json", fmt.Sprintf(`{"models": {"m": {"endpoint": "http://e", "upstreams": [{"keyFile": %q}]}}}`, key))
	cfg, problems := Load([]string{path}, Options{})
	if HasErrors(problems) {
		t.Fatal(problems)
	}
	if got := cfg.Models[0].Upstreams[0].Key.Reveal(); got != "hush-from-a-file" {
		t.Errorf("key %q", got)
	}
	if diff := cmp.Diff([]string{key}, cfg.SecretFiles()); diff != "" {
		t.Error(diff)
	}
}
