package sse

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// FlushAt is how many bytes of frames a writer should hold back at most.
const FlushAt = 32 << 10

// buffers are those of streams that have nothing to say now, which most of ten thousand open ones have not: a stream
// holds one only while it holds back frames.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

// mostKept is how long a buffer may be that is kept for another stream, in bytes.
const mostKept = 64 << 10

// Out is a stream on its way to a client. Frames are appended to Buf and go out together with Flush. The
// handler's goroutine does that between Take and Give; a heart, if there is one, writes a frame of its own
// where there has long been none.
type Out struct {
	Buf  []byte // between Take and Give, and as long as frames are held back
	lent *[]byte
	Sent bool // something is written: the status is fixed
	// Header is asked right before the first byte goes out; nil has nothing to say.
	Header HeaderSetter

	w       http.ResponseWriter
	flusher *http.ResponseController
	turn    turn
	heart   heart
}

// HeaderSetter says in a reply's header what there is to say.
type HeaderSetter interface{ SetHeader(h http.Header) }

// heart is a timer that looks now and then whether anything has been written.
type heart struct {
	timer  *time.Timer // nil without one
	every  time.Duration
	frame  string
	ready  func() bool
	quiet  int   // how many looks in a row have seen nothing written
	wrote  bool  // since the last look
	gone   error // of a frame that could not be written
	closed bool
}

// Open makes o a stream that will be written to w.
func (o *Out) Open(w http.ResponseWriter) {
	o.w, o.flusher, o.turn.next = w, http.NewResponseController(w), make(chan struct{}, 1)
}

// begin has Buf ready for frames.
func (o *Out) begin() {
	if o.lent == nil {
		o.lent = buffers.Get().(*[]byte)
		o.Buf = *o.lent
	}
}

// end leaves Buf to others if nothing is held back.
func (o *Out) end() {
	if len(o.Buf) > 0 || o.lent == nil {
		return
	}
	if cap(o.Buf) <= mostKept {
		*o.lent = o.Buf
		buffers.Put(o.lent)
	}
	o.Buf, o.lent = nil, nil
}

// looks is how often the heart looks in the time that it waits for: to note the time of every write would
// cost more than the write's bytes.
const looks = 4

// shortestLook keeps a heart that is to beat all the time from doing nothing else.
const shortestLook = 10 * time.Millisecond

// Beat starts the heart: after each such time of silence, or up to a quarter later, it writes the frame,
// if ready says that one may go out.
func (o *Out) Beat(every time.Duration, frame string, ready func() bool) {
	o.turn.take() // the first look may come before the timer is known
	defer o.turn.give()
	if every > 0 {
		o.heart = heart{every: max(every/looks, shortestLook), frame: frame, ready: ready}
		o.heart.timer = time.AfterFunc(o.heart.every, o.beat)
	}
}

func (o *Out) beat() {
	o.turn.take()
	defer o.turn.give()
	o.begin()
	defer o.end()
	h := &o.heart
	if h.closed || h.gone != nil {
		return
	}
	h.quiet++
	if h.wrote {
		h.quiet = 0
	}
	h.wrote = false
	if h.quiet >= looks && h.ready() {
		o.Buf = append(o.Buf, h.frame...)
		if h.gone = o.Flush(); h.gone != nil {
			return
		}
		h.quiet, h.wrote = 0, false
	}
	h.timer.Reset(h.every)
}

// Take begins the handler's turn. Its error is that of a frame of the heart that could not be written: the
// client is gone.
func (o *Out) Take() error {
	o.turn.take()
	o.begin()
	return o.heart.gone
}

// Give ends the handler's turn.
func (o *Out) Give() {
	o.end()
	o.turn.give()
}

// Close ends the heart. The response is then no longer written to.
func (o *Out) Close() {
	o.turn.take()
	defer o.turn.give()
	if o.heart.closed = true; o.heart.timer != nil {
		o.heart.timer.Stop()
	}
	o.Buf = o.Buf[:0]
	o.end()
}

// Flush sends what is held; its error says that the client is gone.
func (o *Out) Flush() error {
	if len(o.Buf) == 0 {
		return nil
	}
	if !o.Sent {
		o.Sent = true
		h := o.w.Header()
		h.Set("Content-Type", ContentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // nginx would collect the frames
		if o.Header != nil {
			o.Header.SetHeader(h)
		}
	}
	o.heart.wrote = true
	_, err := o.w.Write(o.Buf)
	o.Buf = o.Buf[:0]
	if err == nil {
		err = o.flusher.Flush()
	}
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// turn is a lock whose waiters wait at a channel: under testing/synctest a goroutine that waits for a
// sync.Mutex keeps the clock from moving on, and so a slow client would stop a test's time. A turn that
// nobody else wants costs two additions.
type turn struct {
	wanted atomic.Int32  // by those who have it and those who wait
	next   chan struct{} // holds a token when it is passed on to one who waits
}

func (t *turn) take() {
	if t.wanted.Add(1) > 1 {
		<-t.next
	}
}

func (t *turn) give() {
	if t.wanted.Add(-1) > 0 {
		t.next <- struct{}{}
	}
}
