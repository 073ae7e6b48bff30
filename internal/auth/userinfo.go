package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// askedTTL is how long the answer about an opaque token is remembered: DIAL Core's.
	askedTTL = time.Minute
	// refusedTTL is how long it is that nobody knows one.
	refusedTTL = 10 * time.Second
	// maxQuestions is how many endpoints are asked at a time: strangers' tokens must not be a storm for them.
	maxQuestions = 32
	// maxWaiting is how many questions wait for their turn or their answer: each is a goroutine and a token, also when
	// its client has left.
	maxWaiting = 1024
	// maxUserInfo is the longest answer about a token, in bytes: it is remembered.
	maxUserInfo = 64 << 10
)

// question is one about an opaque token, for all who wait for the answer.
type question struct {
	done   chan struct{}
	answer *entry
}

// ask is the holder of an opaque token, which only its provider knows.
func (t *Tokens) ask(ctx context.Context, sum [sha256.Size]byte, token string) (Caller, error) {
	if len(t.asked) == 0 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return Caller{}, &Error{Reason: Unknown}
	}
	if e, ok := t.refused.get(sum, t.now()); ok {
		return Caller{}, e.err
	}
	t.mu.Lock()
	q := t.flights[sum]
	if q == nil && len(t.flights) >= maxWaiting {
		t.mu.Unlock()
		return Caller{}, &Error{Reason: Unreachable}
	}
	if q == nil {
		q = &question{done: make(chan struct{})}
		t.flights[sum] = q
		go t.answer(context.WithoutCancel(ctx), q, sum, token)
	}
	t.mu.Unlock()
	select {
	case <-q.done:
	case <-ctx.Done():
		return Caller{}, &Error{Reason: Unreachable}
	}
	if q.answer.caller == nil {
		return Caller{}, q.answer.err
	}
	return *q.answer.caller, nil
}

// answer finds the answer and remembers it, unless it is that nobody could say.
func (t *Tokens) answer(ctx context.Context, q *question, sum [sha256.Size]byte, token string) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	q.answer = t.askAll(ctx, token)
	switch {
	case q.answer.caller != nil:
		q.answer.until = t.now().Add(askedTTL)
		t.known.put(sum, q.answer)
	case q.answer.err.Reason != Unreachable:
		q.answer.until = t.now().Add(refusedTTL)
		t.refused.put(sum, q.answer)
	}
	t.mu.Lock()
	delete(t.flights, sum)
	t.mu.Unlock()
	close(q.done)
}

// askAll asks one endpoint after the other; the first that knows the token is right.
func (t *Tokens) askAll(ctx context.Context, token string) *entry {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return &entry{err: &Error{Reason: Unreachable}}
	}
	refusal := &Error{Reason: Unknown}
	for _, s := range t.asked {
		caller, err := t.askOne(ctx, s, token)
		if caller != nil {
			return &entry{caller: caller}
		}
		if e, ok := errors.AsType[*Error](err); ok && (e.Reason == Unreachable || refusal.Reason != Unreachable) {
			refusal = e
		}
	}
	return &entry{err: refusal}
}

func (t *Tokens) askOne(ctx context.Context, s *source, token string) (*Caller, error) {
	status, body, err := get(ctx, t.client, s.UserInfoURL, token)
	c, isObject := parseClaims(body)
	switch {
	case err == nil && (status >= http.StatusInternalServerError || status == http.StatusTooManyRequests):
		err = fmt.Errorf("%s answers with status %d", shownURL(s.UserInfoURL), status)
	case err == nil && status == http.StatusOK && !isObject:
		err = fmt.Errorf("%s answers with something else than an object", shownURL(s.UserInfoURL))
	}
	t.note(s, err)
	switch {
	case err != nil:
		return nil, &Error{Reason: Unreachable}
	case status != http.StatusOK:
		return nil, &Error{Reason: Unknown}
	}
	return s.caller(c, t.admins)
}

// note remembers how it stands with a provider that has been asked, and logs it when it is another than before.
func (t *Tokens) note(s *source, err error) {
	s.mu.Lock()
	before := s.trouble
	switch {
	case err == nil:
		s.trouble = nil
	case before == nil:
		s.trouble = &Problem{s.Name, "it cannot be asked whose a token is: " + err.Error(), t.now()}
	}
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		t.log.Warn("an identity provider cannot be asked whose a token is: its tokens are refused with 503", "provider", s.Name, "error", err)
	case err == nil && before != nil:
		t.log.Info("the identity provider tells whose a token is again", "provider", s.Name)
	}
}

// problem is what was wrong with the user-info endpoint when it was asked last, or nil.
func (s *source) problem() *Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}
