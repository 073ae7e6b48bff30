//go:build e2e

package e2e

import (
	"path/filepath"
	"regexp"
	"testing"
)

var pytestPassed = regexp.MustCompile(`(?m)^=* ?[1-9]\d* passed`)

// pytest runs one file of e2e/python.
func pytest(t *testing.T, file string, env ...string) {
	t.Helper()
	pytestIn(t, ".venv", file, env...)
}

// pytestIn runs one file of e2e/python with the packages of an environment.
func pytestIn(t *testing.T, environment, file string, env ...string) {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(environment, "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	env = append(env, "PYTHONDONTWRITEBYTECODE=1")
	stranger(t, pytestPassed, env, python, "-m", "pytest", "-q", "-rA", "--no-header", "--tb=short", "-p", "no:cacheprovider", filepath.Join("python", file))
}

// OpenAI's SDK for Python and its Azure flavour.
func TestOpenAIPython(t *testing.T) {
	pytest(t, "test_openai.py", "OUTCROP_URL="+serve(t).url, "OUTCROP_KEY="+demoKey)
}

// AWS's SDK for Python against the sandbox alone.
func TestBoto3(t *testing.T) {
	certificate := filepath.Join(t.TempDir(), "sandbox.pem")
	secure := serveAWS(t, "--tls", "--tls-cert-out", certificate, "--credentials", "x:y")
	plain := serveAWS(t)
	corpus, err := filepath.Abs(filepath.Join("..", "internal", "sandbox", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"SANDBOX_TLS_URL=" + secure.url, "SANDBOX_CERTIFICATE=" + certificate, "SANDBOX_URL=" + plain.url, "CORPUS=" + corpus}
	for _, file := range []string{"test_boto3_corpus.py", "test_boto3.py"} {
		t.Run(file, func(t *testing.T) { pytest(t, file, env...) })
	}
}
