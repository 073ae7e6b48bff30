package bedrock

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// typeMessage is the type of a reply that is not a stream.
const typeMessage = "message"

// pieceType returns the constant for a type that streams repeat, so that it costs no allocation.
func pieceType(s string) string {
	switch s {
	case blockDelta:
		return blockDelta
	case blockStart:
		return blockStart
	case blockStop:
		return blockStop
	case messageStart:
		return messageStart
	case messageDelta:
		return messageDelta
	case messageStop:
		return messageStop
	case typeMessage:
		return typeMessage
	case messagePing:
		return messagePing
	default:
		return strings.Clone(s)
	}
}

// frames yields the pieces of InvokeModelWithResponseStream, whose frames hold JSON in base64.
func (r *nativeReader) frames(ctx context.Context, body io.Reader) {
	frames := frameReader{r: body, reuse: true} // a piece is a copy: nothing aliases the block
	for {
		fr, ok, err := frames.next()
		if err == nil && !ok {
			if ok, err = frames.more(); ok {
				continue // what is there already goes on its way together
			}
		}
		if err == nil && !ok {
			if r.begun && !r.yield(llm.MessagesPiece{}, nil) {
				return
			}
			if err = frames.fill(); err == nil {
				continue
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // only a bare io.EOF is an end in good order; one that is wrapped is a failure
			r.yield(llm.MessagesPiece{}, broken(ctx, textIncomplete, errNoStop))
			return
		case err != nil:
			r.yield(llm.MessagesPiece{}, broken(ctx, textBroken, err))
			return
		case fr.messageType != "event":
			r.fail(ctx, exception(fr, r.id, r.asked))
			return
		case fr.eventType != eventChunk:
			continue // the protocol says that what is not modelled is skipped
		}
		data, err := r.decode(fr.payload)
		done := false
		if err == nil {
			done, err = r.pass(data, body)
		}
		if err != nil {
			r.fail(ctx, err)
			return
		}
		if done {
			return
		}
	}
}

var errNoStop = errors.New("the stream ended without message_stop")

// finish reads what is left of a stream that has said everything, so that the connection can be used again.
func finish(body io.Reader) {
	_, err := io.CopyN(io.Discard, body, 4<<10)
	_ = err // whatever it is, the reply was whole
}

// decode takes the JSON out of a chunk.
func (r *nativeReader) decode(payload []byte) ([]byte, error) {
	encoded, err := chunkBytes(payload)
	if err != nil {
		return nil, err
	}
	if r.buf, err = base64.StdEncoding.AppendDecode(r.buf[:0], encoded); err != nil {
		return nil, errNoChunk
	}
	return r.buf, nil
}

// chunkBytes is the base64 in the payload of a chunk: {"bytes":"<base64>"}, beside which other members stand.
func chunkBytes(payload []byte) ([]byte, error) {
	s := jsonscan.New(payload)
	var encoded []byte
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "bytes" && s.Kind() == '"' {
			encoded = s.Raw()
		} else {
			s.Skip()
		}
	}
	if s.End(); s.Err() != nil {
		return nil, fmt.Errorf("chunk: %w", s.Err())
	}
	if len(encoded) < 3 {
		return nil, errNoChunk
	}
	encoded = encoded[1 : len(encoded)-1]
	if bytes.IndexByte(encoded, '\\') >= 0 {
		encoded = bytes.ReplaceAll(encoded, []byte(`\/`), []byte(`/`)) // the one escape that base64 can have
	}
	return encoded, nil
}

// events yields the pieces of a stream of server-sent events.
func (r *nativeReader) events(ctx context.Context, body io.Reader) {
	source := &pausing{r: body}
	source.pause = func() bool { return !r.begun || r.yield(llm.MessagesPiece{}, nil) }
	frames := sse.NewReader(source)
	for {
		f, err := frames.Next()
		switch {
		case errors.Is(err, errLeft):
			return
		case err != nil:
			r.yield(llm.MessagesPiece{}, cutSSE(ctx, err))
			return
		}
		err = streamError(f)
		done := false
		if err == nil {
			done, err = r.pass(f.Data, body)
		}
		if err != nil {
			r.fail(ctx, err)
			return
		}
		if done {
			return
		}
	}
}

// read looks through one piece. Of the members that AWS adds, the metrics are taken out: Anthropic's
// clients know none.
func (r *nativeReader) read(data []byte) (p llm.MessagesPiece, err error) {
	s := jsonscan.New(data)
	added := false
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch {
		case key == "type" && s.Kind() == '"':
			p.Type = pieceType(s.String())
		case key == "usage" && s.Kind() == '{':
			readNativeUsage(&s, &r.usage)
		case key == typeMessage && s.Kind() == '{':
			readNativeStart(&s, &r.usage)
		case strings.HasPrefix(key, awsFields):
			added = true
			s.Skip()
		default:
			s.Skip()
		}
	}
	s.End()
	switch {
	case s.Err() != nil:
		return p, s.Err()
	case p.Type == "":
		return p, errNoEventType
	case p.Type == messageError:
		return p, reported("", data)
	case added:
		data = withoutMetrics(data)
	}
	p.JSON = oneLine(data)
	if p.Type == messageStop {
		p.Last, p.Usage = true, r.usage
	}
	return p, nil
}

// withoutMetrics takes AWS's metrics out, and the operator's account out of what else it adds.
func withoutMetrics(data []byte) []byte {
	out := []byte{'{'}
	for m := range memberSpans(data) {
		if m.key == "amazon-bedrock-invocationMetrics" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if strings.HasPrefix(m.key, awsFields) {
			out = append(out, accountID.ReplaceAll(m.text, []byte(`${1}***:`))...)
		} else {
			out = append(out, m.text...)
		}
	}
	return append(out, '}')
}

// oneLine makes spaces of the line ends between JSON's tokens, in place: within strings there are none.
func oneLine(data []byte) []byte {
	for _, end := range []byte("\n\r") {
		for rest := data; ; {
			i := bytes.IndexByte(rest, end)
			if i < 0 {
				break
			}
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
	return data
}

func readNativeStart(s *jsonscan.Scanner, u *llm.Usage) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "usage" && s.Kind() == '{' {
			readNativeUsage(s, u)
		} else {
			s.Skip()
		}
	}
}

// readNativeUsage takes what a usage tells: that of message_delta is of the whole reply, and need not
// repeat what message_start has said. https://docs.claude.com/en/api/messages
func readNativeUsage(s *jsonscan.Scanner, u *llm.Usage) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		var to *int
		switch key {
		case "input_tokens":
			to = &u.Input
		case "output_tokens":
			to = &u.Output
		case "cache_read_input_tokens":
			to = &u.CacheRead
		case "cache_creation_input_tokens":
			to = &u.CacheWrite
		case "cache_creation":
			u.CacheWrite1h = max(u.CacheWrite1h, readDetail(s, "ephemeral_1h_input_tokens"))
			continue
		case "output_tokens_details":
			u.Reasoning = max(u.Reasoning, readDetail(s, "thinking_tokens"))
			continue
		}
		if to != nil && s.Kind() == '0' {
			*to = count(s)
		} else {
			s.Skip()
		}
	}
}
