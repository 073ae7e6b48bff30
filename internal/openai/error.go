package openai

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// StatusClientClosed is the status of a request whose client went away before there was an answer.
// Nobody receives it; it is nginx's number, for the logs.
const StatusClientClosed = 499

// class is what a client sees of a kind of failure. OpenAI's words are used where OpenAI has one
// (https://platform.openai.com/docs/guides/error-codes).
type class struct {
	status int
	kind   string // "type" on the wire
	code   string // "" is null on the wire
}

// classify is the one place that knows how failures look from outside.
func classify(k llm.Kind) class {
	classes := [...]class{
		llm.KindInternal:          {http.StatusInternalServerError, "server_error", ""},
		llm.KindInvalid:           {http.StatusBadRequest, "invalid_request_error", ""},
		llm.KindContextLength:     {http.StatusBadRequest, "invalid_request_error", "context_length_exceeded"},
		llm.KindContentFilter:     {http.StatusBadRequest, "invalid_request_error", "content_filter"},
		llm.KindUnauthenticated:   {http.StatusUnauthorized, "authentication_error", "invalid_api_key"},
		llm.KindForbidden:         {http.StatusForbidden, "permission_error", ""},
		llm.KindNotFound:          {http.StatusNotFound, "invalid_request_error", "model_not_found"},
		llm.KindNoRoute:           {http.StatusNotFound, "invalid_request_error", "unknown_url"},
		llm.KindTooLarge:          {http.StatusRequestEntityTooLarge, "invalid_request_error", "request_too_large"},
		llm.KindUnsupportedType:   {http.StatusUnsupportedMediaType, "invalid_request_error", "unsupported_media_type"},
		llm.KindRateLimited:       {http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded"},
		llm.KindUpstream:          {http.StatusBadGateway, "api_error", "upstream_error"},
		llm.KindUnavailable:       {http.StatusServiceUnavailable, "api_error", "upstream_unavailable"},
		llm.KindTimeout:           {http.StatusGatewayTimeout, "api_error", "upstream_timeout"},
		llm.KindCanceled:          {StatusClientClosed, "api_error", "client_closed_request"},
		llm.KindTruncation:        {http.StatusBadRequest, "invalid_request_error", "truncate_prompt_error"}, // DIAL's word
		llm.KindEndOfLife:         {http.StatusNotFound, "invalid_request_error", "model_not_found"},
		llm.KindNoMethod:          {http.StatusMethodNotAllowed, "invalid_request_error", "method_not_allowed"},
		llm.KindNotServed:         {http.StatusNotImplemented, "invalid_request_error", "not_implemented"},
		llm.KindServerUnavailable: {http.StatusServiceUnavailable, "server_error", "server_unavailable"},
	}
	if int(k) < len(classes) {
		return classes[k]
	}
	return classes[llm.KindInternal]
}

// Status is the HTTP status of a failure of the kind; 500 for a kind that it does not know.
func Status(k llm.Kind) int { return classify(k).status }

// WriteError answers a request with a failure: its status, Retry-After (in whole seconds, at least 1;
// always there for a rate limit) and {"error":{"message","type","param","code"}}, with DIAL's
// display_message where the message is one for users. Of an error that is
// no *llm.Error the client learns only that the server failed. Nothing may have been written to w.
func WriteError(w http.ResponseWriter, err error) {
	e := llm.AsError(err)
	if e.RetryAfter > 0 || e.Kind == llm.KindRateLimited {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(seconds))))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(Status(e.Kind))
	// A client that is gone cannot be told, and the caller already holds the error that matters.
	_, _ = w.Write(append(appendError(nil, e), '\n'))
}

// codeLimited is DIAL Core's code of a request that its caller's limits refuse, by which it is told from an upstream's
// refusal.
const codeLimited = "429"

func appendError(dst []byte, e *llm.Error) []byte {
	c := classify(e.Kind)
	dst = append(dst, `{"error":{"message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = jsonscan.AppendString(dst, c.kind)
	dst = append(dst, `,"param":`...)
	dst = appendNullable(dst, e.Param)
	dst = append(dst, `,"code":`...)
	display := e.Display
	switch {
	case display != "" && e.Kind == llm.KindRateLimited:
		c.code = codeLimited
	case display == "" && isForUsers(e):
		display = e.Message
	}
	dst = appendNullable(dst, c.code)
	if display != "" {
		dst = append(dst, `,"display_message":`...)
		dst = jsonscan.AppendString(dst, display)
	}
	return append(dst, "}}"...)
}

// isForUsers says whether the user of a chat can do something about a failure: write or attach something
// else, or choose another model. DIAL's chat shows the display_message of an error, and of others only
// that there was one.
func isForUsers(e *llm.Error) bool {
	switch e.Kind {
	case llm.KindContextLength, llm.KindContentFilter, llm.KindTruncation, llm.KindEndOfLife:
		return true
	case llm.KindInvalid, llm.KindTooLarge:
		// Of a message its files; that its role is missing is not its writer's doing.
		message := strings.HasPrefix(e.Param, "messages[") || strings.HasPrefix(e.Param, "input[")
		return message && (strings.Contains(e.Param, ".content[") || strings.Contains(e.Param, ".attachments["))
	default:
		return false
	}
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonscan.AppendString(dst, s)
}
