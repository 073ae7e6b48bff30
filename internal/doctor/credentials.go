package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"outcrop/internal/onboard"
)

const (
	// shortLife is a life of credentials in which a long answer and a slow renewal may not have room.
	shortLife = 15 * time.Minute
	// oldKey is when AWS's own advisor asks for a new access key.
	oldKey = 90 * 24 * time.Hour
	// longLived begins the ids of access keys that do not expire.
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
	longLived = "AKIA"
	// ec2Role is how the SDK calls the node's metadata as a source.
	ec2Role = "EC2RoleProvider"
)

// facts are what checks of one upstream share.
type facts struct {
	mu  sync.Mutex
	who *onboard.Whoami
}

// whoami is what is found out of the caller, once.
func (e *Env) whoami(ctx context.Context, u *Upstream) onboard.Whoami {
	u.facts.mu.Lock()
	defer u.facts.mu.Unlock()
	if u.facts.who == nil {
		w := onboard.AskWhoami(ctx, onboard.WhoamiInput{Getenv: e.Getenv, Process: e.Process, Settings: u.Settings, Now: e.Now()})
		u.facts.who = &w
	}
	return *u.facts.who
}

// sdk is the configuration of AWS's clients for the upstream.
func (e *Env) sdk(u *Upstream) (aws.Config, error) {
	cfg, _, err := e.Process.SDK(u.Settings)
	cfg.RetryMaxAttempts = 2
	return cfg, err
}

// credentials gets them, and says what they are.
func (e *Env) credentials(ctx context.Context, u *Upstream) []Finding {
	switch {
	case u.Client == nil:
		return []Finding{e.unmade(u)}
	case u.isKey():
		return e.apiKey(u)
	}
	who := e.whoami(ctx, u)
	if who.Problem != nil && who.Principal.ARN == "" {
		cfg, err := e.sdk(u)
		if err == nil {
			_, err = cfg.Credentials.Retrieve(ctx)
		}
		if err != nil {
			return []Finding{noCredentials(u, err)}
		}
	}
	if err := u.Client.Ready(ctx); err != nil {
		return []Finding{noCredentials(u, err)}
	}
	c, words := who.Credentials, u.Client.Identity().Source
	if words == "default chain" && c.Source != "" {
		words = c.Source
	}
	if len(c.Roles) > 0 {
		words += ", then " + strings.Join(c.Roles, ", then ")
	}
	if c.Expires != nil {
		words += ", for " + brief(c.Expires.Sub(e.Now())) + " more"
	}
	out := []Finding{{Code: "CRED-000", Subject: u.Name, Message: "credentials: " + words}}
	if c.Expires != nil && c.Expires.Sub(e.Now()) < shortLife {
		out = append(out, Finding{
			Code: "CRED-003", Severity: Warning, Subject: u.Name,
			Message: "the credentials end in " + brief(c.Expires.Sub(e.Now())) + "; Outcrop renews them ahead, other programs of the pod may not",
			Remedy:  "let the role's sessions last an hour: aws iam update-role --role-name ROLE --max-session-duration 3600, and aws_role_duration: 1h in extraData",
		})
	}
	if strings.HasPrefix(c.Provider, ec2Role) {
		out = append(out, e.nodeRole(u)...)
	}
	if c.LongLived && strings.HasPrefix(c.AccessKeyID, longLived) {
		out = append(out, e.keyAge(u, c)...)
	}
	return out
}

// unmade is why an upstream has no client.
func (e *Env) unmade(u *Upstream) Finding {
	f := Finding{Code: "CONF-005", Severity: Error, Subject: u.Name, Message: "the upstream cannot be used: " + u.Failure.Error(), Remedy: "correct the variable or field that is named"}
	switch {
	case strings.Contains(f.Message, "over https only"):
		f.Code, f.Remedy = "CRED-014", "use an https endpoint; AWS's own SDKs refuse http with an API key too"
	case e.Configured || e.Process == nil || u.Region == "": // which is told above
		f.Code, f.Severity, f.Message, f.Remedy = "RUN-003", Skipped, "not checked: the upstream cannot be made", "correct what is told above"
	}
	return f
}

// brief is a duration for people.
func brief(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return d.Round(time.Second).String()
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// nodeRole is about credentials that the node's metadata gave.
func (e *Env) nodeRole(u *Upstream) []Finding {
	role := e.expected()
	if role == "" && e.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil // an EC2 instance with its own role
	}
	f := Finding{
		Code: "CRED-007", Severity: Warning, Subject: u.Name, Message: "the pod calls AWS with the node's own role, which every pod of the node has",
		Remedy: "outcrop aws grant service-account gives the pod a role of its own; AWS_EC2_METADATA_DISABLED=true keeps the node's away",
	}
	if role != "" {
		f.Severity, f.Message = Error, "the pod should have the role "+role+" and calls AWS with the node's own role"
	}
	return []Finding{f}
}

// keyAge is about an access key that does not expire.
func (e *Env) keyAge(u *Upstream, c onboard.Credentials) []Finding {
	out := []Finding{{
		Code: "CRED-005", Severity: Warning, Subject: u.Name, Message: "the access key " + c.AccessKeyID + " is a user's and never expires: whoever copies it keeps it",
		Remedy: "use a role: outcrop aws grant service-account, or outcrop aws grant role",
	}}
	if c.Created == nil || e.Now().Sub(*c.Created) < oldKey {
		return out
	}
	return append(out, Finding{
		Code: "CRED-015", Severity: Warning, Subject: u.Name, Message: "the access key " + c.AccessKeyID + " is " + brief(e.Now().Sub(*c.Created)) + " old",
		Remedy: "aws iam create-access-key, use the new key, then aws iam delete-access-key --access-key-id " + c.AccessKeyID,
	})
}

// noCredentials says why there are none.
func noCredentials(u *Upstream, err error) Finding {
	f := Finding{Severity: Error, Subject: u.Name}
	text := firstLine(err.Error())
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return refusedCredentials(f, u, api, operationOf(err))
	}
	switch {
	case isExpired(text):
		f.Code, f.Message, f.Remedy = "CRED-004", "the session of the profile has expired", "aws sso login, or aws login, with the profile"
	case isUnreachable(err):
		f.Code, f.Message, f.Remedy = "STS-003", "AWS's token service cannot be reached for the credentials: "+rootCause(err), "open TCP 443 to sts."+u.Region+".amazonaws.com, or make a VPC endpoint for sts"
	default:
		f.Code, f.Message = "CRED-001", "there are no AWS credentials: "+rootCause(err)
		f.Remedy = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK; in a pod: outcrop aws grant service-account"
	}
	return f
}

// isExpired knows what the SDK says of a session of SSO that is over.
func isExpired(text string) bool {
	return strings.Contains(text, "token has expired") || strings.Contains(text, "SSO session has expired") || strings.Contains(text, "cached SSO token is expired")
}

// operationOf is the operation of STS that failed, "" when it was none.
func operationOf(err error) string {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.OperationName
	}
	return ""
}

// refusedCredentials explains what STS said when it was asked for credentials.
func refusedCredentials(f Finding, u *Upstream, api smithy.APIError, operation string) Finding {
	code, text := api.ErrorCode(), firstLine(api.ErrorMessage())
	switch {
	case slices.Contains([]string{"ExpiredToken", "ExpiredTokenException"}, code) && operation == "AssumeRoleWithWebIdentity":
		f.Code, f.Message, f.Remedy = "STS-002", "the service account's token has expired", "restart the pod: kubelet renews the tokens of running pods only"
	case operation == "AssumeRoleWithWebIdentity":
		return refusedToken(f, code, text)
	case code == "AccessDenied" && operation == "AssumeRole":
		return refusedRole(f, u, text)
	case operation == "AssumeRole" && (code == "ValidationError" || code == "MalformedInput"):
		f.Code, f.Message, f.Remedy = "STS-001", "the role cannot be assumed: "+text, "correct aws_assume_role_arn, aws_role_duration or aws_external_id"
	default:
		return refusedCaller(f, code, text)
	}
	return f
}

// refusedCaller is about credentials that AWS does not take.
func refusedCaller(f Finding, code, text string) Finding {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		f.Code, f.Message = "CRED-004", "the credentials have expired"
		f.Remedy = "get new ones: aws sso login, or export AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew"
	case "InvalidClientTokenId", "UnrecognizedClientException":
		f.Code, f.Message = "CRED-002", "AWS does not know the access key: it is deleted, inactive or mistyped"
		f.Remedy = "aws iam list-access-keys --user-name USER shows the active ones; export AWS_ACCESS_KEY_ID anew"
	case "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature":
		f.Code, f.Message = "CRED-002", "the secret does not belong to the access key, or the clock is wrong"
		f.Remedy = "export AWS_SECRET_ACCESS_KEY anew, without blanks or a line's end; look at NET-005"
	case "RegionDisabledException":
		f.Code, f.Message, f.Remedy = "STS-003", "the region is not enabled for the account: "+text, "enable it: aws account enable-region --region-name REGION"
	default:
		f.Code, f.Message, f.Remedy = "STS-003", "AWS's token service does not say who calls: "+code+": "+text, "aws sts get-caller-identity tells the same outside of Outcrop"
	}
	return f
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
