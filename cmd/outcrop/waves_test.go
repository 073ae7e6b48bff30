package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"outcrop/internal/bedrock"
	"outcrop/internal/h1"
	"outcrop/internal/proxy"
)

// Connections of a wave of calls are there for the next: 5,000 streams at once took twice the processor time of 1,000, each,
// when a pool of 1,024 made the others shake hands anew.
func TestASecondWaveOpensNoConnection(t *testing.T) {
	const calls = 1100
	if have := roomOf().descriptors; have < 3*calls {
		t.Skipf("%d descriptors are too few for both ends of %d connections: ulimit -n %d", have, calls, 3*calls)
	}
	for name, transport := range map[string]http.RoundTripper{
		"Bedrock":       h1.NewBeside(bedrock.NewTransport()),
		"other servers": proxy.NewTransport(),
	} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Int64
			together := make(chan struct{}, 2*calls)
			var all sync.WaitGroup
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				together <- struct{}{}
				all.Wait() // for those that have not come yet
			}))
			server.Config.ConnState = func(_ net.Conn, to http.ConnState) {
				if to == http.StateNew {
					opened.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			for wave := range 2 {
				all.Add(1)
				var done sync.WaitGroup
				for range calls {
					done.Go(func() {
						if err := callOnce(t.Context(), transport, server.URL); err != nil {
							t.Error(err)
							together <- struct{}{} // it may not have come so far
						}
					})
				}
				for range calls {
					<-together
				}
				all.Done()
				done.Wait()
				if got := opened.Load(); got != calls {
					t.Errorf("after wave %d %d connections were opened for %d calls at once", wave+1, got, calls)
				}
			}
		})
	}
}

// callOnce makes one call and reads its answer.
func callOnce(ctx context.Context, over http.RoundTripper, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := over.RoundTrip(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}
