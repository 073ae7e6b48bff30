package onboard

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"
)

// The kinds of problems that a call of AWS may meet.
const (
	ProblemDenied    = "denied"     // a permission is missing
	ProblemSCP       = "scp"        // an organization's policy forbids it
	ProblemNoBedrock = "no-bedrock" // the account may not use Bedrock
	ProblemExpired   = "expired"    // the credentials have expired
	ProblemBadKey    = "bad-key"    // AWS does not know the key, or the region is not enabled
	ProblemSilent    = "unreachable"
	ProblemThrottled = "throttled"
	// ProblemNoCredentials says that there is nothing to sign calls with.
	ProblemNoCredentials = "no-credentials"
	ProblemOther         = "other"
)

// Problem is why a call failed and what to type.
type Problem struct {
	Kind   string `json:"kind,omitempty"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
	// Action is the permission that is missing, as bedrock:ListFoundationModels.
	Action string `json:"action,omitempty"`
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Remedy == "" {
		return p.Text
	}
	return p.Text + "\n  to do: " + p.Remedy
}

// Short is the problem in a few words.
func (p *Problem) Short() string {
	if p.Kind == ProblemDenied && p.Action != "" {
		return "it needs " + p.Action
	}
	return p.Text
}

// call says what was asked, for the text of a problem.
type call struct {
	what   string // "asking STS who calls"; "" for nothing
	action string // the permission it needs
	region string
}

var deniedAction = regexp.MustCompile(`not authorized to perform: ([\w-]+:\w+)`)

// explain sorts what went wrong. It repeats AWS's own text, which names no secret.
func explain(err error, c call) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	p := &Problem{Kind: ProblemOther, Text: firstLine(err.Error()), Action: c.action}
	api, isAPI := errors.AsType[smithy.APIError](err)
	var silent net.Error
	switch {
	case isAPI:
		p.refusal(api, c)
	case errors.As(err, &silent) || strings.Contains(err.Error(), "context deadline exceeded"):
		p.Kind, p.Text = ProblemSilent, "AWS does not answer"+inRegion(c.region)+": "+cause(err)
		p.Remedy = "check the network, the proxy (HTTPS_PROXY, NO_PROXY), the region's name and the VPC endpoints"
	case strings.Contains(err.Error(), "failed to refresh cached credentials"), strings.Contains(err.Error(), "no EC2 IMDS role found"), strings.Contains(err.Error(), "getting AWS credentials"):
		p.Kind, p.Text = ProblemNoCredentials, "there are no credentials: "+cause(err)
		p.Remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile NAME, or log in (aws sso login)"
	}
	if c.what != "" {
		p.Text = c.what + ": " + p.Text
	}
	return p
}

// refusal is for an error that AWS gave.
func (p *Problem) refusal(api smithy.APIError, c call) {
	text := api.ErrorMessage()
	p.Text = api.ErrorCode() + ": " + text
	if m := deniedAction.FindStringSubmatch(text); m != nil {
		p.Action = m[1]
	}
	switch code := strings.TrimSuffix(api.ErrorCode(), "Exception"); {
	case strings.Contains(text, "aws-marketplace:"):
		p.Kind, p.Action = ProblemDenied, "aws-marketplace:Subscribe"
		p.Remedy = "allow this to whoever makes the agreement (not to the pod), wait two minutes and type the command again: " + marketplaceStatement()
	case strings.Contains(text, "service control policy"):
		p.Kind, p.Remedy = ProblemSCP, "a service control policy of the organization forbids "+p.Action+inRegion(c.region)+": ask who administers it to allow the region, or choose another with --region"
	case strings.Contains(text, "Operation not allowed"), strings.Contains(text, "is not allowed for this account"), code == "SubscriptionRequired":
		p.Kind, p.Remedy = ProblemNoBedrock, "this account may not use Amazon Bedrock: check its payment method, and ask AWS Support to enable Bedrock for it"
	case strings.HasPrefix(code, "ExpiredToken"), code == "RequestExpired":
		p.Kind, p.Remedy = ProblemExpired, "the credentials have expired: log in again (aws sso login), or set new AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
	case code == "UnrecognizedClient", code == "InvalidClientTokenId", code == "InvalidSignature", code == "SignatureDoesNotMatch":
		p.Kind, p.Remedy = ProblemBadKey, "AWS does not know this access key, or not in this region: check the key and its secret, and whether the region is enabled for the account"
	case code == "AccessDenied", code == "UnauthorizedOperation", code == "NotAuthorized":
		p.Kind = ProblemDenied
		if p.Action != "" {
			p.Remedy = fmt.Sprintf("allow it: {\"Effect\":\"Allow\",\"Action\":%q,\"Resource\":\"*\"}", p.Action)
		}
	case code == "Throttling", code == "TooManyRequests":
		p.Kind, p.Remedy = ProblemThrottled, "try again in a minute"
	}
}

func inRegion(region string) string {
	if region == "" {
		return ""
	}
	return " in " + region
}

// cause is the last part of an SDK's chain of errors, which says what happened.
func cause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return firstLine(err.Error())
		}
		err = next
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
