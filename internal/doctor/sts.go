package doctor

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"outcrop/internal/iam"
)

// caller is the ARN of who calls. Where it is not known yet STS is asked for the reason.
func (e *Env) caller(ctx context.Context, u *Upstream) (string, error) {
	if arn := e.whoami(ctx, u).Principal.ARN; arn != "" {
		return arn, nil
	}
	cfg, err := e.sdk(u)
	if err != nil {
		return "", err
	}
	out, err := sts.NewFromConfig(cfg, func(o *sts.Options) {
		if u.Settings.STSEndpoint != "" {
			o.BaseEndpoint = &u.Settings.STSEndpoint
		}
	}).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Arn), nil
}

// sts says who calls, and whether it is who should.
func (e *Env) sts(ctx context.Context, u *Upstream) []Finding {
	arn, err := e.caller(ctx, u)
	if err != nil {
		f := Finding{Severity: Error, Subject: u.Name}
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			return []Finding{refusedCaller(f, api.ErrorCode(), firstLine(api.ErrorMessage()))}
		}
		f.Code, f.Severity, f.Message = "STS-003", Warning, "AWS's token service does not say who calls: "+rootCause(err)
		f.Remedy = "open TCP 443 to sts." + u.Region + ".amazonaws.com, or make a VPC endpoint for sts; models may answer all the same"
		return []Finding{f}
	}
	out := []Finding{{Code: "STS-000", Subject: u.Name, Message: "account " + account(arn) + ", " + arn}}
	if strings.HasSuffix(arn, ":root") {
		out = append(out, Finding{
			Code: "CRED-006", Severity: Warning, Subject: u.Name, Message: "these are credentials of the account's root user, which may do everything and cannot be limited",
			Remedy: "outcrop aws grant user, then delete the root user's access key",
		})
	}
	if role := e.expected(); role != "" && len(u.Client.Identity().Roles) == 0 && u.isChain() && !isRole(arn, role) {
		out = append(out, Finding{
			Code: "CRED-008", Severity: Error, Subject: u.Name, Message: "the role should be " + role + ", and AWS says " + arn,
			Remedy: "kubectl describe serviceaccount: the annotation eks.amazonaws.com/role-arn or the Pod Identity association has to name the role; then restart the pod",
		})
	}
	return out
}

// expected is the role that the default chain should lead to.
func (e *Env) expected() string {
	if e.ExpectRole != "" {
		return e.ExpectRole
	}
	return e.Getenv("AWS_ROLE_ARN")
}

// isChain says whether the upstream takes what the environment gives.
func (u *Upstream) isChain() bool { return u.Client.Identity().Source == "default chain" }

var (
	roleForm    = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::(\d{12}):role/(?:.*/)?([^/]+)$`)
	sessionForm = regexp.MustCompile(`^arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/`)
)

// IsRoleARN says whether a text is the ARN of a role.
func IsRoleARN(s string) bool { return roleForm.MatchString(s) }

// isRole says whether a session's ARN is one of the role, whose path a session does not show.
func isRole(session, role string) bool {
	s, r := sessionForm.FindStringSubmatch(session), roleForm.FindStringSubmatch(role)
	return s != nil && r != nil && s[2] == r[2] && s[3] == r[3]
}

// roleOf is the role of a session without its path, or the user itself.
func roleOf(arn string) string {
	if s := sessionForm.FindStringSubmatch(arn); s != nil {
		return "arn:" + s[1] + ":iam::" + s[2] + ":role/" + s[3]
	}
	return arn
}

// refusedRole explains a denied AssumeRole: it needs both sides, and in one account the trust alone.
func refusedRole(f Finding, u *Upstream, text string) Finding {
	f.Code, f.Message = "STS-001", "the role may not be assumed: "+text
	d, ok := parseDenial(text)
	if !ok {
		f.Remedy = "outcrop aws grant role prints the trust policy that the role needs"
		return f
	}
	caller := roleOf(d.principal)
	trust := iam.Statement{Effect: iam.Allow, Principal: &iam.Principal{AWS: iam.Strings{caller}}, Action: iam.Strings{"sts:AssumeRole"}}
	if u.Settings.ExternalID != "" {
		trust.Condition = iam.Condition{"StringEquals": {"sts:ExternalId": {u.Settings.ExternalID}}}
	}
	f.In = "the trust policy of " + d.resource
	f.Statements = []iam.Statement{trust}
	f.Remedy = "let the role trust " + caller
	if account(d.resource) != account(caller) {
		f.Statements = append(f.Statements, iam.Statement{Effect: iam.Allow, Action: iam.Strings{"sts:AssumeRole"}, Resource: iam.Strings{d.resource}})
		f.In += " (the first) and the policy of " + caller + " (the second)"
		f.Remedy += ", and allow the caller to assume it: the two are in different accounts, so both sides have to agree"
	} else if d.explicit {
		f.Remedy = "remove the Deny on sts:AssumeRole in " + d.why
	}
	return f
}

// account is the account of an ARN.
func account(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

// refusedToken explains a denied AssumeRoleWithWebIdentity.
func refusedToken(f Finding, code, text string) Finding {
	f.Code, f.Message = "STS-002", "the service account's token is refused: "+code+": "+text
	switch {
	case code == "IDPCommunicationError":
		f.Remedy = "AWS could not fetch the keys of the token's issuer: its /.well-known/openid-configuration, and the jwks_uri in there, have to answer from the internet over https"
	case strings.Contains(text, "No OpenIDConnect provider found"):
		f.Remedy = "outcrop aws grant service-account makes the IAM OIDC provider of the cluster"
	case strings.Contains(text, "Incorrect token audience"):
		f.Remedy = "the token's audience has to be sts.amazonaws.com, and the IAM OIDC provider has to have it as client id"
	default:
		f.Remedy = "the role's trust policy has to name the issuer, aud sts.amazonaws.com and the service account as sub: outcrop aws grant service-account"
	}
	return f
}

// isUnreachable says whether nobody answered.
func isUnreachable(err error) bool {
	var failure net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &failure)
}

// rootCause is the last part of an error, which says what happened.
func rootCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return firstLine(err.Error())
		}
		err = inner
	}
}
