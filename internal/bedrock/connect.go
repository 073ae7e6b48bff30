package bedrock

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"outcrop/internal/llm"
)

// connectWithin gives up a call that has no connection after d; 0 does nothing. The transport's dialer
// may go on, for the next call. done releases what the bound holds.
func connectWithin(r *http.Request, d time.Duration) (bounded *http.Request, done func()) {
	if d <= 0 {
		return r, func() {}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(d, func() {
		cancel(&llm.Error{Kind: llm.KindTimeout, Message: fmt.Sprintf("Amazon Bedrock could not be reached within %v, the deployment's connect timeout.", d)})
	})
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { timer.Stop() }})
	return r.WithContext(ctx), func() {
		timer.Stop()
		cancel(nil)
	}
}

// releasing is a body at whose end something is released.
type releasing struct {
	io.ReadCloser
	done func()
}

func (b *releasing) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
