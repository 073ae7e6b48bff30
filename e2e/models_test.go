//go:build e2e

package e2e

import (
	"testing"
)

// testKey is the key of the configurations that tests write.
const testKey = "a-key-of-tests"

// deployment is a model of a configuration.
type deployment map[string]any

// bedrockModel is a model that is served in the process, in us-east-1.
func bedrockModel(kind, id string) deployment {
	return deployment{"type": kind, "endpoint": "bedrock:" + id, "upstreams": []any{deployment{"extraData": deployment{"region": "us-east-1"}}}}
}

// serveChats starts outcrop serve --config with these chat models in front of a sandbox of its own.
func serveChats(t *testing.T, ids map[string]string) *server {
	t.Helper()
	models := map[string]deployment{}
	for name, id := range ids {
		models[name] = bedrockModel("chat", id)
	}
	return serveConfig(t, models)
}

// serveConfig starts outcrop serve --config with these models; those of Bedrock are a sandbox's.
func serveConfig(t *testing.T, models map[string]deployment, args ...string) *server {
	t.Helper()
	return serveWhole(t, deployment{
		"models": models, "roles": deployment{"default": deployment{}},
		"keys": deployment{testKey: deployment{"project": "p", "roles": []string{"default"}}},
	}, args...)
}

// serveAdapter starts outcrop adapter --sandbox at a free port.
func serveAdapter(t *testing.T) *server {
	t.Helper()
	return start(t, configReady, nil, "adapter", "--sandbox", "--listen", "127.0.0.1:0")
}

// own are models that are called by their names in the configuration.
func own[T any](models map[string]T) map[string]string {
	out := map[string]string{}
	for name := range models {
		out[name] = name
	}
	return out
}
