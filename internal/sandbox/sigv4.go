package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The signature scheme: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	amzTime    = "20060102T150405Z"
	clockSkew  = 5 * time.Minute // beyond it AWS calls a signature expired or not yet current
)

// identity is who sent a request.
type identity struct {
	Account string // 12 digits
	ARN     string
	UserID  string
	Region  string // of the credential scope; us-east-1 with an API key
	Key     string // access key id or a fingerprint of the API key: one name per credential
	Role    bool   // temporary credentials of an assumed role

	User    string // name of a user of the sandbox's IAM, whose key it is
	RoleARN string // of a session: the role, with its path where IAM knows it
	RoleID  string // of a session: the role's id, where IAM knew it
	Bearer  string // SHORT_TERM of an API key that stands for its signer; "" for a key of the options, which may everything

	// Of a role's session: what it was asked for with.
	ExternalID string
	Lifetime   time.Duration
	Tags       []sessionTag
}

// verifier decides whose signature a request carries.
type verifier struct {
	keys     map[string]Credential
	apiKeys  [][sha256.Size]byte
	sessions *sessions
	iam      *iamStore
	now      func() time.Time
	account  string
}

// signature is a parsed Authorization header of AWS Signature Version 4.
type signature struct {
	keyID, date, region, service, end string // the credential scope
	headers                           []string
	mac                               string
	time                              time.Time // X-Amz-Date
}

// verify returns the sender of r, whose body has been read. service is the one
// the credential scope must name. API keys are accepted for Bedrock only.
func (v *verifier) verify(r *http.Request, body []byte, service string) (identity, *apiError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return identity{}, known("no-token")
	}
	if token, ok := cutBearer(header); ok && (service == "bedrock" || service == mantleService) {
		return v.bearer(token)
	}
	sig, err := parseAuthorization(r, header)
	if err != nil {
		return identity{}, err
	}
	who, secret, err := v.lookUp(sig.keyID, r.Header.Get("X-Amz-Security-Token"))
	if err != nil {
		return identity{}, err
	}
	if err := sig.checkScope(service); err != nil {
		return identity{}, err
	}
	if err := sig.checkClock(v.now()); err != nil {
		return identity{}, err
	}
	canonical := canonicalRequest(r, body, sig.headers)
	toSign := sig.stringToSign(canonical)
	if !hmac.Equal([]byte(sig.sign(secret, toSign)), []byte(sig.mac)) {
		return identity{}, mismatch(r, canonical, toSign)
	}
	who.Region = sig.region
	if who.User != "" {
		v.iam.touch(who.Key, service, sig.region, v.now())
	}
	return who, nil
}

// bearer accepts a Bedrock API key.
func (v *verifier) bearer(token string) (identity, *apiError) {
	sum := sha256.Sum256([]byte(token))
	for _, accepted := range v.apiKeys {
		if subtle.ConstantTimeCompare(accepted[:], sum[:]) == 1 {
			return identity{
				Account: v.account, ARN: "arn:aws:iam::" + v.account + ":user/sandbox-api-key",
				UserID: "AIDASANDBOXAPIKEY", Region: "us-east-1", Key: "bearer:" + hex.EncodeToString(sum[:8]),
			}, nil
		}
	}
	return v.shortTerm(token)
}

// cutBearer returns the token of "Bearer <token>"; the scheme is case-insensitive.
func cutBearer(header string) (string, bool) {
	scheme, token, ok := strings.Cut(header, " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// lookUp returns the owner and the secret of an access key.
func (v *verifier) lookUp(keyID, token string) (identity, string, *apiError) {
	if owned, ok := v.keys[keyID]; ok {
		if subtle.ConstantTimeCompare([]byte(owned.SessionToken), []byte(token)) != 1 {
			return identity{}, "", known("unknown-key")
		}
		return v.user(keyID), owned.SecretAccessKey, nil
	}
	if who, secret, ok := v.iam.lookUp(keyID); ok && token == "" {
		return who, secret, nil
	}
	return v.sessions.lookUp(keyID, token)
}

// user is the IAM user that owns a configured access key; its name is the key's
// id, so that the text of a denial tells which key it was.
func (v *verifier) user(keyID string) identity {
	sum := sha256.Sum256([]byte(keyID))
	return identity{
		Account: v.account, ARN: "arn:aws:iam::" + v.account + ":user/" + keyID,
		UserID: "AIDA" + strings.ToUpper(hex.EncodeToString(sum[:8])), Key: keyID,
	}
}

// parseAuthorization reads the header that Signature Version 4 prescribes.
func parseAuthorization(r *http.Request, header string) (signature, *apiError) {
	params := map[string]string{}
	rest, found := strings.CutPrefix(header, algorithm)
	for part := range strings.SplitSeq(rest, ",") {
		if k, val, ok := strings.Cut(strings.TrimSpace(part), "="); ok && found {
			params[k] = val
		}
	}
	missing := missingParameters(params)
	stamp := r.Header.Get("X-Amz-Date")
	if stamp == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if len(missing) > 0 {
		return signature{}, knownf("incomplete-signature", "%s (Hashed with SHA-256 and encoded with Base64) Authorization=%s", strings.Join(missing, " "), digest(header))
	}
	at, err := time.Parse(amzTime, stamp)
	if err != nil {
		return signature{}, knownf("incomplete-signature", "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", stamp)
	}
	scope := strings.Split(params["Credential"], "/")
	if len(scope) < 5 {
		return signature{}, knownf("incomplete-signature", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got %d", len(scope))
	}
	// An access key id may hold slashes, the rest of the scope may not.
	last := scope[len(scope)-4:]
	return signature{
		keyID: strings.Join(scope[:len(scope)-4], "/"), date: last[0], region: last[1], service: last[2], end: last[3],
		headers: strings.Split(strings.ToLower(params["SignedHeaders"]), ";"), mac: params["Signature"], time: at,
	}, nil
}

// missingParameters says what an Authorization header lacks.
func missingParameters(params map[string]string) []string {
	var missing []string
	for _, k := range []string{"Credential", "Signature", "SignedHeaders"} {
		if params[k] == "" {
			missing = append(missing, fmt.Sprintf("Authorization header requires '%s' parameter.", k))
		}
	}
	return missing
}

// regionPattern is the shape of an AWS region; every region is served.
var regionPattern = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d+$`)

// checkScope compares the credential scope and the list of signed headers with
// what the service wants; AWS names every fault at once.
func (s signature) checkScope(service string) *apiError {
	var faults []string
	if s.service != service {
		faults = append(faults, fmt.Sprintf("Credential should be scoped to correct service: '%s'.", service))
	}
	if !regionPattern.MatchString(s.region) {
		faults = append(faults, "Credential should be scoped to a valid region.")
	}
	if s.end != terminator {
		faults = append(faults, fmt.Sprintf("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, s.end))
	}
	if day := s.time.Format("20060102"); s.date != day {
		faults = append(faults, fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			s.date, day, s.time.Format(amzTime)))
	}
	if !slices.Contains(s.headers, "host") {
		faults = append(faults, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if !slices.Contains(s.headers, "x-amz-date") {
		faults = append(faults, "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if len(faults) == 0 {
		return nil
	}
	return knownf("bad-signature", "%s", strings.Join(faults, " "))
}

// checkClock refuses a signature made more than five minutes ago or ahead.
func (s signature) checkClock(now time.Time) *apiError {
	now = now.UTC().Truncate(time.Second)
	if edge := now.Add(-clockSkew); s.time.Before(edge) {
		return knownf("bad-signature", "Signature expired: %s is now earlier than %s (%s - 5 min.)",
			s.time.Format(amzTime), edge.Format(amzTime), now.Format(amzTime))
	}
	if edge := now.Add(clockSkew); s.time.After(edge) {
		return knownf("bad-signature", "Signature not yet current: %s is still later than %s (%s + 5 min.)",
			s.time.Format(amzTime), edge.Format(amzTime), now.Format(amzTime))
	}
	return nil
}

// stringToSign is the second of the three steps of the scheme.
func (s signature) stringToSign(canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{s.date, s.region, s.service, s.end}, "/")
	return strings.Join([]string{algorithm, s.time.Format(amzTime), scope, hex.EncodeToString(sum[:])}, "\n")
}

// sign is the third step: the signature as lower-case hexadecimal digits.
func (s signature) sign(secret, toSign string) string {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, s.end} {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, toSign))
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonicalRequest is the first step. The path of every service but S3 is
// encoded once more than it is on the wire, so %3A becomes %253A.
func canonicalRequest(r *http.Request, body []byte, signed []string) string {
	sum := sha256.Sum256(body)
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.URL) + "\n" + canonicalQuery(r.URL.RawQuery) + "\n")
	for _, name := range signed {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hex.EncodeToString(sum[:]))
	return b.String()
}

func canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		return "/"
	}
	return uriEncode(path, true)
}

// canonicalQuery sorts the parameters by encoded name, then by encoded value.
func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		k, val, _ := strings.Cut(part, "=")
		pairs = append(pairs, [2]string{uriEncode(unescapeQuery(k), false), uriEncode(unescapeQuery(val), false)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if a[0] != b[0] {
			return strings.Compare(a[0], b[0])
		}
		return strings.Compare(a[1], b[1])
	})
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = p[0] + "=" + p[1]
	}
	return strings.Join(parts, "&")
}

// unescapeQuery decodes one part of a query; one that cannot be decoded is
// signed as it stands, which no client does, so the signature will not match.
func unescapeQuery(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// uriEncode escapes every byte but the unreserved ones of RFC 3986.
func uriEncode(s string, keepSlash bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// headerValue is a header as it is signed. net/http keeps the host, and the
// length of a body whose header HTTP/2 may leave out, outside the header map.
func headerValue(r *http.Request, name string) string {
	values := r.Header.Values(name)
	switch {
	case name == "host":
		values = []string{r.Host}
	case name == "content-length" && len(values) == 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	folded := make([]string, len(values))
	for i, v := range values {
		folded[i] = foldSpaces(v)
	}
	return strings.Join(folded, ",")
}

// foldSpaces writes runs of spaces as one and drops those at the ends. Other
// blanks are signed as they are.
func foldSpaces(v string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(v, " "), func(s string) bool { return s == "" }), " ")
}

// mismatch tells what should have been signed, as AWS does, so that a client's
// author can compare. The session token is left out: an error text may be logged.
func mismatch(r *http.Request, canonical, toSign string) *apiError {
	if token := r.Header.Get("X-Amz-Security-Token"); token != "" {
		canonical = strings.ReplaceAll(canonical, token, "REDACTED")
	}
	return knownf("bad-signature", "%s\n\nThe Canonical String for this request should have been\n'%s'\n\nThe String-to-Sign should have been\n'%s'\n",
		known("bad-signature").Message, canonical, toSign)
}

// digest is how AWS shows an Authorization header that it could not read.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}
