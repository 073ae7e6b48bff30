package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"outcrop/internal/grant"
)

type grantUserFlags struct {
	grantFlags
	delivery  grant.Delivery
	createKey bool
	csv       string
}

func newGrantUserCommand(shared *awsFlags) *cobra.Command {
	f := grantUserFlags{grantFlags: grantFlags{awsFlags: shared}}
	cmd := &cobra.Command{
		Use:   "user NAME",
		Short: "Give a policy to an IAM user, and its access key to Kubernetes",
		Long: `Plans a user with a policy, made if there is none of that name. With --create-access-key the plan has
an access key, too, which goes into a file of its own and is printed nowhere. With --csv the key is one that
IAM's console gave; without a policy beside it AWS is not asked and the file is made at once, with one it is
the plan's: --apply makes it.`,
		Example: `  outcrop aws grant user dial --config aidial.config.json
  outcrop aws grant user dial --config aidial.config.json --create-access-key --secret-out ~/bedrock-secret.yaml --apply
  outcrop aws grant user dial --csv accessKeys.csv --secret-out - | kubectl apply --filename -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.delivery.Out = cmd.OutOrStdout()
			out := cmd.OutOrStdout()
			if f.delivery.File == "-" {
				out = cmd.ErrOrStderr() // standard output is the key's alone
			}
			return f.run(cmd.Context(), args[0], out, cmd.ErrOrStderr())
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&f.createKey, "create-access-key", false, "make an access key, with --apply")
	cmd.Flags().StringVar(&f.csv, "csv", "", "accessKeys.csv `FILE` of IAM's console, in place of a new key")
	cmd.Flags().StringVar(&f.delivery.File, "secret-out", "", "`FILE` that is made for the key, or - for standard output")
	cmd.Flags().StringVar(&f.delivery.Form, "secret-form", grant.AsManifest, "what is written: manifest (a Kubernetes Secret), env (for kubectl create secret) or json (for AWS Secrets Manager and External Secrets)")
	cmd.Flags().StringVar(&f.delivery.Secret, "secret-name", "bedrock-aws", "`NAME` of the Kubernetes Secret")
	cmd.Flags().StringVar(&f.delivery.Namespace, "namespace", "", "`NAMESPACE` of the Kubernetes Secret (default: none is written)")
	cmd.Flags().BoolVar(&f.delivery.AllowGit, "allow-git", false, "let --secret-out be inside a git work tree")
	return cmd
}

func (f *grantUserFlags) run(ctx context.Context, name string, out, stderr io.Writer) error {
	switch {
	case f.csv != "" && f.createKey:
		return errors.New("--csv and --create-access-key together: one takes a key that exists, the other makes one; leave one out")
	case f.createKey || f.csv != "":
		if err := f.delivery.Check(); err != nil {
			return err
		}
	case f.delivery.File != "":
		return errors.New("--secret-out without a key: add --create-access-key, or --csv FILE")
	}
	if f.csv != "" {
		return f.fromCSV(ctx, name, out, stderr)
	}
	in, err := f.input(ctx, "user", name, stderr)
	if err != nil {
		return err
	}
	to := grant.UserTo{Name: name, Secret: f.delivery.Secret}
	if f.createKey {
		to.Key = &f.delivery
	}
	plan, err := grant.User(ctx, in, to)
	if err != nil {
		return err
	}
	return f.finish(ctx, plan, out, stderr)
}

// fromCSV writes down the key of a file, and plans the policy where there is one.
func (f *grantUserFlags) fromCSV(ctx context.Context, name string, out, stderr io.Writer) error {
	data, err := os.ReadFile(f.csv)
	if err != nil {
		return fmt.Errorf("--csv: %w", err)
	}
	key, err := grant.ReadCSV(data, name)
	if err != nil {
		return fmt.Errorf("--csv %s: %w", f.csv, err)
	}
	var plan *grant.Plan
	if len(f.configs) > 0 || f.policy != "" {
		in, err := f.input(ctx, "user", name, stderr)
		if err != nil {
			return err
		}
		if plan, err = grant.User(ctx, in, grant.UserTo{Name: name, Secret: f.delivery.Secret, Key: &f.delivery, Given: &key}); err != nil {
			return err
		}
	} else {
		region, err := f.grantRegion()
		if err != nil {
			return err
		}
		plan = &grant.Plan{For: "user " + name, Texts: grant.KeyValues(f.delivery.Secret, region)}
		plan.Texts = append(f.delivery.Next(), plan.Texts...)
		if err := f.delivery.Deliver(key.Have); err != nil {
			return err
		}
	}
	plan.Notes = append(plan.Notes, "Once the key is where it goes, delete "+f.csv+": it holds the key in the clear.")
	return f.finish(ctx, plan, out, stderr)
}

type grantAccountFlags struct {
	grantFlags
	to grant.AccountTo
}

func newGrantAccountCommand(shared *awsFlags) *cobra.Command {
	f := grantAccountFlags{grantFlags: grantFlags{awsFlags: shared}}
	cmd := &cobra.Command{
		Use:   "service-account NAMESPACE/NAME",
		Short: "Give a policy to a service account of a Kubernetes cluster",
		Long: `Plans a role for one service account: through the cluster's OIDC provider (IRSA), which is made in IAM
if it is missing, or with --pod-identity through an association of EKS.`,
		Example: `  outcrop aws grant service-account dial/dial-bedrock --cluster prod --config aidial.config.json
  outcrop aws grant service-account dial/dial-bedrock --cluster prod --pod-identity --config aidial.config.json --apply`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.to.Cluster, "cluster", "", "`NAME` of the EKS cluster")
	cmd.Flags().StringVar(&f.to.Issuer, "issuer", "", "`URL` of the issuer of service accounts' tokens, for a cluster that is not of EKS")
	cmd.Flags().StringVar(&f.to.Role, "role", "", "`NAME` of the role (default: the service account's)")
	cmd.Flags().BoolVar(&f.to.PodIdentity, "pod-identity", false, "give the role by an EKS Pod Identity association")
	return cmd
}

func (f *grantAccountFlags) run(ctx context.Context, account string, stdout, stderr io.Writer) error {
	var err error
	if f.to.ServiceAccount, err = grant.ParseServiceAccount(account); err != nil {
		return err
	}
	if f.to.Cluster != "" && f.to.Issuer != "" {
		return errors.New("--cluster and --issuer together: EKS says what a cluster's issuer is; leave one out")
	}
	f.to.Role = cmp.Or(f.to.Role, f.to.Name)
	in, err := f.input(ctx, "role", f.to.Role, stderr)
	if err != nil {
		return err
	}
	plan, err := grant.Account(ctx, in, f.to)
	if err != nil {
		return err
	}
	return f.finish(ctx, plan, stdout, stderr)
}

type grantRoleFlags struct {
	grantFlags
	to grant.RoleTo
}

func newGrantRoleCommand(shared *awsFlags) *cobra.Command {
	f := grantRoleFlags{grantFlags: grantFlags{awsFlags: shared}}
	cmd := &cobra.Command{
		Use:     "role NAME --trust ARN",
		Short:   "Give a policy to a role that another role or user assumes",
		Long:    `Plans a role for upstreams that assume one (aws_assume_role_arn): its trust policy and what it may do.`,
		Example: `  outcrop aws grant role team-a --trust arn:aws:iam::111122223333:role/dial-bedrock --external-id team-a --config aidial.config.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.to.Name = args[0]
			in, err := f.input(cmd.Context(), "role", f.to.Name, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			plan, err := grant.Role(cmd.Context(), in, f.to)
			if err != nil {
				return err
			}
			return f.finish(cmd.Context(), plan, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.to.Trust, "trust", "", "`ARN` of the role, user or account that assumes it")
	cmd.Flags().StringVar(&f.to.ExternalID, "external-id", "", "external `ID` that the caller has to give")
	return cmd
}
