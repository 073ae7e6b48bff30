package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"outcrop/internal/auth"
)

func TestEveryAlgorithmThatIsSafe(t *testing.T) {
	pairs := keyPairs(t)
	p := &idp{}
	for alg, key := range pairs {
		p.keys = append(p.keys, published(string(alg), string(alg), key.Public()))
	}
	a := newAuthenticator(t, auth.Options{Tokens: tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{{Name: "idp", JWKSURL: jwksURL, RolePaths: []string{"roles"}}}})})
	for alg, key := range pairs {
		token := signedBy(t, alg, key, string(alg), claimsNow(nil))
		caller, err := bearer(a, token)
		if err != nil || caller.User != "alice" || !caller.HasAny([]string{"user"}) {
			t.Errorf("%s: got %+v, %v", alg, caller, err)
		}
		for other := range pairs {
			if other == alg {
				continue
			}
			if _, err := bearer(a, signedBy(t, alg, key, string(other), claimsNow(nil))); reasonOf(err) != auth.BadToken {
				t.Errorf("%s with the key of %s: %v", alg, other, err)
			}
		}
	}
}

// part is base64url of a text.
func part(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// hostile is a token that has to be refused.
type hostile struct {
	name, token, why string
	reason           auth.Reason
}

// unsigned are tokens that nobody has signed.
func unsigned(good string) []hostile {
	parts := strings.Split(good, ".")
	none := func(alg string) string { return part(`{"alg":"`+alg+`","kid":"k"}`) + "." + parts[1] + "." }
	signature := []byte(parts[2])
	signature[10] ^= 1 // another letter of the alphabet, mostly
	return []hostile{
		{"none", none("none"), "algorithm is not allowed", 0},
		{"None", none("None"), "algorithm is not allowed", 0},
		{"NONE with a signature", none("NONE") + parts[2], "algorithm is not allowed", 0},
		{"no alg", part(`{"kid":"k"}`) + "." + parts[1] + "." + parts[2], "algorithm is not allowed", 0},
		{"alg is a number", part(`{"alg":1,"kid":"k"}`) + "." + parts[1] + "." + parts[2], "algorithm is not allowed", 0},
		{"no signature", parts[0] + "." + parts[1] + ".", "signature is wrong", 0},
		{"another signature", parts[0] + "." + parts[1] + "." + string(signature), "", 0},
		{"another payload", parts[0] + "." + part(`{"sub":"root","exp":9999999999,"iss":"https://idp.example.com","aud":"dial"}`) + "." + parts[2], "signature is wrong", 0},
		{"another header", part(`{"alg":"PS256","kid":"k"}`) + "." + parts[1] + "." + parts[2], "signature is wrong", 0},
		{"padding", good + "==", "not a signed JWT", 0},
		{"a line break", parts[0] + "." + parts[1] + "." + parts[2][:8] + "\n" + parts[2][8:], "not a signed JWT", 0},
		{"two parts", parts[0] + "." + parts[1], "not a signed JWT", 0},
		{"many dots", good + strings.Repeat(".", 5000), "not a signed JWT", 0},
		{"no base64", "eyJ#." + parts[1] + "." + parts[2], "not a signed JWT", 0},
		{"huge", good + strings.Repeat("A", 16<<10), "longer than 16 KiB", 0},
		{"deep", parts[0] + "." + part(strings.Repeat(`{"a":`, 1500)+"1"+strings.Repeat("}", 1500)) + "." + parts[2], "", auth.UnknownProvider},
		{"deep and open", parts[0] + "." + part(strings.Repeat("[", 9000)) + "." + parts[2], "not a signed JWT", 0},
		{"twice alg", part(`{"alg":"RS256","alg":"none","kid":"k"}`) + "." + parts[1] + "." + parts[2], "not a signed JWT", 0},
		{"a list", parts[0] + "." + part(`["sub"]`) + "." + parts[2], "not a signed JWT", 0},
		{"two payloads", parts[0] + "." + part(`{"iss":"https://idp.example.com"}{}`) + "." + parts[2], "not a signed JWT", 0},
		{"JWE", part(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + ".a.b.c.d", "encrypted", 0},
		{"JSON", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, "", auth.Unknown},
		{"a word", "hunter2", "", auth.Unknown},
		{"dots", "..", "", auth.Unknown},
		{"a key with dots", "a.b.c", "", auth.Unknown},
	}
}

// missigned are tokens that are signed, and not good.
func missigned(t *testing.T) []hostile {
	t.Helper()
	keys, pairs := rsaKeys(), keyPairs(t)
	with := func(changes map[string]any) string { return signedBy(t, jose.RS256, keys[0], "k", claimsNow(changes)) }
	text := func(payload string) string {
		return signedText(t, jose.SigningKey{Algorithm: jose.RS256, Key: keys[0]}, (&jose.SignerOptions{}).WithHeader("kid", "k"), payload)
	}
	header := func(h ...string) string { return signedBy(t, jose.RS256, keys[0], "k", claimsNow(nil), h...) }
	public, err := json.Marshal(published("k", "", &keys[0].PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	embedded := signedText(t, jose.SigningKey{Algorithm: jose.RS256, Key: keys[1]}, &jose.SignerOptions{EmbedJWK: true}, string(mustJSON(t, claimsNow(nil))))
	exp := time.Now().Add(time.Hour).Unix()
	return []hostile{
		{"signed by another", signedBy(t, jose.RS256, keys[1], "k", claimsNow(nil)), "signature is wrong", 0},
		{"HS256 with the public key", signedBy(t, jose.HS256, public, "k", claimsNow(nil)), "algorithm is not allowed", 0},
		{"a key of its own", embedded, "signature is wrong", 0},
		{"a key by URL", signedBy(t, jose.RS256, keys[1], "k", claimsNow(nil), "jku", "https://evil.example.com/keys"), "signature is wrong", 0},
		{"a certificate by URL", signedBy(t, jose.RS256, keys[1], "k", claimsNow(nil), "x5u", "https://evil.example.com/c"), "signature is wrong", 0},
		{"an elliptic signature for an RSA key", signedBy(t, jose.ES256, pairs[jose.ES256], "k", claimsNow(nil)), "does not fit", 0},
		{"an algorithm that the key is not for", signedBy(t, jose.PS256, keys[0], "rs", claimsNow(nil)), "does not fit", 0},
		{"a key for encryption", signedBy(t, jose.RS256, keys[0], "enc", claimsNow(nil)), "does not have", 0},
		{"a path as kid", signedBy(t, jose.RS256, keys[1], "../../etc/passwd", claimsNow(nil)), "does not have", 0},
		{"SQL as kid", signedBy(t, jose.RS256, keys[1], "x' UNION SELECT 'k", claimsNow(nil)), "does not have", 0},
		{"a long kid", signedBy(t, jose.RS256, keys[1], strings.Repeat("k", 5000), claimsNow(nil)), "does not have", 0},
		{"b64", part(`{"alg":"RS256","kid":"k","b64":false}`) + good(t)[strings.IndexByte(good(t), '.'):], "extension", 0},
		{"zip", header("zip", "DEF"), "extension", 0},
		{"a logout", header("typ", "logout+jwt"), "type", 0},
		{"nested", text(good(t)), "not a signed JWT", 0},
		{"expired", with(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), "has expired", 0},
		{"expires now", with(map[string]any{"exp": time.Now().Add(-time.Second).Unix()}), "has expired", 0},
		{"exp is negative", with(map[string]any{"exp": -1}), "has expired", 0},
		{"exp is a string", with(map[string]any{"exp": "9999999999"}), "exp is not a time", 0},
		{"exp is null", text(`{"sub":"a","iss":"https://idp.example.com","aud":"dial","exp":null}`), "exp is not a time", 0},
		{"exp is beyond numbers", text(`{"sub":"a","iss":"https://idp.example.com","aud":"dial","exp":1e999}`), "exp is not a time", 0},
		{"no exp", with(map[string]any{"exp": nil}), "no time of expiry", 0},
		{"not yet", with(map[string]any{"nbf": time.Now().Add(time.Minute).Unix()}), "not valid yet", 0},
		{"nbf is a string", with(map[string]any{"nbf": "1"}), "nbf is not a time", 0},
		{"iat is a string", with(map[string]any{"iat": "1"}), "iat is not a time", 0},
		{"another audience", with(map[string]any{"aud": "mail"}), "another audience", 0},
		{"other audiences", with(map[string]any{"aud": []string{"mail", "dial2"}}), "another audience", 0},
		{"no audience", with(map[string]any{"aud": nil}), "another audience", 0},
		{"audience is an object", with(map[string]any{"aud": map[string]any{"dial": 1}}), "another audience", 0},
		{"another issuer", with(map[string]any{"iss": "https://evil.example.com"}), "", auth.UnknownProvider},
		{"an issuer that begins well", with(map[string]any{"iss": "https://idp.example.com.evil.com"}), "", auth.UnknownProvider},
		{"no issuer", with(map[string]any{"iss": nil}), "", auth.UnknownProvider},
		{"an issuer in a list", with(map[string]any{"iss": []string{"https://idp.example.com"}}), "", auth.UnknownProvider},
		{"nobody", with(map[string]any{"sub": nil}), "the claim sub", 0},
		{"an empty name", with(map[string]any{"sub": ""}), "the claim sub", 0},
		{"a name with a line break", with(map[string]any{"sub": "a\nb"}), "the claim sub", 0},
		{"twice sub", text(`{"sub":"a","sub":"b","iss":"https://idp.example.com","aud":"dial","exp":` + jsonOf(t, exp) + `}`), "not a signed JWT", 0},
		{"crit", part(`{"alg":"RS256","kid":"k","crit":["x"],"x":1}`) + good(t)[strings.IndexByte(good(t), '.'):], "extension", 0},
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func jsonOf(t testing.TB, v any) string { return string(mustJSON(t, v)) }

func good(t testing.TB) string { return signedBy(t, jose.RS256, rsaKeys()[0], "k", claimsNow(nil)) }

// strict is an authenticator that knows one provider, of which it knows everything.
func strict(t testing.TB) *auth.Authenticator {
	t.Helper()
	public := &rsaKeys()[0].PublicKey
	p := &idp{keys: []jose.JSONWebKey{published("k", "", public), published("rs", "RS256", public), {Key: public, KeyID: "enc", Use: "enc"}}}
	return newAuthenticator(t, auth.Options{Tokens: tokensOf(t, p, auth.TokenOptions{Providers: []auth.Provider{
		{Name: "idp", JWKSURL: jwksURL, Issuer: "https://idp.example.com", Audience: "dial"},
	}})})
}

func TestHostileTokens(t *testing.T) {
	a := strict(t)
	token := good(t)
	if _, err := bearer(a, token); err != nil {
		t.Fatal(err)
	}
	for _, tt := range append(unsigned(token), missigned(t)...) {
		caller, err := bearer(a, tt.token)
		if tt.reason == 0 {
			tt.reason = auth.BadToken
		}
		if err == nil || caller.User != "" || reasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%s: got %+v, %v", tt.name, caller, err)
		}
		for p := range strings.SplitSeq(tt.token, ".") {
			if err != nil && len(p) > 5 && strings.Contains(err.Error(), p) {
				t.Errorf("%s: the error quotes the token: %v", tt.name, err)
			}
		}
	}
}

func TestGoodTokensOfUnusualForm(t *testing.T) {
	a := strict(t)
	key := rsaKeys()[0]
	soon := float64(time.Now().Add(time.Hour).Unix()) + 0.5
	for name, token := range map[string]string{
		"audiences":           signedBy(t, jose.RS256, key, "k", claimsNow(map[string]any{"aud": []string{"mail", "dial"}})),
		"exp with a fraction": signedBy(t, jose.RS256, key, "k", claimsNow(map[string]any{"exp": soon})),
		"exp far away":        signedBy(t, jose.RS256, key, "k", claimsNow(map[string]any{"exp": 1e300})),
		"iat ahead":           signedBy(t, jose.RS256, key, "k", claimsNow(map[string]any{"iat": time.Now().Add(time.Minute).Unix()})),
		"no kid":              signedBy(t, jose.RS256, key, "", claimsNow(nil)),
		"an access token":     signedBy(t, jose.RS256, key, "k", claimsNow(nil), "typ", "at+jwt"),
	} {
		if caller, err := bearer(a, token); err != nil || caller.User != "alice" {
			t.Errorf("%s: got %+v, %v", name, caller, err)
		}
	}
}

// FuzzToken changes a good token: whatever is not that token has no caller.
func FuzzToken(f *testing.F) {
	token := good(f)
	f.Add(token)
	f.Add(token[:len(token)-1] + "B")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(part(`{"alg":"RS256","kid":"k","crit":["b64"],"b64":false}`) + token[strings.IndexByte(token, '.'):])
	a := strict(f)
	f.Fuzz(func(t *testing.T, text string) {
		caller, err := a.Authenticate(&http.Request{Header: http.Header{"Authorization": {"Bearer " + text}}})
		if err == nil && strings.TrimSpace(text) != token {
			t.Fatalf("%q is %+v", text, caller)
		}
		if _, ok := errors.AsType[*auth.Error](err); err != nil && !ok {
			t.Fatalf("%v is not an *auth.Error", err)
		}
	})
}
