package bedrock

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

const (
	// countsKept is how many counts a model remembers, by the hash of what was counted.
	countsKept = 1024
	// countPause is how long a refused permission to count is not tried again.
	countPause = 5 * time.Minute
	// countTimeout is how long a count is waited for: a chat may wait for several of them, and an estimate is
	// better than none. slowPause is how long nobody waits again after that.
	countTimeout = 10 * time.Second
	slowPause    = 30 * time.Second
)

// counter is what a model remembers of CountTokens. The zero value is ready.
type counter struct {
	mu     sync.Mutex
	byHash map[[sha256.Size]byte]*list.Element
	recent list.List // of counted, the latest used first
	until  time.Time // before which AWS is not asked
	never  bool      // AWS said that the model does not count
}

type counted struct {
	hash   [sha256.Size]byte
	tokens int
}

func (c *counter) get(hash [sha256.Size]byte) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byHash[hash]
	if !ok {
		return 0, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*counted).tokens, true
}

func (c *counter) put(hash [sha256.Size]byte, tokens int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byHash == nil {
		c.byHash = map[[sha256.Size]byte]*list.Element{}
	}
	if _, ok := c.byHash[hash]; ok {
		return
	}
	c.byHash[hash] = c.recent.PushFront(&counted{hash, tokens})
	if c.recent.Len() > countsKept {
		last := c.recent.Back()
		c.recent.Remove(last)
		delete(c.byHash, last.Value.(*counted).hash)
	}
}

// open says whether AWS is worth asking.
func (c *counter) open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.never && !time.Now().Before(c.until)
}

// refused remembers why AWS did not count, where the next request would fare no better.
func (c *counter) refused(err error) {
	if err == errSlowCount { //nolint:errorlint // askCount's own
		c.mu.Lock()
		defer c.mu.Unlock()
		c.until = time.Now().Add(slowPause)
		return
	}
	cause, ok := errors.AsType[*awsError](err)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case strings.Contains(cause.message, "doesn't support counting tokens"), isModelID(cause):
		c.never = true
	case kindOf(cause) == llm.KindForbidden:
		c.until = time.Now().Add(countPause)
	}
}

// CountTokens implements llm.TokenCounter. Claude's own count comes from AWS, which charges nothing for
// it; for other models, and where AWS does not answer, it is an estimate. The error is the request's, or
// the context's.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html
func (m *Model) CountTokens(ctx context.Context, req *llm.ChatRequest) (llm.Count, error) {
	v := m.known(ctx)
	if (v.dialect == speaksConverse || v.dialect == speaksMessages) && v.traits.claude() && v.traits.model.Base != "" {
		tokens, ok, err := m.ownCount(ctx, v, req)
		if ok || err != nil {
			return llm.Count{Tokens: tokens, Exact: ok}, err
		}
	}
	if ctx.Err() != nil {
		return llm.Count{}, ended(ctx)
	}
	return llm.Count{Tokens: estimateTokens(req, &v.traits)}, nil
}

// ownCount is the model's own count; ok is false when AWS gives none.
func (m *Model) ownCount(ctx context.Context, v *view, req *llm.ChatRequest) (tokens int, ok bool, err error) {
	call, err := m.countCall(v, req)
	if err != nil {
		return 0, false, err
	}
	hash := sha256.Sum256(call.body)
	if tokens, ok := m.counts.get(hash); ok {
		return tokens, true, nil
	}
	if !m.counts.open() {
		return 0, false, nil
	}
	tokens, err = m.askCount(ctx, call)
	switch {
	case err == nil:
		m.counts.put(hash, tokens)
		return tokens, true, nil
	case ctx.Err() != nil:
		return 0, false, ended(ctx)
	}
	m.counts.refused(err)
	return 0, false, nil
}

var (
	errNoCount   = errors.New("the answer holds no inputTokens")
	errSlowCount = errors.New("AWS did not count in time")
)

// countCall is a request as a call that counts it.
type countCall struct {
	to     target
	header http.Header
	body   []byte
}

func (m *Model) countCall(v *view, req *llm.ChatRequest) (*countCall, error) {
	if v.dialect == speaksMessages {
		return m.countMessages(v, req)
	}
	call, err := build(req, &v.traits)
	if err != nil {
		return nil, err
	}
	return m.countBase(v, countBody(call.body))
}

// countBase is a call of CountTokens, which knows base ids only: a profile's id is refused.
func (m *Model) countBase(v *view, body []byte) (*countCall, error) {
	to, err := newTarget(m.client.base+"/model/"+escapeLabel(v.traits.model.Base)+"/count-tokens", serviceBedrock)
	return &countCall{to: to, body: body}, err
}

// askCount asks AWS, or Anthropic's API on AWS, and waits for so long.
func (m *Model) askCount(ctx context.Context, call *countCall) (tokens int, err error) {
	timed, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	tokens, err = m.ownAnswer(timed, call)
	if err != nil && timed.Err() != nil && ctx.Err() == nil {
		return 0, errSlowCount
	}
	return tokens, err
}

func (m *Model) ownAnswer(ctx context.Context, call *countCall) (tokens int, err error) {
	resp, err := m.client.send(ctx, call.to, call.body, call.header)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, refusal(resp)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxLookup))
	if err != nil {
		return 0, classifyNetwork(err)
	}
	s := jsonscan.New(data)
	tokens = -1
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "inputTokens" || key == "input_tokens" {
			tokens = count(&s)
		} else {
			s.Skip()
		}
	}
	if err := s.Err(); err != nil {
		return 0, err
	}
	if tokens < 0 {
		return 0, errNoCount
	}
	return tokens, nil
}

// countBody takes out of a body of Converse what CountTokens takes.
func countBody(converse []byte) []byte {
	body := make([]byte, 0, len(converse)+32)
	body = append(body, `{"input":{"converse":{`...)
	first := len(body)
	s := jsonscan.New(converse)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		raw := s.Raw()
		switch key {
		case "messages", "system", "toolConfig", "additionalModelRequestFields":
			if len(body) > first {
				body = append(body, ',')
			}
			body = append(append(append(body, '"'), key...), `":`...)
			body = append(body, raw...)
		}
	}
	return append(body, `}}}`...)
}
