package auth

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzKeySet: whatever a provider says, what comes of it are public keys that nobody can guess, or nothing.
func FuzzKeySet(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[]}`, `{"keys":null}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"a"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"` + "x" + `","e":""}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeys(body)
		if err != nil && bytes.Contains([]byte(err.Error()), body) && len(body) > 20 {
			t.Fatalf("%v quotes the answer", err)
		}
		for _, k := range keys {
			if k.public == nil || !strong(k.public) || k.print == "" {
				t.Fatalf("%s: %+v", body, k)
			}
		}
	})
}

// FuzzOpenPass: nothing that a store has opens as a pass, but what was sealed with that key.
func FuzzOpenPass(f *testing.F) {
	const key = "0123456789abcdef0123456789abcdef"
	sealed, err := sealPass(key, &Pass{Path: []string{"a", "b"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key, sealed)
	f.Add("another", sealed)
	f.Add(key, sealed[:len(sealed)-1])
	f.Add(key, []byte{passVersion})
	f.Fuzz(func(t *testing.T, with string, data []byte) {
		pass, err := openPass(with, data)
		if err == nil && (with != key || !slices.Equal(pass.Path, []string{"a", "b"})) || err != nil && pass != nil {
			t.Fatalf("%q %x: %+v, %v", with, data, pass, err)
		}
	})
}
