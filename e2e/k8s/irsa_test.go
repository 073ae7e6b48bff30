//go:build k8s

package k8s_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/golang-jwt/jwt/v5"
)

const (
	irsaRole   = "arn:aws:iam::000000000000:role/dial-bedrock"
	irsaConfig = `{"models": {"claude": {"type": "chat", "endpoint": "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"}},
"keys": {"secret-of-the-test": {"project": "test", "role": "default"}}, "roles": {"default": {}}}`
)

// program runs outcrop with nothing but these variables, and is its output and status.
func program(t *testing.T, environment []string, args ...string) (output string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), outcrop(t), args...)
	cmd.Env = environment
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// endpoints are the variables that lead to the sandbox.
func endpoints(address string) []string {
	out := []string{"AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true"}
	for _, service := range []string{"BEDROCK_RUNTIME", "BEDROCK_MANTLE", "BEDROCK", "STS", "IAM", "EKS", "SERVICE_QUOTAS"} {
		out = append(out, "AWS_ENDPOINT_URL_"+service+"="+address)
	}
	return out
}

// token is a service account's, from the API server.
func token(t *testing.T, ns, name, audience string) string {
	t.Helper()
	return strings.TrimSpace(must(t, "create", "token", name, "-n", ns, "--audience", audience))
}

// What `outcrop aws grant service-account` makes works for the tokens that a real API server gives the service
// account, and for no other token.
func TestIRSAWithGenuineTokens(t *testing.T) {
	address := sandbox(t, 0, "--oidc-ca", kube.ca, "--cluster", "dial="+kube.url)
	config := filepath.Join(t.TempDir(), "aidial.config.json")
	if err := os.WriteFile(config, []byte(irsaConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	operator := append(endpoints(address), "AWS_ACCESS_KEY_ID=sandbox", "AWS_SECRET_ACCESS_KEY=sandbox")
	if out, status := program(t, operator, "aws", "grant", "service-account", "dial/dial-bedrock", "--cluster", "dial", "--config", config, "--apply"); status != 0 {
		t.Fatalf("%d\n%s", status, out)
	}
	for _, ns := range []string{"dial", "elsewhere"} {
		namespace(t, ns)
		must(t, "create", "serviceaccount", "dial-bedrock", "-n", ns)
	}
	must(t, "create", "serviceaccount", "other", "-n", "dial")
	good := token(t, "dial", "dial-bedrock", "sts.amazonaws.com")

	t.Run("the service account's token", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
			t.Fatal(err)
		}
		pod := append(endpoints(address), "AWS_WEB_IDENTITY_TOKEN_FILE="+file, "AWS_ROLE_ARN="+irsaRole)
		if out, status := program(t, pod, "aws", "whoami"); status != 0 || !strings.Contains(out, "assumed-role/dial-bedrock/") {
			t.Errorf("whoami: %d\n%s", status, out)
		}
		out, status := program(t, pod, "doctor", "--config", config, "--expect-role", irsaRole)
		if status != 0 || !strings.Contains(out, "0 errors") {
			t.Errorf("doctor: %d\n%s", status, out)
		}
		if strings.Contains(out, good) {
			t.Error("the doctor told the token")
		}
		serving(t, pod, config)
	})

	stolen := []byte(good)
	if at := len(stolen) - 5; stolen[at] == 'A' { // of the signature; still base64
		stolen[at] = 'B'
	} else {
		stolen[at] = 'A'
	}
	for name, tt := range map[string]struct{ token, code string }{
		"another service account":               {token(t, "dial", "other", "sts.amazonaws.com"), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"the same name in another namespace":    {token(t, "elsewhere", "dial-bedrock", "sts.amazonaws.com"), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"another audience":                      {token(t, "dial", "dial-bedrock", "somebody-else"), "InvalidIdentityToken: Incorrect token audience"},
		"a changed signature":                   {string(stolen), "InvalidIdentityToken: The web identity token that was passed could not be validated by AWS"},
		"an issuer that IAM does not know":      {forged(t, "https://oidc.example.com/id/1", nil, time.Hour), "InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.example.com/id/1"},
		"the cluster's name, a stranger's key":  {forged(t, kube.url, nil, time.Hour), "InvalidIdentityToken: The web identity token that was passed could not be validated by AWS"},
		"the cluster's own key, but an old day": {forged(t, kube.url, clusterKey(t), -time.Hour), "ExpiredTokenException: Token expired: current date/time"},
	} {
		t.Run(name, func(t *testing.T) {
			client := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: &address, Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1})
			_, err := client.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String(irsaRole), RoleSessionName: aws.String("test"), WebIdentityToken: &tt.token,
			})
			if err == nil || !strings.Contains(err.Error(), tt.code) {
				t.Errorf("%v, want %s", err, tt.code)
			}
		})
	}
}

// clusterKey is the key that the API server signs with.
func clusterKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(kube.dir, "sa.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// forged is a token with the right subject and audience; key nil is one of a stranger.
func forged(t *testing.T, issuer string, key *rsa.PrivateKey, life time.Duration) string {
	t.Helper()
	genuine, _, err := jwt.NewParser().ParseUnverified(token(t, "dial", "dial-bedrock", "sts.amazonaws.com"), jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	if key == nil {
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
	}
	claims := genuine.Claims.(jwt.MapClaims)
	claims["iss"], claims["exp"] = issuer, time.Now().Add(life).Unix()
	claims["iat"], claims["nbf"] = time.Now().Add(-2*time.Hour).Unix(), time.Now().Add(-2*time.Hour).Unix()
	out := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	out.Header["kid"] = genuine.Header["kid"]
	signed, err := out.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// serving runs outcrop serve as the pod would, and chats through it.
func serving(t *testing.T, environment []string, config string) {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	listen := fmt.Sprintf("127.0.0.1:%d", ports[0])
	cmd := exec.CommandContext(context.Background(), outcrop(t), "serve", "--config", config, "--listen", listen)
	cmd.Env = environment
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	if err := wait(10*time.Second, "serve", func() error { return get("http://" + listen + "/ready") }); err != nil {
		t.Fatal(err)
	}
	if text, cut, err := stream(t.Context(), "http://"+listen); err != nil || cut || text == "" {
		t.Errorf("a chat as the role: %q, cut %v, %v (%s)", text, cut, err, http.MethodPost)
	}
}
