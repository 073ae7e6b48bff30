//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The lines that the banner offers to paste do what they say, in a shell.
func TestBannerLines(t *testing.T) {
	s := serve(t)
	if !strings.Contains(s.banner, "key       "+demoKey+"\n") {
		t.Errorf("the banner does not say the key:\n%s", s.banner)
	}
	venv, err := filepath.Abs(filepath.Join(".venv", "bin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ program, want string }{
		{"curl", `"finish_reason":"stop"`},
		{"python3", "Hello!"},
	} {
		t.Run(tc.program, func(t *testing.T) {
			line := regexp.MustCompile(`(?m)^ +(` + tc.program + ` .*)$`).FindStringSubmatch(s.banner)
			if line == nil {
				t.Fatalf("no line with %s in the banner:\n%s", tc.program, s.banner)
			}
			shell := exec.CommandContext(t.Context(), "bash", "-c", "set -e; PATH="+venv+":$PATH; "+line[1])
			shell.Env = cleanEnv(t)
			out, err := shell.CombinedOutput()
			if err != nil || !strings.Contains(string(out), tc.want) {
				t.Errorf("%s\n%v\n%s", line[1], err, out)
			}
		})
	}
}

// reply is a reply of the API with its body read.
type reply struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, method, url string, body io.Reader, headers ...string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(data)}
}

// refusal is an error as OpenAI words it.
type refusal struct {
	Error struct {
		Message, Type string
		Param, Code   *string
	}
}

func readRefusal(t *testing.T, r reply) refusal {
	t.Helper()
	var out refusal
	decoder := json.NewDecoder(strings.NewReader(r.body))
	if err := decoder.Decode(&out); err != nil || out.Error.Message == "" || out.Error.Type == "" {
		t.Fatalf("status %d: not an error of OpenAI's shape: %v\n%.500s", r.status, err, r.body)
	}
	if r.header.Get("X-Request-Id") == "" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		t.Errorf("headers %v", r.header)
	}
	return out
}

const hello = `{"model":"claude-sonnet","messages":[{"role":"user","content":"Hello!"}]}`

// Bad input gets a clear error that names the field.
func TestBadInput(t *testing.T) {
	url := serve(t).url
	deployment := "/openai/deployments/claude-sonnet/chat/completions?api-version=2024-10-21"
	for name, tc := range map[string]struct {
		path, body string
		status     int
		want       string // in the message
		param      string
	}{
		"not JSON":         {deployment, "{\n  \"messages\": [,]\n}", 400, "line 2", ""},
		"no object":        {deployment, `[]`, 400, "object", ""},
		"empty":            {deployment, ``, 400, "", ""},
		"no messages":      {deployment, `{}`, 400, "messages", "messages"},
		"empty messages":   {deployment, `{"messages":[]}`, 400, "messages", "messages"},
		"unknown role":     {deployment, `{"messages":[{"role":"wizard","content":"x"}]}`, 400, "role", "messages[0].role"},
		"unknown model":    {"/openai/deployments/nope/chat/completions", hello, 404, "nope", ""},
		"unknown model v1": {"/openai/v1/chat/completions", strings.ReplaceAll(hello, "claude-sonnet", "nope"), 404, "nope", ""},
		"no model":         {"/openai/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}]}`, 400, "model", "model"},
		"unknown route":    {"/openai/v1/nothing", hello, 404, "/openai/v1/nothing", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := send(t, http.MethodPost, url+tc.path, strings.NewReader(tc.body), "Api-Key", demoKey)
			refused := readRefusal(t, r)
			if r.status != tc.status || !strings.Contains(refused.Error.Message, tc.want) {
				t.Errorf("%d %q, want %d and %q", r.status, refused.Error.Message, tc.status, tc.want)
			}
			if param := refused.Error.Param; tc.param != "" && (param == nil || *param != tc.param) {
				t.Errorf("param of %s, want %q", r.body, tc.param)
			}
		})
	}
}

func TestBodyTooLarge(t *testing.T) {
	url := serve(t).url + "/openai/v1/chat/completions"
	body := io.MultiReader(strings.NewReader(`{"messages":[{"role":"user","content":"`), io.LimitReader(letters{}, 64<<20), strings.NewReader(`"}]}`))
	r := send(t, http.MethodPost, url, body, "Api-Key", demoKey)
	if refused := readRefusal(t, r); r.status != http.StatusRequestEntityTooLarge || !strings.Contains(refused.Error.Message, "64 MiB") {
		t.Errorf("%d %q", r.status, refused.Error.Message)
	}
}

// letters is an endless text.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// Every way to give a key works, and none does not.
func TestCredentials(t *testing.T) {
	url := serve(t).url
	for _, tc := range []struct {
		headers []string
		status  int
	}{
		{nil, 401},
		{[]string{"Api-Key", demoKey}, 200},
		{[]string{"Authorization", "Bearer " + demoKey}, 200},
		{[]string{"X-Api-Key", demoKey}, 200},
		{[]string{"Api-Key", "wrong"}, 401},
		{[]string{"Authorization", "Bearer wrong"}, 401},
		{[]string{"Authorization", "Basic " + demoKey}, 401},
	} {
		t.Run(fmt.Sprint(tc.headers), func(t *testing.T) {
			r := send(t, http.MethodPost, url+"/openai/v1/chat/completions", strings.NewReader(hello), tc.headers...)
			if r.status != tc.status {
				t.Errorf("%d, want %d: %s", r.status, tc.status, r.body)
			}
			if r.status != 200 && strings.Contains(r.body, demoKey) {
				t.Error("the error shows a key")
			}
		})
	}
}

// The other routes of the API.
func TestRoutes(t *testing.T) {
	url := serve(t).url
	for _, tc := range []struct{ path, want string }{
		{"/health", ""},
		{"/version", ""},
		{"/openai/models", `"object":"list"`},
		{"/openai/models/llama", `"id":"llama"`},
		{"/openai/deployments", `"object":"deployment"`},
		{"/openai/deployments/llama", `"object":"deployment"`},
		{"/v1/user/info", `"roles":["default"]`},
	} {
		t.Run(tc.path, func(t *testing.T) {
			r := send(t, http.MethodGet, url+tc.path, nil, "Api-Key", demoKey)
			if r.status != 200 || !strings.Contains(r.body, tc.want) || r.header.Get("X-Request-Id") == "" {
				t.Errorf("%d %v\n%s", r.status, r.header, r.body)
			}
		})
	}
}
