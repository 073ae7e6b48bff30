package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"outcrop/internal/sandbox"
)

// headerTimeout is how long a client may take to send its headers.
const headerTimeout = 10 * time.Second

// listen opens a plain address. A port in use is an error that names it and the remedy.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, _, err := sandbox.Listen(ctx, address, false)
	return listener, err
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// runServer serves until the context ends; then running replies may go on for as long as drain.
func runServer(ctx context.Context, server *http.Server, listener net.Listener, drain time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("the server stopped: %w", err)
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(draining); errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	} else if err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	return nil
}
