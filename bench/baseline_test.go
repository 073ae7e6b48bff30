package bench

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"outcrop/internal/catalog"
	"outcrop/internal/config"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/sigv4"
	"outcrop/internal/telemetry"
	"outcrop/internal/usage"
)

var update = flag.Bool("update", false, "rewrite testdata/baseline.txt with what is measured")

// TestBaseline compares what work allocates with what it allocated when baseline.txt was written: times depend on the
// machine, these do not. What has become better is to be written down too, or it would be lost unnoticed.
func TestBaseline(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, too: go test ./bench measures without it")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties pools
	var got strings.Builder
	for _, w := range baseline(t) {
		allocations, size := measure(w.run)
		fmt.Fprintf(&got, "%s: %d allocations, %d bytes\n", w.name, allocations, size)
	}
	file := filepath.Join("testdata", "baseline.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	compareBaselines(t, string(want), got.String())
}

// compareBaselines lets an allocation or 2 % pass, and 5 % of the bytes: pools and maps are not the same in every run.
func compareBaselines(t *testing.T, want, got string) {
	t.Helper()
	before, now := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	if len(before) != len(now) {
		t.Fatalf("%d lines instead of %d; go test ./bench -run TestBaseline -update writes them", len(now), len(before))
	}
	for i := range now {
		name, a, b := parsed(t, now[i])
		known, c, d := parsed(t, before[i])
		if name != known || !near(a, c, 0.02, 1) || !near(b, d, 0.05, 64) {
			t.Errorf("%s\nwas %s\nIf that is meant, or better: go test ./bench -run TestBaseline -update", now[i], before[i])
		}
	}
}

func parsed(t *testing.T, line string) (name string, allocations, size int) {
	t.Helper()
	name, rest, _ := strings.Cut(line, ": ")
	if _, err := fmt.Sscanf(rest, "%d allocations, %d bytes", &allocations, &size); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return name, allocations, size
}

func near(a, b int, share float64, least int) bool {
	return float64(max(a-b, b-a)) <= max(float64(least), share*float64(b))
}

func measure(run func()) (allocations, size int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const runs = 50
	for range 5 {
		run() // pools are filled
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		run()
	}
	runtime.ReadMemStats(&after)
	return int((after.Mallocs - before.Mallocs) / runs), int((after.TotalAlloc - before.TotalAlloc) / runs)
}

type baselineWork struct {
	name string
	run  func()
}

// baseline are the works: a request's way through all of outcrop but the network, and the parts that every request pays for.
func baseline(t *testing.T) []baselineWork {
	const answer = `{"metrics":{"latencyMs":1},"output":{"message":{"content":[{"text":"Yes."}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":10,"outputTokens":2,"totalTokens":12}}`
	plain := handling(t, &canned{body: []byte(answer)})
	streamed := handling(t, &canned{body: bytes.Join(stream(t, 100), nil)})
	paced := handling(t, &framewise{stream(t, 100)})
	short, tools, image := chat(t, 900, 0, ""), chat(t, 35_000, 20, ""), chat(t, 900, 0, png(1<<20))
	asStream := bytes.Replace(short, []byte("{"), []byte(`{"stream":true,`), 1)
	works := []baselineWork{
		{"plain chat of 1 KB", posting(t, plain, short)},
		{"plain chat of 50 KB with 20 tools", posting(t, plain, tools)},
		{"plain chat with an image of 1 MB", posting(t, plain, image)},
		{"stream of 100 deltas at once", posting(t, streamed, asStream)},
		{"stream of 100 deltas one by one", posting(t, paced, asStream)},
		{"a request decoded", func() {
			if _, _, err := openai.DecodeChat(short); err != nil {
				t.Fatal(err)
			}
		}},
	}
	return append(works, signing(t), noting())
}

// handling is a gateway over a transport, with the usual timeouts and its numbers kept.
func handling(t *testing.T, transport http.RoundTripper) http.Handler {
	stated := config.DefaultTimeouts()
	usual := catalog.Timeouts{FirstToken: stated.FirstToken, InterToken: stated.InterToken, Total: stated.Total, Heartbeat: stated.Heartbeat}
	metrics := telemetry.New(telemetry.Options{})
	metrics.Serve([]telemetry.Deployment{{Name: "m"}})
	return serving(t, &catalog.Deployment{Name: "m", Chat: model(t, transport), Timeouts: usual}, metrics.Record)
}

func posting(t *testing.T, handler http.Handler, body []byte) func() {
	client := &discard{header: http.Header{}}
	return func() {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/openai/v1/chat/completions", bytes.NewReader(body))
		r.Header["Content-Type"], r.Header["Api-Key"] = []string{"application/json"}, []string{"hush-key-1"}
		clear(client.header)
		before := client.n
		handler.ServeHTTP(client, r)
		if client.n-before < 200 {
			t.Fatal("no answer")
		}
	}
}

func signing(t *testing.T) baselineWork {
	signer := &sigv4.Signer{Service: "bedrock", Region: "us-east-1"}
	credentials, body := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}, []byte("{}")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse", nil)
	return baselineWork{"a request signed", func() { signer.Sign(r, body, credentials, time.Unix(1_763_888_000, 0)) }}
}

func noting() baselineWork {
	e := usage.Entry{ID: "id", RequestID: "request", Project: "project", Deployment: "deployment", Model: "model", Began: time.Unix(1, 0), Usage: llm.Usage{Input: 500, Output: 100}}
	return baselineWork{"an entry noted", func() { usage.AppendNote(nil, &e) }}
}
