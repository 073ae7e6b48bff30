package sandbox

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// stsNamespace is the XML namespace of STS. Its query protocol:
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonParameters.html
const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// element is a piece of XML: text, or elements in order.
type element struct {
	name     string
	text     string
	children []element
}

func (e element) appendTo(b *bytes.Buffer) {
	b.WriteString("<" + e.name + ">")
	_ = xml.EscapeText(b, []byte(e.text)) // a bytes.Buffer takes everything
	for _, c := range e.children {
		c.appendTo(b)
	}
	name, _, _ := strings.Cut(e.name, " ")
	b.WriteString("</" + name + ">")
}

// stsCall is one call of STS.
type stsCall struct {
	form url.Values
	who  identity // zero when the operation is not signed
	now  time.Time
}

// serveSTS answers POST / with a form, and GET / with a query.
func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request, body []byte, id string) {
	action, results, refused := s.sts(r, body)
	switch {
	case refused != nil && refused.Type == "": // whatever stands in front fails, in its own words
		writeError(w, refused)
		return
	case refused != nil:
		writeSTSError(w, id, refused)
		return
	}
	writeXML(w, http.StatusOK, element{
		name: action + `Response xmlns="` + stsNamespace + `"`,
		children: []element{
			{name: action + "Result", children: results},
			{name: "ResponseMetadata", children: []element{{name: "RequestId", text: id}}},
		},
	})
}

// stsActions is what the sandbox's STS can do.
const stsActions = "GetCallerIdentity, AssumeRole and AssumeRoleWithWebIdentity"

// sts runs one action and returns the members of its result.
func (s *Server) sts(r *http.Request, body []byte) (action string, results []element, refused *apiError) {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		var err error
		if form, err = url.ParseQuery(string(body)); err != nil {
			return "", nil, stsError("MalformedInput", "The body is not a form.")
		}
	}
	c := stsCall{form: form, now: s.now().UTC()}
	action = form.Get("Action")
	signed := action != "AssumeRoleWithWebIdentity" // there the token in the form is the proof
	if signed {
		if c.who, refused = s.verifier.verify(r, body, "sts"); refused != nil {
			return action, nil, refused
		}
	}
	if refused = s.stsRefusal(signed); refused != nil {
		return action, nil, refused
	}
	switch action {
	case "GetCallerIdentity":
		results = []element{{name: "Arn", text: c.who.ARN}, {name: "UserId", text: c.who.UserID}, {name: "Account", text: c.who.Account}}
	case "AssumeRoleWithWebIdentity":
		results, refused = s.assumeRoleWithWebIdentity(r.Context(), c)
	case "AssumeRole":
		results, refused = s.assumeRole(c)
	case "":
		refused = stsError("MissingAction", "The form has no Action; the sandbox has %s.", stsActions)
	default:
		refused = stsError("InvalidAction", "Could not find operation %s; the sandbox has %s.", action, stsActions)
	}
	return action, results, refused
}

// stsRefusal is the general refusal as STS has it: a call that is not signed
// meets none of the signature layer, and API keys are nothing to STS.
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
func (s *Server) stsRefusal(signed bool) *apiError {
	e := s.generalRefusal()
	switch {
	case e == nil, e.Namespace == authNamespace && !signed, s.mood.Refuse == "bad-api-key":
		return nil
	case e.Type == "ThrottlingException":
		return stsError("Throttling", "Rate exceeded")
	}
	e.Type = stsCode(e.Type)
	return e
}

// deniedRole is the name of the one role that trusts nobody.
const deniedRole = "role/denied"

// assumeRole gives a signer the credentials of a role. A role of IAM trusts whom its policy names; every
// other role of a well-formed ARN exists and trusts every caller, but for deniedRole.
func (s *Server) assumeRole(c stsCall) ([]element, *apiError) {
	lifetime, refused := c.check()
	if refused != nil {
		return nil, refused
	}
	if role := c.form.Get("RoleArn"); strings.HasSuffix(role, ":"+deniedRole) {
		e := stsError("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.who.ARN, role)
		e.Status = http.StatusForbidden
		return nil, e
	}
	if id := c.form.Get("ExternalId"); id != "" && (len(id) < 2 || len(id) > 1224 || !externalIDPattern.MatchString(id)) {
		return nil, constraintError("externalId", "Member must have length between 2 and 1224 and satisfy regular expression pattern: [\\w+=,.@:\\/-]*")
	}
	if c.who.Role && lifetime > time.Hour {
		return nil, stsError("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	tags, packed, refused := c.tags()
	if refused != nil {
		return nil, refused
	}
	role, refused := s.mayAssume(c, tags, lifetime)
	if refused != nil {
		return nil, refused
	}
	out := s.roleCredentials(c, session{RoleID: role, Lifetime: lifetime, ExternalID: c.form.Get("ExternalId"), Tags: tags})
	if packed > 0 {
		out = append(out, element{name: "PackedPolicySize", text: strconv.Itoa(packed)})
	}
	return out, nil
}

// assumeRoleWithWebIdentity gives the bearer of an OpenID Connect token the credentials of a role. For a
// role of IAM the provider must be registered and the signature its own; for every other role the sandbox
// checks what the token says, not who signed it.
func (s *Server) assumeRoleWithWebIdentity(ctx context.Context, c stsCall) ([]element, *apiError) {
	lifetime, refused := c.check()
	if refused != nil {
		return nil, refused
	}
	token := c.form.Get("WebIdentityToken")
	if n := utf8.RuneCountInString(token); n < 4 || n > 20000 {
		return nil, constraintError("webIdentityToken", "Member must have length between 4 and 20000")
	}
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil {
		return nil, stsError("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	for _, missing := range []struct {
		claim string
		is    bool
	}{
		{"iss", claims.Issuer == ""}, {"sub", claims.Subject == ""},
		{"aud", len(claims.Audience) == 0 || claims.Audience[0] == ""}, {"exp", claims.ExpiresAt == nil},
	} {
		if missing.is {
			return nil, stsError("InvalidIdentityToken", "Missing a required claim: %s", missing.claim)
		}
	}
	if !c.now.Before(claims.ExpiresAt.Time) {
		return nil, stsError("ExpiredTokenException", "Token expired: current date/time %d must be before the expiration date/time %d",
			c.now.Unix(), claims.ExpiresAt.Unix())
	}
	role, refused := s.mayFederate(ctx, c, token, claims, lifetime)
	if refused != nil {
		return nil, refused
	}
	return append(s.roleCredentials(c, session{RoleID: role, Lifetime: lifetime}),
		element{name: "SubjectFromWebIdentityToken", text: claims.Subject},
		element{name: "Audience", text: claims.Audience[0]},
		element{name: "Provider", text: strings.TrimPrefix(claims.Issuer, "https://")},
	), nil
}

var (
	rolePattern        = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::(\d{12}):role(/(?:[\w+=,.@/-]*/)?)([\w+=,.@-]+)$`)
	sessionNamePattern = regexp.MustCompile(`^[\w+=,.@-]*$`)
	externalIDPattern  = regexp.MustCompile(`^[\w+=,.@:/-]*$`)
)

// check judges the members that both operations share.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (c stsCall) check() (lifetime time.Duration, refused *apiError) {
	arn, name := c.form.Get("RoleArn"), c.form.Get("RoleSessionName")
	switch n := utf8.RuneCountInString(name); {
	case arn == "":
		return 0, constraintError("roleArn", "Member must not be null")
	case !rolePattern.MatchString(arn):
		return 0, stsError("ValidationError", "%s is invalid", clip(arn, 200))
	case name == "":
		return 0, constraintError("roleSessionName", "Member must not be null")
	case n < 2:
		return 0, valueError("roleSessionName", name, "Member must have length greater than or equal to 2")
	case n > 64:
		return 0, valueError("roleSessionName", name, "Member must have length less than or equal to 64")
	case !sessionNamePattern.MatchString(name):
		return 0, valueError("roleSessionName", name, "Member must satisfy regular expression pattern: [\\w+=,.@-]*")
	}
	wanted := c.form.Get("DurationSeconds")
	if wanted == "" {
		return time.Hour, nil
	}
	switch seconds, err := strconv.Atoi(wanted); {
	case err != nil:
		return 0, stsError("MalformedInput", "DurationSeconds is not a number.")
	case seconds < 900:
		return 0, valueError("durationSeconds", wanted, "Member must have value greater than or equal to 900")
	case seconds > 43200:
		return 0, valueError("durationSeconds", wanted, "Member must have value less than or equal to 43200")
	default:
		return time.Duration(seconds) * time.Second, nil
	}
}

// roleCredentials opens a session of a role whose ARN has been checked.
func (s *Server) roleCredentials(c stsCall, role session) []element {
	role.name(c.form.Get("RoleArn"), c.form.Get("RoleSessionName"))
	role.Expires = c.now.Add(role.Lifetime).Truncate(time.Second)
	key := s.sessions.open(role)
	return []element{
		{name: "Credentials", children: []element{
			{name: "AccessKeyId", text: key.AccessKeyID}, {name: "SecretAccessKey", text: key.SecretAccessKey},
			{name: "SessionToken", text: key.SessionToken}, {name: "Expiration", text: role.Expires.Format(time.RFC3339)},
		}},
		{name: "AssumedRoleUser", children: []element{{name: "AssumedRoleId", text: role.userID()}, {name: "Arn", text: role.arn()}}},
	}
}

// stsError is a refusal of STS itself.
func stsError(code, format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Type: code, Message: fmt.Sprintf(format, args...)}
}

func constraintError(member, constraint string) *apiError {
	return stsError("ValidationError", "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", member, constraint)
}

func valueError(member, value, constraint string) *apiError {
	return stsError("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s",
		clip(value, 100), member, constraint)
}

// stsCode is what STS calls a refusal that Bedrock has too.
func stsCode(kind string) string {
	switch kind {
	case "UnrecognizedClientException":
		return "InvalidClientTokenId"
	case "InvalidSignatureException":
		return "SignatureDoesNotMatch"
	case "ExpiredTokenException":
		return "ExpiredToken"
	case "IncompleteSignatureException":
		return "IncompleteSignature"
	case "MissingAuthenticationTokenException":
		return "MissingAuthenticationToken"
	case "ValidationException":
		return "ValidationError"
	case "AccessDeniedException":
		return "AccessDenied"
	case "InternalServerException":
		return "InternalFailure"
	case "ServiceUnavailableException":
		return "ServiceUnavailable"
	}
	return kind
}

func writeSTSError(w http.ResponseWriter, id string, e *apiError) {
	writeQueryError(w, stsNamespace, id, e)
}

// writeQueryError sends a refusal in the shape of the query protocol.
func writeQueryError(w http.ResponseWriter, namespace, id string, e *apiError) {
	code, fault := e.Type, "Sender"
	if e.Namespace == authNamespace || code == "AccessDeniedException" {
		code = stsCode(code)
	}
	if e.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	writeXML(w, e.Status, element{
		name: `ErrorResponse xmlns="` + namespace + `"`,
		children: []element{
			{name: "Error", children: []element{{name: "Type", text: fault}, {name: "Code", text: code}, {name: "Message", text: e.Message}}},
			{name: "RequestId", text: id},
		},
	})
}

func writeXML(w http.ResponseWriter, status int, e element) {
	var b bytes.Buffer
	e.appendTo(&b)
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that left is not an error of ours
}
