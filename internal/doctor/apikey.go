package doctor

import (
	"fmt"
	"os"
	"strings"
	"time"

	"outcrop/internal/onboard"
	"outcrop/internal/secret"
)

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
	var out []Finding
	for _, to := range u.Client.Endpoints() {
		if strings.HasPrefix(to.URL, "http:") && len(out) == 0 {
			out = append(out, Finding{
				Code: "CRED-014", Severity: Warning, Subject: u.Name, Message: "the API key would travel to " + to.URL + " without encryption",
				Remedy: "use an https endpoint; AWS's own SDKs refuse http with an API key",
			})
		}
	}
	from := "the environment or the configuration"
	if file != "" {
		from = "the file " + file
	}
	facts := onboard.DecodeAPIKey(secret.New(key))
	if facts.Expires == nil {
		return append(out, Finding{
			Code: "CRED-009", Severity: Info, Subject: u.Name, Message: "a long-term Bedrock API key of " + from + ": it does not say when it ends, and is meant for exploration only",
			Remedy: "use a role: outcrop aws grant, or a short-term key in a file that is renewed",
		})
	}
	left := facts.Expires.Sub(e.Now())
	out = append(out, Finding{Code: "CRED-009", Severity: Info, Subject: u.Name, Message: fmt.Sprintf(
		"a short-term Bedrock API key of %s: made with %s for %s, good until %s", from, facts.AccessKeyID, facts.Region, facts.Expires.UTC().Format(time.RFC3339))})
	switch {
	case left <= 0:
		f.Code, f.Message, f.Remedy = "CRED-010", "the Bedrock API key has expired "+brief(-left)+" ago", "make a new one (12 hours at most), or use a role: outcrop aws grant"
		return append(out, f)
	case facts.Region != u.Region:
		f.Code, f.Message = "CRED-011", "the Bedrock API key is for "+facts.Region+", and the upstream is in "+u.Region
		f.Remedy = "make the key in " + u.Region + ", or set region: " + facts.Region + " in extraData"
		return append(out, f)
	case file == "":
		f.Code, f.Severity = "CRED-012", Warning
		f.Message = "the Bedrock API key stands in " + from + ", is read once and ends in " + brief(left)
		f.Remedy = "write it to a file that is renewed, and set AWS_BEARER_TOKEN_BEDROCK_FILE or aws_bearer_token_bedrock_file; the file is read again when it changes"
		return append(out, f)
	}
	return out
}
