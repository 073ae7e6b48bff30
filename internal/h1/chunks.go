package h1

import (
	"bytes"
	"fmt"
	"io"
)

// chunks takes the frames off a chunked body, where it stands: nothing has to be kept between two reads but a state.
// https://www.rfc-editor.org/rfc/rfc9112.html#section-7.1
type chunks struct {
	state  chunkState
	left   int64 // bytes of this chunk; while its size is read, the size so far
	digits int   // of its size
	line   int   // bytes read since the size that are no content: an extension, or trailers
}

type chunkState uint8

const (
	inSize      chunkState = iota
	afterSize              // spaces
	inExtension            // of a size
	sizeEnds               // its line feed is to come
	inData
	dataEnds // its carriage return is to come
	dataEnded
	inTrailer // at the beginning of a line
	inTrailerLine
	trailersEnd // their last line feed is to come
)

// maxChunkLine is how long extensions and trailers, which mean nothing here, may be, in bytes.
const maxChunkLine = 16 << 10

// decode moves the content of raw to its front and returns its length. io.EOF is the end of the body; surplus then says that
// something comes after it.
func (c *chunks) decode(raw []byte) (n int, surplus bool, err error) {
	for i := 0; i < len(raw); {
		if c.state == inData {
			k := int(min(c.left, int64(len(raw)-i)))
			copy(raw[n:], raw[i:i+k])
			n, i, c.left = n+k, i+k, c.left-int64(k)
			if c.left == 0 {
				c.state = dataEnds
			}
			continue
		}
		used, err := c.frame(raw[i:])
		if i += used; err != nil {
			return n, i < len(raw), err
		}
	}
	return n, false, nil
}

// frame reads what is not content: a byte, or a line that means nothing.
func (c *chunks) frame(raw []byte) (used int, err error) {
	b := raw[0]
	switch c.state {
	case inSize, afterSize:
		return 1, c.size(b)
	case inExtension:
		return c.skip(raw, sizeEnds, '\r')
	case sizeEnds:
		c.line, c.state = 0, inData
		if c.left == 0 {
			c.state = inTrailer
		}
		return 1, ends(b, '\n')
	case dataEnds:
		c.state = dataEnded
		return 1, ends(b, '\r')
	case dataEnded:
		*c = chunks{}
		return 1, ends(b, '\n')
	case inTrailer:
		if b == '\r' {
			c.state = trailersEnd
			return 1, nil
		}
		c.state = inTrailerLine
		return 0, nil
	case inTrailerLine:
		return c.skip(raw, inTrailer, '\n')
	default: // trailersEnd
		if b != '\n' {
			return 1, ends(b, '\n')
		}
		return 1, io.EOF
	}
}

func ends(b, want byte) error {
	if b != want {
		return fmt.Errorf("%w: a line or a chunk does not end where it should", errAnswer)
	}
	return nil
}

// size reads a digit of a size, or what ends it.
func (c *chunks) size(b byte) error {
	switch {
	case c.digits > 0 && b == '\r':
		c.state = sizeEnds
		return nil
	case c.digits > 0 && b == ';' && c.state == inSize:
		c.state = inExtension
		return nil
	case c.digits > 0 && (b == ' ' || b == '\t'):
		c.state = afterSize
		c.line++
		return c.bound()
	}
	digit, ok := hexDigit(b)
	if !ok || c.state == afterSize || c.digits == 15 {
		return fmt.Errorf("%w: the size of a chunk is no number", errAnswer)
	}
	c.left = c.left<<4 | digit
	c.digits++
	return nil
}

func hexDigit(b byte) (int64, bool) {
	switch {
	case '0' <= b && b <= '9':
		return int64(b - '0'), true
	case 'a' <= b && b <= 'f':
		return int64(b-'a') + 10, true
	case 'A' <= b && b <= 'F':
		return int64(b-'A') + 10, true
	}
	return 0, false
}

// skip reads up to the end of what means nothing, which is with that byte.
func (c *chunks) skip(raw []byte, next chunkState, end byte) (used int, err error) {
	i := bytes.IndexByte(raw, end)
	if used = i + 1; i < 0 {
		used = len(raw)
	} else {
		c.state = next
	}
	c.line += used
	return used, c.bound()
}

func (c *chunks) bound() error {
	if c.line > maxChunkLine {
		return fmt.Errorf("%w: a line among its chunks is too long", errAnswer)
	}
	return nil
}
