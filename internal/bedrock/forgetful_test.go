package bedrock

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestAnAnsweredRequestIsLetGo: while an answer over HTTP/2 is read, what was sent for it is not in memory any more.
func TestAnAnsweredRequestIsLetGo(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != 1<<20 || r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusBadRequest)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	released := make(chan struct{})
	response := func() *http.Response {
		body := bytes.Repeat([]byte{'x'}, 1<<20)
		runtime.AddCleanup(&body[0], func(c chan struct{}) { close(c) }, released)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := forgetful{server.Client().Transport}.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}()
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d", response.StatusCode)
	}
	for range 500 {
		runtime.GC()
		select {
		case <-released:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the body of the request is still held")
}

// TestABodyCanBeHadAgainUntilThereIsAnAnswer: a call that is made again sends all of its body, and none after its answer.
func TestABodyCanBeHadAgainUntilThereIsAnAnswer(t *testing.T) {
	w := &rewinder{get: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("all of it")), nil }}
	for range 2 {
		body, err := w.body()
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(body)
		if again, end := body.Read(make([]byte, 8)); err != nil || string(said) != "all of it" || again != 0 || !errors.Is(end, io.EOF) {
			t.Errorf("%q, %v; then %d, %v", said, err, again, end)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
	w.forget()
	if _, err := w.body(); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("got %v", err)
	}
}
