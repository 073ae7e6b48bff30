package sandbox

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"outcrop/internal/iam"
)

// mayAssume judges AssumeRole by the role's trust and by the caller's own policies, and gives the id of a
// role that IAM has, "" for another.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-req-context.html
func (s *Server) mayAssume(c stsCall, tags []sessionTag, lifetime time.Duration) (string, *apiError) {
	arn := c.form.Get("RoleArn")
	role, known := s.iam.roleByARN(arn)
	asks := []iam.Request{c.trustAsk("sts:AssumeRole", arn, tags)}
	if c.form.Has(memberName("Tags", 1, ".Key")) {
		asks = append(asks, c.trustAsk("sts:TagSession", arn, tags))
	}
	direct := known
	for _, ask := range asks {
		if !known {
			break
		}
		verdict := iam.Evaluate(ask, role.trust.parsed)
		switch {
		case verdict.Denied:
			return "", denial(c.who, ask, "a role trust policy", true)
		case !verdict.Allowed:
			return "", untrusted(c.who, ask)
		}
		direct = direct && namesCaller(ask, role.trust.parsed)
	}
	// A trust that names the caller itself is enough within an account, unless the caller's own policies deny.
	if s.judged(c.who) {
		if refused := s.may(c.who, asks...); refused != nil && (!direct || strings.Contains(refused.Message, "explicit deny")) {
			return "", refused
		}
	}
	if known && lifetime > role.maxSession {
		return "", stsError("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return role.id, nil
}

// trustAsk is a request to enter a role, with what STS tells a trust policy about it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
func (c stsCall) trustAsk(action, role string, tags []sessionTag) iam.Request {
	ask := c.who.ask(action, role)
	ask.Principal = c.who.ARN
	return withTags(ask, c, tags)
}

func withTags(ask iam.Request, c stsCall, tags []sessionTag) iam.Request {
	ask = with(ask, "sts:RoleSessionName", c.form.Get("RoleSessionName"))
	if id := c.form.Get("ExternalId"); id != "" {
		ask = with(ask, "sts:ExternalId", id)
	}
	var keys, transitive []string
	for _, t := range tags {
		ask = with(ask, "aws:RequestTag/"+t.Key, t.Value)
		keys = append(keys, t.Key)
		if t.Transitive {
			transitive = append(transitive, t.Key)
		}
	}
	if len(keys) > 0 {
		ask = with(ask, "aws:TagKeys", keys...)
	}
	if len(transitive) > 0 {
		ask = with(ask, "sts:TransitiveTagKeys", transitive...)
	}
	return ask
}

// untrusted is what STS says when no statement of a role's trust lets the caller in. The reason that
// identity policies' denials have is missing from it, as reports of it show.
func untrusted(who identity, ask iam.Request) *apiError {
	return &apiError{Status: http.StatusForbidden, Type: "AccessDenied",
		Message: "User: " + who.ARN + " is not authorized to perform: " + ask.Action + " on resource: " + ask.Resource}
}

// namesCaller says whether a trust lets the caller in by its own ARN, and not as somebody of an account.
func namesCaller(ask iam.Request, trust iam.Document) bool {
	for _, st := range trust.Statement {
		if st.Principal == nil || st.Effect != iam.Allow {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(st.Principal.AWS), func(p string) bool {
			return !strings.Contains(p, ":user/") && !strings.Contains(p, "role/")
		})
		st.Principal = &iam.Principal{AWS: own}
		if iam.Evaluate(ask, iam.Document{Version: trust.Version, Statement: []iam.Statement{st}}).Allowed {
			return true
		}
	}
	return false
}

// mayFederate judges AssumeRoleWithWebIdentity for a role that IAM has, and gives its id.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (s *Server) mayFederate(ctx context.Context, c stsCall, token string, claims jwt.RegisteredClaims, lifetime time.Duration) (string, *apiError) {
	role, known := s.iam.roleByARN(c.form.Get("RoleArn"))
	if !known {
		return "", nil
	}
	provider, ok := s.iam.providerOf(claims.Issuer)
	if !ok {
		return "", stsError("InvalidIdentityToken", "No OpenIDConnect provider found in your account for %s", clip(claims.Issuer, 300))
	}
	if refused := s.oidc.verify(ctx, provider.url, token); refused != nil {
		return "", refused
	}
	audience := claims.Audience[0]
	if !slices.Contains(provider.clientIDs, audience) {
		return "", stsError("InvalidIdentityToken", "Incorrect token audience")
	}
	if claims.NotBefore != nil && c.now.Before(claims.NotBefore.Time) {
		return "", stsError("InvalidIdentityToken", "Token must be issued in the past")
	}
	issuer := strings.TrimPrefix(provider.url, "https://")
	ask := iam.Request{
		Principal: provider.arn, Action: "sts:AssumeRoleWithWebIdentity", Resource: c.form.Get("RoleArn"),
		Context: map[string][]string{
			strings.ToLower(issuer + ":aud"): {audience}, strings.ToLower(issuer + ":sub"): {claims.Subject},
			"aws:federatedprovider": {provider.arn},
		},
	}
	if !iam.Evaluate(withTags(ask, c, nil), role.trust.parsed).Allowed {
		return "", &apiError{Status: http.StatusForbidden, Type: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity"}
	}
	if lifetime > role.maxSession {
		return "", stsError("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return role.id, nil
}
