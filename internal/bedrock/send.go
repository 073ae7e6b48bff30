package bedrock

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/secret"
)

// send makes one call. When AWS refuses credentials for their age although they seemed good, or an API
// key that has been replaced in its file meanwhile, the call is repeated once with the new ones: nothing
// of an answer has been seen then.
func (c *Client) send(ctx context.Context, to target, body []byte, more http.Header) (*http.Response, error) {
	resp, used, err := c.once(ctx, to, body, more)
	if err != nil || !c.renewed(ctx, resp, used) {
		return resp, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, classifyNetwork(err)
	}
	resp, _, err = c.once(ctx, to, body, more)
	return resp, err
}

// signed is what a call was made with.
type signed struct {
	credentials *held         // or
	key         secret.String // an API key
}

// renewed says whether the answer refuses what the call was made with and there is something newer.
func (c *Client) renewed(ctx context.Context, resp *http.Response, used signed) bool {
	if resp.StatusCode != http.StatusForbidden {
		return false
	}
	if c.bearer != nil {
		return c.bearer.replaced(used.key)
	}
	return strings.HasPrefix(resp.Header.Get("X-Amzn-Errortype"), "ExpiredToken") && c.wallet.replaced(ctx, used.credentials)
}

// once makes one attempt. The body is in memory, so head and body leave together and the transport may
// repeat it on a stale connection.
func (c *Client) once(ctx context.Context, to target, body []byte, more http.Header) (*http.Response, signed, error) {
	r := (&http.Request{
		Method:     cmp.Or(to.method, http.MethodPost),
		URL:        to.url,
		Host:       to.url.Host,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{"Content-Type": {"application/json"}, "User-Agent": {"outcrop"}},
	}).WithContext(ctx)
	if body != nil {
		r.ContentLength = int64(len(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	maps.Copy(r.Header, more)
	used, err := c.authorize(r, to.service, body)
	if err != nil {
		return nil, used, err
	}
	// A connection that was kept and is closed before it says a word has most likely been idle for too long: the transport
	// then calls again on a new one, if a request is as good twice. The header says so to it, and has no value to send.
	r.Header["Idempotency-Key"] = nil
	r, done := connectWithin(r, to.connect)
	resp, err := c.transport.RoundTrip(r)
	switch {
	case err != nil && r.Context().Err() != nil:
		err = ended(r.Context())
		done()
		return nil, used, err
	case err != nil:
		done()
		return nil, used, classifyNetwork(err)
	}
	if to.connect > 0 {
		resp.Body = &releasing{resp.Body, done}
	}
	return resp, used, nil
}

func (c *Client) authorize(r *http.Request, service string, body []byte) (signed, error) {
	if c.bearer != nil {
		key, err := c.bearer.get()
		if err != nil {
			return signed{}, noCredentials(err)
		}
		r.Header["Authorization"] = []string{"Bearer " + key.Reveal()}
		return signed{key: key}, nil
	}
	credentials, err := c.wallet.get(r.Context())
	if err != nil {
		if r.Context().Err() != nil {
			return signed{}, ended(r.Context())
		}
		return signed{}, noCredentials(err)
	}
	c.signers[service].Sign(r, body, credentials.Credentials, time.Now())
	return signed{credentials: credentials}, nil
}

// noCredentials is the error of a request for which there are none.
func noCredentials(err error) error {
	out := &llm.Error{Kind: llm.KindUpstream, Message: textNoCredentials, Err: err}
	if e, ok := errors.AsType[*credentialError](err); ok {
		out.Message = e.client
	}
	return out
}
