package onboard

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/secret"
)

// APIKey is what a Bedrock API key says of itself, without a call. It holds no secret.
type APIKey struct {
	Source string `json:"source,omitempty"` // the variable it came from
	Kind   string `json:"kind"`             // short-term, long-term or unknown
	// Of a short-term key: the access key that signed it, the region it is good for and its end. The
	// session of that key may end before.
	AccessKeyID string     `json:"accessKeyId,omitempty"`
	Region      string     `json:"region,omitempty"`
	Expires     *time.Time `json:"expires,omitempty"`
	// Of a long-term key: the name of the service credential, which names the account.
	Credential string `json:"credential,omitempty"`
	Account    string `json:"account,omitempty"`
}

// Prefixes of the two kinds of keys.
// https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html
const (
	shortTermKey = "bedrock-api-key-"
	longTermKey  = "ABSK"
)

// DecodeAPIKey reads what is written inside a key.
func DecodeAPIKey(key secret.String) APIKey {
	text := strings.TrimSpace(key.Reveal())
	if body, ok := strings.CutPrefix(text, shortTermKey); ok {
		return decodeShortTerm(body)
	}
	if body, ok := strings.CutPrefix(text, longTermKey); ok {
		return decodeLongTerm(body)
	}
	return APIKey{Kind: "unknown"}
}

// decodeShortTerm reads the presigned address that a short-term key is.
func decodeShortTerm(body string) APIKey {
	out := APIKey{Kind: "short-term"}
	decoded, err := decodeBase64(body)
	_, query, found := strings.Cut(string(decoded), "?")
	values, bad := url.ParseQuery(query)
	if err != nil || !found || bad != nil {
		return out
	}
	scope := strings.Split(values.Get("X-Amz-Credential"), "/")
	if n := len(scope); n >= 5 {
		out.AccessKeyID, out.Region = strings.Join(scope[:n-4], "/"), scope[n-3]
	}
	begin, err := time.Parse("20060102T150405Z", values.Get("X-Amz-Date"))
	seconds, odd := strconv.Atoi(values.Get("X-Amz-Expires"))
	if err == nil && odd == nil {
		end := begin.Add(time.Duration(seconds) * time.Second)
		out.Expires = &end
	}
	return out
}

// decodeLongTerm reads the name of the service credential, as BedrockAPIKey-abcd-at-111122223333.
func decodeLongTerm(body string) APIKey {
	out := APIKey{Kind: "long-term"}
	decoded, err := decodeBase64(body)
	name, _, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok {
		return out
	}
	out.Credential = name
	if _, account, ok := strings.Cut(name, "-at-"); ok {
		out.Account = account
	}
	return out
}

func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}
