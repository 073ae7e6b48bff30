package bedrock

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

// An event-stream frame (application/vnd.amazon.eventstream), big endian:
//
//	u32 total length | u32 headers length | u32 CRC-32 of those 8 bytes | headers | payload | u32 CRC-32 of all before
//
// https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html describes the encoding.
const (
	preludeLen  = 12
	frameLenMin = preludeLen + 4
	// frameLenMax bounds what one frame may make us allocate. Bedrock's own limit for a part is 1 MB.
	frameLenMax = 32 << 20
	// headersLenMax is the protocol's limit.
	headersLenMax = 128 << 10
)

var (
	errPrelude   = errors.New("event stream: the checksum of a frame's prelude does not match")
	errChecksum  = errors.New("event stream: the checksum of a frame does not match")
	errLength    = errors.New("event stream: a frame's lengths are impossible")
	errHeaders   = errors.New("event stream: a frame's headers are malformed")
	errCutInside = errors.New("event stream: the stream ended inside a frame")
)

// frame is one message of a stream. Its members alias the reader's block.
type frame struct {
	messageType   string // event, exception, error
	eventType     string
	exceptionType string
	errorCode     string
	payload       []byte
}

// blockLen is how much is read at a time, and blockLenMax how much of a stream whose bytes come faster than that: of ten
// thousand open streams each holds a block, and of an answer that is there at once each read costs a write to the client.
const (
	blockLen    = 1 << 10
	blockLenMax = 32 << 10
)

// frameReader takes frames apart where they lie. Unless it is told to, it never writes twice to the same
// memory: a block that is full is left to the garbage collector, so strings that alias it stay valid.
type frameReader struct {
	r     io.Reader
	block []byte // block[start:end] is read and not yet parsed
	start int
	end   int
	reuse bool // nothing aliases the block: it is written to again
	fast  bool // the last read was a long one, and filled the block to its end

	headers [96]byte // of a frame before, if they fit, as those of AWS do
	known   int      // how many they are
	last    frame    // what they say
}

// readNow reads what is at hand: 0 without an error says that a Read would wait, or may wait.
func readNow(r io.Reader, p []byte) (int, error) {
	now, ok := r.(interface{ ReadNow(p []byte) (int, error) }) // h1's
	if !ok {
		return 0, nil
	}
	return now.ReadNow(p)
}

// more reads what has come already, and says whether there was any.
func (f *frameReader) more() (bool, error) {
	if f.block == nil {
		return false, nil
	}
	if err := f.makeRoom(); err != nil {
		return false, err
	}
	n, err := readNow(f.r, f.block[f.end:])
	f.read(n)
	if n > 0 {
		return true, nil
	}
	return false, f.ended(err)
}

// next returns the next frame that has arrived whole; ok is false when there is none at hand and
// fill has to be called.
func (f *frameReader) next() (fr frame, ok bool, err error) {
	total, err := f.total()
	if err != nil || total == 0 || f.end-f.start < total {
		return frame{}, false, err
	}
	b := f.block[f.start : f.start+total]
	f.start += total
	if crc32.ChecksumIEEE(b[:total-4]) != binary.BigEndian.Uint32(b[total-4:]) {
		return frame{}, false, errChecksum
	}
	headersEnd := preludeLen + int(binary.BigEndian.Uint32(b[4:]))
	if fr, err = f.headersOf(b[preludeLen:headersEnd]); err != nil {
		return frame{}, false, err
	}
	fr.payload = b[headersEnd : total-4 : total-4]
	return fr, true, nil
}

// headersOf is a frame without its payload. The frames of a stream have the same headers nearly all.
func (f *frameReader) headersOf(b []byte) (fr frame, err error) {
	if f.known > 0 && string(b) == string(f.headers[:f.known]) {
		return f.last, nil
	}
	if err := fr.readHeaders(b); err != nil {
		return frame{}, err
	}
	if len(b) <= len(f.headers) {
		f.known, f.last = copy(f.headers[:], b), fr
	}
	return fr, nil
}

// total is the length of the frame at start, or 0 when its prelude has not arrived.
func (f *frameReader) total() (int, error) {
	b := f.block[f.start:f.end]
	if len(b) < preludeLen {
		return 0, nil
	}
	total, headers := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch {
	case crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]):
		return 0, errPrelude
	case total < frameLenMin || total > frameLenMax || headers > headersLenMax || headers > total-frameLenMin:
		return 0, errLength
	}
	return int(total), nil
}

// firsts are what streams read first: that tells whether they are fast.
var firsts = sync.Pool{New: func() any { return new([4 * blockLen]byte) }}

// begin reads into the first block, which is no longer than it has to be.
func (f *frameReader) begin() (int, error) {
	first := firsts.Get().(*[4 * blockLen]byte)
	defer firsts.Put(first)
	n, err := io.ReadAtLeast(f.r, first[:], 1)
	size := n // and so full, of a stream that is fast
	if n < len(first) {
		size = max(blockLen, n+blockLen/4)
	}
	f.block = make([]byte, size)
	copy(f.block, first[:n])
	return n, err
}

// fill reads more, at least one byte. io.EOF is an end between frames.
func (f *frameReader) fill() (err error) {
	n := 0
	if f.block == nil {
		n, err = f.begin()
	} else if err = f.makeRoom(); err != nil {
		return err
	} else {
		n, err = io.ReadAtLeast(f.r, f.block[f.end:], 1)
	}
	f.read(n)
	if n > 0 {
		return nil
	}
	return f.ended(err)
}

// read takes note of so many bytes that were read into the block.
func (f *frameReader) read(n int) {
	f.end += n
	f.fast = f.end == len(f.block) && n >= blockLen/2 // what merely ends at the block's end is slow
}

// ended is the error of a body that gives no more.
func (f *frameReader) ended(err error) error {
	if err == io.EOF && f.end > f.start { //nolint:errorlint // only a bare io.EOF is an end
		return errCutInside
	}
	return err
}

// makeRoom gets a new block when the rest of a frame would not fit into this one.
func (f *frameReader) makeRoom() error {
	total, err := f.total()
	if err != nil {
		return err
	}
	need := max(total, preludeLen) - (f.end - f.start)
	if len(f.block)-f.end >= max(need, blockLen/4) {
		return nil
	}
	block, size := f.block, blockLen
	if f.fast {
		size = min(max(8*blockLen, 4*len(block)), blockLenMax)
	}
	if !f.reuse || len(block) < max(size, total) {
		block = make([]byte, max(size, total))
	}
	f.end = copy(block, f.block[f.start:f.end])
	f.block, f.start = block, 0
	return nil
}

// headerLens are the lengths of header values by type; types 6 (bytes) and 7 (string) carry their own.
var headerLens = [...]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}

func (fr *frame) readHeaders(b []byte) error {
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || len(b) < 1+n+1 {
			return errHeaders
		}
		name, kind := b[1:1+n], int(b[1+n])
		b = b[2+n:]
		var size int
		switch {
		case kind == 6 || kind == 7:
			if len(b) < 2 {
				return errHeaders
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		case kind < len(headerLens):
			size = headerLens[kind]
		default:
			return errHeaders
		}
		if len(b) < size {
			return errHeaders
		}
		if kind == 7 {
			fr.setHeader(name, b[:size])
		}
		b = b[size:]
	}
	return nil
}

func (fr *frame) setHeader(name, value []byte) {
	switch string(name) {
	case ":message-type":
		fr.messageType = intern(value)
	case ":event-type":
		fr.eventType = intern(value)
	case ":exception-type":
		fr.exceptionType = intern(value)
	case ":error-code":
		fr.errorCode = string(value)
	}
}

// intern returns the constant for a word that frames repeat, so that it costs no allocation.
func intern(b []byte) string {
	switch string(b) {
	case "event":
		return "event"
	case eventDelta:
		return eventDelta
	case eventChunk:
		return eventChunk
	case eventMessageStart:
		return eventMessageStart
	case eventBlockStart:
		return eventBlockStart
	case eventBlockStop:
		return eventBlockStop
	case eventMessageStop:
		return eventMessageStop
	case eventMetadata:
		return eventMetadata
	default:
		return string(b)
	}
}
