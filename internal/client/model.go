package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/sse"
)

// Model is a chat model at another server that speaks the chat completions API. It is safe for concurrent
// use.
type Model struct {
	URL    string       // of the deployment's chat completions
	Header http.Header  // of every request, beside the content type
	HTTP   *http.Client // nil stands for http.DefaultClient; its timeout, if any, bounds whole streams
}

// maxReply is how much of a whole reply is read, in bytes: images and room.
const maxReply = 64 << 20

// Chat implements llm.ChatModel. A failure that the server tells keeps its kind and its text: the server
// answers the same client.
func (m Model) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		res, err := m.ask(ctx, req)
		if err != nil {
			yield(nil, err)
			return
		}
		defer res.Body.Close()
		for event, err := range m.read(res) {
			if err != nil && ctx.Err() != nil {
				err = gone(ctx.Err())
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

func gone(cause error) error {
	return &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: cause}
}

// ask sends the request and returns a response of status 200.
func (m Model) ask(ctx context.Context, req *llm.ChatRequest) (*http.Response, error) {
	body := openai.AppendRequest(nil, req, time.Now())
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(body))
	if err != nil {
		return nil, &llm.Error{Kind: llm.KindInternal, Message: "The other server's URL is wrong.", Err: err}
	}
	for name, values := range m.Header {
		post.Header[name] = values
	}
	post.Header.Set("Content-Type", "application/json")
	h := m.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	own := *h
	own.CheckRedirect = stayOnHost
	res, err := own.Do(post)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, gone(ctx.Err())
	case err != nil:
		return nil, &llm.Error{Kind: llm.KindUpstream, Message: "The server that has the deployment cannot be reached.", Err: err}
	case res.StatusCode == http.StatusOK:
		return res, nil
	}
	defer res.Body.Close()
	return nil, toldError(res)
}

// toldError reads a failure that the server tells.
func toldError(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxError)) // the status says what matters
	var body struct {
		Error *openai.Fault `json:"error"`
	}
	if json.Unmarshal(text, &body) != nil || body.Error == nil {
		body.Error = &openai.Fault{Message: "The server that has the deployment answered with status " + strconv.Itoa(res.StatusCode) + "."}
	}
	e := openai.FaultError(res.StatusCode, body.Error)
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// read reads a reply in the form that it has, which need not be the one that was asked for.
func (m Model) read(res *http.Response) iter.Seq2[llm.Event, error] {
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err == nil && media == sse.ContentType {
		return openai.ReadStream(res.Body)
	}
	return func(yield func(llm.Event, error) bool) {
		body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
		switch {
		case err == nil && len(body) > maxReply:
			err = errors.New("a reply of more than 64 MiB")
		case err == nil && strings.TrimSpace(string(body)) == "":
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			yield(nil, &llm.Error{Kind: llm.KindUpstream, Message: "The answer ended before it was complete.", Err: err})
			return
		}
		openai.ReadReply(body)(yield)
	}
}
