package sandbox

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
)

func TestEKS(t *testing.T) {
	srv := serve(t, Options{Clusters: []Cluster{{Name: "dial", Issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"}, {Name: "other"}}})
	c, ctx := eks.NewFromConfig(awsConfig(srv, sandboxKey)), t.Context()
	clusters, err := c.ListClusters(ctx, nil)
	if err != nil || strings.Join(clusters.Clusters, " ") != "dial other" {
		t.Errorf("%+v %v", clusters, err)
	}
	dial, err := c.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("dial")})
	if err != nil || *dial.Cluster.Identity.Oidc.Issuer != "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC" || *dial.Cluster.Arn != "arn:aws:eks:eu-west-1:"+testAccount+":cluster/dial" {
		t.Errorf("%+v %v", dial, err)
	}
	if addon, err := c.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: aws.String("dial"), AddonName: aws.String(agentAddon)}); err != nil || addon.Addon.Status != "ACTIVE" {
		t.Errorf("%+v %v", addon, err)
	}
	in := eks.CreatePodIdentityAssociationInput{ClusterName: aws.String("dial"), Namespace: aws.String("dial"), ServiceAccount: aws.String("dial-bedrock"), RoleArn: aws.String(roleARN)}
	made, err := c.CreatePodIdentityAssociation(ctx, &in)
	if err != nil {
		t.Fatal(err)
	}
	id := made.Association.AssociationId
	for name, x := range map[string]struct {
		err  error
		want string
	}{
		"again":      {second(c.CreatePodIdentityAssociation(ctx, &in)), "ResourceInUseException: Association already exists: " + *id},
		"no cluster": {second(c.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("nope")})), "ResourceNotFoundException: No cluster found for name: nope."},
		"no addon": {second(c.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: aws.String("dial"), AddonName: aws.String("x")})),
			"ResourceNotFoundException: No addon: x found in cluster: dial"},
		"no role": {second(c.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{ClusterName: aws.String("dial"), Namespace: aws.String("d"), ServiceAccount: aws.String("a"), RoleArn: aws.String("x")})),
			"InvalidParameterException: roleArn x is not the ARN of a role"},
	} {
		if failed(x.err) != x.want {
			t.Errorf("%s: %q, want %q", name, failed(x.err), x.want)
		}
	}
	list, err := c.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: aws.String("dial"), Namespace: aws.String("dial")})
	if err != nil || len(list.Associations) != 1 || *list.Associations[0].AssociationId != *id {
		t.Errorf("%+v %v", list, err)
	}
	updated, err := c.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{ClusterName: aws.String("dial"), AssociationId: id, TargetRoleArn: aws.String(roleARN)})
	if err != nil || *updated.Association.ExternalId == "" || *updated.Association.RoleArn != roleARN {
		t.Errorf("%+v %v", updated, err)
	}
	if _, err := c.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: aws.String("dial"), AssociationId: id}); err != nil {
		t.Error(err)
	}
	if _, err := c.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: aws.String("dial"), AssociationId: id}); code(err) != "ResourceNotFoundException" {
		t.Error(err)
	}
}

// agent asks the Pod Identity agent as a pod does.
func agent(t *testing.T, srv *httptest.Server, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+agentPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", token)
	answer, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// A pod's token becomes credentials of its service account's role, with six tags that its trust may want.
func TestPodIdentity(t *testing.T) {
	p, stranger := newIssuer(t), newIssuer(t)
	srv := serve(t, Options{OIDCRoots: p.pool(), Clusters: []Cluster{{Name: "dial", Issuer: p.srv.URL}}})
	role := newRole(t, srv, "dial", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"],
		"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"dial","aws:RequestTag/kubernetes-service-account":"dial-bedrock"}}}]}`)
	allowRole(t, srv, "dial", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"bedrock:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/eks-cluster-name":"dial"}}}}`)
	c := eks.NewFromConfig(awsConfig(srv, sandboxKey))
	associate := func(account, role string) {
		t.Helper()
		if _, err := c.CreatePodIdentityAssociation(t.Context(), &eks.CreatePodIdentityAssociationInput{ClusterName: aws.String("dial"), Namespace: aws.String("dial"), ServiceAccount: &account, RoleArn: &role}); err != nil {
			t.Fatal(err)
		}
	}
	associate("dial-bedrock", role)
	associate("other", role)
	pods := []string{podService}
	for _, x := range []struct {
		name, token string
		status      int
		want        string
	}{
		{"wrong audience", p.sign(t, p.claims()), 400, "(InvalidTokenException): The audience"},
		{"expired", p.sign(t, p.claims("aud", pods, "exp", time.Now().Add(-time.Minute).Unix())), 400, "(ExpiredTokenException)"},
		{"another cluster", stranger.sign(t, stranger.claims("aud", pods)), 400, "(InvalidTokenException): The token's issuer"},
		{"another's key", stranger.sign(t, p.claims("aud", pods)), 400, "(InvalidTokenException): The token could not be verified"},
		{"no association", p.sign(t, p.claims("aud", pods, "sub", "system:serviceaccount:dial:default")), 404, "(ResourceNotFoundException)"},
		{"not trusted", p.sign(t, p.claims("aud", pods, "sub", "system:serviceaccount:dial:other")), 400, "(AccessDeniedException): Unauthorized Exception! EKS does not have permissions to assume the associated role."},
		{"no token", "", 400, "(InvalidRequestException)"},
		{"no JWT", "abc", 400, "(InvalidTokenException)"},
	} {
		if status, body := agent(t, srv, x.token); status != x.status || !strings.HasPrefix(body, x.want) {
			t.Errorf("%s: %d %s", x.name, status, body)
		}
	}
	// As the SDK does it, with the token in a file.
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(p.sign(t, p.claims("aud", pods))), 0o600); err != nil {
		t.Fatal(err)
	}
	provider := endpointcreds.New(srv.URL+agentPath, func(o *endpointcreds.Options) {
		o.HTTPClient = srv.Client()
		o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
			token, err := os.ReadFile(file)
			return string(token), err
		})
	})
	key, err := provider.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if key.AccountID != testAccount || !key.CanExpire {
		t.Errorf("account %s, can expire %v", key.AccountID, key.CanExpire)
	}
	got := Credential{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken}
	if err := converse(t.Context(), srv, got); err != nil {
		t.Error(err)
	}
}

func TestServiceQuotas(t *testing.T) {
	srv := serve(t, Options{})
	c := servicequotas.NewFromConfig(awsConfig(srv, sandboxKey))
	names := map[string]string{}
	pages := servicequotas.NewListServiceQuotasPaginator(c, &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("bedrock")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range page.Quotas {
			names[*q.QuotaName] = *q.QuotaCode
		}
	}
	for _, want := range []string{
		"Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5",
		"Global cross-region model inference requests per minute for Anthropic Claude Sonnet 4.5",
		"On-demand model inference requests per minute for Amazon Nova Lite",
	} {
		one, err := c.GetServiceQuota(t.Context(), &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("bedrock"), QuotaCode: aws.String(names[want])})
		if err != nil || *one.Quota.QuotaName != want || *one.Quota.Value <= 0 {
			t.Errorf("%s: %v %v", want, one, err)
		}
	}
	if _, err := c.ListServiceQuotas(t.Context(), &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("nope")}); code(err) != "NoSuchResourceException" {
		t.Error(err)
	}
	if _, err := c.GetServiceQuota(t.Context(), &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("bedrock"), QuotaCode: aws.String("L-0")}); code(err) != "NoSuchResourceException" {
		t.Error(err)
	}
	if len(names) < 50 {
		t.Errorf("%d quotas", len(names))
	}
}
