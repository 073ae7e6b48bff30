package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of what an identity provider may answer.
const (
	oidcTimeout = 5 * time.Second
	maxKeySet   = 1 << 20 // bytes
)

// oidcKeys finds the keys that an issuer signs its tokens with. It keeps none, so that a rotated key is
// known at once.
type oidcKeys struct {
	client *http.Client
	given  map[string]string // by issuer: a JWKS document, or the URL of one
}

// newOIDCKeys trusts these roots beside the system's.
func newOIDCKeys(roots *x509.CertPool, given map[string]string) *oidcKeys {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment}
	return &oidcKeys{given: given, client: &http.Client{
		Transport: transport, Timeout: oidcTimeout,
		// A provider answers itself; nobody is sent on to another host of this network.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// The texts of STS about tokens that it cannot verify: the descriptions of its errors.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html#API_AssumeRoleWithWebIdentity_Errors
const (
	tokenNotValid = "The web identity token that was passed could not be validated by AWS. " +
		"Get a new identity token from the identity provider and then retry the request."
	noVerificationKey = "Couldn't retrieve verification key from your identity provider,  " +
		"please reference AssumeRoleWithWebIdentity documentation for requirements"
	providerUnreachable = "The request could not be fulfilled because the identity provider (IDP) that was asked to verify the incoming identity token " +
		"could not be reached."
)

// verify holds a token's signature against the keys of its issuer. Claims are the caller's to judge.
func (o *oidcKeys) verify(ctx context.Context, issuer, token string) *apiError {
	set, err := o.keys(ctx, issuer)
	switch {
	case errors.Is(err, errUnreachable):
		return stsError("IDPCommunicationError", providerUnreachable)
	case err != nil:
		return stsError("InvalidIdentityToken", noVerificationKey)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}), jwt.WithoutClaimsValidation())
	_, err = parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, set.find)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNoKey):
		return stsError("InvalidIdentityToken", noVerificationKey)
	}
	return stsError("InvalidIdentityToken", tokenNotValid)
}

var (
	errUnreachable = errors.New("the identity provider does not answer")
	errNoKey       = errors.New("the identity provider has no such key")
)

// keySet is a JWKS document, as far as it is used.
type keySet struct {
	Keys []struct {
		KeyType string `json:"kty"`
		ID      string `json:"kid"`
		Curve   string `json:"crv"`
		N       string `json:"n"`
		E       string `json:"e"`
		X       string `json:"x"`
		Y       string `json:"y"`
	} `json:"keys"`
}

// find is the key of a token: by its kid, or the only one of its kind.
func (set keySet) find(t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	for _, k := range set.Keys {
		if kid != "" && k.ID != kid || kid == "" && len(set.Keys) > 1 {
			continue
		}
		switch k.KeyType {
		case "RSA":
			n, e := bigOf(k.N), bigOf(k.E)
			if n.BitLen() < 2048 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
				return nil, errNoKey
			}
			return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
		case "EC":
			curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
			if curve == nil {
				return nil, errNoKey
			}
			return ecKey(curve, k.X, k.Y)
		}
	}
	return nil, errNoKey
}

// ecKey makes a key of a curve's point, which it checks to be one.
func ecKey(curve elliptic.Curve, x, y string) (any, error) {
	size := (curve.Params().BitSize + 7) / 8
	point := make([]byte, 1+2*size)
	point[0] = 4 // uncompressed
	bx, by := bigOf(x).Bytes(), bigOf(y).Bytes()
	if len(bx) > size || len(by) > size {
		return nil, errNoKey
	}
	copy(point[1+size-len(bx):], bx)
	copy(point[1+2*size-len(by):], by)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errNoKey
	}
	return key, nil
}

func bigOf(s string) *big.Int {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return new(big.Int)
	}
	return new(big.Int).SetBytes(raw)
}

// keys gets the key set of an issuer: the one that was given, or the one that its discovery document names.
func (o *oidcKeys) keys(ctx context.Context, issuer string) (set keySet, err error) {
	given := o.given[issuer]
	if strings.HasPrefix(strings.TrimSpace(given), "{") {
		return set, json.Unmarshal([]byte(given), &set)
	}
	if given == "" {
		var discovery struct {
			Issuer string `json:"issuer"`
			Keys   string `json:"jwks_uri"`
		}
		if err := o.get(ctx, issuer+"/.well-known/openid-configuration", &discovery); err != nil {
			return set, err
		}
		if strings.TrimSuffix(discovery.Issuer, "/") != issuer || !strings.HasPrefix(discovery.Keys, "https://") {
			return set, errors.New("the discovery document is of another issuer, or its keys are not under https")
		}
		given = discovery.Keys
	}
	return set, o.get(ctx, given, &set)
}

func (o *oidcKeys) get(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := o.client.Do(r)
	if err != nil {
		return errUnreachable
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySet))
	switch {
	case err != nil:
		return errUnreachable
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("the identity provider answers %d", answer.StatusCode)
	}
	return json.Unmarshal(body, into)
}
