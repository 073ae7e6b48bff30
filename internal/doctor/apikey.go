package doctor

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// shortTerm is what a short-term Bedrock API key begins with; what follows is a signed URL in base64.
const shortTerm = "bedrock-api-key-"

// keyFacts are what a short-term key says of itself. They are no secret; its signature is.
type keyFacts struct {
	id, region string
	expires    time.Time
}

// decodeKey reads a short-term key without asking anybody; false for one that says nothing of itself.
func decodeKey(key string) (keyFacts, bool) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(key), shortTerm)
	if !ok {
		return keyFacts{}, false
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		if raw, err = base64.RawStdEncoding.DecodeString(encoded); err != nil {
			return keyFacts{}, false
		}
	}
	_, query, _ := strings.Cut(string(raw), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return keyFacts{}, false
	}
	scope := strings.Split(values.Get("X-Amz-Credential"), "/") // id, date, region, bedrock, aws4_request
	made, err := time.Parse("20060102T150405Z", values.Get("X-Amz-Date"))
	seconds, bad := strconv.Atoi(values.Get("X-Amz-Expires"))
	if err != nil || bad != nil || len(scope) != 5 {
		return keyFacts{}, false
	}
	return keyFacts{id: scope[0], region: scope[2], expires: made.Add(time.Duration(seconds) * time.Second)}, true
}

// keyOf is the key of an upstream and the file that it comes from, "" for none.
func (e *Env) keyOf(u *Upstream) (key, file string, err error) {
	s := u.Settings
	switch {
	case !s.APIKey.IsZero():
		return s.APIKey.Reveal(), "", nil
	case s.APIKeyFile != "":
		file = s.APIKeyFile
	case e.Getenv("AWS_BEARER_TOKEN_BEDROCK") != "":
		return e.Getenv("AWS_BEARER_TOKEN_BEDROCK"), "", nil
	default:
		file = e.Getenv("AWS_BEARER_TOKEN_BEDROCK_FILE")
	}
	data, err := os.ReadFile(file)
	return string(data), file, err
}

// apiKey looks at a Bedrock API key without sending it.
func (e *Env) apiKey(u *Upstream) []Finding {
	key, file, err := e.keyOf(u)
	f := Finding{Severity: Error, Subject: u.Name}
	switch {
	case err != nil:
		f.Code, f.Message, f.Remedy = "CRED-013", "the file of the Bedrock API key cannot be read: "+err.Error(), "mount the Secret with the key at "+file
		return []Finding{f}
	case strings.TrimSpace(key) == "":
		f.Code, f.Message, f.Remedy = "CRED-013", "the file of the Bedrock API key is empty: "+file, "mount the Secret with the key at "+file
		return []Finding{f}
	}
	for _, to := range u.Client.Endpoints() {
		if strings.HasPrefix(to.URL, "http:") {
			return []Finding{{
				Code: "CRED-014", Severity: Warning, Subject: u.Name, Message: "the API key would travel to " + to.URL + " without encryption",
				Remedy: "use an https endpoint; AWS's own SDKs refuse http with an API key",
			}}
		}
	}
	from := "the environment or the configuration"
	if file != "" {
		from = "the file " + file
	}
	facts, ok := decodeKey(key)
	if !ok {
		return []Finding{{
			Code: "CRED-009", Severity: Info, Subject: u.Name, Message: "a long-term Bedrock API key of " + from + ": it does not say when it ends, and is meant for exploration only",
			Remedy: "use a role: outcrop aws grant, or a short-term key in a file that is renewed",
		}}
	}
	left := facts.expires.Sub(e.Now())
	told := Finding{Code: "CRED-009", Severity: Info, Subject: u.Name, Message: fmt.Sprintf(
		"a short-term Bedrock API key of %s: made with %s for %s, good until %s", from, facts.id, facts.region, facts.expires.UTC().Format(time.RFC3339))}
	switch {
	case left <= 0:
		f.Code, f.Message, f.Remedy = "CRED-010", "the Bedrock API key has expired "+brief(-left)+" ago", "make a new one (12 hours at most), or use a role: outcrop aws grant"
		return []Finding{told, f}
	case facts.region != u.Region:
		f.Code, f.Message = "CRED-011", "the Bedrock API key is for "+facts.region+", and the upstream is in "+u.Region
		f.Remedy = "make the key in " + u.Region + ", or set region: " + facts.region + " in extraData"
		return []Finding{told, f}
	case file == "":
		f.Code, f.Severity = "CRED-012", Warning
		f.Message = "the Bedrock API key stands in " + from + ", is read once and ends in " + brief(left)
		f.Remedy = "write it to a file that is renewed, and set AWS_BEARER_TOKEN_BEDROCK_FILE or aws_bearer_token_bedrock_file; the file is read again when it changes"
		return []Finding{told, f}
	}
	return []Finding{told}
}
