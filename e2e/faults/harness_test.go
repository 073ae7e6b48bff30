//go:build faults

package faults

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long something may take that is soon done when all is well.
const patience = 30 * time.Second

// object is one of JSON.
type object map[string]any

// program is outcrop serve.
type program struct {
	url, metricsURL string
	cmd             *exec.Cmd
	ended           chan struct{}
	log             *output
	killed          bool // it need not end well
}

// setup is how it is started.
type setup struct {
	configuration, settings object
	env, args               []string
	wrap                    []string // a command that runs it
}

// start starts outcrop serve at free ports. At the end of the test it gets a SIGTERM, and must end with status 0.
func start(t testing.TB, s setup) *program {
	t.Helper()
	binary, err := filepath.Abs("../../bin/outcrop")
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		t.Fatalf("%v: make build makes it", err)
	}
	dir := t.TempDir()
	args := append(slices.Clone(s.wrap), binary, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
		"--drain-delay", "0s", "--config", writeJSON(t, dir, "config.json", s.configuration))
	if s.settings != nil {
		args = append(args, "--settings", writeJSON(t, dir, "settings.json", s.settings))
	}
	args = append(args, s.args...)
	p := &program{cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{}), log: &output{}} //nolint:noctx // it ends with a signal
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=sandbox", "AWS_SECRET_ACCESS_KEY=sandbox"}, s.env...)
	stdout := &output{}
	p.cmd.Stdout, p.cmd.Stderr = stdout, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var waited error
	go func() {
		waited = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if p.cmd.ProcessState.ExitCode() != 0 && !p.killed {
			t.Errorf("outcrop ended with %v, want exit status 0", waited)
		}
		if t.Failed() {
			t.Logf("outcrop wrote:\n%s", p.log.tail())
		}
	})
	p.url = p.await(t, stdout, `(http://\S+)`)
	p.metricsURL = p.await(t, p.log, `"metrics_listen":"([^"]+)"`)
	if !strings.HasPrefix(p.metricsURL, "http") {
		p.metricsURL = "http://" + p.metricsURL + "/metrics"
	}
	return p
}

// await is the first group of a pattern in what is written.
func (p *program) await(t testing.TB, o *output, pattern string) string {
	t.Helper()
	expression := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if m := expression.FindStringSubmatch(o.String()); m != nil {
			return m[1]
		}
		select {
		case <-p.ended:
			t.Fatalf("outcrop ended; it wrote:\n%s", p.log.tail())
		default:
		}
	}
	t.Fatalf("%s did not appear in\n%s\n%s", pattern, o, p.log.tail())
	return ""
}

// stop sends SIGTERM and waits.
func (p *program) stop(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(patience + 15*time.Second):
		p.killed = true
		_ = p.cmd.Process.Kill()
		<-p.ended
		t.Error("the program goes on after SIGTERM")
	}
}

func writeJSON(t testing.TB, dir, name string, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// output keeps what a program writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// tail is the end of it.
func (o *output) tail() string {
	s := o.String()
	return s[max(0, len(s)-8000):]
}

// until waits for something.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Errorf("after %v not yet: %s", patience, what)
}

// newClient keeps no connection, so that none is left over.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Minute}
}

// get is the body and the status of a page; 0 is that nobody answers.
func get(t testing.TB, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newClient().Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// health fails the test when the process does not say that it lives.
func (p *program) health(t testing.TB) {
	t.Helper()
	if status, body := get(t, p.url+"/health"); status != http.StatusOK {
		t.Errorf("/health answers %d %s", status, body)
	}
}

// page is one of metrics.
type page string

func (p *program) metrics(t testing.TB) page {
	t.Helper()
	_, body := get(t, p.metricsURL)
	return page(body)
}

// of is the sum of a metric's series.
func (p page) of(t testing.TB, name string) (sum float64) {
	t.Helper()
	for _, v := range p.by(t, name, "") {
		sum += v
	}
	return sum
}

// by are the sums of a metric's series by the value of a label.
func (p page) by(t testing.TB, name, label string) map[string]float64 {
	t.Helper()
	sums := map[string]float64{}
	for line := range strings.Lines(string(p)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		_, value, _ := strings.Cut(rest, label+`="`)
		value, _, _ = strings.Cut(value, `"`)
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			t.Error(err)
		}
		sums[value] += v
	}
	return sums
}

// row is one of outcrop usage.
type row struct {
	Keys     []string
	Requests int `json:"requests"`
	Errors   int `json:"errors"`
	Canceled int `json:"canceled"`
	Limited  int `json:"limited"`
	Lost     int `json:"lost"`
	Input    int `json:"input_tokens"`
	Output   int `json:"output_tokens"`
}

// ledger is what was used by deployment, as outcrop usage tells it of a directory or a PostgreSQL.
func ledger(t testing.TB, flag, place string) map[string]row {
	t.Helper()
	binary, err := filepath.Abs("../../bin/outcrop")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "usage", flag, place, "--by", "deployment", "--limit", "10000", "-o", "json").Output()
	if err != nil {
		t.Fatalf("outcrop usage: %v", err)
	}
	var report struct{ Rows []row }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for _, r := range report.Rows {
		rows[r.Keys[0]] = r
	}
	return rows
}

// configured is a configuration with these models, that everybody may use within limits that nobody reaches.
func configured(models object) object {
	limits := object{}
	for name := range models {
		limits[name] = object{"minute": 1 << 40}
	}
	return object{
		"models": models, "roles": object{"default": object{}, "limited": object{"limits": limits}},
		"keys": object{key: object{"project": "lab", "roles": []string{"limited"}}},
	}
}
