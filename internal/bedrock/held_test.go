package bedrock_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"outcrop/internal/bedrock"
)

// TestHeld: what the metrics say of credentials is what the upstream has.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expires := time.Now().Add(time.Hour)
		broken := true
		client, err := bedrock.New(bedrock.Options{
			Region: "us-east-1", Transport: http.DefaultTransport,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				if broken {
					return aws.Credentials{}, errors.New("broken")
				}
				return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: expires}, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		if h := client.Held(); h != (bedrock.Held{Source: "credentials"}) {
			t.Errorf("at first: %+v", h)
		}
		if err := client.Ready(t.Context()); err == nil {
			t.Error("ready without credentials")
		}
		if h := client.Held(); h.Failures != 1 || !h.Expires.IsZero() {
			t.Errorf("after a failure: %+v", h)
		}
		broken = false
		// The wallet shares a failure for a second.
		time.Sleep(1100 * time.Millisecond) // in the bubble
		if err := client.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if h := client.Held(); h.Failures != 1 || !h.Expires.Equal(expires) {
			t.Errorf("afterwards: %+v", h)
		}
		if time.Sleep(58 * time.Minute); client.Held().Expires.Equal(expires) {
			t.Error("credentials that nobody has needed look as if they could not be renewed")
		}
		broken = true
		time.Sleep(time.Hour)
		if err := client.Ready(t.Context()); err == nil || !client.Held().Expires.Equal(expires) {
			t.Errorf("credentials that could not be renewed are not told: %+v, %v", client.Held(), err)
		}
	})
}
