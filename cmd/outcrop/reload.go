package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/balance"
	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/telemetry"
)

// live is the configuration that is served, and what it takes to put another in its place. A request keeps
// the one that it began with.
type live struct {
	source    source
	catalogue *models.Catalogue
	pool      *pool
	parts     parts // what all configurations share
	ready     *readiness
	metrics   *telemetry.Metrics
	crowd     *crowd
	log       *slog.Logger

	current atomic.Pointer[generation]

	mu     sync.Mutex // one change at a time
	seen   contents   // what was looked at last, good or bad; none if it may become good as it is
	told   string     // why that is not served, as the log has it
	number int        // of the generation that is served
	last   atomic.Pointer[outcome]
	served []*generation
}

// generation is one configuration while it is served, and while requests that began with it run.
type generation struct {
	config      *config.Config // nil while there is none
	gateway     *gateway.Gateway
	upstreams   *upstreams
	deployments []telemetry.Deployment
	users       atomic.Int64 // requests, and one for being the current
}

// enter keeps a generation for a request, unless it is over.
func (g *generation) enter() bool {
	for {
		n := g.users.Load()
		if n == 0 {
			return false
		}
		if g.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave gives it back. Whoever is last ends it.
func (l *live) leave(g *generation) {
	if g.users.Add(-1) > 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(g)
}

// end lets go of what a generation held, with the lock.
func (l *live) end(g *generation) {
	l.served = slices.DeleteFunc(l.served, func(other *generation) bool { return other == g })
	l.pool.put(g.upstreams.clients)
	l.count()
}

// count tells the metrics which deployments there are: those that only requests of the past still use too.
func (l *live) count() {
	var all []telemetry.Deployment
	known := map[string]bool{}
	for _, g := range slices.Backward(l.served) { // what a name means now goes first
		for _, d := range g.deployments {
			if !known[d.Name] {
				known[d.Name] = true
				all = append(all, d)
			}
		}
	}
	l.metrics.Serve(all)
}

// Drain implements jobs: those of a configuration are those of all before it.
func (l *live) Drain(ctx context.Context) bool { return l.current.Load().gateway.Drain(ctx) }

// Cut implements jobs.
func (l *live) Cut(why *llm.Error) { l.current.Load().gateway.Cut(why) }

// ServeHTTP answers with the configuration of the moment.
func (l *live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := l.current.Load()
	for !g.enter() {
		g = l.current.Load()
	}
	defer l.leave(g)
	g.gateway.ServeHTTP(w, r)
}

func newLive(f serveFlags, catalogue *models.Catalogue, create func(bedrock.Settings) (*bedrock.Client, error), log *slog.Logger) *live {
	held, ready := newHolders(), &readiness{}
	var l *live
	l = &live{
		source: source{paths: f.configs, merge: f.merge}, catalogue: catalogue, pool: newPool(held.watched(create)), ready: ready, log: log,
		metrics: telemetry.New(telemetry.Options{Version: version(), Ready: ready.ready, Credentials: held.credentials, Configured: true, Providers: func() map[string]bool { return l.providersUp() }}),
		parts:   newParts(nil, f.fetchAllow, log),
	}
	l.last.Store(&outcome{})
	l.parts.catalogue, l.parts.balancers = catalogue, balance.NewRegistry(balance.RegistryOptions{Log: log})
	l.parts.ready, l.parts.operations = ready.reason, l
	l.parts.settle(f.settingsOf())
	l.parts.load, l.crowd = f.load.begin(l.parts.settings.Load, l.metrics, log)
	if f.metrics != "" {
		l.parts.record = l.metrics.Record
	}
	return l
}

// handler is what clients reach.
func (l *live) handler(f serveFlags) http.Handler {
	if f.metrics == "" {
		return l
	}
	return inFlight(l.metrics, l)
}

// begin serves the first configuration: what the flags say, or nothing yet.
func (l *live) begin(f serveFlags, stderr io.Writer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(f.configs) == 0 {
		cfg := demoConfig()
		err := l.accept(cfg, nil)
		if err == nil {
			l.note(nil, nil)
		}
		return err
	}
	l.seen = l.source.contents()
	cfg, problems, err := l.load()
	if err == nil && config.HasErrors(problems) {
		if !f.wait {
			return errors.Join(printProblems(stderr, problems), errors.New("the configuration has errors, nothing is served"))
		}
		err = l.tell(problems)
	}
	if l.source.read(cfg) {
		l.seen = l.source.contents()
	}
	if err == nil {
		err = l.try(cfg, problems)
	}
	if err == nil {
		l.note(problems, nil)
		return nil
	}
	if !f.wait {
		return err
	}
	l.note(problems, err)
	l.told = err.Error()
	l.log.Error("there is no good configuration yet: nothing is served until there is one", "error", err)
	l.metrics.Reloaded(0, time.Now())
	return l.put(&config.Config{}, waiting{})
}

// printProblems prints mistakes as config check does.
func printProblems(w io.Writer, problems []config.Problem) error {
	for _, p := range problems {
		if _, err := fmt.Fprintln(w, p); err != nil {
			return err
		}
	}
	return nil
}

// tell logs the mistakes of a configuration and returns what they come to.
func (l *live) tell(problems []config.Problem) error {
	for _, p := range problems {
		if p.Severity == config.Error {
			l.log.Error("configuration", "problem", p.String())
		} else {
			l.log.Warn("configuration", "warning", p.String())
		}
	}
	return errMistaken
}

var errMistaken = errors.New("the configuration has errors, which are told apart")

// waiting knows no caller.
type waiting struct{}

// Authenticate implements gateway.Authenticator.
func (waiting) Authenticate(*http.Request) (auth.Caller, error) {
	return auth.Caller{}, &llm.Error{Kind: llm.KindServerUnavailable, Message: "The server has no configuration yet. Try again later."}
}

// serve puts a good configuration in the place of the one before.
func (l *live) serve(cfg *config.Config) error {
	if err := l.put(cfg, nil); err != nil {
		return err
	}
	l.number++
	l.ready.configured.Store(true)
	l.metrics.Reloaded(l.number, time.Now())
	return nil
}

func (l *live) put(cfg *config.Config, callers gateway.Authenticator) error {
	p := l.parts
	p.upstreams, p.callers = l.pool.upstreams(), callers
	old := l.current.Load()
	if old != nil {
		p.before = old.gateway
	}
	next := &generation{upstreams: p.upstreams}
	p.hold = func() (release func()) {
		next.users.Add(1) // a request of it is running
		return func() { l.leave(next) }
	}
	g, deployments, err := build(cfg, p)
	if err != nil {
		l.pool.put(p.upstreams.clients)
		return err
	}
	next.gateway, next.deployments = g, deploymentsOf(deployments, cfg, l.catalogue)
	if callers == nil {
		next.config = cfg
	}
	next.users.Store(1)
	l.served = append(l.served, next)
	l.current.Store(next)
	if old != nil && old.users.Add(-1) == 0 {
		l.end(old)
	}
	l.count()
	return nil
}

// accept serves a configuration without mistakes and says what is doubtful about it.
func (l *live) accept(cfg *config.Config, problems []config.Problem) error {
	if err := l.serve(cfg); err != nil {
		return err
	}
	for _, p := range append(problems, catalogueProblems(cfg, l.catalogue)...) {
		l.log.Warn("configuration", "warning", p.String())
	}
	warnOfEnds(l.current.Load().deployments, time.Now(), l.log)
	return nil
}

// try accepts a configuration without mistakes, if what it names is there too: a file of certificates may come
// later than the file that names it, so the next look tries again.
func (l *live) try(cfg *config.Config, problems []config.Problem) error {
	err := l.accept(cfg, problems)
	if err != nil {
		l.seen = contents{}
	}
	return err
}

// reload looks whether the files have changed, or have to be read anyway, and serves what they hold now if it
// is good.
func (l *live) reload(ctx context.Context, anyway bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.source.contents()
	if now == l.seen && !anyway {
		return
	}
	cfg, problems, err := l.load()
	if l.source.read(cfg) {
		now = l.source.contents()
		cfg, problems, err = l.load()
	}
	for again := l.source.contents(); again != now; again = l.source.contents() {
		if !anyway || ctx.Err() != nil {
			return // they are just being written: the next look finds them whole
		}
		now = again
		cfg, problems, err = l.load()
	}
	l.seen = now
	if err == nil && config.HasErrors(problems) {
		err = l.tell(problems)
	}
	if err == nil {
		err = l.try(cfg, problems)
	}
	l.note(problems, err)
	if err != nil {
		l.metrics.Reloaded(0, time.Now())
		if l.seen == (contents{}) && err.Error() == l.told && !anyway {
			return
		}
		l.told = err.Error()
		l.log.Error("the configuration was not loaded: the last good one is still served", "error", err, "generation", l.number)
		return
	}
	l.log.Info("the configuration was loaded", "generation", l.number, "models", len(l.current.Load().deployments))
	go l.check(ctx)
}

// check looks for the credentials of upstreams that are new.
func (l *live) check(ctx context.Context) {
	g := l.current.Load()
	if !g.enter() {
		return
	}
	defer l.leave(g)
	g.upstreams.check(ctx, l.log)
}

// follow reloads on what happens to the files, and on SIGHUP, until the context ends.
func (l *live) follow(ctx context.Context, f serveFlags) (stop func()) {
	if len(f.configs) == 0 {
		return func() {}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go l.watch(ctx, f.poll, signals)
	return func() { signal.Stop(signals) }
}

// watch reloads when the files change, which it looks for each time poll has passed (0 is never), and for
// every signal.
func (l *live) watch(ctx context.Context, poll time.Duration, signals <-chan os.Signal) {
	var tick <-chan time.Time
	if poll > 0 {
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			l.reload(ctx, false)
		case <-signals:
			l.reload(ctx, true)
		}
	}
}
