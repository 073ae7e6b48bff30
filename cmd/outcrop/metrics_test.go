package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// TestEntries: what is recorded of each kind of request.
func TestEntries(t *testing.T) {
	var entries []usage.Entry
	ids := map[string]bool{}
	p := newParts(inMemory(t), nil, slog.New(slog.DiscardHandler))
	p.record = func(e usage.Entry) { entries = append(entries, e) }
	handler, _, err := build(demoConfig(), p)
	if err != nil {
		t.Fatal(err)
	}
	const text = `"messages":[{"role":"user","content":"Hi [[sandbox text=\"a b c\"]]"}]`
	tests := []struct {
		name, path, body string
		want             usage.Entry // what has no zero value is looked at apart
		tokens           bool
	}{
		{"a chat", "/openai/deployments/nova-lite/chat/completions", `{` + text + `}`, usage.Entry{Deployment: "nova-lite", Operation: usage.Chat, Status: 200, Region: "us-east-1", Model: "us.amazon.nova-2-lite-v1:0"}, true},
		{"a stream", "/openai/v1/chat/completions", `{"model":"nova-lite","stream":true,` + text + `}`, usage.Entry{Deployment: "nova-lite", Operation: usage.Chat, Status: 200, Stream: true, Region: "us-east-1", Model: "us.amazon.nova-2-lite-v1:0"}, true},
		{"two choices", "/openai/v1/chat/completions", `{"model":"nova-lite","n":2,"stream":true,` + text + `}`, usage.Entry{Deployment: "nova-lite", Operation: usage.Chat, Status: 200, Stream: true, Region: "us-east-1", Model: "us.amazon.nova-2-lite-v1:0"}, true},
		{"Messages as they are", "/anthropic/v1/messages", `{"model":"claude-sonnet","max_tokens":100,"stream":true,` + text + `}`, usage.Entry{Deployment: "claude-sonnet", Operation: usage.Chat, Status: 200, Stream: true, Region: "us-east-1"}, true},
		{"Messages, translated", "/anthropic/v1/messages", `{"model":"nova-lite","max_tokens":100,` + text + `}`, usage.Entry{Deployment: "nova-lite", Operation: usage.Chat, Status: 200, Region: "us-east-1", Model: "us.amazon.nova-2-lite-v1:0"}, true},
		{"a count", "/anthropic/v1/messages/count_tokens", `{"model":"claude-sonnet",` + text + `}`, usage.Entry{Deployment: "claude-sonnet", Operation: usage.CountTokens, Status: 200, Region: "us-east-1"}, false},
		{"embeddings", "/openai/v1/embeddings", `{"model":"titan-embed","input":"a"}`, usage.Entry{Deployment: "titan-embed", Operation: usage.Embeddings, Status: 200, Region: "us-east-1", Model: "amazon.titan-embed-text-v2:0"}, true},
		{"a ranking", "/v2/rerank", `{"model":"rerank","query":"a","documents":["a","b"]}`, usage.Entry{Deployment: "rerank", Operation: usage.Rerank, Status: 200, Region: "us-east-1", Model: "cohere.rerank-v3-5:0"}, true},
		{"an image", "/openai/v1/images/generations", `{"model":"stable-image","prompt":"a"}`, usage.Entry{Deployment: "stable-image", Operation: usage.ImageGeneration, Status: 200, Region: "us-east-1", Model: "stability.stable-image-core-v1:1"}, false},
		{"a throttle", "/openai/v1/chat/completions", `{"model":"nova-lite","messages":[{"role":"user","content":"[[sandbox error=ThrottlingException]]"}]}`, usage.Entry{Deployment: "nova-lite", Operation: usage.Chat, Status: 429, Region: "us-east-1", Failed: true, Kind: llm.KindRateLimited, Throttled: true}, false},
		{"a throttle of Messages", "/anthropic/v1/messages", `{"model":"claude-sonnet","max_tokens":100,"messages":[{"role":"user","content":"[[sandbox error=ThrottlingException]]"}]}`, usage.Entry{Deployment: "claude-sonnet", Operation: usage.Chat, Status: 429, Region: "us-east-1", Failed: true, Kind: llm.KindRateLimited, Throttled: true}, false},
		{"an unknown deployment", "/openai/deployments/stranger/chat/completions", `{` + text + `}`, usage.Entry{Operation: usage.Chat, Status: 404, Failed: true, Kind: llm.KindNotFound}, false},
		{"a wrong request", "/openai/v1/embeddings", `{`, usage.Entry{Operation: usage.Embeddings, Status: 400, Failed: true}, false},
		{"no route", "/nowhere", `{}`, usage.Entry{Status: 404, Failed: true, Kind: llm.KindNoRoute}, false},
	}
	for _, tt := range tests {
		entries = nil
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tt.path, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Api-Key", demoKey)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if len(entries) != 1 {
			t.Errorf("%s: %d entries: %s", tt.name, len(entries), w.Body)
			continue
		}
		got := entries[0]
		if tt.name != "no route" && got.Project != "demo" || got.Began.IsZero() || got.Finished <= 0 || got.FirstToken > got.Finished {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if answered := tt.want.Operation.Generates() && !tt.want.Failed; answered != (got.FirstToken > 0) || tt.tokens != (got.Usage.Input > 0) {
			t.Errorf("%s: first token after %v, %+v", tt.name, got.FirstToken, got.Usage)
		}
		if tt.name == "a wrong request" {
			tt.want.Kind = llm.KindInvalid
		}
		if ids[got.ID] || got.ID == "" || got.RequestID == "" {
			t.Errorf("%s: the entry %q of the request %q", tt.name, got.ID, got.RequestID)
		}
		ids[got.ID] = true
		if known := got.Deployment != ""; known != (got.Caller == "Keys/demo/") {
			t.Errorf("%s: charged to %q", tt.name, got.Caller)
		}
		if ranked := tt.name == "a ranking"; ranked != (got.Terms.Queries == 1) {
			t.Errorf("%s: %d queries", tt.name, got.Terms.Queries)
		}
		if asked := tt.want.Operation.Generates() && got.Deployment != ""; asked != (got.Attempts == 1) || got.Asked+got.Waited > got.Finished || asked != (got.Asked > 0) {
			t.Errorf("%s: %d attempts after %v, waited for %v", tt.name, got.Attempts, got.Asked, got.Waited)
		}
		tt.want.Attempts, tt.want.Asked, tt.want.Waited = got.Attempts, got.Asked, got.Waited
		tt.want.ID, tt.want.RequestID, tt.want.Caller, tt.want.Terms, tt.want.Sampled = got.ID, got.RequestID, got.Caller, got.Terms, got.Sampled
		tt.want.Project, tt.want.Began, tt.want.FirstToken, tt.want.Finished, tt.want.Usage = got.Project, got.Began, got.FirstToken, got.Finished, got.Usage
		if got != tt.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
	entries = nil
	for _, probe := range []string{"/health", "/ready"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, probe, nil))
	}
	if len(entries) > 0 {
		t.Errorf("probes are recorded: %+v", entries)
	}
}

var metricsAddress = regexp.MustCompile(`metrics_listen"?[=:]"?(127\.0\.0\.1:\d+)`)

// scrapeOf reads the metrics of a server that was started with --metrics-listen.
func scrapeOf(t *testing.T, stderr *output) (address string, lines []string) {
	t.Helper()
	stderr.wait(t, "metrics_listen")
	address = metricsAddress.FindStringSubmatch(stderr.String())[1]
	status, body := fetched(t, "http://"+address+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	return address, strings.Split(body, "\n")
}

func fetched(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestServeExportsMetrics at a port of their own, and tells its settings at the start.
func TestServeExportsMetrics(t *testing.T) {
	base, stderr := start(t, "serve", "--sandbox", "--metrics-listen", "127.0.0.1:0", "--drain-delay", "1ms")
	if a := post(t, base, demoKey, "nova-lite", hello); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	if a := post(t, base, demoKey, "no-such-deployment", hello); a.status != http.StatusNotFound {
		t.Fatalf("%+v", a)
	}
	address, lines := scrapeOf(t, stderr)
	for _, want := range []string{
		`outcrop_requests_total{deployment="nova-lite",operation="chat",status="200"} 1`,
		`outcrop_requests_total{deployment="",operation="chat",status="404"} 1`,
		`gen_ai_server_request_duration_seconds_count{error_type="",gen_ai_operation_name="chat",gen_ai_provider_name="aws.bedrock",gen_ai_request_model="nova-lite"} 1`,
		`outcrop_credentials_refresh_failures_total{region="us-east-1",source="credentials"} 0`,
		`outcrop_config_generation 1`, `outcrop_ready 1`, `outcrop_requests_in_flight 0`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	if status, _ := fetched(t, "http://"+address+"/health"); status != http.StatusOK {
		t.Errorf("health: %d", status)
	}
	if status, _ := fetched(t, base+"/metrics"); status != http.StatusNotFound {
		t.Errorf("clients can read the metrics: %d", status)
	}
	for _, want := range []string{"version=", "listen=127.0.0.1:", "drain_delay=1ms", "drain_timeout=25s"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("the log does not say %s: %s", want, stderr)
		}
	}
}

// TestAdapterExportsMetrics: its deployments go by the catalogue's names, whatever a path says.
func TestAdapterExportsMetrics(t *testing.T) {
	clearAdapter(t)
	t.Setenv("LOG_LEVEL", "INFO")
	base, stderr := start(t, "adapter", "--sandbox", "--metrics-listen", "127.0.0.1:0")
	const id = "us.amazon.nova-lite-v1:0"
	post(t, base, "k", id, hello)
	post(t, base, "k", "stranger-1", hello)
	post(t, base, "k", "stranger-2", hello)
	if status, body := fetched(t, base+"/ready"); status != http.StatusOK {
		t.Errorf("ready: %d %s", status, body)
	}
	_, lines := scrapeOf(t, stderr)
	for _, want := range []string{
		`outcrop_requests_total{deployment="` + id + `",operation="chat",status="200"} 1`,
		`outcrop_requests_total{deployment="other",operation="chat",status="404"} 2`, `outcrop_ready 1`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	if text := strings.Join(lines, "\n"); strings.Contains(text, "stranger") || strings.Contains(text, "outcrop_config") {
		t.Errorf("a client's name, or a configuration that there is not:\n%s", text)
	}
}

// TestListenWithoutAHost is as usual as an address of all hosts.
// TestRegionsOfClientsAreFew: an adapter's upstreams come with the requests, whoever writes them.
func TestRegionsOfClientsAreFew(t *testing.T) {
	held := newHolders()
	create := held.watched(func(s bedrock.Settings) (*bedrock.Client, error) {
		return bedrock.New(bedrock.Options{Region: s.Region, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	})
	var all []*bedrock.Client
	for i := range 3 * mostHoldings {
		client, err := create(bedrock.Settings{Region: fmt.Sprintf("us-%c%c-1", 'a'+i/26, 'a'+i%26)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, client)
	}
	for range 2 {
		if n := len(held.credentials()); n != mostHoldings+1 {
			t.Errorf("%d series", n)
		}
	}
	runtime.KeepAlive(all)
}

func TestListenWithoutAHost(t *testing.T) {
	listener, err := listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if at := reachable(listener.Addr()); !strings.HasPrefix(at, "localhost:") {
		t.Errorf("reachable at %s", at)
	}
}

func TestContainerMemory(t *testing.T) {
	const v2, v1 = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"
	for _, tt := range []struct {
		files map[string]string
		limit int64
		ok    bool
	}{
		{map[string]string{v2: "536870912\n"}, 512 << 20, true},
		{map[string]string{v2: "max\n"}, 0, false},
		{map[string]string{v1: "268435456\n"}, 256 << 20, true},
		{map[string]string{v1: "9223372036854771712\n"}, math.MaxInt64 &^ 4095, false},
		{nil, 0, false},
	} {
		limit, ok := containerMemory(func(name string) ([]byte, error) {
			if text, ok := tt.files[name]; ok {
				return []byte(text), nil
			}
			return nil, errors.Join(os.ErrNotExist)
		})
		if limit != tt.limit || ok != tt.ok {
			t.Errorf("%v: %d, %t", tt.files, limit, ok)
		}
	}
}
