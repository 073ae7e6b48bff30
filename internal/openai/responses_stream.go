package openai

import (
	"iter"
	"net/http"
	"slices"
	"strconv"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// WriteResponsesStream answers with the events of a response, in OpenAI's order and numbered from 0, and
// returns the object that the last of them has, for who keeps it; nil when none ended it.
//
// What is held back, when, and what a heartbeat and a client that is gone do, is as in WriteStream. An
// error before anything was said is answered by WriteError, with no object; one after it by
// response.failed, and the object has the status failed and what had been said. Paths of messages in
// errors and reports are those of the request, as RenameResponses has them.
func WriteResponsesStream(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env *ResponsesEnvelope) (final []byte, err error) {
	s := &responsesStream{w: w, response: newResponse(env)}
	s.out.Open(w)
	s.out.Header = s
	s.response.out = &s.out.Buf
	defer s.out.Close()
	if env.Heartbeat > 0 {
		s.out.Beat(env.Heartbeat, heartbeat, s.mayBeat)
	}
	for event, err := range seq {
		if err := s.take(event, err); err != nil {
			return s.final(), err
		}
	}
	if !s.response.ended {
		err = s.take(nil, unfinished())
	}
	return s.final(), err
}

// responsesStream is a response on its way out.
type responsesStream struct {
	w        http.ResponseWriter
	out      sse.Out
	response *response
}

// SetHeader implements sse.HeaderSetter.
func (s *responsesStream) SetHeader(h http.Header) {
	setResponseHeaders(h, s.response.env, &s.response.start)
}

// mayBeat is as in a chat's stream.
func (s *responsesStream) mayBeat() bool {
	return !s.response.ended && (s.response.started || s.response.opened)
}

// final is the object of the last event.
func (s *responsesStream) final() []byte {
	if !s.response.ended {
		return nil
	}
	return s.response.append(nil)
}

// take takes what the sequence yields. Its error ends the response.
func (s *responsesStream) take(event llm.Event, err error) error {
	gone := s.out.Take()
	defer s.out.Give()
	switch {
	case gone != nil:
		return clientGone(gone)
	case err != nil:
		return s.fail(err)
	}
	if s.response.ended {
		return nil
	}
	s.response.add(event)
	_, pause := event.(llm.Pause)
	if pause || s.response.ended || len(s.out.Buf) >= sse.FlushAt {
		return s.flush()
	}
	return nil
}

func (s *responsesStream) flush() error {
	if err := s.out.Flush(); err != nil {
		return clientGone(err)
	}
	return nil
}

// fail ends the response with a failure and returns it.
func (s *responsesStream) fail(err error) error {
	if s.response.ended {
		return err
	}
	err = RenameResponses(err)
	if !s.response.opened && !s.out.Sent {
		WriteError(s.w, err)
		return err
	}
	s.response.fail(err)
	// Whether or not the client is still there, err is why the response ended.
	_ = s.flush()
	return err
}

// CollectResponse folds the events into the response object that WriteResponsesStream ends with, for a
// plain reply or a job, and returns what the upstream said of the request: its Start.
func CollectResponse(seq iter.Seq2[llm.Event, error], env *ResponsesEnvelope) (object []byte, head *llm.Start, err error) {
	r := newResponse(env)
	for event, err := range seq {
		if err != nil {
			return nil, nil, RenameResponses(err)
		}
		r.add(event)
	}
	if !r.ended {
		return nil, nil, unfinished()
	}
	return r.append(nil), &r.start, nil
}

// WriteResponse answers with an object of CollectResponse. A nil head says nothing.
func WriteResponse(w http.ResponseWriter, object []byte, env *ResponsesEnvelope, head *llm.Start) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(object)+1))
	if head == nil {
		head = &llm.Start{}
	}
	setResponseHeaders(h, env, head)
	if _, err := w.Write(append(slices.Clip(object), '\n')); err != nil {
		return clientGone(err)
	}
	return nil
}

// setResponseHeaders is SetHeaders for a response.
func setResponseHeaders(h http.Header, env *ResponsesEnvelope, start *llm.Start) {
	SetHeaders(h, &Envelope{Ignored: env.Ignored, Changed: env.Changed, Created: env.Created}, start)
}
