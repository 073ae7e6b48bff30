//go:build k8s

package k8s_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
)

// playDoctor runs the pod of `helm test` with what the release has around it, and is how it ended and what it
// said.
func playDoctor(t *testing.T, release, values string) (status, log string) {
	t.Helper()
	test := render(t, release, values, "--show-only", "templates/tests/doctor.yaml")
	around := render(t, release, values, "--show-only", "templates/configmap.yaml", "--show-only", "templates/extra.yaml")
	manifests, _ := playable(t, test+"---\n"+around)
	name := runContainer(t, release, manifests, "doctor")
	status = strings.TrimSpace(podman(t, nil, "wait", name))
	return status, podman(t, nil, "logs", name)
}

// doctorValues has ports that nothing uses.
func doctorValues(t *testing.T, url, more string) string {
	t.Helper()
	return gatewayValues(t, url, 8080, 9090, more)
}

// withKey puts another access key than the sandbox's own into the release's Secret.
func withKey(values, id, secret string) string {
	return strings.Replace(values, "stringData: {AWS_ACCESS_KEY_ID: sandbox, AWS_SECRET_ACCESS_KEY: sandbox}",
		fmt.Sprintf("stringData: {AWS_ACCESS_KEY_ID: %q, AWS_SECRET_ACCESS_KEY: %q}", id, secret), 1)
}

// userKey makes a user with a policy in the sandbox's IAM, and is its access key.
func userKey(t *testing.T, url, name, document string) (id, secret string) {
	t.Helper()
	client := iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", "")})
	if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &document}); err != nil {
		t.Fatal(err)
	}
	key, err := client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey
}

// modestPolicy allows to call models without a stream, and more actions; not to read policies, as a pod's role
// mostly may not.
func modestPolicy(more ...string) string {
	actions := append([]string{"bedrock:InvokeModel", "bedrock:CountTokens", "bedrock:Get*", "bedrock:List*"}, more...)
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["%s"],"Resource":"*"}]}`, strings.Join(actions, `","`))
}

// `helm test` passes where nothing is wrong.
func TestDoctorPodPasses(t *testing.T) {
	status, log := playDoctor(t, "healthy", doctorValues(t, sandbox(t, 0), ""))
	if status != "0" {
		t.Errorf("the pod ended with %s, want 0", status)
	}
	if !strings.Contains(log, "claude") {
		t.Errorf("the log does not speak of the model:\n%s", log)
	}
}

// `helm test` fails with the class of permissions where the caller may not stream, and says what to add; it
// passes once that is added.
func TestDoctorPodNamesTheMissingPermission(t *testing.T) {
	url := sandbox(t, 0)
	id, secret := userKey(t, url, "modest", modestPolicy())
	status, log := playDoctor(t, "modest", withKey(doctorValues(t, url, ""), id, secret))
	if status != "5" {
		t.Errorf("the pod ended with %s, want 5, the class of permissions (docs/doctor.md)", status)
	}
	for _, want := range []string{"PERM-001", "streams do not", `"Effect": "Allow"`, `"bedrock:InvokeModelWithResponseStream"`,
		`"Resource": "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, secret) {
		t.Error("the log has the secret key")
	}

	id, secret = userKey(t, url, "allowed", modestPolicy("bedrock:InvokeModelWithResponseStream"))
	if status, log := playDoctor(t, "allowed", withKey(doctorValues(t, url, ""), id, secret)); status != "0" {
		t.Errorf("with the action the pod ended with %s, want 0:\n%s", status, log)
	}
}

// As an init container the doctor looks at the same as in the test: the same arguments, environment and mounts.
func TestDoctorInitContainerIsTheTest(t *testing.T) {
	values := doctorValues(t, "http://127.0.0.1:9001", "doctor: {initContainer: true, args: [--probe=free, --timeout=20s]}\n")
	var test, before any
	change(t, render(t, "init", values, "--show-only", "templates/tests/doctor.yaml"), "Pod", func(object map[string]any) {
		test = at(object, "spec")["containers"]
	})
	change(t, render(t, "init", values, "--show-only", "templates/deployment.yaml"), "Deployment", func(object map[string]any) {
		before = at(object, "spec", "template", "spec")["initContainers"]
	})
	if diff := cmp.Diff(test, before); diff != "" {
		t.Errorf("the test's containers (-) and the init containers (+) differ:\n%s", diff)
	}
	containers, _ := before.([]any)
	if len(containers) != 1 {
		t.Fatalf("%d init containers, want 1", len(containers))
	}
	want := []any{"doctor", "--config=/etc/outcrop/files", "--config=/etc/outcrop/secret", "--probe=free", "--timeout=20s"}
	if diff := cmp.Diff(want, at(containers[0])["args"]); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}
