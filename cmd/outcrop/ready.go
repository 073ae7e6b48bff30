package main

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
)

const (
	// drainTimeout is how long running replies may go on after a signal, when nothing else is said.
	drainTimeout = 25 * time.Second
	// podDrainDelay is what a load balancer or a kube-proxy needs to hear that a pod is going.
	podDrainDelay = "5s"
)

// drain is how a server ends.
type drain struct {
	delay   time.Duration // for how long new requests are still accepted after a signal
	timeout time.Duration // how long replies may go on after that
}

func (d *drain) flags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&d.delay, "drain-delay", 0, "how long to go on accepting requests after a signal, not ready any more, until nobody sends them here; "+podDrainDelay+" in Kubernetes")
	cmd.Flags().DurationVar(&d.timeout, "drain-timeout", drainTimeout, "how long running replies may then go on; those that do are cut with an error event")
}

func (d drain) check() error {
	switch {
	case d.delay < 0:
		return errors.New("--drain-delay is negative: it must be a time like 5s, or 0")
	case d.timeout < 0:
		return errors.New("--drain-timeout is negative: it must be a time like 25s, or 0")
	}
	return nil
}

// readiness is what GET /ready tells: nothing about AWS, which a restart would not mend.
type readiness struct {
	configured atomic.Bool // there has been a good configuration
	draining   atomic.Bool
}

// reason is why no requests should be sent here, "" when they should.
func (r *readiness) reason() string {
	switch {
	case r.draining.Load():
		return "draining: the server is stopping"
	case !r.configured.Load():
		return "there has been no good configuration yet: the log says what is wrong with it"
	}
	return ""
}

func (r *readiness) ready() bool { return r.reason() == "" }

func (r *readiness) drain() {
	if r != nil {
		r.draining.Store(true)
	}
}

// closing is the handler which, while draining, asks clients to send nothing more on their connections: an
// idle one is closed at the end of the delay, when a request might just be on its way.
func (r *readiness) closing(h http.Handler) http.Handler {
	if r == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, req)
	})
}
