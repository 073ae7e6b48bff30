package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

const headerRequestID = "X-Request-Id"

const (
	// writeTimeout is how long a client may take to accept one write.
	writeTimeout = time.Minute
	// writeRenewal is how much less it may be: to move the deadline costs more than to write a token.
	writeRenewal = 5 * time.Second
)

// exchange is one request's reply on its way out, and what the log will say of it.
type exchange struct {
	http.ResponseWriter
	control *http.ResponseController
	method  string
	began   time.Time
	most    int64         // how long the body may be that a handler reads, in bytes
	renewed time.Duration // after began, when the client was last given time to accept writes; 0 is never

	id           string
	route        string
	project      string
	user         string // as logs may have a token's holder
	deployment   string
	region       string // of the deployment's upstream
	operation    usage.Operation
	charge       charge
	fallbacks    int  // how many deployments were asked in another's place
	stream       bool // the client wants one
	wish         llm.Wish
	trace        trace // that the client says it belongs to
	conversation string
	self         string // the span of this request, "" when nobody is told of traces
	span         string // of the call to another server, or ""
	tally        tally
	talk         *talk                            // nil when the prompt log wants none
	fail         func(http.ResponseWriter, error) // tells the client of a failure, in its dialect
	routine      bool                             // nobody reads the log line of such a request unless it fails
	spare        *[]byte                          // the buffer of the body, for another exchange when this one has been told of; nil for none
	status       int                              // 0 until the header is written
	place        place                            // under the bounds of what the process has in work
	shed         bool                             // it was refused for want of one
	broken       bool                             // the reply cannot be ended as it should: its connection is cut
	err          error

	words   [8]string // values of headers of the reply, which need no room of their own
	written int       // how many of them are taken
}

// set writes a header of the reply. The name is canonical.
func (x *exchange) set(name, value string) {
	if x.written == len(x.words) {
		x.Header()[name] = []string{value}
		return
	}
	at := x.written
	x.words[at] = value
	x.written++
	x.Header()[name] = x.words[at : at+1 : at+1]
}

func newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{ResponseWriter: w, control: http.NewResponseController(w), method: r.Method, began: time.Now(), fail: openai.WriteError}
	x.tally.began, x.tally.header, x.tally.stream = x.began, w.Header(), &x.stream
	if x.id = r.Header.Get(headerRequestID); !isRequestID(x.id) {
		x.id = rand.Text()
	}
	x.wish = wishOf(r.Header)
	x.tally.tells = r.Header.Get(headerCost) == "include"
	x.trace = traceOf(r.Header)
	return x
}

// isRequestID says whether a client's id is fit for a header and a log.
func isRequestID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// allow gives the client until the time to send what it announced, if it can be given.
func (x *exchange) allow(until time.Time) error {
	if err := x.control.SetReadDeadline(until); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// Write gives the client a minute: one that reads no more is a client that has gone.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	if now := time.Since(x.began); x.renewed == 0 || now-x.renewed > writeRenewal {
		if err := x.control.SetWriteDeadline(x.began.Add(now + writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err
		}
		x.renewed = max(now, 1)
	}
	x.talk.said(b)
	return x.ResponseWriter.Write(b)
}

// send writes a whole body. What fails is the client's connection.
func (x *exchange) send(body []byte) error {
	if _, err := x.Write(body); err != nil {
		return &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: err}
	}
	return nil
}

// refuse answers with an error and returns it for the log.
func (x *exchange) refuse(err error) error {
	x.fail(x, err)
	return err
}

// flush sends what has been written, if it can be.
func (x *exchange) flush() error {
	if err := x.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: err}
	}
	return nil
}

// finish ends an exchange: it answers for a handler that panicked, writes the log line, and accounts for it.
func (g *Gateway) finish(x *exchange) {
	panicked := recover()
	defer x.place.leave()
	if cause, ok := panicked.(error); ok && errors.Is(cause, http.ErrAbortHandler) {
		x.err = cause
		g.account(x) // its place is not kept for ever
		panic(panicked)
	}
	broken := x.broken || panicked != nil && x.status != 0
	if panicked != nil {
		x.err = fmt.Errorf("panic: %s\n%s", panicText(panicked), debug.Stack())
		if !broken {
			x.fail(x, x.err)
		}
	}
	if x.shed {
		g.logShed(x)
	} else {
		g.logExchange(x)
		g.account(x)
	}
	if x.spare != nil && panicked == nil { // what panicked may have left somebody who reads it
		g.bodies.Put(x.spare)
	}
	if broken {
		// The connection is cut, so that a reply that broke off does not look whole.
		panic(http.ErrAbortHandler)
	}
}

// panicText is what the log may have of a panic: the runtime's own words, else its type alone, since what a program
// panics with may quote the request. The stack says where.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("(%T)", p)
}

func (g *Gateway) logExchange(x *exchange) {
	level := slog.LevelInfo
	if x.routine {
		level = slog.LevelDebug
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("request_id", x.id), slog.String("method", x.method), slog.String("route", x.route),
		slog.Int("status", x.status), slog.Float64("duration_ms", float64(time.Since(x.began).Microseconds())/1000))
	if x.project != "" {
		attrs = append(attrs, slog.String("project", x.project))
	}
	if x.user != "" {
		attrs = append(attrs, slog.String("user", x.user))
	}
	if x.deployment != "" {
		attrs = append(attrs, slog.String("deployment", x.deployment))
	}
	if x.err != nil {
		e := llm.AsError(x.err)
		switch e.Kind {
		case llm.KindCanceled:
		case llm.KindInternal:
			level = slog.LevelError
		default:
			level = slog.LevelWarn
		}
		attrs = append(attrs, slog.String("kind", e.Kind.String()), slog.String("error", logText(e)))
	}
	g.log.LogAttrs(context.Background(), level, "request", attrs...)
}

// logText is what the log may say of an error. The message to the client may quote the client: where
// there is a cause or a place, the log has that instead.
func logText(e *llm.Error) string {
	switch {
	case e.Err != nil && e.Param != "":
		return e.Err.Error() + ", at " + placeOf(e.Param)
	case e.Err != nil:
		return e.Err.Error()
	case e.Param != "":
		return "at " + placeOf(e.Param)
	default:
		return e.Message
	}
}
