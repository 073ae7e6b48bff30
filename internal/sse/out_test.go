package sse

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOut: frames go out together, after the header has been asked once.
func TestOut(t *testing.T) {
	w := httptest.NewRecorder()
	var o Out
	asked := 0
	o.Open(w)
	o.Header = setter(func(h http.Header) { asked++; h.Set("X-A", "b") })
	if err := o.Flush(); err != nil || w.Flushed || o.Sent {
		t.Errorf("nothing was sent: %v", err)
	}
	for _, frame := range []string{"data: a\n\n", "data: b\n\n"} {
		o.Buf = append(o.Buf, frame...)
		if err := o.Flush(); err != nil || !o.Sent || len(o.Buf) > 0 {
			t.Errorf("%v, %+v", err, o.Buf)
		}
	}
	o.Close()
	if w.Body.String() != "data: a\n\ndata: b\n\n" || asked != 1 || w.Header().Get("Content-Type") != ContentType || w.Header().Get("X-A") != "b" {
		t.Errorf("%q, asked %d times, %v", w.Body, asked, w.Header())
	}
}

// TestOutHoldsABufferOnlyWithFrames: a stream that waits has none, whoever has written last.
func TestOutHoldsABufferOnlyWithFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		var o Out
		o.Open(w)
		o.Beat(4*time.Second, ": beat\n\n", func() bool { return true })
		for i, turn := range []struct {
			frame string
			flush bool
			holds bool
		}{{"", false, false}, {"data: a\n\n", false, true}, {"data: b\n\n", true, false}, {"", true, false}} {
			if err := o.Take(); err != nil || cap(o.Buf) == 0 {
				t.Fatalf("turn %d has no buffer: %v", i, err)
			}
			if o.Buf = append(o.Buf, turn.frame...); turn.flush {
				_ = o.Flush()
			}
			o.Give()
			if holds := holding(&o); holds != turn.holds {
				t.Errorf("after turn %d: it holds a buffer: %t", i, holds)
			}
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if holding(&o) {
			t.Error("the heart has left a buffer behind")
		}
		o.Close()
		if got := w.Body.String(); !strings.HasPrefix(got, "data: a\n\ndata: b\n\n: beat\n\n") {
			t.Errorf("got %q", got)
		}
	})
}

func holding(o *Out) bool {
	o.turn.take()
	defer o.turn.give()
	return cap(o.Buf) > 0
}

type setter func(http.Header)

func (s setter) SetHeader(h http.Header) { s(h) }

// TestOutBeats: a frame of the heart goes out after each silence, where one may, and none after Close.
func TestOutBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		var o Out
		ready := false
		o.Open(w)
		o.Beat(4*time.Second, ": beat\n\n", func() bool { return ready })
		<-time.After(10 * time.Second)
		if err := o.Take(); err != nil || w.Body.Len() > 0 {
			t.Errorf("%q, %v", w.Body, err)
		}
		ready = true
		o.Give()
		<-time.After(9 * time.Second)
		o.Close()
		<-time.After(time.Minute)
		if n := strings.Count(w.Body.String(), ": beat"); n < 2 || n > 3 {
			t.Errorf("%d beats", n)
		}
	})
}

// TestOutClientGone: a beat that cannot be written is told at the handler's next turn.
func TestOutClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o Out
		o.Open(deaf{httptest.NewRecorder()})
		o.Beat(4*time.Second, ": beat\n\n", func() bool { return true })
		<-time.After(time.Minute)
		if err := o.Take(); !errors.Is(err, http.ErrHandlerTimeout) {
			t.Errorf("got %v", err)
		}
		o.Give()
		o.Close()
	})
}

type deaf struct{ *httptest.ResponseRecorder }

func (deaf) Write([]byte) (int, error) { return 0, http.ErrHandlerTimeout }
