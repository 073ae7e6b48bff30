//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/sandbox"
	"outcrop/internal/usage"
)

// counting is the way to a sandbox, which counts what the sandbox says that each call used.
type counting struct {
	http.RoundTripper
	mu   sync.Mutex
	told llm.Usage
	n    int // answers that told it
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(resp.Header.Get("X-Amzn-Bedrock-Input-Token-Count")); err == nil && strings.Contains(r.URL.Path, "embed") {
		c.add(llm.Usage{Input: n})
	}
	resp.Body = &countingBody{ReadCloser: resp.Body, c: c}
	return resp, nil
}

func (c *counting) add(u llm.Usage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told, c.n = c.told.Add(u), c.n+1
}

type countingBody struct {
	io.ReadCloser
	c    *counting
	seen []byte
	done bool
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.seen = append(b.seen, p[:n]...)
	if _, rest, ok := bytes.Cut(b.seen, []byte(`"usage":`)); ok && !b.done {
		var u struct {
			InputTokens, OutputTokens, CacheReadInputTokens, CacheWriteInputTokens int
			CacheDetails                                                           []struct {
				TTL         string
				InputTokens int
			}
		}
		if json.NewDecoder(bytes.NewReader(rest)).Decode(&u) == nil && u.InputTokens+u.OutputTokens > 0 {
			b.done = true
			told := llm.Usage{Input: u.InputTokens, Output: u.OutputTokens, CacheRead: u.CacheReadInputTokens, CacheWrite: u.CacheWriteInputTokens}
			for _, d := range u.CacheDetails {
				if d.TTL == "1h" {
					told.CacheWrite1h += d.InputTokens
				}
			}
			b.c.add(told)
		}
	}
	return n, err
}

// mixed are requests of all kinds: plain and streamed, with the cache, failing, throttled, embeddings.
func mixed(random *rand.Rand) (path, body string) {
	words, text := 1+random.IntN(40), strings.Repeat("word ", random.IntN(60))
	chat := func(model, content, more string) (string, string) {
		return "/openai/deployments/" + model + "/chat/completions", fmt.Sprintf(`{"messages":[{"role":"user","content":"%s"}]%s}`, content, more)
	}
	said := fmt.Sprintf("%s[[sandbox tokens=%d]]", text, words)
	switch random.IntN(10) {
	case 0:
		return chat("claude-sonnet", said, `,"stream":true`)
	case 1:
		return chat("nova-lite", said, `,"stream":true,"stream_options":{"include_usage":true}`)
	case 2:
		return "/openai/deployments/claude-sonnet/chat/completions", fmt.Sprintf(
			`{"messages":[{"role":"system","content":"Conversation %d %s","custom_fields":{"cache_breakpoint":{}}},{"role":"user","content":"%s"}]}`, random.IntN(50), strings.Repeat("long ", 300), said)
	case 3:
		return chat("nova-lite", "[[sandbox error=ThrottlingException]]", "")
	case 4:
		return chat("llama", "[[sandbox error=ValidationException]]", `,"stream":true`)
	case 5:
		return "/openai/deployments/titan-embed/embeddings", fmt.Sprintf(`{"input":["%s a","b"]}`, text)
	case 6:
		return chat("gpt-oss", said, "")
	default:
		return chat("nova-lite", said, "")
	}
}

// TestLedgerOfAHundredThousand sends 100,000 mixed requests through the gateway: the ledger has what the sandbox told, and
// the counters of the limits have it too.
func TestLedgerOfAHundredThousand(t *testing.T) {
	const requests, workers = 100_000, 4
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	behind, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	way := &counting{RoundTripper: memnet.Serve(t, behind)}
	log := slog.New(slog.DiscardHandler)
	p := newParts(&upstreams{clients: map[[32]byte]*bedrock.Client{}, make: func(bedrock.Settings) (*bedrock.Client, error) {
		return bedrock.New(bedrock.Options{
			Region: "us-east-1", Endpoint: "http://bedrock", Transport: way, Catalogue: catalogue,
			Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
		})
	}}, nil, log)
	p.catalogue = catalogue
	settings, _ := config.LoadSettings("", nil)
	kept, err := openStores(t.Context(), storeFlags{dataDir: t.TempDir()}, settings, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.keepIn(&p); err != nil {
		t.Fatal(err)
	}
	handler, _, err := build(demoConfig(), p)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for range requests / workers {
				path, body := mixed(random)
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
				r.Header.Set("Api-Key", demoKey)
				r.Header.Set("Content-Type", "application/json")
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
	all.Wait()
	if err := kept.ledger.CatchUp(t.Context(), kept.outbox); err != nil {
		t.Fatal(err)
	}
	report, err := kept.ledger.Usage(t.Context(), usage.Query{By: []usage.Group{}, From: usageDay(-1), To: usageDay(2)})
	if err != nil {
		t.Fatal(err)
	}
	got := report.Total
	t.Logf("%d requests, %d errors; told by the sandbox in %d answers: %+v; in the ledger: %+v", got.Requests, got.Errors, way.n, way.told, got)
	if got.Requests != requests {
		t.Errorf("%d requests of %d", got.Requests, requests)
	}
	in := llm.Usage{Input: int(got.Input), Output: int(got.Output), CacheRead: int(got.CacheRead), CacheWrite: int(got.CacheWrite), CacheWrite1h: int(got.CacheWrite1h)}
	if in != way.told {
		t.Errorf("the ledger has %+v, the sandbox told %+v", in, way.told)
	}
	tokens := int64(0)
	for _, m := range demoModels {
		used, _, err := p.limits.Used(t.Context(), accountOf(m.name))
		if err != nil {
			t.Fatal(err)
		}
		tokens += used[0].Tokens[4]
	}
	if tokens != int64(way.told.Total()) {
		t.Errorf("the counters have %d tokens, the sandbox told %d", tokens, way.told.Total())
	}
	kept.close()
}
