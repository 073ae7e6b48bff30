package grant

import (
	"errors"
	"fmt"
	"strings"
)

// CheckKubernetes says what is wrong with the name of an object of Kubernetes.
func CheckKubernetes(what, name string) error {
	if !kubernetes.MatchString(name) {
		return fmt.Errorf("%s is %q: Kubernetes takes small letters, digits, - and ., with a letter or digit at both ends", what, name)
	}
	return nil
}

// ServiceAccount is one of Kubernetes, as NAMESPACE/NAME.
type ServiceAccount struct{ Namespace, Name string }

// ParseServiceAccount reads NAMESPACE/NAME.
func ParseServiceAccount(s string) (ServiceAccount, error) {
	namespace, name, ok := strings.Cut(s, "/")
	switch {
	case !ok || namespace == "" || name == "":
		return ServiceAccount{}, fmt.Errorf("%q is no service account: write NAMESPACE/NAME, such as dial/dial-bedrock", s)
	case !kubernetesRow.MatchString(namespace):
		return ServiceAccount{}, fmt.Errorf("the namespace %q: Kubernetes takes up to 63 small letters, digits and -", namespace)
	}
	return ServiceAccount{namespace, name}, CheckKubernetes("the service account", name)
}

func (s ServiceAccount) String() string { return s.Namespace + "/" + s.Name }

// regionEnv are the two names of the region: boto3 reads the second only. They stand in env, which EKS respects;
// from a Secret they would be overridden by the cluster's region.
type regionEnv struct {
	Region  string `yaml:"AWS_REGION"`
	Default string `yaml:"AWS_DEFAULT_REGION"`
}

const (
	titleOurs = "Values of Outcrop's chart"
	titleDIAL = "Values of DIAL's chart (ai-dial-helm)"
)

// KeyValues are fragments of Helm values for a Secret with an access key. They refer to it and hold no key.
func KeyValues(secret, region string) []Text {
	var ours struct {
		AWS struct {
			Region         string `yaml:"region"`
			ExistingSecret string `yaml:"existingSecret"`
		} `yaml:"aws"`
	}
	ours.AWS.Region, ours.AWS.ExistingSecret = region, secret
	var dial struct {
		Bedrock struct {
			Env    regionEnv `yaml:"env"`
			Secret string    `yaml:"extraEnvVarsSecret"`
		} `yaml:"bedrock"`
	}
	dial.Bedrock.Env, dial.Bedrock.Secret = regionEnv{region, region}, secret
	return []Text{{titleOurs, string(manifest(ours))}, {titleDIAL, string(manifest(dial))}}
}

// created is a service account that a chart makes.
type created struct {
	Create      bool              `yaml:"create"`
	Name        string            `yaml:"name"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

const roleAnnotation = "eks.amazonaws.com/role-arn"

type dialAccount struct {
	Bedrock struct {
		Env            regionEnv `yaml:"env"`
		ServiceAccount created   `yaml:"serviceAccount"`
	} `yaml:"bedrock"`
}

// irsaTexts are the manifest and values of a service account with a role through the cluster's OIDC provider.
func irsaTexts(s ServiceAccount, role, region string) []Text {
	var ours struct {
		AWS struct {
			Region  string `yaml:"region"`
			RoleARN string `yaml:"roleArn"`
		} `yaml:"aws"`
		ServiceAccount created `yaml:"serviceAccount"`
	}
	ours.AWS.Region, ours.AWS.RoleARN, ours.ServiceAccount = region, role, created{Create: true, Name: s.Name}
	var dial dialAccount
	dial.Bedrock.Env = regionEnv{region, region}
	dial.Bedrock.ServiceAccount = created{true, s.Name, map[string]string{roleAnnotation: role}}
	return []Text{
		account(s, map[string]string{roleAnnotation: role}),
		{titleOurs, string(manifest(ours))}, {titleDIAL, string(manifest(dial))},
	}
}

// podTexts are those of a service account with an association: no annotation.
func podTexts(s ServiceAccount, region string) []Text {
	var ours struct {
		AWS struct {
			Region      string `yaml:"region"`
			PodIdentity struct {
				Enabled bool `yaml:"enabled"`
			} `yaml:"podIdentity"`
		} `yaml:"aws"`
		ServiceAccount created `yaml:"serviceAccount"`
	}
	ours.AWS.Region, ours.AWS.PodIdentity.Enabled, ours.ServiceAccount = region, true, created{Create: true, Name: s.Name}
	var dial dialAccount
	dial.Bedrock.Env, dial.Bedrock.ServiceAccount = regionEnv{region, region}, created{Create: true, Name: s.Name}
	return []Text{account(s, nil), {titleOurs, string(manifest(ours))}, {titleDIAL, string(manifest(dial))}}
}

func account(s ServiceAccount, annotations map[string]string) Text {
	type meta struct {
		Name        string            `yaml:"name"`
		Namespace   string            `yaml:"namespace"`
		Annotations map[string]string `yaml:"annotations,omitempty"`
	}
	return Text{"The ServiceAccount, where no chart makes it (kubectl apply --filename -)", string(manifest(struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
		Metadata   meta   `yaml:"metadata"`
	}{"v1", "ServiceAccount", meta{s.Name, s.Namespace, annotations}}))}
}

// ErrNoCluster says that neither a cluster nor an issuer was named.
var ErrNoCluster = errors.New("which cluster is not said: give --cluster NAME, or --issuer URL for a cluster that is not of EKS")
