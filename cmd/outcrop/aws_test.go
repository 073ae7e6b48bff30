package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/sandbox"
)

// awsSandbox starts a sandbox, and sets the environment to it and to nothing else of AWS. IAM denies what
// is asked; awsIAM changes that.
func awsSandbox(t *testing.T, o sandbox.Options) *httptest.Server {
	t.Helper()
	if o.Account == "" {
		o.Account = "123456789012"
	}
	handler, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	for _, name := range os.Environ() {
		if name, _, _ := strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") || name == "DEFAULT_REGION" {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		// Not AWS_ENDPOINT_URL: the SDK's own chain of credentials does not ask STS there.
		"AWS_ENDPOINT_URL_BEDROCK": srv.URL, "AWS_ENDPOINT_URL_STS": srv.URL, "AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	awsIAM(t, http.StatusForbidden, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/sandbox `+
		`is not authorized to perform: iam:ListAccessKeys on resource: user sandbox because no identity-based policy allows the iam:ListAccessKeys action</Message></Error></ErrorResponse>`)
	return srv
}

// awsIAM puts an IAM in place that always gives one answer.
func awsIAM(t *testing.T, status int, answers ...string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		answer := answers[0]
		if len(answers) > 1 && strings.Contains(string(body), "Action=GetAccessKeyLastUsed") {
			answer = answers[1]
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	t.Setenv("AWS_ENDPOINT_URL_IAM", srv.URL)
}

// runCommand is the program; its streams and its exit code.
func runCommand(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.WithoutCancel(t.Context()), args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

// awsGolden compares with testdata/aws/NAME.golden, which -update rewrites.
func awsGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "aws", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got)\n%s", file, d)
	}
}

// expect checks an exit code and what is printed.
func expect(t *testing.T, wantCode int, has []string, args ...string) string {
	t.Helper()
	out, errs, code := runCommand(t, args...)
	if code != wantCode {
		t.Errorf("%v: exit %d, want %d\n%s%s", args, code, wantCode, out, errs)
	}
	for _, want := range has {
		if !strings.Contains(out+errs, want) {
			t.Errorf("%v: no %q in\n%s%s", args, want, out, errs)
		}
	}
	return out
}
