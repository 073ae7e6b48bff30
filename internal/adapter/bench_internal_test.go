package adapter

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/auth"
	"outcrop/internal/bedrock"
	"outcrop/internal/models"
)

// BenchmarkResolve is the price of an upstream that comes with each request, once it is known: without a
// session tag, and with one.
func BenchmarkResolve(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkResolve(b, nil) })
	b.Run("tags", func(b *testing.B) { benchmarkResolve(b, SessionTags{{Key: "m", Source: sourceModelID}}) })
}

func benchmarkResolve(b *testing.B, tags SessionTags) {
	catalogue, err := models.Load()
	if err != nil {
		b.Fatal(err)
	}
	a, err := newAdapter(Options{
		Client: func(bedrock.Settings) (*bedrock.Client, error) {
			return bedrock.New(bedrock.Options{Region: "us-east-1", Catalogue: catalogue, Credentials: credentials.NewStaticCredentialsProvider("A", "b", "")})
		},
		Extra: func(string) (Upstream, error) {
			return Upstream{Settings: bedrock.Settings{AssumeRoleARN: "arn:aws:iam::111122223333:role/dial"}}, nil
		},
		Tags: tags, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", http.NoBody)
	r.Header.Set("X-Upstream-Extra-Data", `{"region":"eu-west-1","aws_assume_role_arn":"arn:aws:iam::111122223333:role/dial-bedrock-access"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Resolve(r, auth.Caller{}, "us.amazon.nova-lite-v1:0"); err != nil {
			b.Fatal(err)
		}
	}
}
