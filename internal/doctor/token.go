package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"outcrop/internal/iam"
)

// audience is whom a token for AssumeRoleWithWebIdentity has to be for.
const audience = "sts.amazonaws.com"

// tokenFile is the file of a service account's token, and the role that is assumed with it.
type tokenFile struct {
	path, role string
	upstream   *Upstream // whose credentials may look at the role; nil for nobody's
}

// tokenFiles are those of the environment and of the upstreams.
func (e *Env) tokenFiles() []tokenFile {
	var out []tokenFile
	if path := e.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"); path != "" {
		f := tokenFile{path: path, role: e.Getenv("AWS_ROLE_ARN")}
		for _, u := range e.Upstreams {
			if u.Client != nil && u.isChain() {
				f.upstream = u
				break
			}
		}
		out = append(out, f)
	}
	for _, u := range e.Upstreams {
		s := u.Settings
		if s.WebIdentityTokenFile == "" {
			continue
		}
		f := tokenFile{path: s.WebIdentityTokenFile, role: s.AssumeRoleARN, upstream: u}
		if len(s.RoleChain) > 0 {
			f.role = s.RoleChain[0]
		}
		if !slices.ContainsFunc(out, func(o tokenFile) bool { return o.path == f.path && o.role == f.role }) {
			out = append(out, f)
		}
	}
	return out
}

// claims are those of a token that are no secret.
type claims struct {
	Issuer   string      `json:"iss"`
	Subject  string      `json:"sub"`
	Audience iam.Strings `json:"aud"` // a string or a list
	Expires  float64     `json:"exp"`
}

// readClaims reads a token without verifying it; false for what is none.
func readClaims(token string) (claims, bool) {
	var c claims
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return c, false
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	return c, err == nil && json.Unmarshal(body, &c) == nil && c.Subject != ""
}

// token looks at the file, at the token's claims, and where it may at the issuer and the role's trust.
func (e *Env) token(ctx context.Context, file tokenFile) []Finding {
	fail := func(code, message, remedy string) Finding {
		return Finding{Code: code, Severity: Error, Subject: file.path, Message: message, Remedy: remedy}
	}
	data, err := os.ReadFile(file.path)
	if err != nil {
		return []Finding{fail("TOKEN-001", "the token file cannot be read: "+err.Error(),
			"kubectl get pod -o yaml: is the volume aws-iam-token there, and does securityContext.fsGroup let the process read it?")}
	}
	c, ok := readClaims(string(data))
	if !ok {
		return []Finding{fail("TOKEN-002", "the file holds no token (JWT) of a service account", "restart the pod, or correct AWS_WEB_IDENTITY_TOKEN_FILE")}
	}
	left := time.Unix(int64(c.Expires), 0).Sub(e.Now())
	out := []Finding{{
		Code: "TOKEN-000", Subject: file.path, Message: c.Subject + ", for " + strings.Join(c.Audience, " and ") + ", issued by " + c.Issuer + ", for " + brief(max(left, 0)) + " more",
	}}
	if !slices.Contains(c.Audience, audience) {
		out = append(out, fail("TOKEN-003", "the token is for "+strings.Join(c.Audience, ", ")+", and AWS takes tokens for "+audience,
			"set audience: "+audience+" in the serviceAccountToken projection, or leave it to the EKS webhook"))
	}
	if !strings.HasPrefix(c.Issuer, "https://") {
		out = append(out, fail("TOKEN-006", "the token's issuer "+c.Issuer+" is no https address, where AWS could get its keys",
			"start the API server with --service-account-issuer=https://…"))
	}
	switch {
	case left <= 0:
		return append(out, fail("TOKEN-004", "the token has expired "+brief(-left)+" ago", "restart the pod: kubelet renews the tokens of running pods only"))
	case left < 10*time.Minute:
		f := fail("TOKEN-005", "the token expires in "+brief(left)+"; kubelet should have renewed it", "if it is the same in a few minutes, restart the pod")
		f.Severity = Warning
		out = append(out, f)
	}
	return append(out, e.trust(ctx, file, c)...)
}

// trust looks at the account's side: the issuer's provider and the role.
func (e *Env) trust(ctx context.Context, file tokenFile, c claims) []Finding {
	if file.upstream == nil || file.upstream.Client == nil || file.role == "" {
		return nil
	}
	cfg, err := e.sdk(file.upstream)
	if err != nil {
		return nil
	}
	client := awsiam.NewFromConfig(cfg)
	skipped := func(what, action string) Finding {
		return Finding{
			Code: "TOKEN-009", Severity: Skipped, Subject: file.path, Message: what + " could not be looked at: the credentials may not " + action,
			Remedy: "run outcrop doctor with an operator's credentials, or ignore it: whether the role can be assumed is checked anyway",
		}
	}
	issuer := strings.TrimPrefix(c.Issuer, "https://")
	provider := ""
	var out []Finding
	list, err := client.ListOpenIDConnectProviders(ctx, &awsiam.ListOpenIDConnectProvidersInput{})
	if err != nil {
		out = append(out, skipped("the IAM OIDC providers", "iam:ListOpenIDConnectProviders"))
	} else {
		for _, p := range list.OpenIDConnectProviderList {
			if arn := aws.ToString(p.Arn); strings.HasSuffix(arn, ":oidc-provider/"+issuer) {
				provider = arn
			}
		}
		if provider == "" {
			out = append(out, Finding{
				Code: "TOKEN-007", Severity: Error, Subject: file.path, Message: "the account has no IAM OIDC provider for the token's issuer " + c.Issuer,
				Remedy: "outcrop aws grant service-account makes it, or: aws iam create-open-id-connect-provider --url " + c.Issuer + " --client-id-list " + audience,
			})
		}
	}
	role, err := client.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String(file.role[strings.LastIndex(file.role, "/")+1:])})
	if err != nil || role.Role == nil {
		return append(out, skipped("the trust policy of "+file.role, "iam:GetRole"))
	}
	if provider == "" {
		before, _, _ := strings.Cut(file.role, ":role/") // of the same partition and account
		provider = before + ":oidc-provider/" + issuer
	}
	return append(out, judgeTrust(file, provider, c, aws.ToString(role.Role.AssumeRolePolicyDocument))...)
}

// judgeTrust says whether a trust policy, as IAM writes it, lets the token's bearer in.
func judgeTrust(file tokenFile, provider string, c claims, policy string) []Finding {
	issuer := strings.TrimPrefix(c.Issuer, "https://")
	text, err := url.PathUnescape(policy)
	if err != nil {
		return nil
	}
	doc, err := iam.Parse([]byte(text))
	if err != nil {
		return nil
	}
	request := iam.Request{
		Principal: provider, Action: "sts:AssumeRoleWithWebIdentity",
		Context: map[string][]string{issuer + ":aud": c.Audience, issuer + ":sub": {c.Subject}},
	}
	decision := iam.Evaluate(request, doc)
	if decision.Allowed || len(decision.Unknown) > 0 {
		return nil
	}
	// What hangs on where the call comes from shows when the role is assumed; a key of another issuer does not fit.
	if hangs := iam.Hangs(request, doc); len(hangs) > 0 && !slices.ContainsFunc(hangs, func(key string) bool {
		return !strings.HasPrefix(key, "aws:") && !strings.HasPrefix(key, "sts:")
	}) {
		return nil
	}
	return []Finding{{
		Code: "TOKEN-008", Severity: Error, Subject: file.path, Message: "the role " + file.role + " does not trust " + c.Subject + " of the issuer " + c.Issuer,
		Remedy: "outcrop aws grant service-account, or add the statement to the role's trust policy",
		In:     "the trust policy of " + file.role,
		Statements: []iam.Statement{{
			Effect: iam.Allow, Principal: &iam.Principal{Federated: iam.Strings{provider}}, Action: iam.Strings{"sts:AssumeRoleWithWebIdentity"},
			Condition: iam.Condition{"StringEquals": {issuer + ":aud": {audience}, issuer + ":sub": {c.Subject}}},
		}},
	}}
}
