package bedrock

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

// encode writes frames with the SDK's encoder.
func encode(t testing.TB, messages ...eventstream.Message) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, m := range messages {
		if err := eventstream.NewEncoder().Encode(&out, m); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func eventMessage(eventType, payload string) eventstream.Message {
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":event-type", eventstream.StringValue(eventType))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	m.Headers.Set(":message-type", eventstream.StringValue("event"))
	return m
}

// readFrames reads everything; the payloads are copied.
func readFrames(r io.Reader) (frames []frame, err error) {
	fr := frameReader{r: r}
	for {
		f, ok, err := fr.next()
		if err == nil && !ok {
			err = fr.fill()
		} else if err == nil {
			f.payload = bytes.Clone(f.payload)
			frames = append(frames, f)
		}
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
	}
}

func TestVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/eventstream-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Hex, Error string
		Valid            bool
		Headers          []struct{ Name, Value string }
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 8 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		raw, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		frames, err := readFrames(bytes.NewReader(raw))
		if !v.Valid {
			if err == nil {
				t.Errorf("%s: accepted", v.Name)
			}
			continue
		}
		if err != nil || len(frames) != 1 {
			t.Errorf("%s: %d frames, %v", v.Name, len(frames), err)
			continue
		}
		got := map[string]string{
			":message-type": frames[0].messageType, ":event-type": frames[0].eventType, ":exception-type": frames[0].exceptionType,
		}
		for _, h := range v.Headers {
			if want, known := got[h.Name]; known && want != h.Value {
				t.Errorf("%s: %s is %q, want %q", v.Name, h.Name, want, h.Value)
			}
		}
	}
}

func TestFramesArriveInAnyPieces(t *testing.T) {
	big := `{"contentBlockIndex":0,"delta":{"text":"` + strings.Repeat("x", 3*blockLen) + `"}}`
	var messages []eventstream.Message
	for i := range 40 {
		messages = append(messages, eventMessage(eventDelta, `{"n":"`+strings.Repeat("y", i*50)+`"}`))
	}
	messages = append(messages, eventMessage(eventDelta, big), eventMessage(eventMessageStop, `{}`))
	stream := encode(t, messages...)
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "bytewise": iotest.OneByteReader(bytes.NewReader(stream)), "halves": iotest.HalfReader(bytes.NewReader(stream)),
	} {
		frames, err := readFrames(r)
		if err != nil || len(frames) != len(messages) {
			t.Fatalf("%s: %d frames, %v", name, len(frames), err)
		}
		for i, f := range frames {
			if string(f.payload) != string(messages[i].Payload) {
				t.Errorf("%s: frame %d is %q", name, i, f.payload)
			}
		}
	}
}

func TestAStreamCutAnywhereIsAnError(t *testing.T) {
	stream := encode(t, eventMessage(eventMessageStart, `{"role":"assistant"}`), eventMessage(eventMessageStop, `{"stopReason":"end_turn"}`))
	boundary := int(binary.BigEndian.Uint32(stream))
	for cut := range len(stream) {
		_, err := readFrames(bytes.NewReader(stream[:cut]))
		if whole := cut == 0 || cut == boundary; whole != (err == nil) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestEveryFlippedByteIsNoticed(t *testing.T) {
	stream := encode(t, eventMessage(eventMessageStart, `{"role":"assistant"}`))
	for i := range stream {
		damaged := bytes.Clone(stream)
		damaged[i] ^= 0x40
		if frames, err := readFrames(bytes.NewReader(damaged)); err == nil {
			t.Errorf("byte %d: accepted as %+v", i, frames)
		}
	}
}

// TestALengthBehindAGoodChecksumIsNotTrusted: a prelude that claims 4 GiB must not be allocated.
func TestALengthBehindAGoodChecksumIsNotTrusted(t *testing.T) {
	for _, lengths := range [][2]uint32{{1 << 31, 0}, {15, 0}, {100, 90}, {frameLenMax, headersLenMax + 1}, {16, 1 << 31}} {
		prelude := binary.BigEndian.AppendUint32(nil, lengths[0])
		prelude = binary.BigEndian.AppendUint32(prelude, lengths[1])
		prelude = binary.BigEndian.AppendUint32(prelude, crc32.ChecksumIEEE(prelude))
		if _, err := readFrames(bytes.NewReader(prelude)); !errors.Is(err, errLength) {
			t.Errorf("%v: %v", lengths, err)
		}
	}
}

func TestReadingFramesDoesNotAllocatePerFrame(t *testing.T) {
	var messages []eventstream.Message
	for range 100 {
		messages = append(messages, eventMessage(eventDelta, `{"contentBlockIndex":0,"delta":{"text":"some words here"},"p":"abcdefghijkl"}`))
	}
	stream := encode(t, messages...)
	n := testing.AllocsPerRun(20, func() {
		fr := frameReader{r: bytes.NewReader(stream)}
		for {
			if _, ok, err := fr.next(); err != nil {
				t.Fatal(err)
			} else if !ok && fr.fill() != nil {
				return
			}
		}
	})
	if limit := float64(len(stream)/blockLen + 4); n > limit {
		t.Errorf("%v allocations for 100 frames, want at most one per block (%v)", n, limit)
	}
}

// TestAStreamWaitsInLittleMemory: what holds a stream's bytes is small where few come at a time, and large where many do.
func TestAStreamWaitsInLittleMemory(t *testing.T) {
	frame := encode(t, eventMessage(eventDelta, `{"contentBlockIndex":0,"delta":{"text":"some words here"},"p":"abcdefghijkl"}`))
	for _, tt := range []struct {
		name       string
		first      int // frames that come at once, and then one at a time, or
		all        bool
		least, max int
	}{
		{"a word at a time", 1, false, blockLen, blockLen},
		{"some at the beginning", 8, false, blockLen, blockLen},
		{"everything at once", 400, true, 8 * blockLen, blockLenMax},
	} {
		reads := []io.Reader{bytes.NewReader(bytes.Repeat(frame, tt.first))}
		for range 20 {
			reads = append(reads, bytes.NewReader(frame))
		}
		fr := frameReader{r: io.MultiReader(reads...)}
		longest := 0
		for {
			_, ok, err := fr.next()
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				continue
			}
			if err := fr.fill(); err != nil {
				break
			}
			longest = max(longest, len(fr.block))
		}
		got := len(fr.block)
		if tt.all {
			got = longest
		}
		if got < tt.least || got > tt.max {
			t.Errorf("%s: waits in %d bytes", tt.name, got)
		}
	}
}

// FuzzFramesAgainstSDK compares our reader with the SDK's decoder, frame by frame.
func FuzzFramesAgainstSDK(f *testing.F) {
	f.Add(encode(f, eventMessage(eventMessageStart, `{"role":"assistant"}`), eventMessage(eventDelta, `{}`)))
	odd := eventstream.Message{Payload: []byte("x")}
	odd.Headers.Set("a", eventstream.BoolValue(true))
	odd.Headers.Set("b", eventstream.Int32Value(7))
	odd.Headers.Set("c", eventstream.BytesValue("zz"))
	f.Add(encode(f, odd))
	f.Fuzz(func(t *testing.T, stream []byte) {
		for _, fixed := range [][]byte{stream, withChecksums(stream)} {
			ours, err := readFrames(bytes.NewReader(fixed))
			var theirs []eventstream.Message
			var sdkErr error
			for r := bytes.NewReader(fixed); sdkErr == nil; {
				var m eventstream.Message
				if m, sdkErr = eventstream.NewDecoder().Decode(r, nil); sdkErr == nil {
					theirs = append(theirs, m)
				}
			}
			if clean := errors.Is(sdkErr, io.EOF) && !errors.Is(sdkErr, io.ErrUnexpectedEOF); err == nil && !clean && len(ours) > len(theirs) {
				t.Fatalf("we accept what the SDK refuses: %v", sdkErr)
			}
			for i := range min(len(ours), len(theirs)) {
				if !bytes.Equal(ours[i].payload, theirs[i].Payload) {
					t.Fatalf("frame %d: %q, SDK %q", i, ours[i].payload, theirs[i].Payload)
				}
				want, _ := theirs[i].Headers.Get(":event-type").(eventstream.StringValue)
				if ours[i].eventType != string(want) {
					t.Fatalf("frame %d: event type %q, SDK %q", i, ours[i].eventType, want)
				}
			}
			// The SDK takes headers that break off for whole, and frames of any length.
			if len(ours) < len(theirs) && !errors.Is(err, errHeaders) && !errors.Is(err, errLength) {
				t.Fatalf("we read %d frames (%v), the SDK %d", len(ours), err, len(theirs))
			}
		}
	})
}

// withChecksums makes a fuzzed stream's first frame valid, so that the fuzzer gets past the CRCs.
func withChecksums(stream []byte) []byte {
	if len(stream) < frameLenMin {
		return stream
	}
	b := bytes.Clone(stream)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	if headers := binary.BigEndian.Uint32(b[4:]); headers > uint32(len(b)-frameLenMin) {
		binary.BigEndian.PutUint32(b[4:], headers%uint32(len(b)-frameLenMin+1))
	}
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.ChecksumIEEE(b[:len(b)-4]))
	return b
}

// batches is a body of which so much comes at a time, in pieces: a Read gives one, and waits when the last of a batch was given.
type batches struct {
	come  [][][]byte
	waits int
}

func (b *batches) ReadNow(p []byte) (int, error) {
	if len(b.come[0]) == 0 {
		if len(b.come) == 1 {
			return 0, io.EOF // which comes along with the last
		}
		return 0, nil
	}
	piece := b.come[0][0]
	n := copy(p, piece)
	if b.come[0][0] = piece[n:]; n == len(piece) {
		b.come[0] = b.come[0][1:]
	}
	return n, nil
}

func (b *batches) Read(p []byte) (int, error) {
	if len(b.come[0]) == 0 && len(b.come) > 1 {
		b.waits++
		b.come = b.come[1:]
	}
	return b.ReadNow(p)
}

// TestWhatHasComeGoesOnTogether: a pause, for which a client is written to, comes only where the next frame has to be waited for.
func TestWhatHasComeGoesOnTogether(t *testing.T) {
	text := encode(t, eventMessage(eventDelta, `{"contentBlockIndex":0,"delta":{"text":"some words here"}}`))
	last := encode(t, eventMessage(eventMessageStop, `{"stopReason":"end_turn"}`))
	burst := bytes.Repeat(text, 50)
	body := &batches{come: [][][]byte{
		{encode(t, eventMessage(eventMessageStart, `{"role":"assistant"}`)), burst[:1000], burst[1000:1300], burst[1300:]},
		{text[:20]}, // a frame that comes in two
		{text[20:], text, last},
	}}
	var told []string
	a := answer{req: &llm.ChatRequest{}, yield: func(event llm.Event, err error) bool {
		kind := fmt.Sprintf("%T", event)
		if err != nil {
			kind = err.Error()
		}
		if len(told) == 0 || told[len(told)-1] != kind {
			told = append(told, kind)
		}
		return true
	}}
	a.readFrames(t.Context(), body, (*answer).event)
	want := []string{"llm.Start", "*llm.TextDelta", "llm.Pause", "*llm.TextDelta", "llm.Finish"}
	if diff := cmp.Diff(want, told); diff != "" || body.waits != 2 {
		t.Errorf("waited %d times: %s", body.waits, diff)
	}
}
