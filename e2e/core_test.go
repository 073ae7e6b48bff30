//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// freePort is one that nobody listens at now.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// serveWhole is outcrop serve with a whole configuration, whose Bedrock is a sandbox.
func serveWhole(t *testing.T, configuration deployment, args ...string) *server {
	t.Helper()
	text, err := json.Marshal(configuration)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "aidial.config.json")
	writeFile(t, path, string(text))
	aws := serveAWS(t).url
	env := []string{"AWS_ENDPOINT_URL=" + aws, "AWS_ENDPOINT_URL_BEDROCK_MANTLE=" + aws, "AWS_ACCESS_KEY_ID=sandbox", "AWS_SECRET_ACCESS_KEY=sandbox"}
	return start(t, configReady, env, append([]string{"serve", "--config", path, "--listen", "127.0.0.1:0"}, args...)...)
}

// Programs of DIAL's SDK behind serve: an application, an adapter, interceptors, and the calls that they make.
func TestDIALPrograms(t *testing.T) {
	port := freePort(t)
	at := func(program, operation string) string {
		return fmt.Sprintf("http://127.0.0.1:%d/openai/deployments/%s/%s", port, program, operation)
	}
	parrot := func(more deployment) deployment {
		d := deployment{
			"type": "chat", "endpoint": at("parrot", "chat/completions"), "features": deployment{"tokenizeEndpoint": at("parrot", "tokenize")},
			"upstreams": []deployment{{"endpoint": "http://parrots/1", "key": "upstreams-key", "extraData": deployment{"region": "eu-west-1"}}},
		}
		for name, value := range more {
			d[name] = value
		}
		return d
	}
	chain := deployment{"interceptors": []string{"stamp", "polite"}}
	guarded := bedrockModel("chat", messagesModels["nova"])
	guarded["interceptors"] = chain["interceptors"]
	s := serveWhole(t, deployment{
		"models": deployment{
			"nova": bedrockModel("chat", messagesModels["nova"]), "parrot": parrot(nil), "guarded-nova": guarded, "guarded-parrot": parrot(chain),
		},
		"applications": deployment{"poet": deployment{
			"endpoint": at("poet", "chat/completions"),
			"features": deployment{"rateEndpoint": at("poet", "rate"), "configurationEndpoint": at("poet", "configuration")},
		}},
		"interceptors": deployment{
			"polite": deployment{"endpoint": at("polite", "chat/completions")}, "stamp": deployment{"endpoint": at("stamp", "chat/completions")},
		},
		"roles": deployment{"default": deployment{}},
		"keys":  deployment{testKey: deployment{"project": "p", "roles": []string{"default"}}},
	})
	pytestIn(t, ".venv-dial", "test_core.py", "OUTCROP_URL="+s.url, "OUTCROP_KEY="+testKey, fmt.Sprintf("PROGRAMS_PORT=%d", port))
}
