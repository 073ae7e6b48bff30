package gateway

import (
	"errors"
	"net/http"
	"testing"

	"outcrop/internal/llm"
	"outcrop/internal/money"
	"outcrop/internal/usage"
)

// TestTheHeadOfAStream: once a stream has begun, its heart may write the head at any time, so nothing is told in it; the
// cost is told in the end.
func TestTheHeadOfAStream(t *testing.T) {
	for _, stream := range []bool{true, false} {
		head := http.Header{}
		tally := tally{header: head, stream: &stream, tells: true, price: &usage.Price{Prompt: money.Dollar}}
		tally.see(llm.Start{Via: llm.Via{Upstream: "one", Attempts: 2}}, false, nil)
		if head.Get(headerUpstreamID) != "one" || head.Get(headerUpstreamAttempts) != "2" {
			t.Errorf("stream: %v: %v", stream, head)
		}
		end, ok := tally.see(llm.Finish{Usage: llm.Usage{Input: 3}}, true, nil).(llm.Finish)
		if !ok || end.Cost != "3" {
			t.Errorf("stream: %v: %+v", stream, end)
		}
		if told := head.Get(headerCost) == "3"; told == stream {
			t.Errorf("stream: %v: %v", stream, head)
		}
		tally.see(nil, false, &llm.Error{Via: llm.Via{Upstream: "two"}, Err: errors.New("late")})
		if late := head.Get(headerUpstreamID) == "two"; late == stream {
			t.Errorf("stream: %v: %v", stream, head)
		}
	}
}
