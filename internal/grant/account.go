package grant

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"outcrop/internal/iam"
	"outcrop/internal/onboard"
)

// AccountTo is a service account of a cluster.
type AccountTo struct {
	ServiceAccount
	// Cluster is the name of an EKS cluster. Issuer is the URL of the issuer of tokens of another, without
	// Cluster.
	Cluster, Issuer string
	Role            string // name of the role
	PodIdentity     bool   // by an association; else through the OIDC provider (IRSA)
}

// Account plans a role for a service account.
func Account(ctx context.Context, in Input, to AccountTo) (*Plan, error) {
	p := newPlanner(in, "service account "+to.String())
	switch {
	case to.Cluster == "" && to.Issuer == "":
		return nil, ErrNoCluster
	case to.PodIdentity && to.Cluster == "":
		return nil, fmt.Errorf("EKS Pod Identity is for clusters of EKS: give --cluster NAME")
	case to.PodIdentity:
		return p.podIdentity(ctx, to)
	}
	issuer := to.Issuer
	if issuer == "" {
		cluster, err := p.cluster(ctx, to.Cluster)
		switch {
		case err != nil:
			return nil, err
		case cluster.Identity == nil || cluster.Identity.Oidc == nil || cluster.Identity.Oidc.Issuer == nil:
			return nil, fmt.Errorf("the cluster %s has no OIDC issuer yet: it is %s", to.Cluster, cluster.Status)
		}
		issuer = *cluster.Identity.Oidc.Issuer
	}
	provider, err := p.provider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	arn, err := p.role(ctx, wanted{
		name: to.Role, path: in.Path, trust: iam.IRSATrust(provider, issuer, to.Namespace, to.Name), why: "Lets the service account " + to.String() + " of the cluster assume it.", policies: in.Policies,
	})
	if err != nil {
		return nil, err
	}
	if err := p.assumed(ctx, arn); err != nil {
		return nil, err
	}
	p.plan.Texts = append(p.plan.Texts, irsaTexts(to.ServiceAccount, arn, in.Account.Config.Region)...)
	p.plan.Notes = append(p.plan.Notes, "Pods get the role when they start: after a change, kubectl rollout restart --namespace "+to.Namespace+" deployment/NAME.")
	if to.Issuer != "" {
		p.plan.Notes = append(p.plan.Notes, "A cluster that is not of EKS needs the webhook that gives pods the token: https://github.com/aws/amazon-eks-pod-identity-webhook, or a projected volume with the audience "+audience+".")
	}
	return p.plan, nil
}

// cluster describes a cluster; of one that is not there the error lists those that are.
func (p *planner) cluster(ctx context.Context, name string) (*ekstypes.Cluster, error) {
	got, err := p.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	switch {
	case err == nil:
		return got.Cluster, nil
	case !absent(err):
		return nil, onboard.Explain(err, "describing the cluster "+name, "eks:DescribeCluster")
	}
	region := p.Account.Config.Region
	var names []string
	pages := eks.NewListClustersPaginator(p.eks, &eks.ListClustersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("there is no EKS cluster %s in %s: check --cluster and --region", name, region)
		}
		names = append(names, page.Clusters...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no EKS cluster %s in %s, and no other: check --region", name, region)
	}
	return nil, fmt.Errorf("there is no EKS cluster %s in %s. There is: %s", name, region, strings.Join(names, ", "))
}

const audience = "sts.amazonaws.com" // of a service account's token for STS

// provider plans the OIDC provider of an issuer and gives its ARN.
func (p *planner) provider(ctx context.Context, issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("the issuer %q: it must be an https URL, such as https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE (kubectl get --raw /.well-known/openid-configuration shows it)", issuer)
	}
	arn := p.arn("iam", "oidc-provider/"+strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/"))
	what := "OpenID Connect provider " + issuer
	got, err := p.iam.GetOpenIDConnectProvider(ctx, &awsiam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	switch {
	case absent(err):
		p.step(&Step{
			Do: Create, What: what, Why: "So that IAM believes the tokens that the cluster gives its service accounts. One for each cluster.", action: "iam:CreateOpenIDConnectProvider",
			Command: "aws iam create-open-id-connect-provider --url " + quoted(issuer) + " --client-id-list " + audience,
			run: func(ctx context.Context) error {
				_, err := p.iam.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{Url: &issuer, ClientIDList: []string{audience}})
				return err
			},
		})
	case err != nil:
		return "", onboard.Explain(err, "reading the "+what, "iam:GetOpenIDConnectProvider")
	case !slices.Contains(got.ClientIDList, audience):
		p.step(&Step{
			Do: Change, What: what, Why: "It does not take tokens for " + audience + ", which pods have.", action: "iam:AddClientIDToOpenIDConnectProvider",
			Command: "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn " + quoted(arn) + " --client-id " + audience,
			run: func(ctx context.Context) error {
				id := audience
				_, err := p.iam.AddClientIDToOpenIDConnectProvider(ctx, &awsiam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: &id})
				return err
			},
		})
	default:
		p.exists(what, "It takes tokens for "+audience+".")
	}
	return arn, nil
}

const agentAddon = "eks-pod-identity-agent"

func (p *planner) podIdentity(ctx context.Context, to AccountTo) (*Plan, error) {
	cluster, err := p.cluster(ctx, to.Cluster)
	if err != nil {
		return nil, err
	}
	if err := p.agent(ctx, to.Cluster); err != nil {
		return nil, err
	}
	trust := iam.PodIdentityTrust(iam.PodIdentity{Namespace: to.Namespace, ServiceAccount: to.Name, Cluster: *cluster.Arn})
	arn, err := p.role(ctx, wanted{name: to.Role, path: p.Path, trust: trust, why: "Lets EKS give it to pods of " + to.String() + " in this cluster.", policies: p.Policies})
	if err != nil {
		return nil, err
	}
	if err := p.association(ctx, to, arn); err != nil {
		return nil, err
	}
	if err := p.assumed(ctx, arn); err != nil {
		return nil, err
	}
	p.plan.Texts = append(p.plan.Texts, podTexts(to.ServiceAccount, p.Account.Config.Region)...)
	p.plan.Notes = append(p.plan.Notes, "Pods get the role when they start, and only if neither an access key nor a role by annotation comes first: kubectl rollout restart --namespace "+to.Namespace+" deployment/NAME.")
	return p.plan, nil
}

// agent looks whether the add-on runs on the nodes. To add it is the cluster's administrator's decision.
func (p *planner) agent(ctx context.Context, cluster string) error {
	name := agentAddon
	got, err := p.eks.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: &cluster, AddonName: &name})
	switch {
	case absent(err):
		p.plan.Notes = append(p.plan.Notes, "The cluster has no add-on "+name+", without which pods get no credentials (unless it is installed by other means, or by EKS Auto Mode): "+p.shell("aws eks create-addon --cluster-name "+cluster+" --addon-name "+name))
	case err != nil:
		return onboard.Explain(err, "looking for the add-on "+name, "eks:DescribeAddon")
	case got.Addon.Status != ekstypes.AddonStatusActive:
		p.plan.Notes = append(p.plan.Notes, "The add-on "+name+" is "+string(got.Addon.Status)+": kubectl get pods --namespace kube-system --selector app.kubernetes.io/name="+name)
	default:
		p.exists("add-on "+name+" of the cluster "+cluster, "It gives pods their credentials.")
	}
	return nil
}

// association plans that the service account has the role.
func (p *planner) association(ctx context.Context, to AccountTo, role string) error {
	what := "association of " + to.String() + " in the cluster " + to.Cluster
	list, err := p.eks.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: &to.Cluster, Namespace: &to.Namespace, ServiceAccount: &to.Name})
	if err != nil {
		return onboard.Explain(err, "listing the associations of "+to.Cluster, "eks:ListPodIdentityAssociations")
	}
	if len(list.Associations) == 0 {
		p.step(&Step{
			Do: Create, What: what, Why: "Gives the service account the role " + role + ". Who makes it needs iam:PassRole for the role.", action: "eks:CreatePodIdentityAssociation",
			Command: fmt.Sprintf("aws eks create-pod-identity-association --cluster-name %s --namespace %s --service-account %s --role-arn %s", to.Cluster, to.Namespace, to.Name, role),
			run: func(ctx context.Context) error {
				_, err := p.eks.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{ClusterName: &to.Cluster, Namespace: &to.Namespace, ServiceAccount: &to.Name, RoleArn: &role})
				return err
			},
		})
		return nil
	}
	id := list.Associations[0].AssociationId
	got, err := p.eks.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: &to.Cluster, AssociationId: id})
	switch {
	case err != nil:
		return onboard.Explain(err, "reading the "+what, "eks:DescribePodIdentityAssociation")
	case *got.Association.RoleArn == role:
		if aws.ToBool(got.Association.DisableSessionTags) {
			p.plan.Notes = append(p.plan.Notes, "The association gives its sessions no tags (disableSessionTags), which the role's trust policy asks for: pods get no credentials. "+
				p.shell("aws eks update-pod-identity-association --cluster-name "+to.Cluster+" --association-id "+*id+" --no-disable-session-tags"))
		}
		p.exists(what, "It gives the service account the role.")
		return nil
	}
	change := "- " + *got.Association.RoleArn + "\n+ " + role + "\n"
	if !p.Replace {
		p.step(&Step{Do: Blocked, What: what, Diff: change, Why: "It gives another role. --replace gives this one; --role NAME takes another."})
		return nil
	}
	p.step(&Step{
		Do: Change, What: what, Diff: change, Why: "Gives the service account this role in place of the other.", action: "eks:UpdatePodIdentityAssociation",
		Command: fmt.Sprintf("aws eks update-pod-identity-association --cluster-name %s --association-id %s --role-arn %s", to.Cluster, *id, role),
		run: func(ctx context.Context) error {
			_, err := p.eks.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{ClusterName: &to.Cluster, AssociationId: id, RoleArn: &role})
			return err
		},
	})
	return nil
}
