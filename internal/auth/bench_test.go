package auth_test

import (
	"net/http"
	"testing"
	"time"

	"outcrop/internal/auth"
)

func benchmark(b *testing.B, a *auth.Authenticator, name, value string) {
	r := &http.Request{Header: http.Header{name: {value}, "Content-Type": {"application/json"}}}
	if _, err := a.Authenticate(r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	a := newAuthenticator(b, auth.Options{Keys: []auth.Key{{Digest: auth.Digest("a-key-of-team-a-0123456789"), Project: "p"}}, Passes: auth.NewPasses(time.Hour)})
	benchmark(b, a, "Api-Key", "a-key-of-team-a-0123456789")
}

func BenchmarkPass(b *testing.B) {
	passes := auth.NewPasses(time.Hour)
	benchmark(b, newAuthenticator(b, auth.Options{Passes: passes}), "Api-Key", passes.Issue(&auth.Pass{}))
}

func BenchmarkKnownToken(b *testing.B) {
	benchmark(b, strict(b), "Authorization", "Bearer "+good(b))
}
