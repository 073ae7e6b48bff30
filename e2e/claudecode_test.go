//go:build e2e && claudecode

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// codeModels have names by which Claude Code knows how they think; of a name that it does not know it believes that
// the model thinks as much as it takes.
var codeModels = map[string]string{
	"claude-sonnet-4-5": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
	"claude-opus-4-8":   "us.anthropic.claude-opus-4-8",
	"nova":              "us.amazon.nova-2-lite-v1:0",
	"gpt-oss":           "openai.gpt-oss-120b-1:0",
}

// Claude Code, the program itself, reads a file because the model asks for it, and answers with what it holds:
// with Claude over both surfaces of Bedrock, and with models that its requests are translated for. It talks to
// nobody else.
func TestClaudeCode(t *testing.T) {
	t.Run("serve", func(t *testing.T) {
		url := serveChats(t, codeModels).url
		for name := range codeModels {
			t.Run(name, func(t *testing.T) { claudeCode(t, url, name) })
		}
	})
	t.Run("adapter", func(t *testing.T) {
		url := serveAdapter(t).url
		t.Run("runtime", func(t *testing.T) { claudeCode(t, url, codeModels["claude-sonnet-4-5"]) })
		t.Run("mantle", func(t *testing.T) {
			claudeCode(t, url, "anthropic.claude-opus-4-8", `ANTHROPIC_CUSTOM_HEADERS=X-Upstream-Extra-Data: {"claude_client":"mantle"}`)
		})
	})
}

// codeLine is a line of what Claude Code prints.
type codeLine struct {
	Type, Subtype, Result string
	IsError               bool `json:"is_error"`
	Message               struct {
		Content json.RawMessage
	}
}

var toolResult = regexp.MustCompile(`"tool_result".*granite 42|granite 42.*"tool_result"`)

func claudeCode(t *testing.T, url, model string, env ...string) {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("claude-code", "node_modules", "@anthropic-ai", "claude-code", "cli-wrapper.cjs"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "Granite"), "granite 42\n")
	cmd := exec.CommandContext(t.Context(), "node", program, "-p", "Look at Granite. [[sandbox loop=1 tool=Read]]",
		"--model", model, "--output-format", "stream-json", "--verbose", "--allowedTools", "Read")
	outside := refuseOutside(t)
	cmd.Dir = folder
	cmd.Env = append(slices.Clone(env), "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir(), "ANTHROPIC_BASE_URL="+url+"/anthropic", "ANTHROPIC_API_KEY="+testKey,
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "DISABLE_TELEMETRY=1", "DISABLE_ERROR_REPORTING=1",
		"HTTPS_PROXY="+outside, "HTTP_PROXY="+outside, "NO_PROXY=127.0.0.1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v (make e2e-claude-code installs it)\n%s", err, out)
	}
	calls, results, last := 0, 0, codeLine{}
	for text := range strings.Lines(string(out)) {
		var line codeLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			continue // a note for people
		}
		content := string(line.Message.Content)
		if line.Type == "assistant" && strings.Contains(content, `"tool_use"`) && strings.Contains(content, `"Read"`) {
			calls++
		}
		if line.Type == "user" && toolResult.MatchString(content) {
			results++
		}
		last = line
	}
	if calls != 1 || results != 1 {
		t.Errorf("%d calls of Read and %d results, want one of each", calls, results)
	}
	if last.Type != "result" || last.Subtype != "success" || last.IsError || !strings.Contains(last.Result, "granite 42") {
		t.Errorf("the end is %+v", last)
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// refuseOutside is a proxy that nothing gets through, and that nobody may ask.
func refuseOutside(t *testing.T) (url string) {
	t.Helper()
	var mu sync.Mutex
	asked := []string{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Host)
		http.Error(w, "this machine stays alone", http.StatusForbidden)
	}))
	t.Cleanup(func() {
		proxy.Close()
		if len(asked) > 0 {
			t.Errorf("it wanted to talk to %q", asked)
		}
	})
	return proxy.URL
}
