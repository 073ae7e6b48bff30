package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/sandbox"
)

// headerTimeout is how long a client may take to send its headers.
const headerTimeout = 10 * time.Second

// listen opens a plain address. A port in use is an error that names it and the remedy.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, _, err := sandbox.Listen(ctx, address, false)
	return listener, err
}

// newServer is a server of HTTP/1.1 that no client holds on to without a request.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: framed(corkedWriters(handler)), ConnContext: withCork, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// framed ends a connection after a request whose end another server before this one may have seen elsewhere: what
// follows it could be a request that somebody has hidden in a body. A body in chunks may have come with a length too,
// which net/http drops without a word (RFC 9112, 6.3, wants the connection closed then), and HTTP/1.0 has no chunks,
// though it may have been sent some.
func framed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0 && r.ContentLength != 0) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// cutTimeout is how long replies have to tell their clients that they are cut.
const cutTimeout = 2 * time.Second

// errStopping is what a client reads whose reply is cut because the server stops.
var errStopping = &llm.Error{Kind: llm.KindServerUnavailable, Message: "The server is stopping and cut the answer short. Try again.", Err: errors.New("stopping")}

// service is a server on its listener.
type service struct {
	server   *http.Server
	listener net.Listener
	drain    drain
	ready    *readiness // nil when nobody asks
	log      *slog.Logger
	jobs     jobs // nil when there are none
}

// jobs are what is made without a client who waits for it.
type jobs interface {
	// Drain waits until they have ended, and says whether they have when the context does.
	Drain(ctx context.Context) bool
	// Cut ends them.
	Cut(why *llm.Error)
}

// run serves until the context ends, and then drains: requests that come within the delay are served as
// ever, those that are under way then may finish within the timeout, and what still runs is cut, with an error.
func (s service) run(ctx context.Context) error {
	base, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	s.server.BaseContext = func(net.Listener) context.Context { return base }
	var running requests
	s.server.Handler = running.counted(s.ready.closing(s.server.Handler))
	failed := make(chan error, 1)
	go func() { failed <- s.server.Serve(corkListener{s.listener}) }()
	select {
	case err := <-failed:
		return fmt.Errorf("the server stopped: %w", err)
	case <-ctx.Done():
	}
	s.ready.drain()
	s.log.Info("stopping: not ready any more; running replies may finish; a second signal ends at once",
		"accepting_for", s.drain.delay.String(), "within", s.drain.timeout.String())
	select {
	case err := <-failed:
		return fmt.Errorf("the server stopped: %w", err)
	case <-time.After(s.drain.delay):
	}
	if finished, err := s.shutdown(s.drain.timeout, &running); finished || err != nil {
		return err
	}
	s.log.Warn("stopping: replies that still run are cut")
	cut(errStopping)
	if s.jobs != nil {
		s.jobs.Cut(errStopping)
	}
	if finished, err := s.shutdown(cutTimeout, &running); finished || err != nil {
		return err
	}
	return s.server.Close()
}

// shutdown waits for running requests, and for what is made in the background, and reports whether all have finished in time.
func (s service) shutdown(within time.Duration, running *requests) (finished bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err = s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("stopping the server: %w", err)
	}
	return running.wait(ctx) && (s.jobs == nil || s.jobs.Drain(ctx)), nil
}

// requests are those whose handlers run: http.Server.Shutdown does not wait for a WebSocket's, whose connection is not its own
// any more.
type requests struct{ sync.WaitGroup }

func (r *requests) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.Add(1)
		defer r.Done()
		next.ServeHTTP(w, request)
	})
}

// wait waits until none runs, and says whether that was before the context ended. No new one may come.
func (r *requests) wait(ctx context.Context) bool {
	none := make(chan struct{})
	go func() { // ends with the last of them, or with the process
		r.Wait()
		close(none)
	}()
	select {
	case <-none:
		return true
	case <-ctx.Done():
		return false
	}
}
