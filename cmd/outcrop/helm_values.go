package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"outcrop/internal/helm"
)

type helmValuesFlags struct {
	*helmFlags
	options   helm.ValuesOptions
	roles     []string
	configs   []string
	manifests []string
}

func newHelmValuesCommand(shared *helmFlags) *cobra.Command {
	f := helmValuesFlags{helmFlags: shared}
	cmd := &cobra.Command{
		Use:   "values",
		Short: "Write a values file for one way of giving a pod its AWS credentials",
		Long: `Writes values for Outcrop's chart, or for the bedrock section of AI DIAL's umbrella chart. They hold
no secret: credentials are named, and what has to exist beside the values is told on standard error
(with --output json in the document). outcrop helm lint has nothing to say about them.

  iam-user           an access key in a Secret (--secret)
  irsa               a role for the service account through the cluster's OIDC provider (--role-arn)
  pod-identity       a role for the service account through EKS Pod Identity
  api-key            a Bedrock API key in a Secret (--secret)
  role-per-upstream  every upstream names a role (--upstream-role); the pod assumes them with the role of
                     --role-arn, the access key of --secret, or by Pod Identity
  none               nothing: every upstream has its own credentials`,
		Example: `  outcrop helm values --credentials irsa --region eu-west-1 --role-arn arn:aws:iam::123456789012:role/bedrock > values.yaml
  outcrop helm values --chart dial --credentials iam-user --region us-east-1 --manifests secret > secret.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.OutOrStdout(), cmd.ErrOrStderr()) },
	}
	o := &f.options
	flags := cmd.Flags()
	flags.StringVar(&o.Credentials, "credentials", "", strings.Join(helm.Kinds(), ", "))
	flags.StringVar(&o.Chart, "chart", helm.ChartOutcrop, "outcrop: Outcrop's chart; dial: DIAL's umbrella chart")
	flags.StringVar(&o.Mode, "mode", helm.ModeAdapter, "adapter: behind a DIAL Core; gateway: answers clients itself")
	flags.StringVar(&o.Adapter, "adapter", helm.AdapterOutcrop, "in DIAL's chart: outcrop, or dial for DIAL's own adapter")
	flags.StringVar(&o.Region, "region", "", "AWS region of the upstreams that name none")
	flags.StringVar(&o.RoleARN, "role-arn", "", "`ARN` of the role of the pod's service account (irsa)")
	flags.StringArrayVar(&f.roles, "upstream-role", nil, "`[REGION=]ARN` of a role of role-per-upstream; repeatable")
	flags.StringVar(&o.Secret, "secret", "", "name of the Secret with the credentials (default bedrock-aws, or bedrock-api-key)")
	flags.StringArrayVar(&f.configs, "config", nil, "DIAL configuration `FILE` of the gateway, or of DIAL's Core; repeatable")
	flags.StringVar(&o.Image, "image", "", "image to run: [registry/]repository:tag or …@sha256:…")
	flags.StringVar(&o.DIALURL, "dial-url", "", "address of DIAL Core (default: that of the release)")
	flags.StringSliceVar(&f.manifests, "manifests", nil, "write these manifests in place of the values: secret, external-secret, service-account")
	return cmd
}

// helmWritten is the document of --output json.
type helmWritten struct {
	*helm.Written
	Manifests string `json:"manifests,omitempty"`
	Install   string `json:"install"`
}

func (f helmValuesFlags) run(out, stderr io.Writer) error {
	o := f.options
	o.Release, o.Namespace = f.release, f.namespace
	for _, r := range f.roles {
		region, arn, ok := strings.Cut(r, "=")
		if !ok || strings.HasPrefix(r, "arn:") {
			region, arn = "", r
		}
		o.Roles = append(o.Roles, helm.UpstreamRole{Region: region, ARN: arn})
	}
	var err error
	if o.Configs, err = readFiles(f.configs); err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	written, err := helm.Values(o)
	if err != nil {
		return err
	}
	document := helmWritten{Written: written, Install: helm.Install(o, "values.yaml")}
	if len(f.manifests) > 0 {
		if document.Manifests, err = helm.Manifests(o, f.manifests); err != nil {
			return err
		}
	}
	return emit(out, f.output, document, func(w io.Writer) error { return document.text(w, stderr) })
}

// text writes the file alone to standard output, so that it can be redirected, and the rest beside it.
func (d helmWritten) text(out, stderr io.Writer) error {
	if d.Manifests != "" {
		_, err := io.WriteString(out, d.Manifests)
		return err
	}
	if _, err := io.WriteString(out, d.Values); err != nil {
		return err
	}
	steps := append([]string{}, d.Steps...)
	for _, step := range append(steps, d.Install) {
		if _, err := fmt.Fprintln(stderr, "next:", step); err != nil {
			return err
		}
	}
	return nil
}
