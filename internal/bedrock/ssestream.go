package bedrock

import (
	"context"
	"errors"
	"io"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// pausing tells whoever reads events that nothing more is at hand, each time before it waits for more.
type pausing struct {
	r     io.Reader
	pause func() bool // false when the reader of the events has left
}

var errLeft = errors.New("the reader of the events has left")

func (p *pausing) Read(b []byte) (int, error) {
	if p.pause != nil {
		if n, err := readNow(p.r, b); n > 0 || err != nil {
			return n, err
		}
		if !p.pause() {
			return 0, errLeft
		}
	}
	return p.r.Read(b)
}

// frameFunc decodes one frame of a server-sent-event stream. done says that it was the last; the
// Finish is then among the events.
type frameFunc func(f sse.Frame) (events []llm.Event, done bool, err error)

// readSSE yields the events of a stream of server-sent events. It ends well only when decode has said
// so. What is left of the body then is read, so that the connection can be used again.
func (a *answer) readSSE(ctx context.Context, body io.Reader, decode frameFunc) {
	source := &pausing{r: body}
	frames := sse.NewReader(source)
	for begun := false; ; {
		f, err := frames.Next()
		if errors.Is(err, errLeft) {
			return
		}
		if err != nil {
			a.yield(nil, cutSSE(ctx, err))
			return
		}
		events, done, err := decode(f)
		if err != nil {
			a.fail(ctx, err)
			return
		}
		if !begun {
			begun = true
			source.pause = func() bool { return a.yield(llm.Pause{}, nil) }
			if !a.yield(a.start, nil) {
				return
			}
		}
		if done {
			source.pause = nil
			drain(frames)
		}
		for _, event := range events {
			if !a.yield(event, nil) {
				return
			}
		}
		if done {
			return
		}
	}
}

// drain reads a stream that has said everything to its end.
func drain(frames *sse.Reader) {
	for {
		if _, err := frames.Next(); err != nil {
			return
		}
	}
}

// cutSSE is the error of a stream that ended before it said that it was over.
func cutSSE(ctx context.Context, err error) error {
	if err == io.EOF { //nolint:errorlint // only a bare io.EOF is an end in good order
		return broken(ctx, textIncomplete, errNoDone)
	}
	return broken(ctx, textBroken, err)
}

var errNoDone = errors.New("the stream ended without its last event")
