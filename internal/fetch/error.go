package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
)

// Reason is why there is no file.
type Reason uint8

// The reasons.
const (
	Refused  Reason = iota + 1 // the URL is one that is not fetched
	Failed                     // its server did not deliver
	TooLarge                   // more bytes than allowed
	TimedOut                   // more time than allowed
	Canceled                   // the caller's context ended
)

// Error says why there is no file. Message is a sentence for a stranger: it names no address, and
// quotes neither the URL nor what its server said. Err, which may be nil, is for a log; the URL is not
// in it either.
type Error struct {
	Reason  Reason
	Message string
	Err     error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + " " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

func refused(message string) *Error { return &Error{Reason: Refused, Message: message} }

func failed(message string, err error) *Error {
	return &Error{Reason: Failed, Message: message, Err: err}
}

// explain is what a failed exchange or read means. ctx is the exchange's, caller its parent.
func explain(ctx, caller context.Context, err error) *Error {
	// Its text has the URL, which may hold a stranger's signature.
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	operation, ok := errors.AsType[*net.OpError](err)
	dialled := ok && operation.Op == "dial"
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case caller.Err() != nil:
		return &Error{Reason: Canceled, Message: "The request was cancelled before the file had come.", Err: context.Cause(caller)}
	case ctx.Err() != nil:
		return &Error{Reason: TimedOut, Message: "The file did not come in time.", Err: ctx.Err()}
	case errors.Is(err, errPrivate):
		return &Error{Reason: Refused, Message: "The URL's host has no public address; files are fetched from public addresses only: send the data itself.", Err: err}
	case errors.Is(err, errPort):
		return &Error{Reason: Refused, Message: "The URL's port is reserved for other protocols; files are fetched from ports 80, 443 and above 1023.", Err: err}
	case untrusted:
		return failed("The URL's host has no valid certificate.", err)
	case dialled:
		return failed("The URL's host could not be reached.", err)
	default:
		return failed("The URL's host broke off or did not speak HTTP.", err)
	}
}
