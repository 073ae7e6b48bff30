//go:build e2e

package e2e

import "testing"

// A stranger's client gets from serve in front of an adapter what it gets from the adapter.
func TestServeOverAdapter(t *testing.T) {
	ids := map[string]string{
		"claude": messagesModels["claude"], "nova": messagesModels["nova"], "llama": messagesModels["llama"],
		"gpt-oss": messagesModels["gpt-oss"], "titan": "amazon.titan-embed-text-v2:0",
	}
	adapter, models := serveAdapter(t).url, map[string]deployment{}
	for name, id := range ids {
		kind, route := "chat", "chat/completions"
		if name == "titan" {
			kind, route = "embedding", "embeddings"
		}
		models[name] = deployment{"type": kind, "endpoint": adapter + "/openai/deployments/" + id + "/" + route}
	}
	pytest(t, "test_peer.py", append(told(t, serveConfig(t, models).url, testKey, ids, nil), "ADAPTER_URL="+adapter)...)
}
