//go:build faults

package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"outcrop/internal/redis/redistest"
)

// Timeouts of the lab's deployments.
const (
	tokenTimeout = "2s"
	totalTimeout = "5s"
	// together is how many of its requests are under way at once.
	together = 16
)

// lab is the real binary among broken things.
type lab struct {
	t             testing.TB
	authority     *authority
	bedrock       *bedrock
	servers       []*httptest.Server
	clear, secure string // the upstream's addresses
	nobody        string // an address where nobody listens
	cases         []*trial
	program       *program
	data, log     string // --data-dir and --prompt-log
	client        *http.Client
	well          map[kind]tokens
}

// tokens are those of one answer.
type tokens struct{ in, out int }

// trial is a fault with a kind of request.
type trial struct {
	fault
	kind   kind
	second bool // there is another upstream
	model  string
	url    string
	wire   *wire

	got  seen
	errs []string
}

func (c *trial) errorf(format string, args ...any) {
	c.errs = append(c.errs, fmt.Sprintf(format, args...))
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, authority: newAuthority(t), bedrock: newBedrock(t), client: newClient(), data: t.TempDir(), well: map[kind]tokens{}}
	l.log = filepath.Join(t.TempDir(), "prompts.log")
	cert := l.authority.issue("", time.Now().Add(time.Hour))
	l.clear, l.secure = l.serve(l.bedrock, nil).Listener.Addr().String(), l.serve(l.bedrock, &cert).Listener.Addr().String()
	l.nobody = redistest.FreeAddress(t)
	models := object{}
	for _, k := range kinds() {
		models["well "+string(k)] = l.model(k, "http://"+l.clear)
	}
	for _, f := range faults() {
		for _, k := range kinds() {
			for _, second := range []bool{false, true} {
				if f.skip == nil || !f.skip(k) {
					c := &trial{fault: f, kind: k, second: second, model: fmt.Sprintf("trial-%d", len(l.cases))}
					c.url, c.wire = f.address(l, k)
					models[c.model] = c.deployment(l)
					l.cases = append(l.cases, c)
				}
			}
		}
	}
	l.program = start(t, setup{
		configuration: object{
			"models": models, "roles": object{"default": object{}},
			"keys": object{key: object{"project": "lab", "roles": []string{"default"}}},
		},
		env:  []string{"SSL_CERT_FILE=" + l.authority.file},
		args: []string{"--data-dir", l.data, "--prompt-log", l.log},
	})
	return l
}

// model is the deployment of a kind at an address.
func (l *lab) model(k kind, url string) object {
	m := object{"type": "chat", "timeouts": object{"connect": "1s", "firstToken": tokenTimeout, "interToken": tokenTimeout, "total": totalTimeout}}
	id := "us.amazon.nova-lite-v1:0"
	switch {
	case k.forwarded():
		m["endpoint"] = url + "/openai/deployments/far/chat/completions"
		return m
	case k == messages || k == messagesStream:
		id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	case k == embeddings:
		id, m["type"] = "amazon.titan-embed-text-v2:0", "embedding"
	}
	m["endpoint"], m["upstreams"] = "bedrock:"+id, []object{bedrockAt(url)}
	return m
}

func bedrockAt(url string) object {
	return object{"extraData": object{"region": "us-east-1", "aws_endpoint_url_bedrock_runtime": url}}
}

func (c *trial) deployment(l *lab) object {
	m := l.model(c.kind, c.url)
	switch {
	case !c.second:
	case c.kind.forwarded():
		m["fallback"] = object{"outage": "well " + string(c.kind)}
	default:
		good := bedrockAt("http://" + l.clear)
		good["id"], good["tier"] = "good", 1
		bad := bedrockAt(c.url)
		bad["id"] = "bad"
		m["upstreams"] = []object{bad, good}
	}
	return m
}

// run meets the fault, and looks whether all is well behind it.
func (c *trial) run(t testing.TB, l *lab) {
	var err error
	if c.kept != nil {
		if warm, err := c.kind.send(t.Context(), l.client, l.program.url, c.model); err != nil || !warm.whole() {
			c.errorf("before the fault: %v: %+v", err, warm)
		}
		c.wire.broken.Store(c.fault.wire)
		c.kept(c.wire)
	}
	if c.got, err = c.kind.send(t.Context(), l.client, l.program.url, c.model); err != nil {
		c.errorf("no end: %v", err)
	}
	if c.harmless != c.got.whole() && !c.second {
		c.errorf("want whole: %t, the client saw %s: %.300q", c.harmless, c.got, c.got.raw)
	}
	if strings.HasPrefix(c.got.String(), "LOOKS WHOLE") {
		c.errorf("%s", c.got)
	}
	l.program.health(t)
	if s, err := c.kind.send(t.Context(), l.client, l.program.url, "well "+string(c.kind)); err != nil || !s.whole() {
		c.errorf("a clean request afterwards: %v: %s", err, s)
	}
	if c.wire == nil || c.second {
		return
	}
	c.wire.broken.Store(nil)
	c.wire.hangUp()
	if s, err := c.kind.send(t.Context(), l.client, l.program.url, c.model); err != nil || !s.whole() {
		c.errorf("when the fault is over: %v: %s", err, s)
	}
}

// saw is what the client saw, in the words of the table.
func (c *trial) saw() string {
	if !c.second || !c.got.whole() {
		return c.got.String()
	}
	switch c.got.upstream {
	case "good":
		return "the second answers"
	case "bad":
		return "whole answer"
	}
	return instead
}

const instead = "the fallback answers"

// TestFaults meets every fault with every kind of request.
func TestFaults(t *testing.T) {
	l := newLab(t)
	for _, k := range kinds() {
		if s, err := k.send(t.Context(), l.client, l.program.url, "well "+string(k)); err != nil || !s.whole() {
			t.Fatalf("%s: without a fault: %v: %+v", k, err, s)
		}
	}
	l.servers[0].CloseClientConnections()
	<-time.After(500 * time.Millisecond) // until the process knows
	before := l.program.held(t)
	places, all := make(chan struct{}, together), sync.WaitGroup{}
	for _, c := range l.cases {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			c.run(t, l)
		})
	}
	all.Wait()
	for _, c := range l.cases {
		if c.wire != nil {
			c.wire.close()
		}
	}
	for _, s := range l.servers {
		s.CloseClientConnections()
	}
	until(t, fmt.Sprintf("no more than %+v held", before), func() bool { return l.program.held(t).within(before) })
	t.Logf("held before %+v, after %+v", before, l.program.held(t))
	counted := l.program.metrics(t).by(t, "outcrop_requests_total", "deployment")
	l.program.stop(t)
	b := readBooks(t, l, counted)
	for _, k := range kinds() {
		l.well[k] = b.lines["well "+string(k)][0].tokens
	}
	checkTable(t, l, b)
}

// held is what the process holds.
type held struct{ goroutines, descriptors float64 }

func (p *program) held(t testing.TB) held {
	m := p.metrics(t)
	return held{m.of(t, "go_goroutines"), m.of(t, "process_open_fds")}
}

// within allows for what comes and goes by itself.
func (h held) within(before held) bool {
	return h.goroutines <= before.goroutines+5 && h.descriptors <= before.descriptors+3
}

// books are what was accounted: the lines of the prompt log, the ledger and the metrics, by deployment.
type books struct {
	lines   map[string][]line
	rows    map[string]row
	counted map[string]float64
}

// line is one of the prompt log.
type line struct {
	status string
	tokens
}

func readBooks(t testing.TB, l *lab, counted map[string]float64) books {
	t.Helper()
	b := books{lines: map[string][]line{}, rows: ledger(t, "--data-dir", l.data), counted: counted}
	file, err := os.Open(l.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // it is read only
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var entry struct {
			Deployment string
			Usage      struct {
				Prompt     int `json:"prompt_tokens"`
				Completion int `json:"completion_tokens"`
			} `json:"token_usage"`
			Response struct{ Status string }
		}
		if err := json.Unmarshal(scanner.Bytes(), &entry); err != nil {
			t.Fatal(err)
		}
		b.lines[entry.Deployment] = append(b.lines[entry.Deployment], line{entry.Response.Status, tokens{entry.Usage.Prompt, entry.Usage.Completion}})
	}
	return b
}

// of says what is accounted of a trial, and checks that all books say the same.
func (b books) of(c *trial, well tokens) string {
	lines, r := b.lines[c.model], b.rows[c.model]
	if c.saw() == instead { // the prompt log names who answered
		if r.Requests != int(b.counted[c.model]) || r.Errors != 0 || r.Output == 0 {
			c.errorf("%+v in the ledger, %v in the metrics", r, b.counted[c.model])
		}
		return ""
	}
	at := 0
	if c.kept != nil {
		at = 1
	}
	if len(lines) <= at {
		c.errorf("%d lines in the prompt log", len(lines))
		return "nothing"
	}
	it, sum, bad := lines[at], tokens{}, 0
	for i, each := range lines {
		sum.in, sum.out = sum.in+each.in, sum.out+each.out
		if i == at && !c.got.whole() && !c.got.strange {
			bad++
		}
	}
	if r.Requests != len(lines) || float64(r.Requests) != b.counted[c.model] {
		c.errorf("%d requests in the ledger, %v in the metrics, %d in the prompt log", r.Requests, b.counted[c.model], len(lines))
	}
	if r.Errors != bad || r.Lost != 0 {
		c.errorf("%d errors in the ledger, %d lost, want %d", r.Errors, r.Lost, bad)
	}
	if r.Input != sum.in || r.Output != sum.out {
		c.errorf("%d and %d tokens in the ledger, %d and %d in the prompt log", r.Input, r.Output, sum.in, sum.out)
	}
	text := it.status + ", "
	if bad > 0 {
		text += "an error, "
	}
	switch {
	case it.tokens == tokens{}:
		return text + "no tokens"
	case it.tokens == well:
		return text + "the tokens that the upstream told"
	case it.out < well.out && it.in > 0:
		return text + "tokens by length"
	default:
		return fmt.Sprintf("%s%+v of %+v tokens", text, it.tokens, well)
	}
}
