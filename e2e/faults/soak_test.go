//go:build faults

package faults

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"outcrop/internal/ledger/ledgertest"
	"outcrop/internal/redis/redistest"
)

// The soak's load: how many ask at once and how long each waits between two requests, which is a fifth of a core or so.
const (
	soakClients = 8
	soakPause   = 120 * time.Millisecond
	// soakCredentials is how long a set of credentials lasts: the program renews them before.
	soakCredentials = 90 * time.Second
	soakReload      = 3 * time.Second
)

// soak is mixed load on the real binary while what is around it changes and breaks.
type soak struct {
	lab      *lab
	program  *program
	database string // PostgreSQL's
	renewed  string // the file with a line for each set of credentials
	files    string // the configuration's directory
	wires    []*wire
	random   *rand.Rand

	requests, whole, refused, broken, left, guests atomic.Int64
	unknown                                        atomic.Int64 // requests for the guest while it was not there: nobody is charged for them
	reloads, breaks                                int
	asked, tokens                                  atomic.Int64 // by Bedrock, counted: requests, and tokens of whole chats that clients got
	samples                                        []sample
}

// sample is what the program holds at a time.
type sample struct {
	at                      time.Duration
	goroutines, descriptors float64
	heap, rss               float64 // MiB; the heap's is what lives and what has died since the last collection
	requests                int64
}

// TestSoak: after a long mixed load with reloads, credentials that expire, upstreams that come and go and clients that leave,
// goroutines, descriptors and heap are what they were, and all that was answered is in the ledger. SOAK is how long (15s).
func TestSoak(t *testing.T) {
	length := 15 * time.Second
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("SOAK: %v", err)
		}
	}
	s := newSoak(t, length)
	s.warm(t)
	before := s.idle(t)
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var around, clients sync.WaitGroup
	around.Go(func() { s.reload(ctx, t) })
	around.Go(func() { s.flap(ctx) })
	around.Go(func() { s.watch(ctx, t, length) })
	for n := range soakClients {
		clients.Go(func() { s.load(ctx, t, rand.New(rand.NewPCG(uint64(n), 7))) })
	}
	around.Wait()
	clients.Wait()
	for _, w := range s.wires {
		w.heals()
	}
	s.hangUp()
	until(t, fmt.Sprintf("no more than %+v held", before), func() bool { return s.program.held(t).within(before) })
	after := s.sample(t, length)
	s.tell(t, length, before, after)
	s.heap(t, length)
	s.program.stop(t)
	s.books(t, length)
}

func newSoak(t *testing.T, length time.Duration) *soak {
	t.Helper()
	s := &soak{
		lab:   &lab{t: t, authority: newAuthority(t), bedrock: newBedrock(t), client: newClient()},
		files: t.TempDir(), renewed: filepath.Join(t.TempDir(), "renewed"), random: rand.New(rand.NewPCG(1, 2)),
	}
	l := s.lab
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		l.bedrock.ServeHTTP(w, r)
	})
	cert := l.authority.issue("", time.Now().Add(length+time.Hour))
	l.servers = append(l.servers, serve(t, counted, nil), serve(t, counted, &cert))
	l.clear, l.secure = l.servers[0].Listener.Addr().String(), l.servers[1].Listener.Addr().String()
	redis, postgres := redistest.Start(t), ledgertest.Start(t)
	s.database = postgres.Database()
	s.program = start(t, setup{
		configuration: s.configuration(t, 0),
		settings:      object{"encryption": object{"secret": "one-secret", "key": "one-key"}},
		env: []string{
			"SSL_CERT_FILE=" + l.authority.file, "OUTCROP_REDIS_URL=redis://" + redis.Address, "OUTCROP_POSTGRES_URL=" + s.database,
			"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONFIG_FILE=" + s.credentials(t),
		},
		args: []string{"--config-poll", "0"},
	})
	return s
}

// credentials is a configuration of AWS's tools whose credentials come from a command, and last a while.
func (s *soak) credentials(t *testing.T) (file string) {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "credentials.sh")
	text := fmt.Sprintf(`#!/bin/sh
echo renewed >> %s
printf '{"Version":1,"AccessKeyId":"sandbox","SecretAccessKey":"sandbox","Expiration":"%%s"}' \
	"$(date -u -d '+%d seconds' +%%Y-%%m-%%dT%%H:%%M:%%SZ)"
`, s.renewed, int(soakCredentials.Seconds()))
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte("[default]\nregion = us-east-1\ncredential_process = "+script+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// configuration has a deployment of every kind on a way of its own, clear and over TLS by turns, another that comes and
// goes, and a second upstream for half of Bedrock's.
func (s *soak) configuration(t *testing.T, round int) object {
	t.Helper()
	models := object{}
	for i, k := range kinds() {
		if len(s.wires) <= i {
			to := s.lab.clear
			if i%2 == 1 {
				to = s.lab.secure
			}
			s.wires = append(s.wires, newWire(t, to, nil))
		}
		url := "http://" + s.wires[i].address
		if i%2 == 1 {
			url = "https://" + s.wires[i].address
		}
		m := s.lab.model(k, url)
		if i%4 < 2 && !k.forwarded() {
			m["upstreams"] = append(m["upstreams"].([]object), bedrockAt("http://"+s.lab.clear))
			for at, u := range m["upstreams"].([]object) {
				u["id"], u["tier"] = fmt.Sprintf("u%d", at), at
			}
		}
		models["soak "+string(k)] = m
	}
	if round%2 == 1 {
		models["guest"] = s.lab.model(chat, "http://"+s.lab.clear)
	}
	return configured(models)
}

// warm makes one call of every kind.
func (s *soak) warm(t *testing.T) {
	t.Helper()
	for _, k := range kinds() {
		if got, err := k.send(t.Context(), s.lab.client, s.program.url, "soak "+string(k)); err != nil || !got.whole() {
			t.Fatalf("%s: %v: %s: %.300s", k, err, got, got.raw)
		}
		s.requests.Add(1)
		s.answered(k)
	}
}

// idle is what the program holds when nobody asks and every connection to an upstream has been closed.
func (s *soak) idle(t *testing.T) held {
	t.Helper()
	s.hangUp()
	var last held
	until(t, "at rest", func() bool {
		now := s.program.held(t)
		same := now == last
		last = now
		return same
	})
	return last
}

// hangUp ends all connections to upstreams.
func (s *soak) hangUp() {
	for _, w := range s.wires {
		w.hangUp()
	}
	for _, server := range s.lab.servers {
		server.CloseClientConnections()
	}
}

// reload gives the program another configuration again and again.
func (s *soak) reload(ctx context.Context, t *testing.T) {
	file := configurationOf(s.program)
	for tick(ctx, soakReload) {
		s.reloads++
		text, err := json.Marshal(s.configuration(t, s.reloads))
		if err == nil {
			err = os.WriteFile(file+".new", text, 0o600)
		}
		if err == nil {
			err = os.Rename(file+".new", file)
		}
		if err == nil {
			err = s.program.cmd.Process.Signal(syscall.SIGHUP)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// configurationOf is the file that a program was started with.
func configurationOf(p *program) string {
	return p.cmd.Args[slices.Index(p.cmd.Args, "--config")+1]
}

// flap breaks one way after another, for a second or two each.
func (s *soak) flap(ctx context.Context) {
	ways := []breakage{
		{instead: (*end).rst}, {instead: (*end).swallow}, {instead: func(*end) {}}, {at: early, then: reset}, {at: early, then: finish},
		{at: early, then: stall}, {pace: quick, stretch: stretch}, {raw: true, at: 30, then: reset},
	}
	for tick(ctx, time.Duration(300+s.random.IntN(1200))*time.Millisecond) {
		w := s.wires[s.random.IntN(len(s.wires))]
		w.breaks(ways[s.random.IntN(len(ways))])
		s.breaks++
		tick(ctx, time.Duration(200+s.random.IntN(1500))*time.Millisecond)
		w.heals()
	}
}

// tick waits; false is that the soak is over.
func tick(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// load asks until the soak is over: every kind, a guest now and then, and one in eight leaves within the answer.
func (s *soak) load(ctx context.Context, t *testing.T, random *rand.Rand) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for tick(ctx, time.Duration(float64(soakPause)*(0.5+random.Float64()))) {
		k := kinds()[random.IntN(len(kinds()))]
		s.requests.Add(1)
		switch n := random.IntN(16); {
		case n == 0:
			s.guest(t, client)
		case n < 3:
			s.leave(t, k, random)
		default:
			s.ask(t, client, k)
		}
	}
}

func (s *soak) ask(t *testing.T, client *http.Client, k kind) {
	got, err := k.send(t.Context(), client, s.program.url, "soak "+string(k))
	switch {
	case err != nil:
		t.Errorf("%s: no end: %v", k, err)
	case got.whole():
		s.answered(k)
	case strings.HasPrefix(got.String(), "LOOKS WHOLE"):
		t.Errorf("%s looks whole and is not: %.500s", k, got.raw)
	case got.status == http.StatusOK || got.status == 0:
		s.broken.Add(1)
	default:
		s.refused.Add(1)
	}
}

func (s *soak) answered(k kind) {
	s.whole.Add(1)
	if k != embeddings {
		s.tokens.Add(words)
	}
}

// guest asks a deployment that may not be there just now.
func (s *soak) guest(t *testing.T, client *http.Client) {
	got, err := chat.send(t.Context(), client, s.program.url, "guest")
	switch {
	case err != nil:
		t.Errorf("the guest: %v", err)
	case got.whole():
		s.answered(chat)
		s.guests.Add(1)
	case got.status == http.StatusNotFound:
		s.refused.Add(1)
		s.unknown.Add(1)
	case got.status == http.StatusServiceUnavailable && strings.Contains(got.raw, "The store of limits cannot be asked"):
		s.refused.Add(1) // Redis was not heard of in time; how many may be refused is judged in books
		s.unknown.Add(1)
	default:
		t.Errorf("the guest: %s: %.300s", got, got.raw)
	}
}

// leave asks, reads a little or nothing, and resets the connection.
func (s *soak) leave(t *testing.T, k kind, random *rand.Rand) {
	s.left.Add(1)
	r, err := k.ask(t.Context(), s.program.url, "soak "+string(k))
	if err != nil {
		t.Error(err)
		return
	}
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.program.url, "http://"))
	if err != nil {
		t.Error(err)
		return
	}
	defer drop(c)
	if err := r.Write(c); err != nil {
		t.Error(err)
		return
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Duration(random.IntN(40)) * time.Millisecond)); err != nil {
		t.Error(err)
	}
	_, _ = bufio.NewReader(c).Peek(1 + random.IntN(2000)) // however much comes until it leaves
	if random.IntN(2) == 0 {
		_ = c.(*net.TCPConn).SetLinger(0) // a reset, or else a farewell
	}
}

// watch takes a sample every so often.
func (s *soak) watch(ctx context.Context, t *testing.T, length time.Duration) {
	began := time.Now()
	for tick(ctx, max(length/360, time.Second)) {
		s.samples = append(s.samples, s.sample(t, time.Since(began)))
	}
}

func (s *soak) sample(t *testing.T, at time.Duration) sample {
	t.Helper()
	const mib = 1 << 20
	m := s.program.metrics(t)
	return sample{
		at: at, goroutines: m.of(t, "go_goroutines"), descriptors: m.of(t, "process_open_fds"),
		heap: m.of(t, "go_memstats_heap_alloc_bytes") / mib, rss: m.of(t, "process_resident_memory_bytes") / mib, requests: s.requests.Load(),
	}
}

// tell writes the samples and the row of docs/reliability.md.
func (s *soak) tell(t *testing.T, length time.Duration, before held, after sample) {
	t.Helper()
	var most sample
	for _, x := range s.samples {
		most.goroutines, most.descriptors = max(most.goroutines, x.goroutines), max(most.descriptors, x.descriptors)
		most.rss = max(most.rss, x.rss)
	}
	renewed, err := os.ReadFile(s.renewed)
	if err != nil {
		t.Error(err)
	}
	sets := strings.Count(string(renewed), "\n")
	if want := int(length / soakCredentials); sets < want {
		t.Errorf("%d sets of credentials in %v, which last %v each", sets, length, soakCredentials)
	}
	t.Logf("| %v | %d, %d, %d, %d, %d | %d, %d, %d | %.0f, %.0f, %.0f | %.0f, %.0f, %.0f | %.0f, %.0f MiB |", length,
		s.requests.Load(), s.whole.Load(), s.refused.Load(), s.broken.Load(), s.left.Load(), s.reloads, s.breaks, sets,
		before.goroutines, most.goroutines, after.goroutines, before.descriptors, most.descriptors, after.descriptors, most.rss, after.rss)
	if s.reloads > 1 && s.guests.Load() == 0 {
		t.Error("the deployment that comes and goes was never there")
	}
	path := os.Getenv("SOAK_CSV")
	if path == "" {
		return
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := csv.NewWriter(file)
	number := func(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }
	_ = out.Write([]string{"seconds", "goroutines", "descriptors", "heap MiB", "RSS MiB", "requests"}) // its error is Flush's
	for _, x := range s.samples {
		_ = out.Write([]string{number(x.at.Seconds()), number(x.goroutines), number(x.descriptors), number(x.heap), number(x.rss), strconv.FormatInt(x.requests, 10)})
	}
	if out.Flush(); out.Error() != nil || file.Close() != nil {
		t.Errorf("%s: %v", path, out.Error())
	}
}

// heap wants what lives at the end to be what lived at the beginning. What lives is seen after a collection, of which there is
// one every two minutes: the least of several samples is it.
func (s *soak) heap(t *testing.T, length time.Duration) {
	t.Helper()
	if length < 5*time.Minute {
		t.Logf("the heap is not judged in less than 5 minutes")
		return
	}
	least := func(samples []sample) float64 {
		return slices.MinFunc(samples, func(a, b sample) int { return int(a.heap - b.heap) }).heap
	}
	first, last := least(s.samples[:len(s.samples)/4]), least(s.samples[len(s.samples)*3/4:])
	t.Logf("the heap's least in the first quarter is %.1f MiB, in the last %.1f MiB", first, last)
	if last > first*1.25+2 {
		t.Errorf("the heap grows: at least %.1f MiB in the first quarter, %.1f MiB in the last", first, last)
	}
}

// books wants every request in the ledger once, with at least the tokens that clients were given.
func (s *soak) books(t *testing.T, length time.Duration) {
	t.Helper()
	rows := ledger(t, "--postgres", s.database)
	var sum row
	for _, r := range rows {
		sum.Requests, sum.Errors, sum.Canceled, sum.Lost = sum.Requests+r.Requests, sum.Errors+r.Errors, sum.Canceled+r.Canceled, sum.Lost+r.Lost
		sum.Output += r.Output
	}
	t.Logf("the ledger after %v: %d requests, %d errors, %d canceled, %d lost, %d tokens of answers; Bedrock and the other server were asked %d times", length, sum.Requests, sum.Errors, sum.Canceled, sum.Lost, sum.Output, s.asked.Load())
	if sum.Lost != 0 {
		t.Errorf("%d requests are lost", sum.Lost)
	}
	if told, asked := s.tokens.Load(), s.asked.Load()*words; int64(sum.Output) < told || int64(sum.Output) > asked {
		t.Errorf("%d tokens in the ledger; clients were told %d, upstreams gave %d at most", sum.Output, told, asked)
	}
	// Who left may have left before the request was read; everybody else was answered, and is in the ledger.
	known := s.requests.Load() - s.unknown.Load()
	if n := int64(sum.Requests); n > known || n < known-s.left.Load() {
		t.Errorf("%d requests in the ledger; %d were made, and %d of them left", n, known, s.left.Load())
	}
	if stayed := known - s.left.Load(); s.whole.Load() < stayed*8/10 {
		t.Errorf("%d whole answers to %d requests: the breakages are to spoil a few only", s.whole.Load(), stayed)
	}
	for line := range strings.Lines(s.program.log.String()) {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, "panic") {
			t.Errorf("an error in the log: %s", line)
		}
	}
}
