package bedrock

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	// refreshAhead is how long before their expiry credentials are renewed.
	refreshAhead = 5 * time.Minute
	// refreshTimeout bounds one attempt to get credentials.
	refreshTimeout = 30 * time.Second
	// refreshPause is how long a failed renewal is left alone while the old credentials still work.
	refreshPause = 20 * time.Second
	// failurePause is how long requests share the failure of the one before.
	failurePause = time.Second
)

// wallet holds the credentials of one upstream. A request never waits for credentials that are
// still good: they are renewed ahead of expiry, by one goroutine at a time, beside the requests.
type wallet struct {
	provider aws.CredentialsProvider
	current  atomic.Pointer[aws.Credentials]
	failure  atomic.Pointer[failure]
	renewing atomic.Bool
	retryAt  atomic.Int64  // Unix seconds before which no renewal is started
	fetching chan struct{} // holds a token while a request waits for credentials
}

func newWallet(provider aws.CredentialsProvider) *wallet {
	return &wallet{provider: provider, fetching: make(chan struct{}, 1)}
}

// get returns valid credentials.
func (w *wallet) get(ctx context.Context) (aws.Credentials, error) {
	now := time.Now()
	if c := w.current.Load(); c != nil && (!c.CanExpire || now.Before(c.Expires)) {
		if c.CanExpire && now.Add(refreshAhead).After(c.Expires) {
			w.renew(ctx, now)
		}
		return *c, nil
	}
	return w.fetch(ctx)
}

// failure is a failed attempt to get credentials.
type failure struct {
	err error
	at  time.Time
}

// fetch gets credentials while the request waits; requests that come meanwhile wait for the same, and
// share its failure.
func (w *wallet) fetch(ctx context.Context) (aws.Credentials, error) {
	select {
	case w.fetching <- struct{}{}:
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	}
	defer func() { <-w.fetching }()
	if c := w.current.Load(); c != nil && (!c.CanExpire || time.Now().Before(c.Expires)) {
		return *c, nil
	}
	if f := w.failure.Load(); f != nil && time.Since(f.at) < failurePause {
		return aws.Credentials{}, f.err
	}
	c, err := w.retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		w.failure.Store(&failure{err, time.Now()})
	}
	return c, err
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
		if cache, ok := w.provider.(*aws.CredentialsCache); ok {
			cache.Invalidate() // it would give the old ones until they have expired
		}
		if _, err := w.retrieve(ctx); err != nil {
			// The old credentials still work; when they end, the request that finds them expired
			// reports the reason.
			w.retryAt.Store(time.Now().Add(refreshPause).Unix())
		}
	}()
}

func (w *wallet) retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	c, err := w.provider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialError{err}
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return aws.Credentials{}, errors.New("getting AWS credentials: the source gave none")
	}
	w.current.Store(&c)
	return c, nil
}

// credentialError is a failure to get credentials.
type credentialError struct{ err error }

func (e *credentialError) Error() string {
	return "getting AWS credentials: " + firstLine(e.err.Error())
}

func (e *credentialError) Unwrap() error { return e.err }
