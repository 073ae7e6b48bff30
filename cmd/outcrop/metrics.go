package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/gateway"
	"outcrop/internal/models"
	"outcrop/internal/telemetry"
)

func metricsFlag(cmd *cobra.Command, address *string) {
	cmd.Flags().StringVar(address, "metrics-listen", "", "address of a second port with Prometheus's metrics at /metrics, such as :9464; none by default")
}

// serveMetrics serves the metrics until stop, at a port that is not for clients; with no address, nowhere.
func serveMetrics(ctx context.Context, address string, m *telemetry.Metrics, log *slog.Logger) (at string, stop func(), err error) {
	if address == "" {
		return "", func() {}, nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return "", nil, fmt.Errorf("cannot listen at %s, --metrics-listen wants HOST:PORT of a free port: %w", address, err)
	}
	mux := http.NewServeMux()
	for pattern, handler := range metricsRoutes(m) {
		mux.Handle(pattern, handler)
	}
	server := newServer(mux, log)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the metrics are no longer served", "error", err)
		}
	}()
	return listener.Addr().String(), func() {
		if err := server.Close(); err != nil {
			log.Warn("stopping the server of the metrics", "error", err)
		}
	}, nil
}

// metricsRoutes are those of that port. They are open to whoever reaches it: an operator's network does not let
// clients.
func metricsRoutes(m *telemetry.Metrics) map[string]http.Handler {
	return map[string]http.Handler{
		"GET /metrics": m.Handler(),
		"GET /health":  http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
	}
}

// inFlight counts the requests that are being answered, but for probes.
func inFlight(m *telemetry.Metrics, h http.Handler) http.Handler {
	if m == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" && r.URL.Path != "/ready" {
			m.Begin()
			defer m.End()
		}
		h.ServeHTTP(w, r)
	})
}

// adapterNames gives the adapter's deployments labels. They come with the requests: models that the catalogue
// knows go by their ids.
type adapterNames struct {
	catalogue *models.Catalogue
	log       *slog.Logger
	metrics   *telemetry.Metrics
	seen      sync.Map // the labels that were given
}

func newAdapterNames(catalogue *models.Catalogue, log *slog.Logger) *adapterNames {
	return &adapterNames{catalogue: catalogue, log: log}
}

// name is telemetry.Options.Name. Of a model that is called for the first time the end of its life is told.
func (n *adapterNames) name(deployment string) string {
	m, ok := n.catalogue.Lookup(deployment)
	if !ok {
		return ""
	}
	if _, known := n.seen.Load(m); known {
		return m.ID
	}
	if _, known := n.seen.LoadOrStore(m, true); !known {
		d := telemetry.Deployment{Name: m.ID}
		d.Model, d.Ends = endOf(n.catalogue, m.ID)
		n.metrics.Ends(d)
		warnOfEnds([]telemetry.Deployment{d}, time.Now(), n.log)
	}
	return m.ID
}

// logStart says once what runs, and where.
func logStart(log *slog.Logger, at net.Addr, metricsAt string, d drain, load *gateway.Load) {
	log.Info("serving", "version", version(), "listen", at.String(), "metrics_listen", metricsAt,
		"drain_delay", d.delay.String(), "drain_timeout", d.timeout.String(), "cpus", runtime.GOMAXPROCS(0), "memory", memoryLimit(), "places", load.State().Places)
}
