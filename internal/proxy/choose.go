package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/balance"
	"outcrop/internal/llm"
)

// choose asks one upstream after the other until one answers. What the last one says is passed on as it is.
func (r *Remote) choose(ctx context.Context, c *Call, body []byte) (*Answer, error) {
	ask := r.group.AskBody(c.Wish, body)
	ask.Free = c.Wire == Opaque || c.ID != ""
	turn, err := r.group.Begin(ask)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for i, ok := turn.Next(); ok; i, ok = turn.Next() {
		left := r.total
		if left > 0 {
			left = max(1, left-time.Since(began))
		}
		a, err := r.ask(ctx, asking{c, body, withCached(turn, r.own[i]), left})
		failure := failureOf(c, a, err)
		switch {
		case failure.Status == 0:
			turn.First()
			keep(turn, a.Header)
		case ctx.Err() != nil || c.Left != nil && c.Left():
			turn.Done(nil)
		case turn.Fail(failure):
			if a != nil {
				a.Close()
			}
			continue
		}
		return ended(turn, a, err)
	}
	return nil, &llm.Error{Kind: llm.KindUnavailable, Message: "No route"}
}

const (
	headerCachePath     = "X-Dial-Cache-Breakpoint-Path"
	headerCacheExtra    = "X-Dial-Cache-Extra-Metadata"
	headerCacheExpireAt = "X-Dial-Cache-Expire-At"
	// bodyPrefix is before the place of an element in those paths.
	bodyPrefix = "prefix.body."
)

// withCached tells an upstream what of the prompt it has in its cache.
func withCached(turn *balance.Turn, own http.Header) http.Header {
	place, extra := turn.Cached()
	if place == "" {
		return own
	}
	own = own.Clone()
	own.Set(headerCachePath, bodyPrefix+place)
	if extra != "" {
		own.Set(headerCacheExtra, extra)
	}
	return own
}

// keep remembers what an upstream says that it has in its cache now.
func keep(turn *balance.Turn, h http.Header) {
	place, ok := strings.CutPrefix(h.Get(headerCachePath), bodyPrefix)
	if !ok {
		return
	}
	var lifetime time.Duration
	if at, err := strconv.ParseInt(h.Get(headerCacheExpireAt), 10, 64); err == nil {
		lifetime = time.Until(time.Unix(at, 0))
	}
	turn.Keep(place, h.Get(headerCacheExtra), lifetime)
}

// ended is what the client gets in the end.
func ended(turn *balance.Turn, a *Answer, err error) (*Answer, error) {
	if err != nil {
		return nil, turn.Told(err)
	}
	if e := turn.Exhausted(nil); e != nil {
		a.Close()
		return nil, e
	}
	a.turn, a.Via = turn, turn.Via()
	return a, nil
}

// failureOf is how an upstream failed; without a status it did not. Of a stream the first event decides.
func failureOf(c *Call, a *Answer, err error) balance.Failure {
	if err != nil {
		f := balance.FailureOf(err)
		f.Final = f.Status == http.StatusGatewayTimeout // the time of the whole request is up
		return f
	}
	if a.Status < http.StatusBadRequest {
		if !a.Stream {
			return balance.Failure{}
		}
		return balance.Failure{Status: a.peek()}
	}
	f := balance.Failure{Status: a.Status, Missing: a.Status == http.StatusNotFound && c.ID != ""} // another one may have it
	f.RetryAfter, f.Stated = retryAfter(a.Header)
	return f
}

// retryAfter is for how long an upstream says that it is not to be asked. A date is none, as in DIAL Core.
func retryAfter(h http.Header) (rest time.Duration, stated bool) {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds <= 0 {
		return 0, false
	}
	return time.Duration(min(seconds, maxRetrySeconds)) * time.Second, true
}

// maxRetrySeconds is the longest Retry-After that is believed.
const maxRetrySeconds = 24 * 60 * 60

// peekSize is how much of a stream is read before the client gets any.
const peekSize = 4 << 10

// peek waits for a stream to begin, and gives the status that its first event should have been, 0 when it is good.
func (a *Answer) peek() (status int) {
	a.clock.watch(a.quiet)
	beginning := make([]byte, peekSize)
	n, err := a.clock.read(a.body, beginning)
	for more := 0; err == nil && n < peekSize && !hasEvent(beginning[:n]); n += more { // of which a client sees nothing yet
		more, err = a.clock.read(a.body, beginning[n:])
	}
	rest := a.body
	if err != nil {
		rest = broken{err}
	}
	a.body = io.MultiReader(bytes.NewReader(beginning[:n]), rest)
	if n == 0 || err != nil && err != io.EOF && !hasEvent(beginning[:n]) { //nolint:errorlint // only a bare io.EOF is the end
		return http.StatusBadGateway
	}
	return statusOfEvent(beginning[:n])
}

// hasEvent says whether the beginning of a stream has an event, or a comment, that is whole.
func hasEvent(text []byte) bool {
	return bytes.Contains(text, []byte("\n\n")) || bytes.Contains(text, []byte("\n\r\n")) || bytes.Contains(text, []byte("\r\r"))
}

// broken fails as the reader before it did.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// statusOfEvent is the status that an error as the first event stands for, 0 for any other event.
func statusOfEvent(event []byte) int {
	for line := range bytes.Lines(event) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			event = data
			break
		}
	}
	if !bytes.Contains(event, []byte(`"error"`)) {
		return 0
	}
	var e struct {
		Error *struct {
			Type string `json:"type"`
			Code any    `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(event, &e) != nil || e.Error == nil {
		return 0
	}
	switch e.Error.Type {
	case "rate_limit_error", "throttling_error":
		return http.StatusTooManyRequests
	case "overloaded_error":
		return http.StatusServiceUnavailable
	}
	switch e.Error.Code {
	case "429", 429.0, "rate_limit_exceeded":
		return http.StatusTooManyRequests
	case "502", 502.0, "503", 503.0, "504", 504.0:
		return http.StatusServiceUnavailable
	}
	return 0
}

// counted notes what an answer cost on its way.
func (a *Answer) counted(yield func(Piece, error) bool) func(Piece, error) bool {
	return func(p Piece, err error) bool {
		if p.Usage != nil {
			a.turn.Done(p.Usage)
		}
		return yield(p, err)
	}
}
