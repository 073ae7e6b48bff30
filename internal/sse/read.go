package sse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the longest line that a Reader takes, in bytes: an image in one data line, and room.
const MaxLine = 64 << 20

// ErrLineTooLong is returned for a line over MaxLine.
var ErrLineTooLong = errors.New("sse: line longer than 64 MiB")

// Frame is one event of a stream.
type Frame struct {
	Event string // "" when the stream names none
	Data  []byte // lines joined by "\n"; valid until the next call of Next
}

// Reader reads frames.
type Reader struct {
	r    *bufio.Reader
	data []byte
	line []byte
	// event is the name that was read last.
	event string
}

// NewReader returns a reader of the stream.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReader(r)} }

// Next returns the next frame that has data. It returns io.EOF at an end between frames and
// io.ErrUnexpectedEOF when the stream ends inside one, which a browser would drop.
func (r *Reader) Next() (Frame, error) {
	var f Frame
	r.data = r.data[:0]
	some, started := false, false
	for {
		line, err := r.readLine()
		switch {
		case err == io.EOF && (started || len(line) > 0): //nolint:errorlint // only a bare io.EOF is the end of a stream
			return Frame{}, io.ErrUnexpectedEOF
		case err != nil:
			return Frame{}, err
		case len(line) > 0:
			started = true
			some = r.field(&f, line, some)
		case some:
			f.Data = r.data
			return f, nil
		default:
			f, started = Frame{}, false
		}
	}
}

// field takes one line into the frame and reports whether the frame has data.
func (r *Reader) field(f *Frame, line []byte, some bool) bool {
	name, value, _ := bytes.Cut(line, []byte{':'})
	value = bytes.TrimPrefix(value, []byte{' '})
	switch string(name) {
	case "data":
		if some {
			r.data = append(r.data, '\n')
		}
		r.data = append(r.data, value...)
		return true
	case "event":
		if string(value) != r.event { // most events of a stream have the name of the one before them
			r.event = string(value)
		}
		f.Event = r.event
	}
	return some
}

// readLine returns a line without its end, which is \n or \r\n. A lone \r, which the format allows
// and no one sends, is not an end here.
func (r *Reader) readLine() ([]byte, error) {
	r.line = r.line[:0]
	for {
		part, err := r.r.ReadSlice('\n')
		if len(r.line)+len(part) > MaxLine {
			return nil, ErrLineTooLong
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			r.line = append(r.line, part...)
			continue
		}
		line := part
		if len(r.line) > 0 {
			r.line = append(r.line, part...)
			line = r.line
		}
		if err == io.EOF {
			return line, io.EOF
		}
		if err != nil {
			return nil, fmt.Errorf("sse: %w", err)
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'}), nil
	}
}
