package sse_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"outcrop/internal/sse"
)

func readAll(r io.Reader) (frames []string, err error) {
	reader := sse.NewReader(r)
	for {
		f, err := reader.Next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, f.Event+"|"+string(f.Data))
	}
}

func TestReader(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	tests := []struct {
		name, stream, want string
		err                error
	}{
		{"data", "data: a\n\ndata:b\n\n", "|a |b", io.EOF},
		{"CRLF", "data: a\r\n\r\n", "|a", io.EOF},
		{"event and data", "event: error\ndata: {}\n\n", "error|{}", io.EOF},
		{"several data lines", "data: a\ndata: b\n\n", "|a\nb", io.EOF},
		{"comments and blank lines", ": ping\n\n\n\ndata: a\n\n", "|a", io.EOF},
		{"an event name without data is forgotten", "event: x\n\ndata: a\n\n", "|a", io.EOF},
		{"unknown fields", "id: 7\nretry: 5\nfoo\ndata: a\n\n", "|a", io.EOF},
		{"empty data", "data\n\n", "|", io.EOF},
		{"longer than the buffer", "data: " + long + "\n\n", "|" + long, io.EOF},
		{"cut inside a frame", "data: a\n\ndata: b\n", "|a", io.ErrUnexpectedEOF},
		{"cut inside a line", "data: a\n\ndat", "|a", io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		for _, r := range []io.Reader{strings.NewReader(tt.stream), iotest.OneByteReader(strings.NewReader(tt.stream))} {
			frames, err := readAll(r)
			if got := strings.Join(frames, " "); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%s: got %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
			}
		}
	}
}

func TestReaderReportsABrokenConnection(t *testing.T) {
	broken := errors.New("connection reset")
	_, err := readAll(io.MultiReader(strings.NewReader("data: a\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, payload []byte) {
		stream := sse.Data + string(payload) + sse.End
		frames, err := readAll(strings.NewReader(stream))
		if bytes.ContainsAny(payload, "\n\r") {
			return
		}
		if !errors.Is(err, io.EOF) || len(frames) != 1 || frames[0] != "|"+string(payload) {
			t.Fatalf("got %q, %v", frames, err)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("event: x\ndata: a\n\n: c\n\ndata: [DONE]\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, err1 := readAll(bytes.NewReader(stream))
		bytewise, err2 := readAll(iotest.OneByteReader(bytes.NewReader(stream)))
		if strings.Join(whole, "\x00") != strings.Join(bytewise, "\x00") || !errors.Is(err2, err1) {
			t.Fatalf("how the bytes arrive changes the frames: %q %v, %q %v", whole, err1, bytewise, err2)
		}
	})
}
