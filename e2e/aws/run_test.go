//go:build aws || e2e

package aws_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The states of a case.
const (
	stateSame    = "same"
	stateDiffers = "differs"
	stateWrong   = "wrong"    // the gateway's reply is
	stateRefused = "refused"  // by AWS, for what the account may
	stateLeft    = "left out" // not asked
)

// finding is what came of a trial.
type finding struct {
	Case        string       `json:"case"`
	Model       string       `json:"model"`
	State       string       `json:"state"`
	Why         string       `json:"why,omitempty"`
	Differences []difference `json:"differences,omitempty"`
	Ceiling     float64      `json:"ceilingUSD"`
	Spent       float64      `json:"spentUSD"`
}

// session is a run of trials: the gateway, what stands between it and AWS, and a sandbox to compare with.
type session struct {
	gateway   string // address
	recorder  *recorder
	sandbox   http.Handler
	pretender identity // as whom the sandbox is asked
	who       identity
	budget    float64 // USD
	record    string  // directory for fixtures, "" for none
	redact    redactor
	progress  io.Writer

	spent    float64
	findings []finding
}

// run runs the trials in their order. None is started that could lead beyond the budget.
func (s *session) run(ctx context.Context, trials []*trial) error {
	for _, t := range trials {
		f := finding{Case: t.String(), Model: t.model, Ceiling: t.ceiling}
		switch {
		case t.left != "":
			f.State, f.Why = stateLeft, t.left
		case s.spent+t.ceiling > s.budget:
			f.State, f.Why = stateLeft, fmt.Sprintf("the cap: %.6f USD are spent and this could cost %.6f", s.spent, t.ceiling)
		default:
			if err := s.try(ctx, t, &f); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
		}
		s.findings = append(s.findings, f)
		_, _ = fmt.Fprintf(s.progress, "%-11s %-40s %-52s %.6f USD %s\n", f.State, f.Case, f.Model, f.Spent, f.Why)
	}
	return nil
}

// try runs one.
func (s *session) try(ctx context.Context, t *trial, f *finding) error {
	who := s.who
	if t.forged {
		who = who.forger()
	}
	s.recorder.begin(who)
	reply, err := s.ask(ctx, t)
	if err != nil {
		return err
	}
	calls, failed := s.recorder.kept()
	f.Spent = t.spent(calls)
	s.spent += f.Spent
	if failed != nil {
		f.State, f.Why = stateWrong, "AWS was not reached: "+failed.Error()
		return nil //nolint:nilerr // the failure is the finding of the case
	}
	if len(calls) == 0 {
		f.State, f.Why = stateWrong, fmt.Sprintf("AWS was not asked: status %d: %.300s", reply.status, reply.body)
		return nil
	}
	for _, c := range calls {
		pretended, err := s.pretend(ctx, t, c)
		if err != nil {
			return err
		}
		f.Differences = append(f.Differences, compare(c.reply, pretended)...)
	}
	f.judge(t, calls, reply)
	if s.record == "" || f.State == stateRefused {
		return nil
	}
	return s.redact.write(s.record, t, calls, reply)
}

// pretend sends a call to the sandbox.
func (s *session) pretend(ctx context.Context, t *trial, c wire) (answer, error) {
	who := s.pretender
	if t.forged {
		who = who.forger()
	}
	return c.replay(ctx, s.sandbox, who)
}

// judge says what state the trial is in.
func (f *finding) judge(t *trial, calls []wire, reply answer) {
	last := calls[len(calls)-1].reply
	refused := t.refused && last.status != http.StatusOK
	if f.Why = t.wrong(reply, refused); f.Why != "" {
		f.State = stateWrong
		if why := refusedByAccount(last); why != "" && !t.refused {
			f.State, f.Why, f.Differences = stateRefused, why, nil
		}
		return
	}
	f.State = stateSame
	if len(f.Differences) > 0 {
		f.State = stateDiffers
	}
	if t.refused && !refused {
		f.Why = "it was expected that AWS refuses this, and it does not"
	}
}

// refusedByAccount says that AWS did not refuse the request but the account: access, quota or a model that is
// not ready.
func refusedByAccount(a answer) string {
	kind, _, _ := strings.Cut(a.header.Get("X-Amzn-Errortype"), ":")
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusFailedDependency:
		return strings.TrimSpace(fmt.Sprintf("not callable: AWS says %d %s", a.status, kind))
	}
	return ""
}

// ask sends the trial's request to the gateway.
func (s *session) ask(ctx context.Context, t *trial) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.gateway+t.route, strings.NewReader(string(t.request)))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Api-Key", clientKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "req-1")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return answer{reply.StatusCode, reply.Header, body}, err
}
