//go:build load

// Package load overloads the real binary, on the loopback, in front of a Bedrock that only takes its time: make load.
// OUTCROP_LOAD_TIME is how long each load lasts (20s).
package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

const (
	// latency is how long the model takes.
	latency = 100 * time.Millisecond
	// patience is how long the program may take for what it does at once when all is well.
	patience = 30 * time.Second
)

// lasting is how long each load lasts.
func lasting(t *testing.T) time.Duration {
	text := os.Getenv("OUTCROP_LOAD_TIME")
	if text == "" {
		return 20 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("OUTCROP_LOAD_TIME: %v", err)
	}
	return d
}

// bedrock answers every chat after its latency; a stream without end as fast as it is read.
type bedrock struct {
	running, answered, streams atomic.Int64
}

func (b *bedrock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.running.Add(1)
	defer b.running.Add(-1)
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	if strings.HasSuffix(r.URL.Path, "/converse-stream") {
		b.streams.Add(1)
		defer b.streams.Add(-1)
		b.stream(w)
		return
	}
	select {
	case <-time.After(latency):
	case <-r.Context().Done():
		return
	}
	b.answered.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"output":{"message":{"role":"assistant","content":[{"text":"Paris."}]}},"stopReason":"end_turn","usage":{"inputTokens":8,"outputTokens":2,"totalTokens":10},"metrics":{"latencyMs":100}}`)
}

func (b *bedrock) stream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	frame := func(kind, payload string) error {
		var m eventstream.Message
		m.Headers.Set(":message-type", eventstream.StringValue("event"))
		m.Headers.Set(":event-type", eventstream.StringValue(kind))
		m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
		m.Payload = []byte(payload)
		return eventstream.NewEncoder().Encode(w, m)
	}
	err := frame("messageStart", `{"role":"assistant"}`)
	words := strings.Repeat("word ", 800)
	for err == nil {
		err = frame("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"`+words+`"}}`)
	}
}

// rig is the program, and the Bedrock behind it.
type rig struct {
	*bedrock
	url, metrics string
	pid          int
	log          *buffer
}

// callers of the configuration: keys are "key-" and a number.
const callers = 16

// newRig starts the program with these flags and this environment, and ends it with the test.
func newRig(t *testing.T, env []string, flags ...string) *rig {
	t.Helper()
	r := &rig{bedrock: &bedrock{}, log: &buffer{}}
	var listening net.ListenConfig
	listener, err := listening.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	upstream := &http.Server{Handler: r.bedrock}
	go func() { _ = upstream.Serve(listener) }()
	t.Cleanup(func() { _ = upstream.Close() })
	file := filepath.Join(t.TempDir(), "aidial.config.json")
	if err := os.WriteFile(file, configuration("http://"+listener.Addr().String()), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := filepath.Abs(filepath.Join("..", "..", "bin", "outcrop"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"serve", "--config", file, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"}, flags...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "AWS_") || strings.HasPrefix(entry, "GO") }),
		append(env, "AWS_ACCESS_KEY_ID=load", "AWS_SECRET_ACCESS_KEY=load", "AWS_EC2_METADATA_DISABLED=true")...)
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, patience
	cmd.Stdout, cmd.Stderr = io.Discard, r.log
	if err := cmd.Start(); err != nil {
		t.Fatalf("make build first: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := <-ended; err != nil && cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("the program ended with %v:\n%s", err, r.log)
		}
	})
	r.pid = cmd.Process.Pid
	serving := regexp.MustCompile(`"listen":"([^"]+)","metrics_listen":"([^"]+)"`)
	for deadline := time.Now().Add(patience); ; {
		if m := serving.FindStringSubmatch(r.log.String()); m != nil {
			r.url, r.metrics = "http://"+m[1], "http://"+m[2]+"/metrics"
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("the program does not serve:\n%s", r.log)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func configuration(upstream string) []byte {
	var b strings.Builder
	b.WriteString(`{"models":{"m":{"type":"chat","endpoint":"bedrock:us.amazon.nova-lite-v1:0","upstreams":[{"extraData":{"region":"us-east-1","aws_endpoint_url_bedrock_runtime":"` + upstream + `"}}]}},"roles":{"default":{}},"keys":{`)
	for i := range callers {
		if i > 0 {
			b.WriteByte(',')
		}
		n := strconv.Itoa(i)
		b.WriteString(`"key-` + n + `":{"project":"team-` + n + `","role":"default"}`)
	}
	b.WriteString(`}}`)
	return []byte(b.String())
}

// status is a number of the process's, in /proc.
func (r *rig) status(t *testing.T, name string) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(r.pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(name + `:\s+(\d+)`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in %s", name, text)
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n
}

// rss is the memory of the process, in MiB.
func (r *rig) rss(t *testing.T) int64 { return r.status(t, "VmRSS") >> 10 }

// peak is the most that it ever had.
func (r *rig) peak(t *testing.T) int64 { return r.status(t, "VmHWM") >> 10 }

// descriptors are how many the process has open.
func (r *rig) descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(r.pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// metric is the sum of the series of that name.
func (r *rig) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	resp, err := http.Get(r.metrics) //nolint:noctx // the loopback's
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == ' ' || rest[0] == '{') {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:len(line)-1], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// buffer is written by the program and read by the test.
type buffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// tally counts answers and how long they took.
type tally struct {
	mu       sync.Mutex
	answered []time.Duration // 200
	refused  []time.Duration // 429 or 503, with Retry-After
	wrong    map[string]int
}

func (c *tally) add(took time.Duration, resp *http.Response, err error) (refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrong == nil {
		c.wrong = map[string]int{}
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case err != nil:
		c.wrong[err.Error()]++
	case resp.StatusCode == http.StatusOK:
		c.answered = append(c.answered, took)
	case (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable) && resp.Header.Get("Retry-After") != "":
		c.refused = append(c.refused, took)
		return true
	default:
		c.wrong[resp.Status]++
	}
	return false
}

// at is the duration below which a part of them are, in milliseconds.
func at(all []time.Duration, part float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[int(part*float64(len(all)-1))].Microseconds()) / 1000
}

// client is one with so many connections.
func client(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true, ExpectContinueTimeout: 5 * time.Second}}
}

const question = `{"model":"m","messages":[{"role":"user","content":"What is the capital of France?"}]}`

// chat asks as a caller, and counts the answer.
func (r *rig) chat(ctx context.Context, c *http.Client, caller int, body string, into *tally) (refused bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/openai/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Api-Key", "key-"+strconv.Itoa(caller))
	req.Header.Set("Content-Type", "application/json")
	if len(body) > 1<<20 && caller%2 == 0 {
		req.Header.Set("Expect", "100-continue")
	}
	began := time.Now()
	resp, err := c.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return into.add(time.Since(began), resp, err)
}
