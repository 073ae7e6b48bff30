package sandbox

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithy "github.com/aws/smithy-go"
)

const (
	testAccount  = "000000000000"
	claudeModel  = "anthropic.claude-sonnet-4-5-20250929-v1:0"
	guidesPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["bedrock:GetFoundationModel","bedrock:ListFoundationModels",` +
		`"bedrock:InvokeModel","bedrock:InvokeModelWithResponseStream"],"Resource":"*"}]}`
)

func iamClient(srv *httptest.Server, key Credential) *iam.Client {
	return iam.NewFromConfig(awsConfig(srv, key))
}

// newUser makes a user with an inline policy and gives a key of it.
func newUser(t *testing.T, srv *httptest.Server, name, policy string) Credential {
	t.Helper()
	c := iamClient(srv, sandboxKey)
	if _, err := c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	if policy != "" {
		if _, err := c.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := c.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return Credential{AccessKeyID: *out.AccessKey.AccessKeyId, SecretAccessKey: *out.AccessKey.SecretAccessKey}
}

// failed is the code and text of an error of AWS, "" for none.
func failed(err error) string {
	if err == nil {
		return ""
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err.Error()
	}
	return api.ErrorCode() + ": " + api.ErrorMessage()
}

func TestIAMEntities(t *testing.T) {
	srv := serve(t, Options{})
	c, ctx := iamClient(srv, sandboxKey), t.Context()
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}}`
	role, err := c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String("dial"), Path: aws.String("/team/"), AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(7200), Description: aws.String("for <DIAL>"),
		Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *role.Role.Arn != "arn:aws:iam::"+testAccount+":role/team/dial" || *role.Role.MaxSessionDuration != 7200 {
		t.Errorf("%+v", *role.Role)
	}
	got, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("dial")})
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := url.PathUnescape(*got.Role.AssumeRolePolicyDocument); err != nil || plain != trust || *got.Role.Description != "for <DIAL>" || len(got.Role.Tags) != 1 {
		t.Errorf("%s %v %+v", plain, err, *got.Role)
	}
	policy, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("bedrock"), PolicyDocument: aws.String(guidesPolicy)})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy.Policy.Arn, PolicyDocument: aws.String(guidesPolicy), SetAsDefault: true}); err != nil {
			t.Fatal(err)
		}
	}
	version, err := c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: policy.Policy.Arn, VersionId: aws.String("v5")})
	if err != nil || !version.PolicyVersion.IsDefaultVersion {
		t.Errorf("%+v %v", version, err)
	}
	if _, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("dial"), PolicyArn: policy.Policy.Arn}); err != nil {
		t.Error(err)
	}
	key := newUser(t, srv, "alice", "")
	for range 2 {
		_, err = c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("alice")})
	}
	refusals := []struct {
		name string
		err  error
		want string
	}{
		{"third key", err, "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2"},
		{"same user", second(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("Alice")})), "EntityAlreadyExists: User with name Alice already exists."},
		{"no user", second(c.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("bob")})), "NoSuchEntity: The user with name bob cannot be found."},
		{"user with keys", second(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("alice")})), "DeleteConflict: Cannot delete entity, must delete access keys first."},
		{"attached role", second(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("dial")})), "DeleteConflict: Cannot delete entity, must detach all policies first."},
		{"attached policy", second(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: policy.Policy.Arn})), "DeleteConflict: Cannot delete a policy attached to entities."},
		{"sixth version", second(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy.Policy.Arn, PolicyDocument: aws.String(guidesPolicy)})),
			"LimitExceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."},
		{"default version", second(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: policy.Policy.Arn, VersionId: aws.String("v5")})),
			"DeleteConflict: Cannot delete the default version of a policy."},
		{"not JSON", putUser(t, c, `{"Version":`), "MalformedPolicyDocument: Syntax errors in policy."},
		{"no resource", putUser(t, c, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"bedrock:*"}}`), "MalformedPolicyDocument: Policy statement must contain resources."},
		{"a principal", putUser(t, c, trust), "MalformedPolicyDocument: Policy document should not specify a principal."},
		{"odd resource", putUser(t, c, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"bedrock:*","Resource":"amazon.nova"}}`),
			`MalformedPolicyDocument: Resource amazon.nova must be in ARN format or "*".`},
		{"too long for a user", putUser(t, c, longPolicy(3000)), "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user alice"},
		{"too long to manage", second(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("long"), PolicyDocument: aws.String(longPolicy(6200))})),
			"LimitExceeded: Cannot exceed quota for PolicySize: 6144"},
		{"resource in a trust", second(c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("dial"), PolicyDocument: aws.String(guidesPolicy)})),
			"MalformedPolicyDocument: Has prohibited field Resource."},
		{"no policy", second(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: aws.String("arn:aws:iam::aws:policy/Nope")})),
			"NoSuchEntity: Policy arn:aws:iam::aws:policy/Nope does not exist or is not attachable."},
		{"no ARN", second(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("alice"), PolicyArn: aws.String("AmazonBedrockFullAccess-x")})),
			"InvalidInput: ARN AmazonBedrockFullAccess-x is not valid."},
	}
	for _, r := range refusals {
		if got := failed(r.err); got != r.want {
			t.Errorf("%s: %q, want %q", r.name, got, r.want)
		}
	}
	used, err := c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key.AccessKeyID})
	if err != nil || *used.AccessKeyLastUsed.ServiceName != "N/A" {
		t.Errorf("%+v %v", used, err)
	}
	if who, err := sts.NewFromConfig(awsConfig(srv, key)).GetCallerIdentity(ctx, nil); err != nil || *who.Arn != "arn:aws:iam::"+testAccount+":user/alice" {
		t.Errorf("%+v %v", who, err)
	}
	if used, err = c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key.AccessKeyID}); err != nil || *used.AccessKeyLastUsed.ServiceName != "sts" {
		t.Errorf("%+v %v", used, err)
	}
	if _, err := c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("alice"), AccessKeyId: &key.AccessKeyID, Status: types.StatusTypeInactive}); err != nil {
		t.Error(err)
	}
	if _, err := sts.NewFromConfig(awsConfig(srv, key)).GetCallerIdentity(ctx, nil); code(err) != "InvalidClientTokenId" {
		t.Errorf("inactive key: %v", err)
	}
}

func putUser(t *testing.T, c *iam.Client, policy string) error {
	t.Helper()
	_, err := c.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("p"), PolicyDocument: &policy})
	return err
}

// longPolicy is a policy of so many characters that count, and some blanks.
func longPolicy(n int) string {
	head, tail := `{"Version":"2012-10-17", "Statement":{"Effect":"Allow","Action":"bedrock:*","Resource":"arn:aws:bedrock:*:*:`, `"}}`
	return head + strings.Repeat("x", n-len(head)-len(tail)+1) + tail
}

func second[T any](_ T, err error) error { return err }

// What a caller of each kind may do, and what AWS says when not.
func TestDenials(t *testing.T) {
	srv := serve(t, Options{})
	guide := newUser(t, srv, "guide", guidesPolicy)
	full := newUser(t, srv, "full", "")
	if _, err := iamClient(srv, sandboxKey).AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{
		UserName: aws.String("full"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonBedrockFullAccess")}); err != nil {
		t.Fatal(err)
	}
	nobody := newUser(t, srv, "nobody", "")
	barred := newUser(t, srv, "barred", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"bedrock:InvokeModel*","Resource":"*"}]}`)
	arn := func(name string) string { return "arn:aws:iam::" + testAccount + ":user/" + name }
	converse := func(model string) func(aws.Config) error {
		return func(c aws.Config) error {
			_, err := bedrockruntime.NewFromConfig(c).Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: &model, Messages: sdkUser("hi")})
			return err
		}
	}
	list := func(c aws.Config) error {
		return second(bedrock.NewFromConfig(c).ListFoundationModels(t.Context(), nil))
	}
	profiles := func(c aws.Config) error {
		return second(bedrock.NewFromConfig(c).ListInferenceProfiles(t.Context(), nil))
	}
	users := func(c aws.Config) error { return second(iam.NewFromConfig(c).ListUsers(t.Context(), nil)) }
	clusters := func(c aws.Config) error { return second(eks.NewFromConfig(c).ListClusters(t.Context(), nil)) }
	quotas := func(c aws.Config) error {
		return second(servicequotas.NewFromConfig(c).ListServiceQuotas(t.Context(), &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("bedrock")}))
	}
	whoami := func(c aws.Config) error { return second(sts.NewFromConfig(c).GetCallerIdentity(t.Context(), nil)) }
	no := func(kind, name, action, on string) string {
		if on != "" {
			on = " on resource: " + on
		}
		return fmt.Sprintf("%s: User: %s is not authorized to perform: %s%s because no identity-based policy allows the %[3]s action", kind, arn(name), action, on)
	}
	nova := "arn:aws:bedrock:us-east-1::foundation-model/" + strings.TrimPrefix(novaID, "us.")
	for _, x := range []struct {
		name string
		key  Credential
		call func(aws.Config) error
		want string
	}{
		{"guide's policy: chat", guide, converse(novaID), ""},
		{"guide's policy: profile", guide, converse("us." + claudeModel), ""},
		{"guide's policy: list", guide, list, ""},
		{"guide's policy: profiles", guide, profiles, no("AccessDeniedException", "guide", "bedrock:ListInferenceProfiles", "")},
		{"guide's policy: identity", guide, whoami, ""},
		{"full access: chat", full, converse("global." + claudeModel), ""},
		{"full access: profiles", full, profiles, ""},
		{"full access: users", full, users, no("AccessDenied", "full", "iam:ListUsers", "arn:aws:iam::"+testAccount+":user/")},
		{"nothing: chat", nobody, converse(strings.TrimPrefix(novaID, "us.")), no("AccessDeniedException", "nobody", "bedrock:InvokeModel", nova)},
		{"nothing: profile", nobody, converse("us." + claudeModel),
			no("AccessDeniedException", "nobody", "bedrock:InvokeModel", "arn:aws:bedrock:us-east-1:"+testAccount+":inference-profile/us."+claudeModel)},
		{"nothing: identity", nobody, whoami, ""},
		{"nothing: clusters", nobody, clusters, no("AccessDeniedException", "nobody", "eks:ListClusters", "arn:aws:eks:us-east-1:"+testAccount+":cluster/*")},
		{"nothing: quotas", nobody, quotas, no("AccessDeniedException", "nobody", "servicequotas:ListServiceQuotas", "")},
		{"barred: chat", barred, converse(strings.TrimPrefix(novaID, "us.")), "AccessDeniedException: User: " + arn("barred") + " is not authorized to perform: bedrock:InvokeModel on resource: " + nova +
			" with an explicit deny in an identity-based policy"},
		{"barred: users", barred, users, ""},
		{"barred: quotas", barred, quotas, ""},
		{"the sandbox's own key", sandboxKey, users, ""},
	} {
		if got := failed(x.call(awsConfig(srv, x.key))); got != x.want {
			t.Errorf("%s:\n got %q\nwant %q", x.name, got, x.want)
		}
	}
}
