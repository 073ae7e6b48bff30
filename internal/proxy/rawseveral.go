package proxy

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"

	"outcrop/internal/balance"
	"outcrop/internal/llm"
)

// Several makes one of several servers, in the group's order: one that fails leaves the request to the next.
func Several(g *balance.Group, servers []*Raw) *Raw {
	return &Raw{group: g, servers: servers}
}

// longestKept is how long a request may be, in bytes, to be sent a second time.
const longestKept = 1 << 20

// choose asks one server after the other until one answers. What the last one says is passed on as it is.
func (r *Raw) choose(w http.ResponseWriter, request *http.Request, set http.Header) (begun bool, err error) {
	turn, err := r.group.Begin(balance.Ask{Wish: llm.Wish{Upstream: request.Header.Get(headerUpstreamID)}, Free: true})
	if err != nil {
		return false, err
	}
	defer turn.Done(nil) // however it ends
	body, err := keepBody(request)
	if err != nil {
		return false, gone(err)
	}
	for i, ok := turn.Next(); ok; i, ok = turn.Next() {
		again := false
		begun, err = r.servers[i].serve(w, body.of(request), set, func(resp *http.Response) error {
			again, err = judge(turn, body, resp)
			return err
		})
		if begun {
			turn.Done(nil)
			return begun, err
		}
		if !again {
			again, err = missed(request.Context(), turn, body, err)
		}
		if !again {
			return false, err
		}
	}
	return false, err
}

// Headers of DIAL Core's.
const (
	headerUpstreamID       = "X-Upstream-Id"
	headerUpstreamAttempts = "X-Upstream-Attempts"
)

// judge looks at the head of an answer: again says that the next server is to be asked in its place, as the error is.
func judge(turn *balance.Turn, body kept, resp *http.Response) (again bool, err error) {
	failure := balance.Failure{Status: resp.StatusCode}
	if resp.StatusCode < http.StatusBadRequest {
		turn.First()
	} else {
		failure.RetryAfter, failure.Stated = retryAfter(resp.Header)
		if turn.Fail(failure) && body.whole && resp.Request.Context().Err() == nil {
			return true, errNext
		}
		if e := turn.Exhausted(nil); e != nil {
			return false, e
		}
	}
	via := turn.Via()
	if via.Upstream != "" {
		resp.Header.Set(headerUpstreamID, via.Upstream)
	}
	resp.Header.Set(headerUpstreamAttempts, strconv.Itoa(via.Attempts))
	return false, nil
}

// missed is what comes of an answer that did not begin.
func missed(ctx context.Context, turn *balance.Turn, body kept, err error) (again bool, told error) {
	if e, ok := err.(*llm.Error); ok && e.Via.Attempts > 0 { //nolint:errorlint // ours, from judge
		return false, err
	}
	if ctx.Err() != nil {
		turn.Done(nil)
		return false, err
	}
	again = turn.Fail(balance.FailureOf(err)) && body.whole
	return again, turn.Told(err)
}

// kept is the body of a request that may be sent again.
type kept struct {
	data  []byte
	whole bool // else it can be sent once
}

// keepBody reads a body, unless it is long.
func keepBody(request *http.Request) (kept, error) {
	switch {
	case request.Body == nil || request.Body == http.NoBody || request.ContentLength == 0:
		return kept{whole: true}, nil
	case request.ContentLength < 0 || request.ContentLength > longestKept:
		return kept{}, nil
	}
	data, err := io.ReadAll(io.LimitReader(request.Body, longestKept))
	return kept{data, true}, err
}

// of is the request with that body from its beginning.
func (k kept) of(request *http.Request) *http.Request {
	if len(k.data) == 0 {
		return request
	}
	request = request.WithContext(request.Context())
	request.Body = io.NopCloser(bytes.NewReader(k.data))
	return request
}
