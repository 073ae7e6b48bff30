package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// minRSA is the shortest RSA key, in bits, that RFC 7518 (3.3) lets be used.
const minRSA = 2048

// safeAlgorithms are those by which a token may be signed: with a key that only its provider has.
func safeAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// algorithms are names as the library has them.
func algorithms(names []string) []jose.SignatureAlgorithm {
	list := make([]jose.SignatureAlgorithm, 0, len(names))
	for _, name := range names {
		list = append(list, jose.SignatureAlgorithm(name))
	}
	return list
}

// strong says whether a public key may be trusted.
func strong(key crypto.PublicKey) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA && key.E > 2
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	default:
		return false
	}
}

// fits says whether a signature by the algorithm can be the key's.
func (v *verifier) fits(alg string) bool {
	if v.alg != "" && v.alg != alg {
		return false
	}
	switch key := v.public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		return key.Curve == map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
	case ed25519.PublicKey:
		return alg == "EdDSA"
	default:
		return false
	}
}
