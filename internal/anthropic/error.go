package anthropic

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// HeaderRequestID is where Anthropic's clients look for the id of a request.
const HeaderRequestID = "Request-Id"

// StatusClientClosed is the status of a request whose client went away: nginx's number, for the logs.
const StatusClientClosed = 499

// class is what a client sees of a kind of failure
// (https://docs.anthropic.com/en/api/errors).
type class struct {
	status int
	kind   string // "type" on the wire
}

// classify is the one place that knows how failures look from outside.
func classify(k llm.Kind) class {
	const invalid = "invalid_request_error"
	classes := [...]class{
		llm.KindInternal:        {http.StatusInternalServerError, "api_error"},
		llm.KindInvalid:         {http.StatusBadRequest, invalid},
		llm.KindContextLength:   {http.StatusBadRequest, invalid},
		llm.KindContentFilter:   {http.StatusBadRequest, invalid},
		llm.KindUnauthenticated: {http.StatusUnauthorized, "authentication_error"},
		llm.KindForbidden:       {http.StatusForbidden, "permission_error"},
		llm.KindNotFound:        {http.StatusNotFound, "not_found_error"},
		llm.KindNoRoute:         {http.StatusNotFound, "not_found_error"},
		llm.KindTooLarge:        {http.StatusRequestEntityTooLarge, "request_too_large"},
		llm.KindUnsupportedType: {http.StatusUnsupportedMediaType, invalid},
		llm.KindRateLimited:     {http.StatusTooManyRequests, "rate_limit_error"},
		llm.KindUpstream:        {http.StatusBadGateway, "api_error"},
		// DIAL Core asks another upstream after a 503, and not after Anthropic's own 529.
		llm.KindUnavailable: {http.StatusServiceUnavailable, "overloaded_error"},
		llm.KindTimeout:     {http.StatusGatewayTimeout, "timeout_error"},
		llm.KindCanceled:    {StatusClientClosed, "api_error"},
		llm.KindTruncation:  {http.StatusBadRequest, invalid},
		llm.KindEndOfLife:   {http.StatusNotFound, "not_found_error"},
		llm.KindNoMethod:    {http.StatusMethodNotAllowed, "invalid_request_error"},
		llm.KindNotServed:   {http.StatusNotImplemented, "api_error"},
		// The status is 503 for the same reason as above.
		llm.KindServerUnavailable: {http.StatusServiceUnavailable, "overloaded_error"},
	}
	if int(k) < len(classes) {
		return classes[k]
	}
	return classes[llm.KindInternal]
}

// Status is the HTTP status of a failure of the kind; 500 for a kind that it does not know.
func Status(k llm.Kind) int { return classify(k).status }

// WriteError answers a request with a failure: its status, Retry-After (in whole seconds, at least 1;
// always there for a rate limit) and {"type":"error","error":{"type","message"},"request_id"}. The wire
// has no place for the field that is wrong, so the message begins with it. Of an error that is no
// *llm.Error the client learns only that the server failed. Nothing may have been written to w.
func WriteError(w http.ResponseWriter, err error) {
	e := llm.AsError(err)
	h := w.Header()
	if e.RetryAfter > 0 || e.Kind == llm.KindRateLimited {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.Itoa(max(1, int(seconds))))
	}
	h.Set("Content-Type", "application/json")
	id := requestID(h)
	w.WriteHeader(Status(e.Kind))
	// A client that is gone cannot be told, and the caller already holds the error that matters.
	_, _ = w.Write(append(appendError(nil, e, id), '\n'))
}

// requestID is the id that the server has given the request, which then goes under Anthropic's name too.
func requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if id != "" {
		h.Set(HeaderRequestID, id)
	}
	return id
}

// memberThread is the member by which a client leaves its conversation with the server: from the second turn on it
// sends new messages alone.
const memberThread = "thread"

// errThreads marks the refusal by which Anthropic's SDKs know that they have to send the conversation whole, which
// their tool runners then do by themselves (anthropic 2.12 for Python, @anthropic-ai/sdk 1.12).
var errThreads = errors.New("conversations are not held")

func noThreads() error {
	return &llm.Error{
		Kind: llm.KindInvalid, Param: memberThread, Err: errThreads,
		Message: "Conversations are not held here. Send all messages, without " + memberThread + ".",
	}
}

func appendError(dst []byte, e *llm.Error, id string) []byte {
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, classify(e.Kind).kind...)
	dst = append(dst, `","message":`...)
	dst = jsonscan.AppendString(dst, errorText(e))
	if errors.Is(e.Err, errThreads) {
		dst = append(dst, `,"details":{"error_code":"thread_unsupported_request"}`...)
	}
	dst = append(dst, '}')
	if id != "" {
		dst = append(dst, `,"request_id":`...)
		dst = jsonscan.AppendString(dst, id)
	}
	return append(dst, '}')
}

// errorText is what the client reads: the place in its own words, unless the text begins with it already.
func errorText(e *llm.Error) string {
	text := e.Message
	if path := Path(e.Param); path != "" && !strings.HasPrefix(text, cut(path)) {
		text = strings.TrimPrefix(text, cut(e.Param)+": ")
		text = cut(path) + ": " + text
	}
	const tooLong = "prompt is too long"
	if e.Kind == llm.KindContextLength && !strings.HasPrefix(text, tooLong) {
		return tooLong + ": " + text // by these words Claude Code knows that it must compact
	}
	return text
}
