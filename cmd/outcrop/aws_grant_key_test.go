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

	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
)

// The console's CSV, in each of its forms, becomes a Secret; nothing else shows the key, and AWS is not asked.
func TestGrantCSV(t *testing.T) {
	clearAWS(t)
	t.Setenv("AWS_REGION", "eu-west-1")
	r := grantRig{}
	const id, hidden = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	for name, text := range map[string]string{
		"new":   "\ufeffAccess key ID,Secret access key\r\n" + id + "," + hidden + "\r\n",
		"plain": "Access key ID,Secret access key\n" + id + "," + hidden,
		"older": "User name,Password,Access key ID,Secret access key,Console login link\r\ndial,," + id + "," + hidden + ",https://111122223333.signin.aws.amazon.com/console\r\n",
	} {
		for form, want := range map[string]string{"manifest": "kubectl apply --filename", "env": "--from-env-file=", "json": "kind: ExternalSecret"} {
			file := filepath.Join(t.TempDir(), "out")
			out, errs := r.bare(t, 0, "user", "dial", "--csv", write(t, text), "--secret-out", file, "--secret-form", form)
			written, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(written), hidden) || !strings.Contains(string(written), id) {
				t.Errorf("%s, %s: %v", name, form, err)
			}
			if strings.Contains(out+errs, hidden) || strings.Contains(out+errs, id) || !strings.Contains(out, want) || !strings.Contains(out, "existingSecret: bedrock-aws") || !strings.Contains(out, "extraEnvVarsSecret: bedrock-aws") {
				t.Errorf("%s, %s:\n%s%s", name, form, out, errs)
			}
		}
	}
	for want, text := range map[string]string{
		`does not have "Access key ID"`:           "User name,Password\nx,y\n",
		"a header and no key":                     "Access key ID,Secret access key\n",
		"line 2: its access key id is none":       "Access key ID,Secret access key\nx," + hidden + "\n",
		"line 2: its secret access key is none":   "Access key ID,Secret access key\n" + id + ",short\n",
		"it has the key of the user eve, not of ": "User name,Access key ID,Secret access key\neve," + id + "," + hidden + "\n",
		"2 lines have a key":                      "Access key ID,Secret access key\n" + id + "," + hidden + "\n" + id + "," + hidden + "\n",
	} {
		out, errs := r.bare(t, 1, "user", "dial", "--csv", write(t, text), "--secret-out", "-")
		if !strings.Contains(errs, want) || strings.Contains(out+errs, hidden) {
			t.Errorf("no %q in %s", want, errs)
		}
	}
}

// Beside a policy, the console's key is written down when the plan is applied: not by a plan alone, not by one that
// is blocked.
func TestGrantCSVWithAPolicy(t *testing.T) {
	const hidden = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	r := newGrantRig(t)
	file := filepath.Join(t.TempDir(), "secret.yaml")
	args := []string{"user", "dial", "--csv", write(t, "Access key ID,Secret access key\nAKIAIOSFODNN7EXAMPLE,"+hidden+"\n"), "--secret-out", file}
	absent := func(what, out string) {
		t.Helper()
		if _, err := os.Stat(file); err == nil || strings.Contains(out, hidden) {
			t.Errorf("%s: the key is written: %v\n%s", what, err, out)
		}
	}
	out, errs := r.grant(t, 0, args...)
	absent("a plan", out+errs)
	if !strings.Contains(out, "write          access key of user dial to "+file) {
		t.Error(out)
	}
	r.grant(t, 0, "user", "eve", "--policy-name", "outcrop-dial", "--apply")
	other := write(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"*"}]}`)
	out, errs = r.bare(t, 2, append(args, "--policy", other, "--apply")...)
	absent("a blocked plan", out+errs)
	for _, form := range []string{"text", "json", "yaml"} {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		out, errs = r.grant(t, 0, append(args, "--apply", "--output", form)...)
		if written, err := os.ReadFile(file); err != nil || !strings.Contains(string(written), hidden) || strings.Contains(out+errs, hidden) {
			t.Errorf("%s: %v\n%s%s", form, err, out, errs)
		}
	}
	out, errs = r.grant(t, 0, "user", "dial", "--csv", args[3], "--secret-out", "-", "--apply")
	if !strings.Contains(out, hidden) || strings.Contains(errs, hidden) {
		t.Errorf("%s%s", out, errs)
	}
}

// A trust of a whole account, or of another account without an external id, is told of.
func TestGrantNotesWideTrusts(t *testing.T) {
	r := newGrantRig(t)
	const whole, deputy = "Everybody in account ", "No external id is asked for."
	for _, c := range []struct {
		args          []string
		whole, deputy bool
	}{
		{[]string{"arn:aws:iam::" + policyAccount + ":role/dial-bedrock"}, false, false},
		{[]string{"arn:aws:iam::" + policyAccount + ":root"}, true, false},
		{[]string{"arn:aws:iam::444455556666:role/dial"}, false, true},
		{[]string{"arn:aws:iam::444455556666:root", "--external-id", "a-1"}, true, false},
	} {
		out, _ := r.grant(t, 0, append([]string{"role", "team", "--trust"}, c.args...)...)
		if strings.Contains(out, whole) != c.whole || strings.Contains(out, deputy) != c.deputy {
			t.Errorf("%v:\n%s", c.args, out)
		}
	}
}

// A role below a path, as upstreams name it, gets what those upstreams do, and is made there.
func TestGrantRoleBelowAPath(t *testing.T) {
	r := newGrantRig(t)
	r.config = write(t, `{"models": {"pro": {"type": "chat", "endpoint": "bedrock:amazon.nova-pro-v1:0"}, "nova": {"type": "chat", "endpoint": "bedrock:`+grantNova+`",
		"upstreams": [{"extraData": {"region": "us-east-1", "aws_assume_role_arn": "arn:aws:iam::`+policyAccount+`:role/teams/a"}}]}}}`)
	for _, args := range [][]string{{"role", "a", "--trust", "arn:aws:iam::" + policyAccount + ":user/sandbox"}, {"service-account", "dial/a", "--cluster", "prod"}} {
		out, _ := r.grant(t, 0, args...)
		if !strings.Contains(out, grantNova) || strings.Contains(out, "nova-pro") || !strings.Contains(out, "--role-name a --path /teams/") || strings.Contains(out, ":role/a") {
			t.Errorf("%v:\n%s", args, out)
		}
	}
}

// While a key is made the command is interrupted, or the answer is lost: the key is written down, or it is told
// of, and a second one is not made.
func TestGrantKeyIsNotLost(t *testing.T) {
	r := newGrantRig(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	lose := false
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		q.Body = io.NopCloser(bytes.NewReader(body))
		if strings.Contains(string(body), "Action=CreateAccessKey&") {
			interrupt()
			if lose {
				r.Config.Handler.ServeHTTP(httptest.NewRecorder(), q)
				if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
					_ = conn.Close()
				}
				return
			}
		}
		r.Config.Handler.ServeHTTP(w, q)
	}))
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	file := filepath.Join(t.TempDir(), "secret.yaml")
	grant := func(ctx context.Context, user string) (int, string) {
		var out, errs strings.Builder
		code := run(ctx, []string{"aws", "grant", "user", user, "--config", r.config, "--create-access-key", "--secret-out", file, "--apply"}, strings.NewReader(""), &out, &errs)
		return code, out.String() + errs.String()
	}
	keys := func(user string) int {
		list, err := awsiam.NewFromConfig(r.aws()).ListAccessKeys(t.Context(), &awsiam.ListAccessKeysInput{UserName: &user})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.AccessKeyMetadata)
	}
	code, said := grant(ctx, "dial")
	if written, err := os.ReadFile(file); code != 0 || err != nil || !strings.Contains(string(written), "AWS_SECRET_ACCESS_KEY: ") || keys("dial") != 1 {
		t.Errorf("interrupted: exit %d, %d keys, %v\n%s", code, keys("dial"), err, said)
	}
	lose, file = true, filepath.Join(t.TempDir(), "secret.yaml")
	if code, said = grant(t.Context(), "eve"); code != 1 || keys("eve") != 1 || !strings.Contains(said, "aws iam list-access-keys --user-name eve") {
		t.Errorf("lost: exit %d, %d keys\n%s", code, keys("eve"), said)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("lost: an empty file is left")
	}
}
