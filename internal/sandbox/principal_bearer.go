package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A short-term API key is a signed URL in base64: whoever has it calls with the permissions of its
// signer, for twelve hours at most, in one region.
// https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-how.html
const (
	shortTermPrefix = "bedrock-api-key-"
	shortTermHost   = "bedrock.amazonaws.com"
	shortTermLife   = 12 * time.Hour
	maxShortTerm    = 16 << 10 // bytes
)

// shortTerm accepts a short-term API key.
func (v *verifier) shortTerm(token string) (identity, *apiError) {
	refused := known("bad-api-key")
	encoded, ok := strings.CutPrefix(token, shortTermPrefix)
	if !ok || len(encoded) > maxShortTerm {
		return identity{}, refused
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	host, query, _ := strings.Cut(string(raw), "/?")
	form, bad := url.ParseQuery(query)
	if err != nil || bad != nil || host != shortTermHost || form.Get("Action") != "CallWithBearerToken" {
		return identity{}, refused
	}
	sig, ok := presigned(form)
	if !ok || sig.checkScope("bedrock") != nil {
		return identity{}, refused
	}
	who, secret, denied := v.lookUp(sig.keyID, form.Get("X-Amz-Security-Token"))
	if denied != nil {
		return identity{}, refused
	}
	if !hmac.Equal([]byte(sig.sign(secret, sig.stringToSign(presignedRequest(form, sig.headers)))), []byte(sig.mac)) {
		return identity{}, refused
	}
	seconds, err := strconv.Atoi(form.Get("X-Amz-Expires"))
	life := time.Duration(seconds) * time.Second
	now := v.now()
	if err != nil || seconds < 1 || life > shortTermLife || now.Before(sig.time.Add(-clockSkew)) || !now.Before(sig.time.Add(life)) {
		return identity{}, refused
	}
	who.Region, who.Bearer = sig.region, "SHORT_TERM"
	return who, nil
}

// presigned reads the parameters that a signed URL has instead of a header.
func presigned(form url.Values) (signature, bool) {
	scope := strings.Split(form.Get("X-Amz-Credential"), "/")
	at, err := time.Parse(amzTime, form.Get("X-Amz-Date"))
	if err != nil || len(scope) < 5 || form.Get("X-Amz-Algorithm") != algorithm {
		return signature{}, false
	}
	last := scope[len(scope)-4:]
	return signature{
		keyID: strings.Join(scope[:len(scope)-4], "/"), date: last[0], region: last[1], service: last[2], end: last[3],
		// The date is a parameter here, and signed as such.
		headers: append(strings.Split(form.Get("X-Amz-SignedHeaders"), ";"), "x-amz-date"), mac: form.Get("X-Amz-Signature"), time: at,
	}, true
}

// presignedRequest is the canonical request of a signed URL of API keys: POST without a body. Version is
// added to the URL after it was signed.
func presignedRequest(form url.Values, headers []string) string {
	var parts []string
	for key := range form {
		if key != "X-Amz-Signature" && key != "Version" {
			parts = append(parts, uriEncode(key, false)+"="+uriEncode(form.Get(key), false))
		}
	}
	slices.Sort(parts)
	empty := sha256.Sum256(nil)
	signed := strings.Join(slices.DeleteFunc(slices.Clone(headers), func(h string) bool { return h == "x-amz-date" }), ";")
	return "POST\n/\n" + strings.Join(parts, "&") + "\nhost:" + shortTermHost + "\n\n" + signed + "\n" + hex.EncodeToString(empty[:])
}
