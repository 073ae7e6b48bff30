package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/models"
)

// Env is what the checks look at. The caller has read it; the checks call AWS, and change nothing.
type Env struct {
	Getenv    func(string) string
	Now       func() time.Time
	Catalogue *models.Catalogue
	// Process is the AWS settings of the environment; nil with the Failure to read them. Region is the
	// region that the variables name, and the Warnings of both.
	Process  *bedrock.Process
	Failure  error
	Region   string
	Warnings []string
	// Mistakes are for which the adapter would not start.
	Mistakes []string

	// Configured says that there is a configuration: Config and Problems are its; Doubts are what the
	// catalogue says of it.
	Configured bool
	Config     *config.Config
	Problems   []config.Problem
	Doubts     []config.Problem

	Upstreams []*Upstream
	Models    []*Model

	// ExpectRole is the ARN of the role that the pod should have; "" for AWS_ROLE_ARN's.
	ExpectRole string
	Probe      Probe
	Limits     Limits
	// MaxCostUSD is the most that the probes may cost, by the estimate.
	MaxCostUSD float64
}

// Upstream is a region, called with one identity.
type Upstream struct {
	Name     string // for people: region and source of the credentials
	Region   string
	Settings bedrock.Settings
	Client   *bedrock.Client // nil with the Failure to make it
	Failure  error
	// Deployments are those that use it.
	Deployments []string

	facts facts
}

// Model is a deployment.
type Model struct {
	Deployment string
	ID         string // that AWS sees
	Upstream   *Upstream
	Model      *bedrock.Model // nil with the Failure to make it
	Failure    error

	probe Probe
}

// Options say how to run.
type Options struct {
	Only    []string      // classes; none is all
	Timeout time.Duration // of one check
	// Progress is told of each check that begins or ends; it may be nil, and is called by several
	// goroutines, one at a time.
	Progress func(done, total int, running string)
}

// parallel is how many checks run at once: enough to wait for many hosts, and no storm for a small quota.
const parallel = 8

// check is one verification. Its findings are in the order of the report, whenever it ran.
type check struct {
	class   string
	subject string
	needs   []*check // that must have ended, and found nothing that stops
	run     func(ctx context.Context) []Finding

	done   chan struct{}
	result []Finding
}

// Run runs the checks and reports. It returns soon after the context ends, with what was found by then.
func Run(ctx context.Context, e *Env, o Options) (*Report, error) {
	for _, class := range o.Only {
		if !isClass(class) {
			return nil, fmt.Errorf("--only %q is no class of checks: choose among %s", class, strings.Join(Classes(), ", "))
		}
	}
	report := &Report{CostUSD: Estimate(e, o.Only)}
	wanted := func(class string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, class) }
	var checks []*check
	for _, c := range e.checks() {
		c.done = make(chan struct{})
		if wanted(c.class) {
			checks = append(checks, c)
		} else {
			close(c.done)
		}
	}
	runner{checks: checks, timeout: o.Timeout, progress: o.Progress}.run(ctx)
	for _, c := range checks {
		for _, f := range c.result {
			f.Class = c.class
			report.Findings = append(report.Findings, f)
			report.Interrupted = report.Interrupted || f.Code == "RUN-001"
		}
	}
	report.count()
	return report, nil
}

type runner struct {
	checks   []*check
	timeout  time.Duration
	progress func(done, total int, running string)
}

func (r runner) run(ctx context.Context) {
	var mu sync.Mutex
	ended := 0
	tell := func(c *check, more int) {
		mu.Lock()
		defer mu.Unlock()
		ended += more
		if r.progress != nil {
			r.progress(ended, len(r.checks), strings.TrimSpace(c.class+" "+c.subject))
		}
	}
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for _, c := range r.checks {
		all.Go(func() {
			defer close(c.done)
			for _, need := range c.needs {
				<-need.done
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			tell(c, 0)
			defer tell(c, 1)
			c.result = r.one(ctx, c)
		})
	}
	all.Wait()
}

// one runs a check within its time. A check that does not look at its context is left behind.
func (r runner) one(ctx context.Context, c *check) []Finding {
	stopped := []Finding{{Code: "RUN-001", Severity: Skipped, Subject: c.subject, Message: "not checked: interrupted", Remedy: "run outcrop doctor again"}}
	if ctx.Err() != nil {
		return stopped
	}
	for _, need := range c.needs {
		if i := slices.IndexFunc(need.result, Finding.stops); i >= 0 {
			return []Finding{{
				Code: "RUN-003", Severity: Skipped, Subject: c.subject,
				Message: "not checked, because of " + need.result[i].Code + " above", Remedy: "correct that first",
			}}
		}
	}
	timed, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	out := make(chan []Finding, 1)
	go func() { out <- c.run(timed) }()
	select {
	case found := <-out:
		if ctx.Err() != nil { // what it found may be the interruption
			return stopped
		}
		return found
	case <-timed.Done():
	}
	if ctx.Err() != nil {
		return stopped
	}
	return []Finding{{
		Code: "RUN-002", Severity: Error, Subject: c.subject, Message: fmt.Sprintf("not finished within %v", r.timeout),
		Remedy: "look at the network, or give more time: outcrop doctor --timeout " + (2 * r.timeout).String(),
	}}
}

// checks are all, in the order of the report.
func (e *Env) checks() []*check {
	var list []*check
	add := func(c *check) *check {
		list = append(list, c)
		return c
	}
	if e.Configured {
		add(&check{class: ClassConfiguration, run: e.configuration})
	}
	add(&check{class: ClassEnvironment, run: e.environment})
	before := map[*Upstream][]*check{}
	for _, u := range e.Upstreams {
		before[u] = append(before[u], add(&check{class: ClassCredentials, subject: u.Name, run: func(ctx context.Context) []Finding { return e.credentials(ctx, u) }}))
	}
	for _, file := range e.tokenFiles() {
		add(&check{class: ClassToken, subject: file.path, run: func(ctx context.Context) []Finding { return e.token(ctx, file) }})
	}
	ways := map[*endpoint]*check{}
	for _, to := range e.endpoints() {
		ways[to] = add(&check{class: ClassNetwork, subject: to.subject(), run: func(ctx context.Context) []Finding { return e.network(ctx, to) }})
	}
	for _, u := range e.Upstreams {
		if u.Client != nil && !u.isKey() {
			before[u] = append(before[u], add(&check{class: ClassSTS, subject: u.Name, needs: before[u], run: func(ctx context.Context) []Finding { return e.sts(ctx, u) }}))
		}
	}
	for _, m := range e.Models {
		add(&check{class: ClassModels, subject: m.Deployment, needs: append(m.way(ways), before[m.Upstream]...), run: func(ctx context.Context) []Finding { return e.model(ctx, m) }})
	}
	for _, u := range e.Upstreams {
		if u.Client != nil && !u.isKey() && len(u.Deployments) > 0 {
			add(&check{class: ClassPermissions, subject: u.Name, needs: before[u], run: func(ctx context.Context) []Finding { return e.permissions(ctx, u) }})
		}
	}
	for _, m := range e.Models {
		add(&check{class: ClassOutlook, subject: m.Deployment, needs: before[m.Upstream], run: func(ctx context.Context) []Finding { return e.outlook(ctx, m) }})
	}
	for _, u := range e.Upstreams {
		if u.Client != nil && !u.isKey() && len(u.Deployments) > 0 {
			add(&check{class: ClassOutlook, subject: u.Name, needs: before[u], run: func(ctx context.Context) []Finding { return e.quotas(ctx, u) }})
		}
	}
	add(&check{class: ClassOutlook, run: e.limits})
	return list
}

// isKey says whether the upstream calls with a Bedrock API key.
func (u *Upstream) isKey() bool {
	return u.Client != nil && strings.Contains(u.Client.Identity().Source, "API key")
}
