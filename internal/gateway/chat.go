package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// handleChat answers a chat whose body names the deployment.
func (g *Gateway) handleChat(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.chat(x, r, caller, "")
}

// chat is the path of one request, from bytes to bytes. The deployment is that of the name or, without
// one, of the body's model, which is else not looked at.
func (g *Gateway) chat(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	x.operation = usage.Chat
	body, release, err := g.readBody(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	a := asked{r, caller, name}
	to, err := g.find(x, a, catalog.Chats, body)
	if err != nil {
		return x.refuse(err)
	}
	return g.chatAt(x, a, to, body)
}

// chatAt is the rest of the path, at the deployment of the step or, when that is nil, the one that the body names.
func (g *Gateway) chatAt(x *exchange, a asked, to *step, body []byte) error {
	if to != nil && to.remote != nil {
		return g.forward(x, a.r, to, body)
	}
	ctx := a.r.Context()
	c, err := g.decodeCall(x, a, to, body)
	if err != nil {
		return x.refuse(err)
	}
	if err := g.claim(ctx, x, c.need(body)); err != nil {
		return x.refuse(err)
	}
	if err := g.attach(a.r, linksOf(c.req), newBudget()); err != nil {
		return x.refuse(err)
	}
	g.vault.recall(c.owner, c.req)
	if err := c.truncate(ctx); err != nil {
		return x.refuse(err)
	}
	reply := c.ask(ctx)
	if c.Fallback != (catalog.Fallback{}) {
		if reply, err = held(reply, silentEvent); err != nil {
			if next := g.instead(x, a, c.served, catalog.Chats, err); next != nil {
				return g.again(x, a, next, body)
			}
			return x.refuse(err)
		}
	}
	reply = g.vault.remember(c.owner, c.req, reply)
	reply = c.format.checked(reply)
	reply = g.stored(x, a.r, reply)
	return x.guess(c.write(x, reply), body)
}

const (
	// maxBody is the longest request, in bytes, unless Options say otherwise, as in DIAL Core (resources.maxSize).
	maxBody = 64 << 20
	// bodyTimeout is how long a client may take to send its request, however long that is.
	bodyTimeout = 5 * time.Minute
	// unreadTimeout is how long it may take with a body that nobody wants.
	unreadTimeout = 10 * time.Second
	// maxPooled is the longest buffer that is kept for the next request, in bytes.
	maxPooled = 1 << 20
)

// readBody reads a JSON body once, whole. The request's values alias the buffer until release, those of an error until
// the exchange is told of.
func (g *Gateway) readBody(x *exchange, r *http.Request) (body []byte, release func(), err error) {
	said := r.Header.Get("Content-Type")
	if said == "application/json" { // as nearly everybody says it
		return g.readAny(x, r)
	}
	media, _, err := mime.ParseMediaType(said)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || media != "application/json" {
		return nil, nil, &llm.Error{Kind: llm.KindUnsupportedType, Message: "Only application/json is supported: set the Content-Type header."}
	}
	return g.readAny(x, r)
}

// readAny is readBody for a body of any type.
func (g *Gateway) readAny(x *exchange, r *http.Request) (body []byte, release func(), err error) {
	if err := x.openBody(r); err != nil {
		return nil, nil, err
	}
	buffer := g.bodies.Get().(*[]byte)
	body, err = readInto(*buffer, http.MaxBytesReader(x, x.arriving(r), x.most), r.ContentLength)
	release = func() {
		if cap(body) <= maxPooled {
			*buffer = body[:0]
			x.spare = buffer
		}
	}
	if err != nil {
		release()
		return nil, nil, bodyError(r.Context(), err)
	}
	x.talk.asked(body)
	// The connection is read on while the answer is written, to notice a client that leaves.
	if err := x.allow(time.Time{}); err != nil {
		release()
		return nil, nil, err
	}
	return body, release, nil
}

// openBody lets a body come in that is not announced to be too long, nor compressed: what is small may become
// large.
func (x *exchange) openBody(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &llm.Error{Kind: llm.KindUnsupportedType, Message: "The body is compressed, as its Content-Encoding says: send it as it is, without that header."}
	}
	if r.ContentLength > x.most {
		return errTooLarge(x.most)
	}
	return x.allow(time.Now().Add(uploadTime(max(r.ContentLength, 0))))
}

// trustedSize is how much of an announced body is allocated before it arrives.
const trustedSize = 2 << 20

// readInto reads r to its end into buf, which has room for size at once when that is known.
func readInto(buf []byte, r io.Reader, size int64) ([]byte, error) {
	buf = slices.Grow(buf[:0], int(min(max(size, 0), trustedSize))+512)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		case len(buf) == cap(buf):
			buf = slices.Grow(buf, cap(buf))
		}
	}
}

func bodyError(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) { // for which the context has ended too
		return &llm.Error{Kind: llm.KindInvalid, Message: "The body did not come in time: a request has 30 seconds and one more for each 16 KiB, 5 minutes at most.", Err: err}
	}
	if cause := ctx.Err(); cause != nil {
		return &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: cause}
	}
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	if long, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errTooLarge(long.Limit)
	}
	return &llm.Error{Kind: llm.KindInvalid, Message: "The body broke off before its end.", Err: err}
}

// errTooLarge is the error of a body that is longer than so many bytes.
func errTooLarge(most int64) error {
	text := fmt.Sprintf("%d bytes", most)
	if most%(1<<20) == 0 {
		text = fmt.Sprintf("%d MiB", most>>20)
	}
	return &llm.Error{Kind: llm.KindTooLarge, Message: "Request body is too large: it may have " + text + "."}
}
