package balance

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"outcrop/internal/llm"
)

// Class is why an upstream is unavailable, in the order in which those are asked when all are.
type Class uint8

// The classes. An upstream that is well is of class Failed.
const (
	Failed          Class = iota // a failure, and how long to wait is ours
	FailedStated                 // a failure, and the upstream said how long
	Throttled                    // refused for its rate, and how long to wait is ours
	ThrottledStated              // refused for its rate, and the upstream said how long
)

// String names the class for metrics.
func (c Class) String() string {
	return [...]string{"failed", "failed_stated", "throttled", "throttled_stated"}[min(c, ThrottledStated)]
}

const (
	// throttleTime is how long an upstream rests that refused a request for its rate, and does not say how long.
	throttleTime = 30 * time.Second
	// longestRest bounds the rest after failures, which doubles.
	longestRest = 300 * time.Second
	// longestStated bounds what an upstream may say.
	longestStated = 24 * time.Hour
)

// Failure is how an upstream failed.
type Failure struct {
	Status     int           // as HTTP has it; 502 for a connection that broke
	RetryAfter time.Duration // when to try again; 0 is not known
	Stated     bool          // the upstream said so itself
	// Final says that no other upstream can do better.
	Final bool
	// Missing says that another one may have what was asked for.
	Missing bool
}

// FailureOf is the failure that an error of a model is.
func FailureOf(err error) Failure {
	e := llm.AsError(err)
	f := Failure{Status: statusOf(e.Kind), RetryAfter: e.RetryAfter, Stated: e.RetryAfter > 0}
	var own interface {
		Said() (status int, retryAfter time.Duration)
	}
	if !errors.As(err, &own) {
		return f
	}
	status, stated := own.Said()
	if f.Stated = stated > 0; f.Stated {
		f.RetryAfter = stated
	}
	if status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || status == http.StatusRequestEntityTooLarge {
		f.Status = status // whatever it is, the request brought it about
	}
	return f
}

// statusOf is the status that a client would see.
func statusOf(k llm.Kind) int {
	switch k {
	case llm.KindInternal:
		return http.StatusInternalServerError
	case llm.KindRateLimited:
		return http.StatusTooManyRequests
	case llm.KindUpstream:
		return http.StatusBadGateway
	case llm.KindUnavailable, llm.KindServerUnavailable:
		return http.StatusServiceUnavailable
	case llm.KindTimeout:
		return http.StatusGatewayTimeout
	case llm.KindForbidden:
		return http.StatusForbidden
	case llm.KindUnauthenticated:
		return http.StatusUnauthorized
	case llm.KindNotFound, llm.KindEndOfLife, llm.KindNoRoute:
		return http.StatusNotFound
	case llm.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	default:
		return http.StatusBadRequest
	}
}

// retries says whether another upstream may do better.
func (g *Group) retries(f Failure) bool {
	if f.Missing {
		return true
	}
	switch f.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return !f.Final
	}
	return !f.Final && slices.Contains(g.retriable, f.Status)
}

// blames says whether the failure is the upstream's, and not the request's.
func (g *Group) blames(f Failure) bool {
	return f.Status >= http.StatusInternalServerError || f.Status == http.StatusTooManyRequests || slices.Contains(g.retriable, f.Status)
}

// note takes a failure of a request that was sent then; with the lock.
func (s *state) note(f Failure, sent, now time.Time) {
	if f.Status == http.StatusTooManyRequests {
		s.throttles++
		s.class = Throttled
		rest := max(throttleTime, f.RetryAfter)
		if f.Stated {
			s.class, rest = ThrottledStated, f.RetryAfter
		}
		s.until, s.failed = now.Add(min(rest, longestStated)), now
		return
	}
	s.failures++
	if s.errors == 0 || !sent.Before(s.failed) { // one outage fails many requests at once
		s.errors++
	}
	s.class = Failed
	rest := min(longestRest, time.Second<<min(s.errors, 30))
	if f.Stated {
		s.class, rest = FailedStated, min(f.RetryAfter, longestStated)
	}
	s.until, s.failed = now.Add(rest), now
}

// answered takes a success of a request that was sent then.
func (s *state) answered(sent time.Time) (changed bool) {
	if sent.Before(s.failed) {
		return false // it failed after that
	}
	changed = s.errors > 0 || !s.until.IsZero()
	s.errors, s.until, s.class = 0, time.Time{}, Failed
	return changed
}

// allThrottled is the error of a request that every upstream refused for its rate.
func allThrottled(after time.Duration, last error) *llm.Error {
	e := &llm.Error{Kind: llm.KindUnavailable, Message: "Service is not available", RetryAfter: after, Err: last}
	if inner, ok := errors.AsType[*llm.Error](last); ok {
		e.Err = cmp.Or(inner.Err, last)
	}
	return e
}

// noUpstream is the error of a deployment whose upstreams are all disabled.
func noUpstream() error {
	return &llm.Error{Kind: llm.KindUnavailable, Message: "No route"}
}
