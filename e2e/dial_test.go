//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"testing"
)

// DIAL's client for Python, and its SDK: as a judge of our wire, and as an application behind serve.
func TestDIAL(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := serveConfig(t, map[string]deployment{
		"claude":      bedrockModel("chat", messagesModels["claude"]),
		"nova":        bedrockModel("chat", messagesModels["nova"]),
		"llama":       bedrockModel("chat", messagesModels["llama"]),
		"gpt-oss":     bedrockModel("chat", messagesModels["gpt-oss"]),
		"titan":       bedrockModel("embedding", "amazon.titan-embed-text-v2:0"),
		"application": {"type": "chat", "endpoint": fmt.Sprintf("http://127.0.0.1:%d/openai/deployments/echo/chat/completions", port)},
	})
	pytestIn(t, ".venv-dial", "test_dial.py", "OUTCROP_URL="+s.url, "OUTCROP_KEY="+testKey, "ADAPTER_URL="+serveAdapter(t).url, fmt.Sprintf("APPLICATION_PORT=%d", port))
}
