//go:build aws || e2e

package aws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/models"
	"outcrop/internal/onboard"
	"outcrop/internal/sandbox"
)

// options are what the environment says, OUTCROP_E2E_AWS_….
type options struct {
	budget   float64
	planOnly bool
	unpriced bool
	strict   bool
	record   string
	report   string // directory
}

func readOptions(getenv func(string) string) (options, error) {
	o := options{
		budget: 1, planOnly: getenv("OUTCROP_E2E_AWS_PLAN") == "1", unpriced: getenv("OUTCROP_E2E_AWS_UNPRICED") == "1",
		strict: getenv("OUTCROP_E2E_AWS_STRICT") == "1", record: getenv("OUTCROP_E2E_AWS_RECORD"), report: "../../bin/e2e-aws",
	}
	if text := getenv("OUTCROP_E2E_AWS_BUDGET"); text != "" {
		var err error
		if o.budget, err = strconv.ParseFloat(text, 64); err != nil || !(o.budget >= 0 && o.budget <= 1000) {
			return o, fmt.Errorf("OUTCROP_E2E_AWS_BUDGET=%q is not a number of USD: 0 to 1000, as 0.50", text)
		}
	}
	return o, nil
}

// account is AWS, or what plays it: who calls, where, and what can be called.
type account struct {
	who        identity
	hosts      map[string]string
	candidates []candidate
	secrets    []string
}

// errNoAccount is why nothing is run.
var errNoAccount = errors.New("NOTHING WAS RUN AGAINST AWS: THERE ARE NO CREDENTIALS OR NO REGION.\n" +
	"SET AWS_REGION, AND AWS_PROFILE OR AWS_ACCESS_KEY_ID AND AWS_SECRET_ACCESS_KEY OR AWS_BEARER_TOKEN_BEDROCK.\n" +
	"IT COSTS AT MOST OUTCROP_E2E_AWS_BUDGET (1.00 USD); OUTCROP_E2E_AWS_PLAN=1 PRINTS WHAT, AND STOPS")

// openAccount finds the account that the environment leads to. It is errNoAccount where there is none.
func openAccount(ctx context.Context, getenv func(string) string) (*account, error) {
	catalogue, err := models.Load()
	if err != nil {
		return nil, err
	}
	process, _, err := bedrock.Load(ctx, getenv, catalogue)
	if err != nil {
		return nil, err
	}
	client, err := process.Client(bedrock.Settings{})
	if errors.Is(err, bedrock.ErrNoRegion) {
		return nil, errNoAccount
	} else if err != nil {
		return nil, err
	}
	a := &account{who: identity{region: client.Region(), bearer: getenv("AWS_BEARER_TOKEN_BEDROCK")}, hosts: map[string]string{}}
	for _, e := range client.Endpoints() {
		if e.Service == serviceRuntime || e.Service == serviceMantle || e.Service == serviceControl {
			a.hosts[e.Service] = e.URL
		}
	}
	var here onboard.Models
	if a.who.bearer != "" {
		a.secrets = []string{a.who.bearer}
		here.Problems = []onboard.RegionProblem{{Region: a.who.region, What: "an API key does not list models"}}
	} else if here, err = a.list(ctx, process, catalogue); err != nil {
		return nil, err
	}
	a.candidates = candidates(catalogue, a.who.region, here)
	return a, nil
}

// list asks what can be called.
func (a *account) list(ctx context.Context, process *bedrock.Process, catalogue *models.Catalogue) (onboard.Models, error) {
	opened, err := onboard.Open(process, bedrock.Settings{})
	if err != nil {
		return onboard.Models{}, err
	}
	a.who.keys = opened.Config.Credentials
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	keys, err := a.who.keys.Retrieve(ctx)
	if err != nil {
		return onboard.Models{}, fmt.Errorf("%w\nThe reason: %w", errNoAccount, err)
	}
	a.secrets = []string{keys.AccessKeyID, keys.SecretAccessKey}
	if keys.SessionToken != "" {
		a.secrets = append(a.secrets, keys.SessionToken)
	}
	return onboard.ListModels(ctx, opened, onboard.ModelsInput{Regions: []string{a.who.region}, Catalogue: catalogue, Now: time.Now()}), nil
}

// client never follows where AWS sends it: signatures are for one host.
func client() *http.Client {
	return &http.Client{
		Transport:     bedrock.NewTransport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       5 * time.Minute,
	}
}

// prove runs all of it and leaves the report. Nothing is asked when only the plan is wanted.
func prove(t *testing.T, a *account, o options, out io.Writer) *session {
	t.Helper()
	trials := plan(a.candidates, o.unpriced)
	if err := writePlan(out, trials, o.budget); err != nil {
		t.Fatal(err)
	}
	if o.planOnly {
		return nil
	}
	pretender, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := configuration(trials, a.who.region)
	if err != nil {
		t.Fatal(err)
	}
	p := &recorder{hosts: a.hosts, client: client()}
	s := &session{
		recorder: p, gateway: startGateway(t, config, p.serve(t), a.who.region), sandbox: pretender, who: a.who, pretender: sandboxIdentity(a.who),
		budget: o.budget, record: o.record, redact: redactor{a.secrets}, progress: out,
	}
	if err := s.run(t.Context(), trials); err != nil {
		t.Error(s.redact.text(err.Error()))
	}
	if err := s.write(o.report); err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(out, "\n%s\n%s\n", s.redact.text(s.text()), s.last())
	return s
}

// verdict fails the test for what the gateway did wrong, and with strict for what differs.
func (s *session) verdict(t *testing.T, strict bool) {
	t.Helper()
	for _, f := range s.findings {
		if f.State == stateWrong || strict && f.State == stateDiffers {
			t.Errorf("%s (%s): %s %s", f.Case, f.Model, f.State, s.redact.text(f.Why))
		}
	}
}

// sandboxIdentity is whom the sandbox knows, calling in the same way.
func sandboxIdentity(like identity) identity {
	who := identity{region: like.region, keys: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", "")}
	if like.bearer != "" {
		who.bearer = "sandbox"
	}
	return who
}
