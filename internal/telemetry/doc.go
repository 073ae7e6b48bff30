// Package telemetry is where the numbers of requests go: Prometheus's metrics.
package telemetry
