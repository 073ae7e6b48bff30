package openai

import (
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
)

// recorder notes what is written and flushed, in order, and may break.
type recorder struct {
	header http.Header
	log    []string
	breaks int // the write that fails, counted from 1; 0 never
	writes int
	size   int
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Flush()              { r.log = append(r.log, "flush") }

var errGone = errors.New("connection reset by peer")

func (r *recorder) Write(b []byte) (int, error) {
	r.writes++
	if r.writes == r.breaks {
		return 0, errGone
	}
	r.size += len(b)
	r.log = append(r.log, strings.Join(contents(string(b)), "+"))
	return len(b), nil
}

// contents names the frames of a write.
func contents(s string) []string {
	var names []string
	for frame := range strings.SplitSeq(strings.TrimSuffix(s, "\n\n"), "\n\n") {
		_, delta, _ := strings.Cut(frame, `"delta":{`)
		switch {
		case strings.HasSuffix(frame, "[DONE]"):
			names = append(names, "done")
		case strings.Contains(frame, `"error":`):
			names = append(names, "error")
		case strings.HasPrefix(delta, `"role"`):
			names = append(names, "role")
		case strings.HasPrefix(delta, `"content":"`):
			text, _, _ := strings.Cut(strings.TrimPrefix(delta, `"content":"`), `"`)
			names = append(names, text[:min(len(text), 10)])
		default:
			names = append(names, "finish")
		}
	}
	return names
}

func events(list ...any) iter.Seq2[llm.Event, error] {
	s := script{}
	for _, item := range list {
		switch v := item.(type) {
		case llm.Event:
			s.events = append(s.events, v)
		case error:
			s.err = v
		}
	}
	return s.seq()
}

func TestEventsThatArriveTogetherAreWrittenTogether(t *testing.T) {
	text := func(s string) llm.Event { return &llm.TextDelta{Text: s} }
	finish := llm.Finish{Reason: llm.FinishStop}
	tests := []struct {
		name string
		seq  iter.Seq2[llm.Event, error]
		want string
	}{
		{"all at once", events(llm.Start{}, text("a"), text("b"), finish), "role+a+b+finish+done flush"},
		{"in two parts", events(llm.Start{}, text("a"), text("b"), llm.Pause{}, text("c"), finish), "role+a+b flush c+finish+done flush"},
		{"nothing is sent for a start", events(llm.Start{}, llm.Pause{}, text("a"), llm.Pause{}, finish), "role+a flush finish+done flush"},
		{"a pause with nothing at hand", events(llm.Pause{}, text("a"), llm.Pause{}, llm.Pause{}, finish, llm.Pause{}), "role+a flush finish+done flush"},
		{"what was held goes out with the error", events(text("a"), errGone), "role+a+error flush"},
		{"an error after the end is only for the log", events(text("a"), finish, errGone), "role+a+finish+done flush"},
		{"a sequence that ends without a finish", events(text("a"), llm.Pause{}), "role+a flush error flush"},
	}
	for _, tt := range tests {
		r := &recorder{header: http.Header{}}
		err := WriteStream(r, tt.seq, Envelope{})
		if got := strings.Join(r.log, " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if (err != nil) != strings.Contains(tt.name+tt.want, "error") {
			t.Errorf("%s: returned %v", tt.name, err)
		}
	}
}

func TestLargeRepliesAreNotHeldBack(t *testing.T) {
	r := &recorder{header: http.Header{}}
	long := &llm.TextDelta{Text: strings.Repeat("x", 10_000)}
	if err := WriteStream(r, events(long, long, long, long, long, llm.Finish{}), Envelope{}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.log, " "); got != "role+xxxxxxxxxx+xxxxxxxxxx+xxxxxxxxxx+xxxxxxxxxx flush xxxxxxxxxx+finish+done flush" {
		t.Errorf("got %s", got)
	}
}

func TestAGoneClientEndsTheSequence(t *testing.T) {
	released := false
	endless := func(yield func(llm.Event, error) bool) {
		defer func() { released = true }()
		for more := true; more; {
			more = yield(&llm.TextDelta{Text: "a"}, nil) && yield(llm.Pause{}, nil)
		}
	}
	r := &recorder{header: http.Header{}, breaks: 3}
	err := WriteStream(r, endless, Envelope{})
	e, ok := errors.AsType[*llm.Error](err)
	if !ok || e.Kind != llm.KindCanceled || !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
	if !released || r.writes != 3 {
		t.Errorf("released=%t after %d writes", released, r.writes)
	}
	err = WriteReply(&recorder{header: http.Header{}, breaks: 1}, events(llm.Finish{}), Envelope{})
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindCanceled {
		t.Errorf("plain: got %v", err)
	}
}

// plainWriter cannot flush.
type plainWriter struct{ http.ResponseWriter }

func TestAWriterThatCannotFlushStillWorks(t *testing.T) {
	rec := httptest.NewRecorder()
	err := WriteStream(plainWriter{rec}, events(&llm.TextDelta{Text: "a"}, llm.Pause{}, llm.Finish{}), Envelope{})
	if err != nil || !strings.HasSuffix(rec.Body.String(), "data: [DONE]\n\n") {
		t.Errorf("%v: %s", err, rec.Body)
	}
}

func TestATextDeltaAllocatesNothing(t *testing.T) {
	env := Envelope{ID: "1", Model: "demo", Created: time.Unix(1700000000, 0), IncludeUsage: true}
	r := &recorder{header: http.Header{}, log: make([]string, 0, 1<<20)}
	s := newStream(discard{r}, &env)
	if err := s.out.Take(); err != nil {
		t.Fatal(err)
	}
	defer s.out.Give()
	var delta, reasoning, pause llm.Event = &llm.TextDelta{Text: "some \"text\"\n"}, llm.ReasoningDelta{Text: "hm"}, llm.Pause{}
	var args llm.Event = llm.ToolCallDelta{Args: `{"a":`}
	if err := s.add(llm.ToolCallStart{ID: "a", Name: "f"}); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(1000, func() {
		for _, event := range []llm.Event{delta, delta, args, pause} {
			if err := s.add(event); err != nil {
				t.Error(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations in four events, want 0", n)
	}
	// A block of reasoning is kept until its signature comes, or does not.
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.add(reasoning), s.add(pause) }); n != 0 {
		t.Errorf("%v allocations per delta of reasoning, want 0", n)
	}
}

// discard is a client that takes everything and keeps nothing.
type discard struct{ http.ResponseWriter }

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Flush()                      {}

// BenchmarkStream is what 100 deltas cost, each flushed by itself, from event to SSE bytes.
func BenchmarkStream(b *testing.B) {
	text := func(delta llm.Event) iter.Seq2[llm.Event, error] {
		list := []any{llm.Start{}}
		for range 100 {
			list = append(list, delta, llm.Pause{})
		}
		return events(append(list, llm.Finish{Reason: llm.FinishStop})...)
	}
	plain := Envelope{ID: "1", Model: "demo", Created: time.Unix(1700000000, 0)}
	beating := plain
	beating.Heartbeat = 15 * time.Second
	for _, bench := range []struct {
		name string
		seq  iter.Seq2[llm.Event, error]
		env  Envelope
	}{
		{"text", text(&llm.TextDelta{Text: " and so on"}), plain},
		{"text-heartbeat", text(&llm.TextDelta{Text: " and so on"}), beating},
		{"reasoning", text(llm.ReasoningDelta{Text: " and so on"}), plain},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := WriteStream(discard{&recorder{header: http.Header{}}}, bench.seq, bench.env); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/delta")
		})
	}
}

func BenchmarkReply1KB(b *testing.B) {
	seq := events(llm.Start{}, &llm.TextDelta{Text: strings.Repeat("all work\n", 114)}, llm.Finish{Reason: llm.FinishStop})
	env := Envelope{ID: "1", Model: "demo", Created: time.Unix(1700000000, 0)}
	b.ReportAllocs()
	for b.Loop() {
		if err := WriteReply(discard{&recorder{header: http.Header{}}}, seq, env); err != nil {
			b.Fatal(err)
		}
	}
}
