package bedrock

import (
	"fmt"
	"slices"
	"strings"

	"outcrop/internal/llm"
)

// safeStops is how many stop sequences are sent to a model of which no limit is known. More is not
// needed: the others are searched for here.
const safeStops = 4

// maxStops is how many stop sequences are sent to a model.
func (t *traits) maxStops() int {
	if t.family.Stops > 0 {
		return t.family.Stops
	}
	return safeStops
}

// nativeStops are the stop sequences that are sent: those that hold more than white space, which
// Claude refuses, up to the model's limit.
func (c *converse) nativeStops() []string {
	native := c.req.Stop
	if slices.ContainsFunc(native, isBlank) {
		native = slices.DeleteFunc(slices.Clone(native), isBlank)
	}
	return native[:min(len(native), c.traits.maxStops())]
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

// planStops says for which stop sequences the reply has to be searched: all, if the model does not
// end there by itself or leaves them in its text, as Nova does.
func (c *converse) planStops() error {
	for i, stop := range c.req.Stop {
		if stop == "" {
			return llm.Invalid(fmt.Sprintf("stop[%d]", i), "A stop sequence must hold at least one character.")
		}
	}
	if len(c.req.Stop) > 0 && (c.traits.family.KeepsStop || len(c.nativeStops()) < len(c.req.Stop)) {
		c.stops = c.req.Stop
	}
	return nil
}

// stopper ends a reply's visible text at the first stop sequence. What comes after it is read for the
// usage only. Text that may be the beginning of a stop sequence is held back.
type stopper struct {
	stops   []string
	yield   func(llm.Event, error) bool
	held    string
	stopped bool
}

func (s *stopper) event(event llm.Event, err error) bool {
	if err != nil {
		return s.flush() && s.yield(event, err)
	}
	switch e := event.(type) {
	case *llm.TextDelta:
		return s.stopped || s.text(s.held+e.Text)
	case llm.Pause, llm.Start:
		return s.yield(event, nil)
	case llm.Finish:
		if s.stopped && e.Reason != llm.FinishContentFilter {
			e.Reason, e.Detail = llm.FinishStop, ""
		}
		return s.flush() && s.yield(e, nil)
	default:
		return s.stopped || s.flush() && s.yield(event, nil)
	}
}

// text yields what of a text is certain to be before any stop sequence.
func (s *stopper) text(text string) bool {
	first, end := -1, 0
	for _, stop := range s.stops {
		// The one that is complete first wins, so that it does not matter how the text was cut up.
		if i := strings.Index(text, stop); i >= 0 && (first < 0 || i+len(stop) < end || i+len(stop) == end && i < first) {
			first, end = i, i+len(stop)
		}
	}
	if first >= 0 {
		s.stopped, s.held = true, ""
		return first == 0 || s.yield(&llm.TextDelta{Text: text[:first]}, nil)
	}
	keep := 0
	for _, stop := range s.stops {
		keep = max(keep, overlap(text, stop))
	}
	s.held = text[len(text)-keep:]
	return keep == len(text) || s.yield(&llm.TextDelta{Text: text[:len(text)-keep]}, nil)
}

// overlap is the length of the longest end of text that stop begins with.
func overlap(text, stop string) int {
	for n := min(len(text), len(stop)-1); n > 0; n-- {
		if strings.HasSuffix(text, stop[:n]) {
			return n
		}
	}
	return 0
}

func (s *stopper) flush() bool {
	held := s.held
	s.held = ""
	return held == "" || s.yield(&llm.TextDelta{Text: held}, nil)
}
