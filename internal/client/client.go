package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/openai"
	"outcrop/internal/sse"
)

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base string
	key  string
	// token is sent as Authorization, "" for none.
	token string
	http  *http.Client
}

// New returns a client of the server at baseURL ("http://127.0.0.1:8080", with or without a slash at
// the end). The key is sent as DIAL's Api-Key header. A nil h stands for http.DefaultClient; its
// timeout, if any, bounds whole streams.
func New(baseURL, key string, h *http.Client) *Client {
	if h == nil {
		h = http.DefaultClient
	}
	own := *h
	own.CheckRedirect = stayOnHost
	return &Client{base: strings.TrimRight(baseURL, "/"), key: key, http: &own}
}

// WithToken is the same client for who has a token of an identity provider's.
func (c *Client) WithToken(token string) *Client {
	own := *c
	own.token = token
	return &own
}

// stayOnHost refuses a redirect to another host: net/http would take the key along, since Api-Key is
// not among the headers that it knows to be secret.
func stayOnHost(next *http.Request, before []*http.Request) error {
	if first := before[0].URL; next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
		return fmt.Errorf("the server redirects to %s, which does not get the key", next.URL.Host)
	}
	if len(before) >= 10 {
		return errors.New("more than 10 redirects")
	}
	return nil
}

// Error is a failure that the server told.
type Error struct {
	Status     int // of HTTP; 200 for an error inside a stream
	Message    string
	Type       string // "invalid_request_error", or "" when the server named none
	Param      string
	Code       string
	RequestID  string        // X-Request-Id, or ""
	RetryAfter time.Duration // 0 when the server did not say
}

func (e *Error) Error() string {
	text := e.Message
	if text == "" {
		text = http.StatusText(e.Status)
	}
	if e.Status != http.StatusOK {
		text = strconv.Itoa(e.Status) + ": " + text
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// ErrCut is returned for a stream that ended without [DONE]: the answer is not whole.
var ErrCut = errors.New("the answer broke off: the stream ended without [DONE]")

// Models lists the deployments that the key may use (GET /openai/models).
func (c *Client) Models(ctx context.Context) ([]openai.Model, error) {
	res, err := c.do(ctx, http.MethodGet, "/openai/models", nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var list openai.ModelList
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("the list of models cannot be read: %w", err)
	}
	return list.Data, nil
}

// Chat asks the deployment req.Model and yields the chunks of its answer as they arrive. It streams
// whatever req.Stream says. An error of the server, before or inside the stream, is an *Error; a
// stream without its end is ErrCut. Leaving the loop cancels the request.
func (c *Client) Chat(ctx context.Context, req *openai.Request) iter.Seq2[openai.Chunk, error] {
	return func(yield func(openai.Chunk, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		streamed := *req
		streamed.Stream = true
		body, err := json.Marshal(&streamed)
		if err != nil {
			yield(openai.Chunk{}, fmt.Errorf("the request cannot be written as JSON: %w", err))
			return
		}
		res, err := c.do(ctx, http.MethodPost, "/openai/deployments/"+url.PathEscape(req.Model)+"/chat/completions", body)
		if err != nil {
			yield(openai.Chunk{}, err)
			return
		}
		defer res.Body.Close()
		if media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || media != sse.ContentType {
			yield(openai.Chunk{}, fmt.Errorf("the server answered with %q instead of a stream; is it an Outcrop or DIAL server?", res.Header.Get("Content-Type")))
			return
		}
		for chunk, err := range chunks(res) {
			if !yield(chunk, err) {
				return
			}
		}
	}
}

// chunks reads a stream up to [DONE] or its first error.
func chunks(res *http.Response) iter.Seq2[openai.Chunk, error] {
	return func(yield func(openai.Chunk, error) bool) {
		reader := sse.NewReader(res.Body)
		for {
			chunk, done, err := nextChunk(reader, res)
			if done || !yield(chunk, err) || err != nil {
				return
			}
		}
	}
}

func nextChunk(reader *sse.Reader, res *http.Response) (chunk openai.Chunk, done bool, err error) {
	frame, err := reader.Next()
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return chunk, false, ErrCut
	case err != nil:
		return chunk, false, err
	case string(frame.Data) == "[DONE]":
		return chunk, true, nil
	}
	if err := json.Unmarshal(frame.Data, &chunk); err != nil {
		return chunk, false, fmt.Errorf("a chunk of the stream cannot be read: %w", err)
	}
	if chunk.Error != nil {
		return openai.Chunk{}, false, newError(res, chunk.Error)
	}
	return chunk, false, nil
}

// do sends a request and returns a response of status 200.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the server's URL %q: %w", c.base, err)
	}
	if c.key != "" {
		req.Header.Set("Api-Key", c.key)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	return nil, readError(res)
}

// maxError is how much of an error's body is read, in bytes.
const maxError = 64 << 10

// readError reads a failure: the wire's JSON or, from other servers and proxies, the beginning of
// whatever text there is.
func readError(res *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(res.Body, maxError))
	if err != nil {
		return newError(res, &openai.Fault{Message: "the error's text broke off"})
	}
	var body struct {
		Error *openai.Fault `json:"error"`
	}
	if json.Unmarshal(text, &body) == nil && body.Error != nil {
		return newError(res, body.Error)
	}
	message := strings.TrimSpace(strings.ToValidUTF8(string(text[:min(len(text), 300)]), ""))
	return newError(res, &openai.Fault{Message: message})
}

func newError(res *http.Response, f *openai.Fault) *Error {
	e := &Error{
		Status: res.StatusCode, Message: f.Message, Type: f.Type, Param: f.Param, Code: f.Code,
		RequestID: res.Header.Get("X-Request-Id"),
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}
