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
	values := [...]string{"application/json", "outcrop"}
	header := make(http.Header, len(more)+6)
	header["Content-Type"], header["User-Agent"] = values[0:1:1], values[1:2:2]
	maps.Copy(header, more)
	r := (&http.Request{
		Method:     cmp.Or(to.method, http.MethodPost),
		URL:        to.url,
		Host:       to.url.Host,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     header,
	}).WithContext(ctx)
	if body != nil {
		r.ContentLength = int64(len(body))
		r.Body = newInMemory(body)
		r.GetBody = func() (io.ReadCloser, error) { return newInMemory(body), nil }
	}
	used, err := c.authorize(r, to.service, body)
	if err != nil {
		return nil, used, err
	}
	// A connection that was kept and is closed before it says a word has most likely been idle for too long: the transport
	// then calls again on a new one, if a request is as good twice. The header says so to it, and has no value to send.
	r.Header["Idempotency-Key"] = nil
	resp, err := roundTrip(c.transport, r, to.connect)
	return resp, used, err
}

// inMemory is a body that has nothing to close.
type inMemory struct{ bytes.Reader }

func newInMemory(body []byte) *inMemory {
	b := &inMemory{}
	b.Reset(body)
	return b
}

// Close implements io.Closer.
func (*inMemory) Close() error { return nil }

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
