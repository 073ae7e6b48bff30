//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"outcrop/internal/fixturetest"
)

const (
	// killClients ask at once.
	killClients = 12
	// killReserve is more than any of their requests reserves: max_tokens and the prompt.
	killReserve = 350
)

// counting is a Bedrock that counts what it was asked and what it gave.
type counting struct {
	begun, tokens atomic.Int64
	frames        [][]byte // of a stream, without its metadata
	t             *testing.T
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	out := c.begun.Add(1)%50 + 1
	usage := fmt.Sprintf(`"usage":{"inputTokens":5,"outputTokens":%d,"totalTokens":%d},"metrics":{"latencyMs":1}`, out, out+5)
	c.tokens.Add(out + 5)
	if !strings.HasSuffix(r.URL.Path, "/converse-stream") {
		<-time.After(time.Duration(out) * time.Millisecond)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn",`+usage+`}`)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	for _, frame := range append(c.frames[:len(c.frames):len(c.frames)], fixturetest.EncodeFrame(c.t, "event", "metadata", "{"+usage+"}")) {
		_, _ = w.Write(frame)
		_ = http.NewResponseController(w).Flush()
		<-time.After(5 * time.Millisecond)
	}
}

// killing is a load that goes on while the server behind url is killed.
type killing struct {
	url                atomic.Pointer[string]
	begun, told, whole atomic.Int64  // requests; tokens of complete answers; complete answers
	broken             atomic.Int64  // answers that began and did not end well
	kills, kinds       int           // of requests: plain, streams, streams that are left
	slowest            time.Duration // start
}

var totalTokens = regexp.MustCompile(`"total_tokens":(\d+)`)

// once asks once: plainly, for a stream, or for a stream that the client leaves.
func (k *killing) once(ctx context.Context, kind int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body := `{"max_tokens":60,"messages":[{"role":"user","content":"A prompt of some more words than the five tokens that it is told to be."}]`
	if kind > 0 {
		body += `,"stream":true,"stream_options":{"include_usage":true}`
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, *k.url.Load()+"/openai/deployments/chat/chat/completions", strings.NewReader(body+"}"))
	if err != nil {
		return
	}
	req.Header.Set("Api-Key", limitedKey)
	req.Header.Set("Content-Type", "application/json")
	k.begun.Add(1)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		<-time.After(5 * time.Millisecond)
		return
	}
	defer resp.Body.Close()
	if kind == 2 {
		_, _ = resp.Body.Read(make([]byte, 1))
		return
	}
	text, err := io.ReadAll(resp.Body)
	match := totalTokens.FindSubmatch(text)
	if err != nil || match == nil || kind == 1 && !bytes.HasSuffix(text, []byte("data: [DONE]\n\n")) {
		// A refusal while it stops is told, not broken.
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			k.broken.Add(1)
		}
		return
	}
	n, _ := strconv.ParseInt(string(match[1]), 10, 64)
	k.told.Add(n)
	k.whole.Add(1)
}

// intact asks SQLite whether the ledger's file is whole.
func intact(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "outcrop.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it is read only
	var said string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
		t.Fatalf("the ledger: %q, %v", said, err)
	}
}

// killsAndSeed are KILLS and SEED of the environment.
func killsAndSeed() (kills int, seed uint64) {
	kills, seed = 20, uint64(time.Now().UnixNano())
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		kills = n
	}
	if n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = n
	}
	return kills, seed
}

// config serves the mock and returns a configuration with it behind the model chat.
func (c *counting) config(t *testing.T) string {
	t.Helper()
	for _, e := range [][2]string{{"messageStart", `{"role":"assistant"}`}, {"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hi"}}`}, {"contentBlockStop", `{"contentBlockIndex":0}`}, {"messageStop", `{"stopReason":"end_turn"}`}} {
		c.frames = append(c.frames, fixturetest.EncodeFrame(t, "event", e[0], e[1]))
	}
	upstream := httptest.NewServer(c)
	t.Cleanup(upstream.Close)
	text, err := json.Marshal(deployment{
		"models": deployment{"chat": deployment{"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": []any{deployment{"id": "one", "extraData": deployment{"region": "us-east-1", "aws_endpoint_url_bedrock_runtime": upstream.URL}}}}},
		"roles":  deployment{"limited": deployment{"limits": deployment{"chat": deployment{"month": 1_000_000_000}}}},
		"keys":   deployment{limitedKey: deployment{"project": "limited", "roles": []string{"limited"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "aidial.config.json")
	writeFile(t, config, string(text))
	return config
}

// check compares what clients, the mock, the ledger and the limit have counted.
func (k *killing) check(t *testing.T, mock *counting, dir string, month int64) ledgerRow {
	t.Helper()
	out := run(t, nil, nil, "usage", "--data-dir", dir, "--by", "project", "-o", "json")
	var report struct{ Total ledgerRow }
	if err := json.Unmarshal([]byte(out.stdout), &report); err != nil || out.code != 0 {
		t.Fatalf("%v: %s %s", err, out.stdout, out.stderr)
	}
	row, used := report.Total, int64(report.Total.Input+report.Total.Output)
	t.Logf("%d kills; clients began %d and were told %d answers, %d tokens; the mock was asked %d times, gave %d tokens; ledger %+v, %d tokens; month %d; slowest start %v",
		k.kills, k.begun.Load(), k.whole.Load(), k.told.Load(), mock.begun.Load(), mock.tokens.Load(), row, used, month, k.slowest)
	if n, asked := int64(row.Requests), mock.begun.Load(); n < asked || n > asked+int64(row.Lost) || row.Lost > k.kills*killClients {
		t.Errorf("%d requests in the ledger, %d of them lost; the mock was asked %d times", row.Requests, row.Lost, asked)
	}
	if used < k.told.Load() || used > mock.tokens.Load()+int64(row.Lost)*killReserve {
		t.Errorf("%d tokens in the ledger, clients were told %d, the mock gave %d, %d were lost", used, k.told.Load(), mock.tokens.Load(), row.Lost)
	}
	if month != used {
		t.Errorf("the month has seen %d tokens, the ledger %d", month, used)
	}
	return row
}

// TestKilledAgainAndAgain: with --data-dir, whatever was admitted before a kill -9 is in the ledger once, answered
// or lost with what was reserved. KILLS says how often (20), SEED repeats a run.
func TestKilledAgainAndAgain(t *testing.T) {
	kills, seed := killsAndSeed()
	k := &killing{kills: kills, kinds: 3}
	k.rounds(t, seed, syscall.SIGKILL)
}

// TestStoppedAgainAndAgain: SIGTERM under the same load breaks no answer that has begun, loses nothing, and the
// ledger has exactly what the model gave.
func TestStoppedAgainAndAgain(t *testing.T) {
	_, seed := killsAndSeed()
	// A client that leaves is charged by what it was told, which is not what the mock counts: none here.
	k := &killing{kills: 20, kinds: 2}
	mock, row := k.rounds(t, seed, syscall.SIGTERM)
	if row.Lost != 0 || int64(row.Requests) != mock.begun.Load() || int64(row.Input+row.Output) != mock.tokens.Load() || k.broken.Load() != 0 {
		t.Errorf("ledger %+v; the mock was asked %d times and gave %d tokens; %d answers broke off", row, mock.begun.Load(), mock.tokens.Load(), k.broken.Load())
	}
}

// rounds puts the load on a server that gets the signal again and again, and looks at what is left.
func (k *killing) rounds(t *testing.T, seed uint64, signal syscall.Signal) (*counting, ledgerRow) {
	t.Helper()
	if _, err := binary(); err != nil {
		t.Fatal(err)
	}
	t.Logf("KILLS=%d SEED=%d", k.kills, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	mock := &counting{t: t}
	config, dir := mock.config(t), t.TempDir()
	env := []string{"AWS_ACCESS_KEY_ID=sandbox", "AWS_SECRET_ACCESS_KEY=sandbox"}
	begin := func() *server {
		from := time.Now()
		s := start(t, configReady, env, "serve", "--config", config, "--data-dir", dir, "--listen", "127.0.0.1:0")
		k.slowest = max(k.slowest, time.Since(from))
		k.url.Store(&s.url)
		return s
	}
	s := begin()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for w := range killClients {
		all.Go(func() {
			for n := w; ctx.Err() == nil; n++ {
				k.once(t.Context(), n%k.kinds)
			}
		})
	}
	for range k.kills {
		<-time.After(time.Duration(50+random.IntN(400)) * time.Millisecond)
		s.killed = signal == syscall.SIGKILL
		if err := s.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-s.ended
		if regexp.MustCompile(`(?i)corrupt|damage`).MatchString(s.log.String()) {
			t.Errorf("the log tells of damage: %s", s.log)
		}
		if random.IntN(5) == 0 {
			intact(t, dir)
		}
		s = begin()
	}
	stop()
	all.Wait()
	month := s.monthTokens(t)
	s.stop(t)
	intact(t, dir)
	return mock, k.check(t, mock, dir, month)
}
