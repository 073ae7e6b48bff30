package bedrock

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"outcrop/internal/llm"
)

// source gives credentials of an hour, a second after it is asked.
type source struct {
	mu    sync.Mutex
	calls int
	fail  error
}

func (s *source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	s.calls++
	fail := s.fail
	s.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	}
	return aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "SK", CanExpire: true, Expires: time.Now().Add(time.Hour)}, fail
}

func (s *source) set(fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func took(t *testing.T, w *wallet) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := w.get(t.Context()); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func TestABurstAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		w := newWallet(s)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if _, err := w.get(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := s.count(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestCredentialsAreRenewedBesideTheRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		w := newWallet(s)
		if d := took(t, w); d != time.Second {
			t.Fatalf("the first request waited %v", d)
		}
		time.Sleep(time.Hour - refreshAhead + time.Minute)
		for range 3 {
			if d := took(t, w); d != 0 {
				t.Errorf("a request waited %v for a renewal", d)
			}
		}
		time.Sleep(2 * time.Second)
		if n := s.count(); n != 2 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(refreshAhead)
		if d := took(t, w); d != 0 {
			t.Errorf("the renewed credentials are not used: waited %v", d)
		}
	})
}

func TestAFailedRenewalIsTriedAgainAndReportedWhenItMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		w := newWallet(s)
		took(t, w)
		time.Sleep(time.Hour - refreshAhead + time.Second)
		s.set(errors.New("sts is down"))
		for range 10 { // one try, then a pause
			took(t, w)
			time.Sleep(1100 * time.Millisecond)
		}
		if n := s.count(); n != 2 {
			t.Errorf("asked %d times within the pause", n)
		}
		time.Sleep(refreshAhead)
		if _, err := w.get(t.Context()); err == nil || !strings.Contains(err.Error(), "sts is down") {
			t.Errorf("expired: %v", err)
		}
		s.set(nil)
		time.Sleep(failurePause)
		took(t, w)
	})
}

func TestAClientThatLeavesDoesNotWaitForCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := newWallet(&source{}).get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoCredentials(t *testing.T) {
	none := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil })
	if _, err := newWallet(none).get(t.Context()); err == nil {
		t.Error("empty credentials were taken")
	}
}

// TestASignedRequestNeverReachesTheLog: AWS answers a wrong signature with the whole request, headers
// and all.
func TestASignedRequestNeverReachesTheLog(t *testing.T) {
	const text = "The request signature we calculated does not match.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:hunter2\n'"
	s := &source{fail: errors.New(text)}
	synctest.Test(t, func(t *testing.T) {
		_, err := newWallet(s).get(t.Context())
		logged := (&awsError{code: "InvalidSignatureException", message: text}).Error()
		for _, line := range []string{err.Error(), logged} {
			if strings.Contains(line, "hunter2") || !strings.Contains(line, "does not match") {
				t.Errorf("the log reads %q", line)
			}
		}
	})
}

// TestTheSDKsCacheIsNoObstacle: the default chain comes wrapped in one, which gives the old
// credentials until they have expired.
func TestTheSDKsCacheIsNoObstacle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		w := newWallet(aws.NewCredentialsCache(s))
		took(t, w)
		time.Sleep(time.Hour - refreshAhead + time.Second)
		took(t, w)
		time.Sleep(2 * time.Second)
		if n := s.count(); n != 2 {
			t.Errorf("asked %d times within the last minutes", n)
		}
		time.Sleep(refreshAhead)
		if d := took(t, w); d != 0 {
			t.Errorf("a request waited %v", d)
		}
	})
}

// TestAFailureIsShared: requests that wait for credentials do not fail one after the other.
func TestAFailureIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fail: errors.New("sts is down")}
		w := newWallet(s)
		began := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := w.get(t.Context()); err == nil || !strings.Contains(err.Error(), "sts is down") {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n, d := s.count(), time.Since(began); n != 1 || d > 2*time.Second {
			t.Errorf("asked %d times in %v", n, d)
		}
		s.set(nil)
		time.Sleep(failurePause)
		took(t, w)
	})
}

// failedCall is what the SDK makes of a call of a service that failed.
type failedCall struct{ error }

func (failedCall) Service() string { return "STS" }

func (f failedCall) Unwrap() error { return f.error }

// TestWhoIsToBlameForMissingCredentials: a token service that is not there is not a lack of credentials; that
// a laptop has no metadata service is.
func TestWhoIsToBlameForMissingCredentials(t *testing.T) {
	nobody := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{failedCall{nobody}, textNoSTS},
		{failedCall{context.DeadlineExceeded}, textNoSTS},
		{failedCall{errors.New("no such role")}, textNoCredentials},
		{nobody, textNoCredentials},
		{&credentialError{err: failedCall{nobody}, client: textNoKey}, textNoKey},
	} {
		if e := llm.AsError(noCredentials(asCredentialError(tt.err))); e.Message != tt.want {
			t.Errorf("%v: the client reads %q", tt.err, e.Message)
		}
	}
}
