package sandbox

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"
)

type frameVector struct {
	Name    string
	Valid   bool
	Hex     string
	Headers []struct{ Name, Value string }
	Payload string
	Error   string
}

func frameVectors(t testing.TB) []frameVector {
	t.Helper()
	data, err := os.ReadFile("testdata/eventstream-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []frameVector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// The encoder writes AWS's frames byte for byte, and its damaged frames are
// refused by AWS's decoder for the reason that was wished for.
func TestFrameVectors(t *testing.T) {
	vectors := frameVectors(t)
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			want, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			if !v.Valid {
				if _, err := eventstream.NewDecoder().Decode(bytes.NewReader(want), nil); err == nil {
					t.Error("AWS's decoder takes the broken frame")
				}
				return
			}
			f := frame{kind: v.Headers[0].Value, exception: v.Headers[0].Name == ":exception-type", payload: []byte(v.Payload)}
			if got := f.appendTo(nil); !bytes.Equal(got, want) {
				t.Errorf("encoded\n%x, want\n%x", got, want)
			}
			if got := f.appendTo([]byte("before")); !bytes.Equal(got[6:], want) {
				t.Errorf("appended\n%x, want\n%x", got[6:], want)
			}
			var sum eventstream.ChecksumError
			if _, err := eventstream.NewDecoder().Decode(bytes.NewReader(spoil(f.appendTo(nil))), nil); !errors.As(err, &sum) {
				t.Errorf("a spoilt frame decodes: %v", err)
			}
		})
	}
	if len(vectors) != 8 {
		t.Errorf("%d vectors, want 8", len(vectors))
	}
}

// message is a decoded frame.
type message struct {
	Type    string // of the event, or "exception " and its type
	Payload map[string]any
}

// decodeStream reads frames until the stream ends and returns how it ended: nil
// for an end between frames.
func decodeStream(t testing.TB, r io.Reader) (messages []message, err error) {
	t.Helper()
	decoder := eventstream.NewDecoder()
	for {
		m, err := decoder.Decode(r, nil)
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return messages, err
		}
		names := make([]string, len(m.Headers))
		for i, h := range m.Headers {
			names[i] = h.Name
		}
		kind := m.Headers[0].Value.String()
		if strings.HasPrefix(names[0], ":exception") {
			kind = "exception " + kind
		}
		if got := strings.Join(names[1:], " "); got != ":content-type :message-type" {
			t.Errorf("headers after the type: %s", got)
		}
		payload := decodeObject(m.Payload)
		if p := text(payload["p"]); !strings.HasPrefix(kind, "exception") && (p == "" || !strings.HasPrefix(padding, p)) {
			t.Errorf("%s is padded with %q", kind, p)
		}
		delete(payload, "p")
		messages = append(messages, message{kind, payload})
	}
}

// kinds is the order of a stream.
func kinds(messages []message) []string {
	var out []string
	for _, m := range messages {
		kind := m.Type
		index, _ := m.Payload["contentBlockIndex"].(json.Number)
		switch m.Type {
		case "contentBlockStart":
			kind = "start" + index.String() + ":" + onlyKey(object(m.Payload["start"]))
		case "contentBlockDelta":
			delta := object(m.Payload["delta"])
			kind = "delta" + index.String() + ":" + onlyKey(delta)
			if inner := object(delta["reasoningContent"]); inner != nil {
				kind = "delta" + index.String() + ":reasoning." + onlyKey(inner)
			}
		case "contentBlockStop":
			kind = "stop" + index.String()
		case "messageStop":
			kind += ":" + text(m.Payload["stopReason"])
		}
		out = append(out, kind)
	}
	return out
}

func onlyKey(m map[string]any) string {
	for k := range m {
		return k
	}
	return ""
}

// Padding differs from frame to frame and is the same for the same request.
func TestPadding(t *testing.T) {
	srv := serve(t, Options{})
	body := []byte(`{"messages":[{"role":"user","content":[{"text":"pad"}]}]}`)
	path := opPath(opConverseStream, "us.amazon.nova-lite-v1:0", escapeAll)
	first := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, path, body)).body
	second := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, path, body)).body
	if !bytes.Equal(first, second) {
		t.Error("the same request got different frames")
	}
	lengths := map[int]bool{}
	for part := range bytes.SplitSeq(first, []byte(`"p":"`)) {
		lengths[bytes.IndexByte(part, '"')] = true
	}
	if len(lengths) < 5 {
		t.Errorf("%d lengths of padding", len(lengths))
	}
	if diff := cmp.Diff("application/vnd.amazon.eventstream", send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, path, body)).header.Get("Content-Type")); diff != "" {
		t.Error(diff)
	}
}
