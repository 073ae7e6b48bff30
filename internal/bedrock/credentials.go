package bedrock

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	// refreshAhead is how long before their expiry credentials are renewed.
	refreshAhead = 5 * time.Minute
	// refreshJitter is how much sooner at most, so that upstreams and replicas that began together do not
	// ask STS together.
	refreshJitter = time.Minute
	// refreshTimeout bounds one attempt to get credentials.
	refreshTimeout = 30 * time.Second
	// refreshPause is how long a failed renewal is left alone while the old credentials still work.
	refreshPause = 20 * time.Second
	// failurePause is how long requests share the failure of the one before.
	failurePause = time.Second
)

// wallet holds the credentials of one source. A request never waits for credentials that are still
// good: they are renewed ahead of expiry, by one goroutine at a time, beside the requests.
type wallet struct {
	provider aws.CredentialsProvider
	current  atomic.Pointer[held]
	failure  atomic.Pointer[failure]
	renewing atomic.Bool
	failures atomic.Uint64 // attempts that failed
	failing  atomic.Bool   // the last attempt did
	retryAt  atomic.Int64  // Unix seconds before which no renewal is started
	fetching chan struct{} // holds a token while a request waits for credentials
}

// held are credentials and when they are to be renewed.
type held struct {
	aws.Credentials
	renewAt time.Time // zero for never
}

func hold(c aws.Credentials) *held {
	h := &held{Credentials: c}
	if c.CanExpire {
		ahead := refreshAhead + rand.N(refreshJitter)
		// Of a short life half is used, or each request would renew what has just been renewed.
		h.renewAt = c.Expires.Add(-min(ahead, time.Until(c.Expires)/2))
	}
	return h
}

func (h *held) good(now time.Time) bool { return h != nil && (!h.CanExpire || now.Before(h.Expires)) }

func newWallet(provider aws.CredentialsProvider) *wallet {
	return &wallet{provider: provider, fetching: make(chan struct{}, 1)}
}

// get returns valid credentials.
func (w *wallet) get(ctx context.Context) (*held, error) {
	now := time.Now()
	if h := w.current.Load(); h.good(now) {
		if h.CanExpire && now.After(h.renewAt) {
			w.renew(ctx, now)
		}
		return h, nil
	}
	return w.fetch(ctx, nil)
}

// Retrieve implements aws.CredentialsProvider, for the role that is assumed with these credentials.
func (w *wallet) Retrieve(ctx context.Context) (aws.Credentials, error) {
	h, err := w.get(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return h.Credentials, nil
}

// failure is a failed attempt to get credentials.
type failure struct {
	err error
	at  time.Time
}

// fetch gets other credentials than the refused ones while the request waits; requests that come
// meanwhile wait for the same, and share its failure.
func (w *wallet) fetch(ctx context.Context, refused *held) (*held, error) {
	select {
	case w.fetching <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-w.fetching }()
	if h := w.current.Load(); h != refused && h.good(time.Now()) {
		return h, nil
	}
	if f := w.failure.Load(); f != nil && time.Since(f.at) < failurePause {
		return nil, f.err
	}
	w.invalidate()
	h, err := w.retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		w.failure.Store(&failure{err, time.Now()})
	}
	return h, err
}

// replaced gets other credentials than those that AWS calls expired, and says whether there are any.
func (w *wallet) replaced(ctx context.Context, refused *held) bool {
	if refused == nil || !refused.CanExpire {
		return false
	}
	h, err := w.fetch(ctx, refused)
	return err == nil && h.AccessKeyID != refused.AccessKeyID
}

// renew starts a renewal unless one is running or has just failed. The goroutine ends with the
// attempt, refreshTimeout at the latest.
func (w *wallet) renew(ctx context.Context, now time.Time) {
	if now.Unix() < w.retryAt.Load() || !w.renewing.CompareAndSwap(false, true) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer w.renewing.Store(false)
		w.invalidate()
		if _, err := w.retrieve(ctx); err != nil {
			// The old credentials still work; when they end, the request that finds them expired
			// reports the reason.
			w.retryAt.Store(time.Now().Add(refreshPause).Unix())
		}
	}()
}

// invalidate makes the SDK's cache ask again: it would give the old credentials until they have expired.
func (w *wallet) invalidate() {
	if cache, ok := w.provider.(*aws.CredentialsCache); ok {
		cache.Invalidate()
	}
}

func (w *wallet) retrieve(ctx context.Context) (*held, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	c, err := w.provider.Retrieve(ctx)
	if err != nil {
		w.failed()
		return nil, asCredentialError(err)
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		w.failed()
		return nil, &credentialError{err: errors.New("the source gave none"), client: textNoCredentials}
	}
	if fips140.Enforced() && len(c.SecretAccessKey) < fipsSecret {
		w.failed()
		return nil, &credentialError{err: fmt.Errorf("the secret access key has %d bytes, and GODEBUG=fips140=only wants at least %d to sign with", len(c.SecretAccessKey), fipsSecret), client: textNoCredentials}
	}
	h := hold(c)
	w.current.Store(h)
	w.failing.Store(false)
	return h, nil
}

// fipsSecret is how long a secret must be there, in bytes: crypto/hmac panics at keys under 112 bits, of which "AWS4" is a part.
const fipsSecret = 10

// credentialError is a failure to get credentials. Its text is for the log.
type credentialError struct {
	err    error
	client string // what the client reads of it, which names no account
}

// asCredentialError sorts what AWS refuses from what is missing. One that comes from below a role stays
// what it is.
func asCredentialError(err error) error {
	if below, ok := errors.AsType[*credentialError](err); ok {
		return below
	}
	e := &credentialError{err: err, client: textNoCredentials}
	var refusal interface{ ErrorCode() string }
	var operation interface{ Service() string } // an SDK's call that had no answer
	switch {
	case errors.As(err, &refusal) && codePattern.MatchString(refusal.ErrorCode()):
		e.client = textRefused(refusal.ErrorCode())
	case errors.As(err, &operation) && isNetwork(err):
		e.client = textNoSTS
	}
	return e
}

// isNetwork says whether nobody answered.
func isNetwork(err error) bool {
	var failure net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &failure)
}

func (e *credentialError) Error() string {
	return "getting AWS credentials: " + firstLine(e.err.Error())
}

func (e *credentialError) Unwrap() error { return e.err }

// textNoSTS is for credentials that nobody was there to give.
const textNoSTS = "AWS's token service could not be reached for the credentials of this deployment. Try again; if it stays so, the operator has to look at the network and the region."

// textNoKey is for the file of an API key that cannot be read.
const textNoKey = "The gateway cannot read its Amazon Bedrock API key. The operator has to provide the file."

// textRefused is what a client reads when AWS gives the upstream no credentials.
func textRefused(code string) string {
	return "AWS did not give the gateway the credentials for this deployment (" + code + "). The operator has to check its role (aws_assume_role_arn) and whom that trusts."
}
