package llm

import (
	"errors"
	"time"
)

// Kind is what sort of failure an error is; it decides the status that a client sees.
type Kind uint8

// The kinds. KindInternal, the zero value, is a fault of our own.
const (
	KindInternal          Kind = iota
	KindInvalid                // the request is wrong; Param says where
	KindContextLength          // the prompt is longer than the model takes
	KindContentFilter          // the request was refused for its content
	KindUnauthenticated        // no or an unknown credential
	KindForbidden              // the caller may not do this
	KindNotFound               // no such deployment
	KindNoRoute                // no such route
	KindTooLarge               // the body is larger than allowed
	KindUnsupportedType        // the body is not JSON
	KindRateLimited            // too much; RetryAfter says when
	KindUpstream               // the upstream failed or broke off, or refuses our own credentials
	KindUnavailable            // the upstream has no capacity now
	KindTimeout                // the upstream took too long
	KindCanceled               // the client went away
	KindTruncation             // what may not be left out is longer than max_prompt_tokens
	KindEndOfLife              // the upstream has ended the model
	KindNoMethod               // the route is there for other methods only
	KindNotServed              // a route of DIAL's that this server does not serve
	KindServerUnavailable      // this server cannot take it now: it is full or stopping, or what it counts or knows with does not answer
)

// String names the kind for logs.
func (k Kind) String() string {
	names := [...]string{
		"internal", "invalid", "context_length", "content_filter", "unauthenticated", "forbidden", "not_found", "no_route",
		"too_large", "unsupported_type", "rate_limited", "upstream", "unavailable", "timeout", "canceled", "truncation", "end_of_life", "no_method", "not_served", "server_unavailable",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Error is a failure that a client will read. Message is written for the client: it never holds a
// credential, an account's details, or text of an upstream that could. Err is for the log.
type Error struct {
	Kind       Kind
	Message    string
	Param      string        // the request's field, "messages[2].content[0].image_url.url", or ""
	RetryAfter time.Duration // when to try again; 0 when unknown
	Err        error
	// Via is which upstream failed, when a balancer asked it.
	Via Via
	// Display is what a user may read in place of Message, or "" (DIAL's display_message).
	Display string
}

func (e *Error) Error() string {
	text := e.Kind.String() + ": " + e.Message
	if e.Param != "" {
		text += " (" + e.Param + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// AsError returns the *Error in err's chain, or wraps err as an internal failure whose message says
// nothing of it.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: KindInternal, Message: "The server failed to process the request.", Err: err}
}

// Invalid is the error of a request that is wrong at param.
func Invalid(param, message string) *Error {
	return &Error{Kind: KindInvalid, Message: message, Param: param}
}
