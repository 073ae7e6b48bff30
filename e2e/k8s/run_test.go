//go:build k8s

package k8s_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The rendered Deployment runs: probes answer, the root file system is read-only, the user is not root, and a
// chat is answered.
func TestRenderedDeploymentRuns(t *testing.T) {
	p := play(t, "plain", sandbox(t, 0), "")
	for _, name := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		if err := get(p.probes[name]); err != nil {
			t.Errorf("the %s: %v", name, err)
		}
	}
	if text, cut, err := stream(t.Context(), p.url); err != nil || cut || text == "" {
		t.Errorf("a chat: %q, cut %v, %v", text, cut, err)
	}
	inspected := podman(t, nil, "inspect", "--format", "{{.HostConfig.ReadonlyRootfs}} {{.Config.User}} {{.HostConfig.CapDrop}}", p.name)
	if !strings.HasPrefix(inspected, "true 65532") {
		t.Errorf("read-only root, user, capabilities: %s", inspected)
	}
	body := body(t, p.metrics+"/metrics")
	if !strings.Contains(body, "outcrop_requests_total{") {
		t.Errorf("the metrics lack the request:\n%.2000s", body)
	}
	p.terminate()
	if status := p.exit(); status != "0" {
		t.Errorf("the process ended with %s", status)
	}
}

func body(t *testing.T, address string) string {
	t.Helper()
	resp, err := fetch(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// SIGTERM in the middle of 50 streams: all end whole, and the process ends with 0.
func TestStreamsOutliveSIGTERM(t *testing.T) {
	p := play(t, "drained", sandbox(t, 50*time.Millisecond), "drain: {delaySeconds: 1, timeoutSeconds: 60}\n")
	whole, cut := streams(t, 50, p.url, func() {
		inFlight(t, p, 50)
		p.terminate()
		if err := wait(5*time.Second, "the readiness probe", func() error {
			if get(p.url+"/ready") == nil {
				return fmt.Errorf("still ready after SIGTERM")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	if whole != 50 || cut != 0 {
		t.Errorf("%d streams are whole, %d were cut; want 50 and 0", whole, cut)
	}
	if status := p.exit(); status != "0" {
		t.Errorf("the process ended with %s", status)
	}
}

// Streams that outlast the grace period are told so: an error, and no [DONE].
func TestStreamsBeyondTheGracePeriodAreCutCleanly(t *testing.T) {
	p := play(t, "cut", sandbox(t, time.Second), "drain: {delaySeconds: 0, timeoutSeconds: 2}\n")
	whole, cut := streams(t, 50, p.url, func() {
		inFlight(t, p, 50)
		p.terminate()
	})
	if whole != 0 || cut != 50 {
		t.Errorf("%d streams are whole, %d were cut; want 0 and 50", whole, cut)
	}
	if status := p.exit(); status != "0" {
		t.Errorf("the process ended with %s", status)
	}
}

// inFlight waits until so many requests are under way.
func inFlight(t *testing.T, p *pod, n int) {
	t.Helper()
	want := fmt.Sprintf("outcrop_requests_in_flight %d\n", n)
	if err := wait(20*time.Second, "the streams", func() error {
		if metrics := body(t, p.metrics+"/metrics"); !strings.Contains(metrics, want) {
			return fmt.Errorf("the metrics lack %q", want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// balancer sends requests to the pods that are ready, as a Service does: it learns of a change with the
// next probe.
type balancer struct {
	mutex sync.Mutex
	pods  []*pod
	ready []*httputil.ReverseProxy
	next  atomic.Int64
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mutex.Lock()
	ready := b.ready
	b.mutex.Unlock()
	if len(ready) == 0 {
		http.Error(w, "no pod is ready", http.StatusServiceUnavailable)
		return
	}
	ready[int(b.next.Add(1))%len(ready)].ServeHTTP(w, r)
}

func (b *balancer) add(p *pod) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.pods = append(b.pods, p)
}

// probe keeps the list of ready pods until the context ends.
func (b *balancer) probe(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		b.mutex.Lock()
		pods := b.pods
		b.mutex.Unlock()
		var ready []*httputil.ReverseProxy
		for _, p := range pods {
			if get(p.url+"/ready") != nil {
				continue
			}
			target, err := url.Parse(p.url)
			if err != nil {
				t.Error(err)
				return
			}
			proxy := httputil.NewSingleHostReverseProxy(target)
			proxy.FlushInterval = -1
			ready = append(ready, proxy)
		}
		b.mutex.Lock()
		b.ready = ready
		b.mutex.Unlock()
		<-time.After(500 * time.Millisecond)
	}
}

// A rolling replacement under load: the new pod is ready, then the old one gets SIGTERM. No request is lost
// and no stream is cut.
func TestRollingReplacementLosesNothing(t *testing.T) {
	aws := sandbox(t, 20*time.Millisecond)
	settings := "drain: {delaySeconds: 3, timeoutSeconds: 60}\n"
	old := play(t, "old", aws, settings)
	b := &balancer{}
	b.add(old)
	probing, stop := context.WithCancel(context.Background())
	defer stop()
	go b.probe(probing, t)
	listener := serve(t, b)
	if err := wait(5*time.Second, "the balancer", func() error { return get(listener + "/health") }); err != nil {
		t.Fatal(err)
	}
	var asked, lost atomic.Int64
	loading, enough := context.WithCancel(context.Background())
	var load sync.WaitGroup
	for range 16 {
		load.Go(func() {
			for loading.Err() == nil {
				asked.Add(1)
				if _, cut, err := stream(context.Background(), listener); err != nil || cut {
					lost.Add(1)
					t.Errorf("a request during the replacement: cut %v, %v", cut, err)
				}
			}
		})
	}
	fresh := play(t, "fresh", aws, settings)
	b.add(fresh)
	<-time.After(2 * time.Second) // so that both serve
	old.terminate()
	if status := old.exit(); status != "0" {
		t.Errorf("the old process ended with %s", status)
	}
	<-time.After(2 * time.Second) // so that the new one serves alone
	enough()
	load.Wait()
	t.Logf("%d requests, %d lost", asked.Load(), lost.Load())
	if asked.Load() < 50 {
		t.Errorf("only %d requests were made: no load", asked.Load())
	}
}

func serve(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", ports[0]), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.ListenAndServe() }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + server.Addr
}
