//go:build e2e

package aws_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"outcrop/internal/sandbox"
)

// built is the program under test, built once.
var built = sync.OnceValue(func() error {
	out, err := exec.Command("make", "--no-print-directory", "-C", "../..", "build").CombinedOutput()
	if err != nil {
		return errors.New(err.Error() + "\n" + string(out))
	}
	return nil
})

// playAWS is a sandbox that stands where AWS is: an account of its own at an address that the environment names.
// alter changes what it answers; nil leaves it as it is.
func playAWS(t *testing.T, alter func(w http.ResponseWriter, r *http.Request, genuine http.Handler)) *account {
	t.Helper()
	if err := built(); err != nil {
		t.Fatal(err)
	}
	genuine, err := sandbox.New(sandbox.Options{
		Account: "210987654321", Credentials: []sandbox.Credential{{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "an-account's-secret"}},
		Access: []string{"mistral.*=agreement", "mistral=agreement"},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if alter == nil {
			genuine.ServeHTTP(w, r)
			return
		}
		alter(w, r, genuine)
	}))
	t.Cleanup(server.Close)
	environment := map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": server.URL, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "an-account's-secret",
	}
	clearAWS(t)
	for name, value := range environment {
		t.Setenv(name, value)
	}
	a, err := openAccount(t.Context(), os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// clearAWS takes the tester's own account out of the environment.
func clearAWS(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") || name == "DEFAULT_REGION" {
			t.Setenv(name, "")
		}
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} { // HOME is Go's too
		t.Setenv(name, filepath.Join(t.TempDir(), "none"))
	}
}

func testOptions(t *testing.T) options {
	t.Helper()
	return options{budget: 1, report: t.TempDir()}
}

// output shows what a run has written where the test fails.
func output(t *testing.T) io.Writer {
	t.Helper()
	var b strings.Builder
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.String())
		}
	})
	return &b
}

// Two sandboxes answer alike, the gateway's replies are good, and what is recorded tells nothing of the account.
func TestAccountLikeTheSandbox(t *testing.T) {
	a, o := playAWS(t, nil), testOptions(t)
	o.record = t.TempDir()
	s := prove(t, a, o, output(t))
	s.verdict(t, true)
	ran := 0
	features := map[string]bool{}
	for _, f := range s.findings {
		if f.State == stateRefused {
			t.Errorf("%s: %s", f.Case, f.Why)
		}
		if f.State == stateSame {
			_, name, _ := strings.Cut(f.Case, ": ")
			ran, features[name] = ran+1, true
		}
	}
	t.Logf("%d cases, %d features", ran, len(features))
	for _, f := range featureNames() {
		if !features[f] {
			t.Errorf("no case of %q was run", f)
		}
	}
	mistral := slices.IndexFunc(s.findings, func(f finding) bool { return f.Case == "mistral: plain" })
	if mistral < 0 || s.findings[mistral].Why != "not callable: agreement missing" {
		t.Errorf("a model without access: %+v", s.findings)
	}
	if s.spent <= 0 || s.spent > o.budget {
		t.Errorf("spent %f", s.spent)
	}
	checkRecorded(t, o.record, ran)
	checkRedacted(t, o.report)
}

// featureNames are the names of the features that can be had for a known price.
func featureNames() []string {
	var out []string
	for _, f := range features() {
		out = append(out, f.name)
	}
	return out
}

// checkRecorded reads the fixtures as the gateway's tests do.
func checkRecorded(t *testing.T, dir string, want int) {
	t.Helper()
	checkRedacted(t, dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) != want {
		t.Errorf("%d fixtures of %d cases, %v", len(files), want, err)
	}
	verb := regexp.MustCompile(`^(header \S+ .+|status \d+|json .*|(event|exception|said) \S+ .*|(chunk|data) .*|next)$`)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(strings.TrimSpace(string(archive.Comment)), ".") {
			t.Errorf("%s has no sentence", file)
		}
		var names []string
		for _, f := range archive.Files {
			names = append(names, f.Name)
			for line := range strings.Lines(string(f.Data)) {
				if f.Name == "upstream reply" && !verb.MatchString(strings.TrimSuffix(line, "\n")) {
					t.Errorf("%s: %.100s is no line of a script", file, line)
				}
			}
		}
		if got := strings.Join(names, ", "); got != "model, request, upstream request, upstream reply, reply" {
			t.Errorf("%s has %s", file, got)
		}
	}
}

// telling is what no file may hold.
var telling = regexp.MustCompile(`\b210987654321\b|AKIA|ASIA|an-account's-secret|bedrock-api-key-|ABSK|AWS4-HMAC|X-Amz-Security-Token|Bearer [^r]`)

// accounts are numbers of 12 digits.
var accounts = regexp.MustCompile(`\b\d{12}\b`)

func checkRedacted(t *testing.T, dir string) {
	t.Helper()
	root := os.DirFS(dir)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%s holds %d files, %v", dir, len(entries), err)
	}
	for _, e := range entries {
		f, err := root.Open(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if found := telling.Find(text); found != nil {
			t.Errorf("%s holds %q", e.Name(), found)
		}
		for _, number := range accounts.FindAllString(string(text), -1) {
			if number != "111122223333" {
				t.Errorf("%s holds the account %s", e.Name(), number)
			}
		}
	}
}

// Every way in which AWS is not like the sandbox is reported, and the other cases are not blamed for it.
func TestAlterationsAreReported(t *testing.T) {
	only := func(names ...string) func(*account) {
		return func(a *account) {
			a.candidates = slices.DeleteFunc(a.candidates, func(c candidate) bool { return !slices.Contains(names, c.ID) })
		}
	}
	for name, test := range map[string]struct {
		old, put string // in every reply of the runtime
		of, want string
	}{
		"a member of the usage is gone": {`"totalTokens":`, `"altogether":`, "amazon: plain", "body .usage.totalTokens: AWS has nothing, the sandbox has `a number`"},
		"an error has another type":     {"ValidationException", "InvalidInputException", "amazon: error: unknown model", "header x-amzn-errortype: AWS has `InvalidInputException`, the sandbox has `ValidationException`"},
		"a stop reason is new":          {`"end_turn"`, `"turn_end"`, "amazon: plain", "body .stopReason: AWS has `\"turn_end\"`, the sandbox has `\"end_turn\"`"},
	} {
		t.Run(name, func(t *testing.T) {
			a := playAWS(t, func(w http.ResponseWriter, r *http.Request, genuine http.Handler) {
				kept := httptest.NewRecorder()
				genuine.ServeHTTP(kept, r)
				change := strings.NewReplacer(test.old, test.put)
				for name, values := range kept.Header() {
					w.Header().Set(name, change.Replace(values[0]))
				}
				w.Header().Del("Content-Length")
				w.WriteHeader(kept.Code)
				text := kept.Body.String()
				if r.Method == http.MethodPost && !strings.Contains(kept.Header().Get("Content-Type"), "eventstream") {
					text = change.Replace(text)
				}
				if _, err := io.WriteString(w, text); err != nil {
					t.Error(err)
				}
			})
			only("amazon.nova-micro-v1:0")(a)
			s := prove(t, a, testOptions(t), output(t))
			text := s.text()
			if !strings.Contains(text, test.want) || !strings.Contains(text, test.of) {
				t.Errorf("the report does not say %q", test.want)
			}
			for _, f := range s.findings {
				if f.State == stateDiffers && len(f.Differences) > 2 {
					t.Errorf("%s differs in %v", f.Case, f.Differences)
				}
			}
		})
	}
}

// Events in another order are told, and that the gateway then has no good reply is a failure of the case.
func TestOrderOfEventsIsCompared(t *testing.T) {
	a := playAWS(t, func(w http.ResponseWriter, r *http.Request, genuine http.Handler) {
		if !strings.HasSuffix(r.URL.Path, "/converse-stream") {
			genuine.ServeHTTP(w, r)
			return
		}
		kept := httptest.NewRecorder()
		genuine.ServeHTTP(kept, r)
		w.Header().Set("Content-Type", kept.Header().Get("Content-Type"))
		w.WriteHeader(kept.Code)
		if _, err := w.Write(reordered(kept.Body.Bytes())); err != nil {
			t.Error(err)
		}
	})
	a.candidates = slices.DeleteFunc(a.candidates, func(c candidate) bool { return c.ID != "amazon.nova-micro-v1:0" })
	s := prove(t, a, testOptions(t), output(t))
	at := slices.IndexFunc(s.findings, func(f finding) bool { return f.Case == "amazon: stream" })
	if at < 0 {
		t.Fatal("no stream was asked for")
	}
	if !slices.ContainsFunc(s.findings[at].Differences, func(d difference) bool {
		return d.Where == "order of events" && strings.HasSuffix(d.AWS, "metadata, messageStop") && strings.HasSuffix(d.Sandbox, "messageStop, metadata")
	}) {
		t.Errorf("the order is not told: %+v", s.findings[at])
	}
}

// reordered changes the places of the last two frames of a stream.
func reordered(stream []byte) []byte {
	var list [][]byte
	for len(stream) >= 4 {
		n := int(stream[0])<<24 | int(stream[1])<<16 | int(stream[2])<<8 | int(stream[3])
		if n > len(stream) {
			break
		}
		list, stream = append(list, stream[:n]), stream[n:]
	}
	if n := len(list); n > 1 {
		list[n-1], list[n-2] = list[n-2], list[n-1]
	}
	return slices.Concat(list...)
}

// The cap stops the run before the case that could lead beyond it.
func TestTheCapHolds(t *testing.T) {
	a, o := playAWS(t, nil), testOptions(t)
	o.budget = 0.0005
	s := prove(t, a, o, output(t))
	ran, capped := 0, 0
	for _, f := range s.findings {
		switch {
		case strings.HasPrefix(f.Why, "the cap: "):
			capped++
		case f.State != stateLeft:
			ran++
			if capped > 0 && f.Ceiling > 0 {
				t.Errorf("%s was run after the cap", f.Case)
			}
		}
	}
	if s.spent > o.budget || ran == 0 || capped == 0 {
		t.Errorf("spent %f of %f, %d cases ran, %d were left out for the cap", s.spent, o.budget, ran, capped)
	}
}

// A call whose answer is lost is taken to have cost what it may: AWS may have answered, and charges for that.
func TestALostAnswerIsNotFree(t *testing.T) {
	a := playAWS(t, func(w http.ResponseWriter, r *http.Request, genuine http.Handler) {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/model/amazon.nova-micro-v1:0/") {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
			return
		}
		genuine.ServeHTTP(w, r)
	})
	a.candidates = slices.DeleteFunc(a.candidates, func(c candidate) bool { return c.ID != "amazon.nova-micro-v1:0" })
	s := prove(t, a, testOptions(t), output(t))
	lost := 0
	for _, f := range s.findings {
		if strings.HasPrefix(f.Why, "AWS was not reached") && f.Ceiling > 0 {
			if lost++; f.Spent < f.Ceiling {
				t.Errorf("%s: spent %f of at most %f", f.Case, f.Spent, f.Ceiling)
			}
		}
	}
	if lost == 0 || s.spent == 0 {
		t.Errorf("%d answers were lost, %f USD spent", lost, s.spent)
	}
}

// The plan asks no model.
func TestPlanAsksNothing(t *testing.T) {
	a := playAWS(t, func(w http.ResponseWriter, r *http.Request, genuine http.Handler) {
		if strings.HasPrefix(r.URL.Path, "/model/") || strings.HasPrefix(r.URL.Path, "/v1/") || strings.HasPrefix(r.URL.Path, "/openai/") {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		genuine.ServeHTTP(w, r)
	})
	o := testOptions(t)
	o.planOnly = true
	var out strings.Builder
	if s := prove(t, a, o, &out); s != nil {
		t.Error("it was run")
	}
	if !strings.Contains(out.String(), "USD AT MOST") || !strings.Contains(out.String(), "the cap is 1.00 USD") {
		t.Errorf("the plan:\n%s", &out)
	}
	t.Log(out.String())
}

// Without credentials nothing is run, and nobody can overlook it.
func TestWithoutCredentialsItIsSkippedLoudly(t *testing.T) {
	clearAWS(t)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, region := range []string{"", "us-east-1"} {
		t.Setenv("AWS_REGION", region)
		if _, err := openAccount(t.Context(), os.Getenv); !errors.Is(err, errNoAccount) {
			t.Errorf("region %q: %v", region, err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", "../..", "e2e-aws")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("make e2e-aws: %v", err)
	}
	for _, want := range []string{"--- SKIP: TestAWS", "NOTHING WAS RUN AGAINST AWS", "AWS_REGION", "AWS_BEARER_TOKEN_BEDROCK", "OUTCROP_E2E_AWS_BUDGET"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %s:\n%s", want, out)
		}
	}
}

// A redactor takes out what it was not told of, too.
func TestRedactor(t *testing.T) {
	for text, want := range map[string]string{
		"User: arn:aws:iam::123456789012:user/jane.doe is not authorized": "User: arn:aws:iam::111122223333:user/redacted is not authorized",
		"account 123456789012, key ASIAQWERTYUIOPASDFGH":                  "account 111122223333, key AKIDEXAMPLE",
		"Bearer bedrock-api-key-YmVkcm9jaw==":                             "Bearer redacted",
		"id 01234567-89ab-cdef-0123-456789abcdef":                         "id 00000000-0000-4000-8000-00000000000a",
		"the secret hunter2":                                              "the secret redacted",
	} {
		if got := (redactor{[]string{"hunter2"}}).text(text); got != want {
			t.Errorf("%s\n became %s\n    not %s", text, got, want)
		}
	}
}

// The number of the budget is checked before anything is asked.
func TestOptions(t *testing.T) {
	for text, want := range map[string]float64{"": 1, "0.25": 0.25, "0": 0} {
		if o, err := readOptions(func(name string) string { return map[string]string{"OUTCROP_E2E_AWS_BUDGET": text}[name] }); err != nil || o.budget != want {
			t.Errorf("%q: %v, %v", text, o.budget, err)
		}
	}
	for _, text := range []string{"one", "-1", "NaN", "5000"} {
		if _, err := readOptions(func(string) string { return text }); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
