package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
)

// TestPlacesInTraces: a call with a per-request key is below the call that it came from, whatever its headers say; any
// other below its client's, or the first of a trace, which the sampler then decides about.
func TestPlacesInTraces(t *testing.T) {
	const ours, theirs = "0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"
	parent := func(trace, flags string) http.Header {
		return http.Header{"Traceparent": {"00-" + trace + "-00f067aa0ba902b7-" + flags}, "Tracestate": {"a=b"}}
	}
	pass := &auth.Pass{Trace: ours, Span: "b7ad6b7169203331"}
	for name, test := range map[string]struct {
		header     http.Header
		pass       *auth.Pass
		trace, own string // "" of the trace is a new one
		sampled    bool
	}{
		"first":                     {http.Header{}, nil, "", "", false},
		"sampled by the client":     {parent(theirs, "01"), nil, theirs, "00f067aa0ba902b7", true},
		"not sampled by the client": {parent(theirs, "00"), nil, theirs, "00f067aa0ba902b7", false},
		"of a key":                  {http.Header{}, pass, ours, "b7ad6b7169203331", false},
		"of a key, in its trace":    {parent(ours, "01"), pass, ours, "b7ad6b7169203331", true},
		"of a key, in another":      {parent(theirs, "01"), pass, ours, "b7ad6b7169203331", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := &Gateway{traces: &Traces{Headers: true, Sample: func(string) bool { return false }}}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			r.Header = test.header
			w := httptest.NewRecorder()
			w.Header().Set("Access-Control-Expose-Headers", "X-Request-Id")
			x := newExchange(w, r)
			g.observe(x, r, auth.Caller{Pass: test.pass})
			if x.trace.parent != test.own || test.trace != "" && x.trace.id != test.trace || x.trace.sampled() != test.sampled {
				t.Errorf("%+v", x.trace)
			}
			want := "00-" + x.trace.id + "-" + x.self + "-" + x.trace.flags
			if got := w.Header().Get("traceparent"); got != want || traceOf(http.Header{"Traceparent": {got}}).id != x.trace.id {
				t.Errorf("traceparent: %s, want %s", got, want)
			}
			if h := w.Header(); h.Get("X-DIAL-TRACE-ID") != x.trace.id || h.Get("X-DIAL-SPAN-ID") != x.self || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "X-DIAL-SPAN-ID") {
				t.Errorf("%v", h)
			}
			next, set := auth.Caller{Pass: test.pass}.Next("app"), http.Header{}
			x.trace.enter(next, set)
			if next.Trace != x.trace.id || !strings.HasSuffix(set.Get("Traceparent"), "-"+x.trace.flags) {
				t.Errorf("the next call is in %s: %v", next.Trace, set)
			}
			if theirState := x.trace.id == theirs || name == "of a key, in its trace"; (set.Get("Tracestate") != "") != theirState {
				t.Errorf("tracestate: %v", set)
			}
		})
	}
}

// TestConversations: the first header that names one does, unless it is too long or a credential.
func TestConversations(t *testing.T) {
	traces := &Traces{Conversations: []string{"thread-id", "Authorization", "X-CONVERSATION-ID"}}
	for want, h := range map[string]http.Header{
		"":  {},
		"c": {"X-Conversation-Id": {"c"}, "Authorization": {"Bearer x"}, "Thread-Id": {strings.Repeat("x", 300)}},
		"t": {"X-Conversation-Id": {"c"}, "Thread-Id": {"t"}},
	} {
		if got := traces.conversation(h); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestTalksAreBounded, have no credentials, and nothing of secured keys; without a prompt log there are none.
func TestTalksAreBounded(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", nil)
	r.Header = http.Header{}
	for _, name := range []string{"Authorization", "Api-Key", "X-Api-Key", "Cookie", "Proxy-Authorization", "X-Amz-Security-Token", "X-Upstream-Key"} {
		r.Header.Set(name, "hunter2")
	}
	r.Header.Set("X-Mine", "7")
	o := &PromptLog{Bodies: true, MaxBody: 5, Headers: true, Claims: true}
	body := []byte("0123456789")
	talk := o.talk(r, auth.Caller{User: "u", Name: "n", Roles: []string{"r"}})
	talk.asked(body)
	body[0] = 'x' // its buffer is used again
	talk.said([]byte("abc"))
	talk.said([]byte("def"))
	talk.said([]byte("ghi"))
	if string(talk.Request) != "01234" || string(talk.Response) != "abcde" || len(talk.Headers) != 1 || talk.Claims["user_display_name"][0] != "n" {
		t.Errorf("%+v", talk.Talk)
	}
	secured := o.talk(r, auth.Caller{Secured: true})
	secured.asked(body)
	secured.said(body)
	if secured.Request != nil || secured.Response != nil || !secured.Secured || secured.Claims != nil {
		t.Errorf("%+v", secured.Talk)
	}
	none := &Gateway{}
	x := newExchange(httptest.NewRecorder(), r)
	none.observe(x, r, auth.Caller{})
	if x.talk.asked(body); x.talk != nil || x.self != "" {
		t.Error("there is a talk")
	}
}

// TestParents: interceptors are no parents, the deployment before them is.
func TestParents(t *testing.T) {
	for want, pass := range map[string]*auth.Pass{
		"":    {Path: []string{"guard"}, Chain: []string{"guard"}},
		"app": {Path: []string{"app", "guard", "second"}, Chain: []string{"guard", "second"}},
		"one": {Path: []string{"two", "one"}},
	} {
		if got := parentOf(pass); got != want {
			t.Errorf("%+v: %q", pass, got)
		}
	}
	if parentOf(nil) != "" {
		t.Error("nobody has a parent")
	}
}

// TestUpstreamsThatAreAloneAreCounted: nobody else tells of them.
func TestUpstreamsThatAreAloneAreCounted(t *testing.T) {
	for name, test := range map[string]struct {
		tally    tally
		attempts int
		waited   time.Duration
	}{
		"none":     {tally{first: 5}, 0, 0},
		"alone":    {tally{asked: 2, first: 5}, 1, 3},
		"silent":   {tally{asked: 2}, 1, 0},
		"balanced": {tally{asked: 2, first: 9, via: llm.Via{Attempts: 3, Waited: 6}}, 3, 6},
	} {
		if attempts, waited := test.tally.tried(); attempts != test.attempts || waited != test.waited {
			t.Errorf("%s: %d, %d", name, attempts, waited)
		}
	}
	var nobody *tally
	nobody.ask()
	counted := tally{began: time.Now()}
	counted.ask()
	if counted.asked == 0 {
		t.Error("it was not asked")
	}
}
