package bedrock_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
)

// stalled answers every call with the beginning of a stream that never goes on.
type stalled struct{ beginning []byte }

func (s *stalled) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: &stalledBody{Reader: bytes.NewReader(s.beginning), closed: make(chan struct{})}}, nil
}

type stalledBody struct {
	*bytes.Reader
	closed chan struct{}
}

func (b *stalledBody) Read(p []byte) (int, error) {
	if b.Len() > 0 {
		return b.Reader.Read(p)
	}
	select {
	case <-b.closed:
	case <-time.After(time.Hour):
	}
	return 0, io.ErrClosedPipe
}

func (b *stalledBody) Close() error {
	close(b.closed)
	return nil
}

// TestLeavingAMessageDoesNotWait: whoever has heard enough is not kept until the upstream says more.
func TestLeavingAMessageDoesNotWait(t *testing.T) {
	const opening = `{"type":"message_start","message":{"usage":{"input_tokens":1}}}`
	for surface, beginning := range map[string][]byte{
		bedrock.SurfaceInvoke: asChunks(t, opening, `{"type":"ping"}`), bedrock.SurfaceMantle: asEvents(t, opening, `{"type":"ping"}`),
	} {
		t.Run(surface, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				model := nativeOf(t, clientOf(t, &stalled{beginning}), "anthropic.claude-haiku-4-5", bedrock.ModelOptions{Surface: surface})
				began := time.Now()
				for p, err := range model.Messages(t.Context(), &llm.MessagesRequest{Body: []byte(`{"messages":[],"max_tokens":1}`)}) {
					if err != nil || p.Type != "message_start" {
						t.Fatalf("%+v, %v", p, err)
					}
					break
				}
				if waited := time.Since(began); waited > 0 {
					t.Errorf("it took %v to leave", waited)
				}
			})
		})
	}
}
