package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
)

// TestAnOpenStreamHolds compares what a stream holds that is open and says nothing, beside what net/http's server and a
// connection to AWS hold, with what it held when held.txt was written. Less is to be written down too.
func TestAnOpenStreamHolds(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector holds memory, too: go test ./bench measures without it")
	}
	const streams = 400
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	silent := &fallsSilent{frames: stream(t, 20)}
	handler := handling(t, silent)
	body := bytes.Replace(chat(t, 900, 0, ""), []byte("{"), []byte(`{"stream":true,`), 1)
	var ended sync.WaitGroup
	open := func() {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/openai/v1/chat/completions", bytes.NewReader(body))
		r.Header["Content-Type"], r.Header["Api-Key"] = []string{"application/json"}, []string{"hush-key-1"}
		silent.waiting.Add(1)
		ended.Go(func() { handler.ServeHTTP(&discard{header: http.Header{}}, r) })
	}
	open() // what there is once
	silent.waiting.Wait()
	heap, stacks := held()
	for range streams {
		open()
	}
	silent.waiting.Wait()
	heapNow, stacksNow := held()
	cancel()
	ended.Wait()
	got := fmt.Sprintf("an open stream: %d bytes of heap, %d bytes of stack\n", (heapNow-heap)/streams, (stacksNow-stacks)/streams)
	compareHeld(t, got)
}

func compareHeld(t *testing.T, got string) {
	t.Helper()
	file := filepath.Join("testdata", "held.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var heap, stack [2]int
	for i, text := range []string{got, string(want)} {
		if _, err := fmt.Sscanf(text, "an open stream: %d bytes of heap, %d bytes of stack", &heap[i], &stack[i]); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	if !near(heap[0], heap[1], 0.15, 0) || !near(stack[0], stack[1], 0.4, 0) { // stacks double and halve
		t.Errorf("%swas %sIf that is meant, or better: go test ./bench -run TestAnOpenStreamHolds -update", got, want)
	}
}

// held is what is in use after a collection, in bytes.
func held() (heap, stacks int) {
	for range 3 { // of which two empty pools
		runtime.GC()
	}
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return int(samples[0].Value.Uint64()), int(samples[1].Value.Uint64())
}

// fallsSilent answers with the frames, one at a time, and then says nothing until the call ends.
type fallsSilent struct {
	frames  [][]byte
	waiting sync.WaitGroup // until all have fallen silent
}

func (s *fallsSilent) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ContentLength: -1, Header: http.Header{"Content-Type": {"application/vnd.amazon.eventstream"}},
		Body: &silence{frames: slices.Clone(s.frames[:len(s.frames)-3]), until: r.Context(), silent: s.waiting.Done},
	}, nil
}

type silence struct {
	frames [][]byte
	until  context.Context //nolint:containedctx // the call's, as of a connection
	silent func()
}

func (s *silence) Read(p []byte) (int, error) {
	if len(s.frames) == 0 {
		if s.silent != nil {
			s.silent()
			s.silent = nil
		}
		<-s.until.Done()
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, s.frames[0])
	if s.frames[0] = s.frames[0][n:]; len(s.frames[0]) == 0 {
		s.frames = s.frames[1:]
	}
	return n, nil
}

func (s *silence) Close() error { return nil }
