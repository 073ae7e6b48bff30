//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"outcrop/internal/ledger/ledgertest"
	"outcrop/internal/redis/redistest"
)

// replicas are several outcrop serve that share a Redis and a PostgreSQL, in front of one sandbox.
type replicas struct {
	redis    *redistest.Server
	postgres *ledgertest.Server
	database string
	all      []*server
}

// Keys of replicas: one with limits, one without.
const (
	limitedKey = "a-key-with-limits"
	freeKey    = "a-key-without-limits"
	// minuteTokens is the limit of the former.
	minuteTokens = 20_000
)

func startReplicas(t *testing.T, n int, sandbox ...string) *replicas {
	t.Helper()
	r := &replicas{redis: redistest.Start(t), postgres: ledgertest.Start(t)}
	r.database = r.postgres.Database()
	good, bad := serveAWS(t, sandbox...).url, serveAWS(t, "--refuse", "throttle-day").url
	upstream := func(id, url string, tier int) deployment {
		return deployment{"id": id, "tier": tier, "extraData": deployment{"region": "us-east-1", "aws_endpoint_url_bedrock_runtime": url}}
	}
	const nova, claude = "bedrock:us.amazon.nova-lite-v1:0", "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	text, err := json.Marshal(deployment{
		"models": deployment{
			"chat":   deployment{"type": "chat", "endpoint": nova, "upstreams": []any{upstream("one", good, 0)}},
			"flaky":  deployment{"type": "chat", "endpoint": nova, "upstreams": []any{upstream("bad", bad, 0), upstream("good", good, 1)}},
			"cached": deployment{"type": "chat", "endpoint": claude, "features": deployment{"cacheSupported": true}, "upstreams": []any{upstream("a", good, 0), upstream("b", good, 0), upstream("c", good, 0)}},
		},
		"roles": deployment{"limited": deployment{"limits": deployment{"chat": deployment{"minute": minuteTokens}}}, "free": deployment{}},
		"keys":  deployment{limitedKey: deployment{"project": "limited", "roles": []string{"limited"}}, freeKey: deployment{"project": "free", "roles": []string{"free"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	config, settings := filepath.Join(t.TempDir(), "aidial.config.json"), filepath.Join(t.TempDir(), "aidial.settings.json")
	writeFile(t, config, string(text))
	writeFile(t, settings, `{"encryption": {"secret": "one-secret-for-all", "key": "one-key-for-all"}, "limits": {"whenStoreDown": "admit"}}`)
	env := []string{"AWS_ACCESS_KEY_ID=sandbox", "AWS_SECRET_ACCESS_KEY=sandbox", "OUTCROP_REDIS_URL=" + r.redis.URL(), "OUTCROP_POSTGRES_URL=" + r.database}
	for range n {
		r.all = append(r.all, start(t, configReady, env, "serve", "--config", config, "--settings", settings, "--listen", "127.0.0.1:0"))
	}
	return r
}

// answered is what came of one request.
type answered struct {
	status   int
	tokens   int // of a 200
	upstream string
	attempts string
	err      error
}

func (s *server) say(ctx context.Context, key, model, body string) (a answered) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/openai/deployments/"+model+"/chat/completions", strings.NewReader(body))
	if err != nil {
		return answered{err: err}
	}
	req.Header.Set("Api-Key", key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answered{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answered{err: err}
	}
	a = answered{status: resp.StatusCode, upstream: resp.Header.Get("X-Upstream-Id"), attempts: resp.Header.Get("X-Upstream-Attempts")}
	var reply struct {
		Usage struct {
			Total int `json:"total_tokens"`
		}
	}
	if a.status == http.StatusOK {
		a.err = json.Unmarshal(text, &reply)
		a.tokens = reply.Usage.Total
	}
	return a
}

// oneLine is a chat whose answer has so many words.
func oneLine(words int) string {
	return fmt.Sprintf(`{"max_tokens":%d,"messages":[{"role":"user","content":"[[sandbox tokens=%d]]"}]}`, words+10, words)
}

// ledgerRow is a row of outcrop usage.
type ledgerRow struct {
	Requests int `json:"requests"`
	Lost     int `json:"lost"`
	Input    int `json:"input_tokens"`
	Output   int `json:"output_tokens"`
}

// ledger is what a project has used, by outcrop usage.
func (r *replicas) ledger(t *testing.T, project string) (row ledgerRow) {
	t.Helper()
	out := run(t, nil, nil, "usage", "--postgres", r.database, "--by", "project", "--only", "project="+project, "-o", "json")
	var report struct {
		Total ledgerRow `json:"total"`
	}
	if err := json.Unmarshal([]byte(out.stdout), &report); err != nil || out.code != 0 {
		t.Fatalf("%v: %s %s", err, out.stdout, out.stderr)
	}
	return report.Total
}

// TestReplicasShareALimit: a burst at two replicas stays within one limit, and both tell the same of it.
func TestReplicasShareALimit(t *testing.T) {
	r := startReplicas(t, 2)
	var used, admitted, refused atomic.Int64
	var all sync.WaitGroup
	for w := range 32 {
		all.Go(func() {
			for range 15 {
				switch a := r.all[w%2].say(t.Context(), limitedKey, "chat", oneLine(150)); {
				case a.err != nil:
					t.Error(a.err)
				case a.status == http.StatusOK:
					admitted.Add(1)
					used.Add(int64(a.tokens))
				case a.status == http.StatusTooManyRequests:
					refused.Add(1)
				default:
					t.Errorf("status %d", a.status)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d admitted, %d refused, %d tokens used of %d", admitted.Load(), refused.Load(), used.Load(), minuteTokens)
	if used.Load() > minuteTokens || used.Load() < minuteTokens/2 || refused.Load() == 0 {
		t.Errorf("%d tokens used of %d, %d refused", used.Load(), minuteTokens, refused.Load())
	}
	until(t, func() bool {
		return r.all[0].monthTokens(t) == used.Load() && r.all[1].monthTokens(t) == used.Load()
	})
	until(t, func() bool { row := r.ledger(t, "limited"); return int64(row.Input+row.Output) == used.Load() })
}

// monthTokens is what a replica says that the month has seen.
func (s *server) monthTokens(t *testing.T) int64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/deployments/chat/limits", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", limitedKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var stats struct {
		Month struct{ Used int64 } `json:"monthTokenStats"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	return stats.Month.Used
}

// TestReplicasShareHealthAndAffinity: what one has learned of upstreams and of caches the other knows.
func TestReplicasShareHealthAndAffinity(t *testing.T) {
	r := startReplicas(t, 2)
	if a := r.all[0].say(t.Context(), freeKey, "flaky", oneLine(3)); a.status != http.StatusOK || a.upstream != "good" || a.attempts != "2" {
		t.Fatalf("%+v", a)
	}
	until(t, func() bool {
		a := r.all[1].say(t.Context(), freeKey, "flaky", oneLine(3))
		return a.status == http.StatusOK && a.upstream == "good" && a.attempts == "1"
	})
	for i := range 6 {
		body := fmt.Sprintf(`{"max_tokens":20,"messages":[{"role":"system","content":"Conversation %d. %s","custom_fields":{"cache_breakpoint":{}}},{"role":"user","content":"[[sandbox tokens=3]]"}]}`, i, strings.Repeat("A long prompt. ", 400))
		first := r.all[i%2].say(t.Context(), freeKey, "cached", body)
		if first.status != http.StatusOK || first.upstream == "" {
			t.Fatalf("%+v", first)
		}
		for range 4 {
			if again := r.all[1-i%2].say(t.Context(), freeKey, "cached", body); again.upstream != first.upstream {
				t.Errorf("conversation %d was with %s, and at the other replica is with %s", i, first.upstream, again.upstream)
			}
		}
	}
}

// TestAReplicaIsKilled: what it had answered is in the ledger once, and what it was answering is there as lost.
func TestAReplicaIsKilled(t *testing.T) {
	r := startReplicas(t, 2, "--pace", "5ms") // so that requests are with the upstream nearly all the time
	r.all[0].killed = true
	var begun, done atomic.Int64
	var all sync.WaitGroup
	stop := make(chan struct{})
	for w := range 16 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				begun.Add(1)
				if a := r.all[w%2].say(t.Context(), freeKey, "chat", oneLine(30)); a.err == nil && a.status == http.StatusOK {
					done.Add(1)
				} else if w%2 == 0 {
					return // it is gone
				} else {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	until(t, func() bool { return done.Load() > 100 })
	if err := r.all[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second)
	close(stop)
	all.Wait()
	var row ledgerRow
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); <-time.After(time.Second) {
		if row = r.ledger(t, "free"); row.Lost > 0 && int64(row.Requests) >= done.Load() {
			break
		}
	}
	t.Logf("%d begun, %d answered, %d in the ledger, of which %d lost", begun.Load(), done.Load(), row.Requests, row.Lost)
	// What was answered in the last moment may be among the lost: it counts with what was reserved for it.
	if int64(row.Requests) < done.Load() || int64(row.Requests) > begun.Load() || row.Lost == 0 || row.Lost > 16 {
		t.Errorf("%d requests in the ledger, %d lost; %d were answered, %d begun", row.Requests, row.Lost, done.Load(), begun.Load())
	}
}

// TestTheStoresRestart: while Redis or PostgreSQL is away, requests are admitted as the policy says, and all are counted.
func TestTheStoresRestart(t *testing.T) {
	r := startReplicas(t, 2)
	var done, tokens, failed atomic.Int64
	var all sync.WaitGroup
	stop := make(chan struct{})
	for w := range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := r.all[w%2].say(t.Context(), freeKey, "chat", oneLine(10))
				if a.err != nil || a.status != http.StatusOK {
					failed.Add(1)
					t.Errorf("%+v", a)
					return
				}
				done.Add(1)
				tokens.Add(int64(a.tokens))
			}
		})
	}
	more := func(n int64) {
		t.Helper()
		from := done.Load()
		until(t, func() bool { return done.Load() > from+n || failed.Load() > 0 })
	}
	more(100)
	r.redis.Stop()
	more(100)
	r.redis.Begin()
	more(100)
	r.postgres.Kill()
	more(100)
	r.postgres.Begin()
	more(100)
	close(stop)
	all.Wait()
	var row ledgerRow
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); <-time.After(time.Second) {
		if row = r.ledger(t, "free"); int64(row.Requests) >= done.Load() {
			break
		}
	}
	t.Log(strconv.FormatInt(done.Load(), 10), "requests,", row.Requests, "in the ledger")
	if int64(row.Requests) != done.Load() || int64(row.Input+row.Output) != tokens.Load() {
		t.Errorf("%d requests and %d tokens in the ledger, %d and %d were answered", row.Requests, row.Input+row.Output, done.Load(), tokens.Load())
	}
}
