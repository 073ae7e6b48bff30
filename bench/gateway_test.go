package bench

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/telemetry"
	"outcrop/internal/usage"
)

// SetReadDeadline and SetWriteDeadline are what the gateway asks of a connection.
func (d *discard) SetReadDeadline(time.Time) error  { return nil }
func (d *discard) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkHandler is what one text delta costs on the whole way through the server, from Bedrock's
// frame to the client's: BenchmarkDelta and what the gateway itself puts in between. "timeouts" is a
// deployment that states none, and so has the usual ones; "tools" is one whose thinking is watched for;
// "format" has its answer checked at the end; "metrics" is "timeouts" with its numbers kept.
func BenchmarkHandler(b *testing.B) {
	stated := config.DefaultTimeouts()
	usual := catalog.Timeouts{FirstToken: stated.FirstToken, InterToken: stated.InterToken, Total: stated.Total, Heartbeat: stated.Heartbeat}
	for _, way := range []struct {
		name     string
		timeouts catalog.Timeouts
		members  string
		tools    int
	}{
		{"bare", catalog.Timeouts{}, "", 0},
		{"timeouts", usual, "", 0},
		{"tools", usual, "", 5},
		{"format", usual, `"response_format":{"type":"json_object"},`, 0},
		{"n4", usual, `"n":4,`, 0},
		{"metrics", usual, "", 0},
	} {
		b.Run(way.name, func(b *testing.B) {
			const deltas = 1000
			claude := model(b, &framewise{stream(b, deltas)})
			var record func(usage.Entry)
			if way.name == "metrics" {
				metrics := telemetry.New(telemetry.Options{})
				metrics.Serve([]telemetry.Deployment{{Name: "m"}})
				record = metrics.Record
			}
			handler := serving(b, &catalog.Deployment{Name: "m", Chat: claude, Timeouts: way.timeouts}, record)
			body := bytes.Replace(chat(b, 300, way.tools, ""), []byte("{"), []byte(`{"stream":true,`+way.members), 1)
			choices := 1
			if strings.Contains(way.members, `"n":4`) {
				choices = 4
			}
			client := &discard{header: http.Header{}}
			runs := 0
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/openai/v1/chat/completions", bytes.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Api-Key", "hush-key-1")
				handler.ServeHTTP(client, r)
				runs++
			}
			if client.n < runs*choices*deltas*len("data: ") {
				b.Fatalf("only %d bytes were written", client.n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(runs*choices*deltas), "ns/delta")
		})
	}
}

// serving is a gateway with one deployment.
func serving(b testing.TB, d *catalog.Deployment, record func(usage.Entry)) http.Handler {
	b.Helper()
	deployments, err := catalog.New([]*catalog.Deployment{d})
	if err != nil {
		b.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("hush-key-1"), Project: "p"}}})
	if err != nil {
		b.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{Auth: keys, Deployments: gateway.Fixed(deployments), Log: slog.New(slog.DiscardHandler), Record: record})
	if err != nil {
		b.Fatal(err)
	}
	return g
}
