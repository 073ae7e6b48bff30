package gateway

import (
	"io"
	"net/http"
	"time"
)

const (
	// uploadGrace and uploadRate (bytes a second) are how slow a client may be that sends its request: it has a place
	// meanwhile.
	uploadGrace = 30 * time.Second
	uploadRate  = 16 << 10
	// firstStep is how much of a body of unknown length is counted at once, in bytes; twice as much each time after.
	firstStep = 64 << 10
)

// uploadTime is how long a client may take to send so many bytes.
func uploadTime(n int64) time.Duration {
	return min(bodyTimeout, uploadGrace+time.Duration(n/uploadRate)*time.Second)
}

// arriving is the body of a request. One whose length is not announced is counted while it comes, and has time by what
// has come.
func (x *exchange) arriving(r *http.Request) io.ReadCloser {
	if r.ContentLength >= 0 {
		return r.Body
	}
	return &unannounced{ReadCloser: r.Body, exchange: x, began: time.Now()}
}

// unannounced is a body of unknown length.
type unannounced struct {
	io.ReadCloser
	exchange *exchange
	began    time.Time
	read     int64
	counted  int64
}

// Read implements io.Reader. Its error is one for the client where there is no room for more.
func (u *unannounced) Read(b []byte) (int, error) {
	n, err := u.ReadCloser.Read(b)
	if u.read += int64(n); u.read <= u.counted {
		return n, err
	}
	step := max(firstStep, u.counted)
	if full := u.exchange.place.hold(step); full != nil {
		u.exchange.shed = true
		return 0, full
	}
	u.counted += step
	if late := u.exchange.allow(u.began.Add(uploadTime(u.counted))); late != nil {
		return 0, late
	}
	return n, err
}
