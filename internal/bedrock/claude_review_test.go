package bedrock

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"outcrop/internal/llm"
)

// chunked is the end of a stream of InvokeModel's, and the text before it.
func chunked(t *testing.T, payloads ...string) (text string, finish llm.Finish) {
	t.Helper()
	var stream bytes.Buffer
	for _, p := range payloads {
		m := eventstream.Message{Payload: []byte(p)}
		m.Headers.Set(":message-type", eventstream.StringValue("event"))
		m.Headers.Set(":event-type", eventstream.StringValue(eventChunk))
		if err := eventstream.NewEncoder().Encode(&stream, m); err != nil {
			t.Fatal(err)
		}
	}
	a := &answer{model: &Model{}, yield: func(event llm.Event, err error) bool {
		if err != nil {
			t.Error(err, llm.AsError(err).Err)
		}
		switch e := event.(type) {
		case *llm.TextDelta:
			text += e.Text
		case llm.Finish:
			finish = e
		}
		return true
	}}
	d := newMessagesDecoder(&a.decoder)
	a.readFrames(t.Context(), &stream, func(_ *answer, fr frame) (llm.Event, error) { return d.chunk(fr) })
	return text, finish
}

func inChunk(event string) string {
	return fmt.Sprintf(`{"bytes":"%s","p":"abc"}`, base64.StdEncoding.EncodeToString([]byte(event)))
}

// TestAGuardrailThatStepsInStaysIn: what one event says of the guardrail the next does not take back.
func TestAGuardrailThatStepsInStaysIn(t *testing.T) {
	_, finish := chunked(t,
		inChunk(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"No."},"amazon-bedrock-guardrailAction":"INTERVENED"}`),
		inChunk(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"amazon-bedrock-guardrailAction":"NONE"}`),
		inChunk(`{"type":"message_stop","amazon-bedrock-guardrailAction":"NONE"}`))
	if finish.Reason != llm.FinishContentFilter {
		t.Errorf("got %+v", finish)
	}
}

// TestThinkingTokensAreCounted: how much of the output was thinking is told, as the native reader tells it.
func TestThinkingTokensAreCounted(t *testing.T) {
	_, finish := chunked(t,
		inChunk(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}`),
		inChunk(`{"type":"message_stop"}`))
	if want := (llm.Usage{Output: 9, Reasoning: 4}); finish.Usage != want {
		t.Errorf("got %+v", finish.Usage)
	}
}

// TestChunksWithEscapes: JSON may write a slash of the base64 as an escape.
func TestChunksWithEscapes(t *testing.T) {
	delta := bytes.ReplaceAll([]byte(inChunk(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"?>?>?>"}}`)), []byte("/"), []byte(`\/`))
	if !bytes.ContainsRune(delta, '/') {
		t.Fatal("the test has no slash")
	}
	text, _ := chunked(t, string(delta), inChunk(`{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`), inChunk(`{"type":"message_stop"}`))
	if text != "?>?>?>" {
		t.Errorf("got %q", text)
	}
}
