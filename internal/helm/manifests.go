package helm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The manifests that can go beside values.
const (
	ManifestSecret         = "secret"          // a Secret to fill in
	ManifestExternalSecret = "external-secret" // the same from a store, by the External Secrets operator
	ManifestServiceAccount = "service-account" // for a chart that does not annotate its own
)

// Manifests writes Kubernetes objects that go with the values, none of them with a secret in it.
func Manifests(o ValuesOptions, kinds []string) (string, error) {
	o.defaults()
	if err := o.check(); err != nil {
		return "", err
	}
	var documents []string
	for _, k := range kinds {
		if !slices.Contains([]string{ManifestSecret, ManifestExternalSecret, ManifestServiceAccount}, k) {
			return "", fmt.Errorf("--manifests is %q: it must be of %s, %s, %s", k, ManifestSecret, ManifestExternalSecret, ManifestServiceAccount)
		}
		if k != ManifestServiceAccount && o.Secret == "" {
			return "", fmt.Errorf("--manifests %s: there is no Secret with --credentials %s", k, o.Credentials)
		}
		w := &writer{ValuesOptions: o}
		switch k {
		case ManifestSecret:
			w.secret()
		case ManifestExternalSecret:
			w.externalSecret()
		case ManifestServiceAccount:
			w.serviceAccountManifest()
		}
		documents = append(documents, w.out.String())
	}
	return strings.Join(documents, "---\n"), nil
}

func (w *writer) head(version, kind, name string) {
	w.put(0, "apiVersion: "+version, "kind: "+kind, "metadata:", "  name: "+q(name))
	if w.Namespace != "" {
		w.put(1, "namespace: "+q(w.Namespace))
	}
}

func (w *writer) secretKeys() []string {
	if w.Credentials == APIKey {
		return []string{"AWS_BEARER_TOKEN_BEDROCK"}
	}
	return []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
}

func (w *writer) secret() {
	w.put(0, "# Fill in, apply, and keep this file out of git.")
	w.head("v1", "Secret", w.Secret)
	w.put(0, "type: Opaque", "stringData:")
	for _, k := range w.secretKeys() {
		w.put(1, k+`: ""`)
	}
}

func (w *writer) externalSecret() {
	w.put(0, "# For External Secrets (https://external-secrets.io): a document at AWS Secrets Manager with these keys.")
	w.head("external-secrets.io/v1", "ExternalSecret", w.Secret)
	w.put(0, "spec:", "  refreshInterval: 15m", "  secretStoreRef:", "    kind: ClusterSecretStore", "    name: aws-secrets-manager", "  target:", "    name: "+q(w.Secret), "  data:")
	for _, k := range w.secretKeys() {
		w.put(2, "- secretKey: "+k, "  remoteRef:", "    key: "+q(w.Release+"/"+w.Secret), "    property: "+k)
	}
}

func (w *writer) serviceAccountManifest() {
	w.put(0, fmt.Sprintf("# In the chart: serviceAccount.create: false, serviceAccount.name: %s.", w.serviceAccount()))
	w.head("v1", "ServiceAccount", w.serviceAccount())
	if w.RoleARN != "" {
		w.put(1, "annotations:", "  "+roleAnnotation+": "+q(w.RoleARN))
	}
	w.put(0, "automountServiceAccountToken: false")
}

// Install is the helm command that takes the values.
func Install(o ValuesOptions, file string) string {
	o.defaults()
	chart := "charts/outcrop"
	if o.Chart == ChartDIAL {
		chart = "dial --repo https://charts.dialx.ai"
	}
	command := fmt.Sprintf("helm upgrade --install %s %s -f %s", o.Release, chart, cmp.Or(file, "values.yaml"))
	if o.Namespace != "" {
		command += " --namespace " + o.Namespace
	}
	return command
}
