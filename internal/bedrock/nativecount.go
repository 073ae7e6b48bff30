package bedrock

import (
	"context"
	"crypto/sha256"
	"encoding/base64"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// CountMessages implements llm.MessagesModel. The count is the model's own where AWS gives it, else an
// estimate. The error is the request's, or the context's.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html
func (n *native) CountMessages(ctx context.Context, req *llm.MessagesRequest) (llm.Count, error) {
	edit, err := n.edit(req)
	if err != nil {
		return llm.Count{}, err
	}
	if !edit.asked {
		return llm.Count{}, llm.Invalid(memberMessages, "The conversation is missing: a list of messages.")
	}
	ask, err := n.countCall(req, edit)
	if err != nil {
		return llm.Count{}, err
	}
	m := n.model
	hash := sha256.Sum256(ask.body)
	if tokens, ok := m.counts.get(hash); ok {
		return llm.Count{Tokens: tokens, Exact: true}, nil
	}
	if m.counts.open() && (n.surface == SurfaceMantle || n.view.traits.model.Base != "") {
		tokens, err := m.askCount(ctx, ask)
		if err == nil {
			m.counts.put(hash, tokens)
			return llm.Count{Tokens: tokens, Exact: true}, nil
		}
		m.counts.refused(err)
	}
	if ctx.Err() != nil {
		return llm.Count{}, ended(ctx)
	}
	return llm.Count{Tokens: estimateMessages(req.Body, &n.view.traits)}, nil
}

// countCall is the question: on the runtime about the body as InvokeModel would get it, of the foundation
// model, since profiles are not counted for; on mantle in Anthropic's own form.
func (n *native) countCall(req *llm.MessagesRequest, edit *nativeEdit) (*countCall, error) {
	if n.surface == SurfaceMantle {
		header, err := n.header(req, edit)
		if err != nil {
			return nil, err
		}
		edit.keep(isPrompt)
		to, err := newTarget(n.model.client.mantle+nativeCountPath, serviceMantle)
		return &countCall{to: to, body: edit.finish(n, false), header: header}, err
	}
	if !edit.limited {
		edit.add([]byte(`"max_tokens":1`)) // InvokeModel's body has to have it; a client's count has none
	}
	inner := edit.finish(n, false)
	body := append(make([]byte, 0, len(inner)/3*4+64), `{"input":{"invokeModel":{"body":"`...)
	return n.model.countBase(n.view, append(base64.StdEncoding.AppendEncode(body, inner), `"}}}`...))
}

// isPrompt is false for members that Anthropic's count refuses, because they are no part of a prompt.
// https://docs.claude.com/en/api/messages-count-tokens
func isPrompt(key string) bool {
	switch key {
	case "max_tokens", "metadata", "stop_sequences", "temperature", "top_k", "top_p":
		return false
	}
	return true
}

// estimateMessages is estimateTokens for a body of the Messages API.
func estimateMessages(body []byte, t *traits) int {
	e := nativeEstimate{measureOf(t.family.Name)}
	n := tokensOfReply
	for m := range memberSpans(body) {
		s := jsonscan.New(m.value)
		switch m.key {
		case memberMessages, "system":
			n += e.value(&s, "")
		case "tools":
			n += e.measure.tools + e.value(&s, "")
		}
	}
	return n
}

type nativeEstimate struct{ measure measure }

// value counts what a model reads of a value: every text but those that are the API's own words.
func (e *nativeEstimate) value(s *jsonscan.Scanner, key string) (n int) {
	switch s.Kind() {
	case '"':
		switch text := s.String(); key {
		case "role", "type", "id", "tool_use_id", "media_type", "ttl", "signature":
		case "data":
			return len(text) / 4 // of redacted thinking
		default:
			return e.measure.text(text)
		}
	case '[':
		for s.Array(); s.Element(); {
			n += e.value(s, key)
		}
	case '{':
		switch key {
		case "input", "input_schema":
			return e.measure.text(string(s.Raw()))
		case "source":
			return e.source(s)
		default:
			return e.object(s)
		}
	default:
		s.Skip()
	}
	return n
}

func (e *nativeEstimate) object(s *jsonscan.Scanner) (n int) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		n += e.value(s, key)
		switch key {
		case "role":
			n += e.measure.turn
		case "input", "input_schema", "tool_use_id":
			n += e.measure.tool
		}
	}
	return n
}

// source counts a file.
func (e *nativeEstimate) source(s *jsonscan.Scanner) int {
	var kind, media, data string
	content := 0
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch {
		case key == "content":
			content = e.value(s, key)
		case s.Kind() != '"':
			s.Skip()
		case key == "type":
			kind = s.String()
		case key == "media_type":
			media = s.String()
		case key == "data":
			data = s.String()
		default:
			s.Skip()
		}
	}
	switch kind {
	case "base64":
		return e.measure.file(llm.Blob{MIME: media, Base64: data})
	case "text":
		return e.measure.text(data)
	case "content":
		return content
	default:
		return tokensAfar
	}
}
