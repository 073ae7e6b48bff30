package grant

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"outcrop/internal/secret"
)

// Key is an access key.
type Key struct {
	ID     string
	Secret secret.String
	User   string // "" where it is not known
}

// Have gives Deliver a key that exists: there is nothing to undo.
func (k Key) Have() (key Key, undo func() error, err error) { return k, nil, nil }

// Forms of a key that is written down.
const (
	AsManifest = "manifest" // a Kubernetes Secret
	AsEnv      = "env"      // lines for kubectl create secret --from-env-file
	AsJSON     = "json"     // an object for AWS Secrets Manager, which External Secrets reads
)

// Delivery is where a key is written down, and how.
type Delivery struct {
	// File is made for it, readable by its owner alone; "-" is Out.
	File string
	Out  io.Writer
	// Form is one of the forms; "" is a manifest.
	Form              string
	Secret, Namespace string // names of the Kubernetes Secret
	// AllowGit lets the file be inside a git work tree.
	AllowGit bool
}

// Check says what is wrong with a delivery, before a key is made for it.
func (d Delivery) Check() error {
	switch d.Form {
	case "", AsManifest, AsEnv, AsJSON:
	default:
		return fmt.Errorf("--secret-form is %q: it must be manifest, env or json", d.Form)
	}
	if err := CheckKubernetes("--secret-name", d.Secret); err != nil {
		return err
	}
	if d.Namespace != "" && !kubernetesRow.MatchString(d.Namespace) {
		return fmt.Errorf("--namespace is %q: Kubernetes takes up to 63 small letters, digits and -", d.Namespace)
	}
	switch {
	case d.File == "":
		return errors.New("where the access key goes is not said: give --secret-out FILE, or --secret-out - for standard output")
	case d.File == "-":
		return nil
	}
	if _, err := os.Lstat(d.File); err == nil {
		return fmt.Errorf("--secret-out %s exists, and a file that may hold a key is not overwritten: name another, or delete it", d.File)
	}
	tree, err := workTree(d.File)
	switch {
	case err != nil:
		return fmt.Errorf("--secret-out: %w", err)
	case tree != "" && !d.AllowGit:
		return fmt.Errorf("--secret-out %s is inside the git work tree %s, where keys get committed: name a file elsewhere, or give --allow-git", d.File, tree)
	}
	return nil
}

// workTree is the git work tree around a file, "" for none.
func workTree(file string) (string, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", nil
		}
		dir = up
	}
}

func (d Delivery) where() string {
	if d.File == "-" {
		return "standard output"
	}
	return d.File
}

// open makes the file; remove deletes it again.
func (d Delivery) open() (out io.WriteCloser, remove func() error, err error) {
	if d.File == "-" {
		return unclosed{d.Out}, func() error { return nil }, nil
	}
	f, err := os.OpenFile(d.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return f, func() error { return os.Remove(d.File) }, nil
}

type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// Names of the entries of the Secret: what AWS's SDKs read from the environment.
const (
	idName     = "AWS_ACCESS_KEY_ID"
	secretName = "AWS_SECRET_ACCESS_KEY" //nolint:gosec // a name
)

type keyData struct {
	ID     string `yaml:"AWS_ACCESS_KEY_ID"`
	Secret string `yaml:"AWS_SECRET_ACCESS_KEY"`
}

type metadata struct {
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace,omitempty"`
}

// form is the key as it is written down. Nothing else reveals it.
func (d Delivery) form(k Key) []byte {
	switch d.Form {
	case AsEnv:
		return fmt.Appendf(nil, "%s=%s\n%s=%s\n", idName, k.ID, secretName, k.Secret.Reveal())
	case AsJSON:
		return fmt.Appendf(nil, "{%q: %q, %q: %q}\n", idName, k.ID, secretName, k.Secret.Reveal())
	}
	return manifest(struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
		Type       string   `yaml:"type"`
		StringData keyData  `yaml:"stringData"`
	}{"v1", "Secret", metadata{d.Secret, d.Namespace}, "Opaque", keyData{k.ID, k.Secret.Reveal()}})
}

// Next says what to do with the file; nothing for standard output, which goes where it was sent.
func (d Delivery) Next() []Text {
	if d.File == "-" {
		return nil
	}
	file, namespace := quoted(d.File), d.namespace()
	switch d.Form {
	case AsEnv:
		return []Text{{"Make the Secret from the file, then delete the file", "kubectl create secret generic " + d.Secret + namespace + " --from-env-file=" + file + "\n"}}
	case AsJSON:
		return []Text{{"Put the file into AWS Secrets Manager, delete the file, and let External Secrets make the Secret",
			"# aws secretsmanager create-secret --name " + d.Secret + " --secret-string " + quoted("file://"+d.File) + "\n" + d.external()}}
	}
	return []Text{{"Make the Secret from the manifest, then delete the file", "kubectl apply --filename " + file + "\n"}}
}

// piped makes the Secret of a key id and a secret that come in: neither stands in a file, nor in a command line,
// which every user of the machine may read.
func (d Delivery) piped() string {
	return `(read -r id secret; printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$id" "$secret") | kubectl create secret generic ` +
		d.Secret + d.namespace() + " --from-env-file=/dev/stdin"
}

// namespace is kubectl's flag, "" for its own.
func (d Delivery) namespace() string {
	if d.Namespace == "" {
		return ""
	}
	return " --namespace " + d.Namespace
}

// external is a skeleton for External Secrets: the store is the cluster's own.
func (d Delivery) external() string {
	type name struct {
		Name string `yaml:"name"`
		Kind string `yaml:"kind,omitempty"`
	}
	type key struct {
		Key string `yaml:"key"`
	}
	type extract struct {
		Extract key `yaml:"extract"`
	}
	type spec struct {
		RefreshInterval string    `yaml:"refreshInterval"`
		Store           name      `yaml:"secretStoreRef"`
		Target          name      `yaml:"target"`
		DataFrom        []extract `yaml:"dataFrom"`
	}
	return string(manifest(struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
		Spec       spec     `yaml:"spec"`
	}{
		"external-secrets.io/v1", "ExternalSecret", metadata{d.Secret, d.Namespace},
		spec{"1h", name{"aws-secrets-manager", "ClusterSecretStore"}, name{Name: d.Secret}, []extract{{key{d.Secret}}}},
	}))
}

// manifest is a value as YAML.
func manifest(v any) []byte {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(v), encoder.Close()); err != nil { // of structs of strings there is nothing that YAML cannot write
		return []byte("# " + err.Error() + "\n")
	}
	return b.Bytes()
}
