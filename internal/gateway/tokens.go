package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/proxy"
	"outcrop/internal/usage"
)

const (
	// maxInputs is how many inputs a token request may have.
	maxInputs = 128
	// countsAtOnce is how many of them are counted at the same time.
	countsAtOnce = 8
)

// truncate keeps the prompt within max_prompt_tokens, if the client asks for that.
func (c *call) truncate(ctx context.Context) error {
	limit := c.shape.MaxPromptTokens
	if limit == 0 {
		return nil
	}
	if c.Count == nil {
		return llm.Invalid("max_prompt_tokens", "The deployment "+c.Name+" does not count tokens, so it cannot keep to max_prompt_tokens.")
	}
	exact := true
	kept, discarded, err := llm.Truncate(c.req.Messages, limit, func(messages []llm.Message) (int, error) {
		trial := *c.req
		trial.Messages = messages
		count, err := c.Count.CountTokens(ctx, &trial)
		exact = exact && count.Exact
		return count.Tokens, err
	})
	if err != nil {
		return err
	}
	c.req.Messages = kept
	c.statistics = &openai.Statistics{Discarded: discarded, Exact: exact}
	return nil
}

// output is what becomes of one input. One that fails does not fail the others.
type output struct {
	Status     string `json:"status"` // "success" or "error"
	TokenCount *int   `json:"token_count,omitempty"`
	Discarded  *[]int `json:"discarded_messages,omitempty"`
	// Exact says that the model itself counted: beyond DIAL's shape, because an estimate is not a count.
	Exact *bool  `json:"exact,omitempty"`
	Error string `json:"error,omitempty"`
}

// tokenize counts the tokens of chats and strings.
func (g *Gateway) tokenize(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	x.operation = usage.CountTokens
	return g.countAll(x, r, tokenRequest{caller, name, g.tokenizeOne, func(s *served) *proxy.Remote { return s.TokenizeAt }})
}

// truncatePrompt tells which messages of chats max_prompt_tokens would leave out.
func (g *Gateway) truncatePrompt(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	x.operation = usage.TruncatePrompt
	return g.countAll(x, r, tokenRequest{caller, name, g.truncateOne, func(s *served) *proxy.Remote { return s.TruncateAt }})
}

// tokenRequest is what the two routes differ in.
type tokenRequest struct {
	caller auth.Caller
	name   string
	do     func(t tokenCall, input []byte) (output, error)
	at     func(s *served) *proxy.Remote // who does it in place of this process, or nil
}

// tokenCall is what the inputs of a token request share.
type tokenCall struct {
	*served
	r      *http.Request
	caller auth.Caller
	files  *budget
}

// countAll answers a token request.
func (g *Gateway) countAll(x *exchange, r *http.Request, t tokenRequest) error {
	s, err := g.resolve(x, r, t.caller, t.name)
	if err != nil {
		return x.refuse(err)
	}
	if done, err := g.counts(x, r, feature{t.caller, s, t.at(s)}); done {
		return err
	}
	if s.Count == nil || s.Chat == nil {
		return x.refuse(noRoute("The deployment " + t.name + " does not count tokens."))
	}
	body, release, err := g.readBody(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	inputs, err := openai.DecodeInputs(body, maxInputs)
	if err != nil {
		return x.refuse(err)
	}
	outputs, files := make([]output, len(inputs)), newBudget()
	err = sideBySide(r.Context(), len(inputs), countsAtOnce, func(ctx context.Context, i int) error {
		var err error
		if outputs[i], err = t.do(tokenCall{s, r.WithContext(ctx), t.caller, files}, inputs[i]); err != nil {
			outputs[i] = output{Status: "error", Error: llm.AsError(err).Message}
		}
		return ctx.Err()
	})
	if err != nil {
		return x.refuse(gone(r.Context()))
	}
	return x.reply(struct {
		Outputs []output `json:"outputs"`
	}{outputs})
}

// tokenizeOne counts one input: a chat or a string.
func (g *Gateway) tokenizeOne(t tokenCall, raw []byte) (output, error) {
	var in struct {
		Type  string
		Value json.RawMessage
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return output{}, llm.Invalid("", `expected an input, an object with type and value.`)
	}
	var req *llm.ChatRequest
	switch in.Type {
	case "request":
		c, err := g.inputCall(t, in.Value)
		if err != nil {
			return output{}, err
		}
		req = c.req
	case "string":
		var text *string
		if err := json.Unmarshal(in.Value, &text); err != nil || text == nil {
			return output{}, llm.Invalid("value", "value: expected a string.")
		}
		req = &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: *text}}}}}
	default:
		return output{}, llm.Invalid("type", `type: expected "request" or "string".`)
	}
	count, err := t.Count.CountTokens(t.r.Context(), req)
	if err != nil {
		return output{}, err
	}
	// A model counts conversations: of a string its count has the tokens of a turn around it.
	exact := count.Exact && in.Type == "request"
	return output{Status: "success", TokenCount: &count.Tokens, Exact: &exact}, nil
}

// truncateOne tells what one chat would lose.
func (g *Gateway) truncateOne(t tokenCall, raw []byte) (output, error) {
	c, err := g.inputCall(t, raw)
	if err != nil {
		return output{}, err
	}
	if c.shape.MaxPromptTokens == 0 {
		return output{}, llm.Invalid("max_prompt_tokens", "max_prompt_tokens is required.")
	}
	if err := c.truncate(t.r.Context()); err != nil {
		return output{}, err
	}
	discarded := append([]int{}, c.statistics.Discarded...)
	return output{Status: "success", Discarded: &discarded, Exact: &c.statistics.Exact}, nil
}

// inputCall is a chat of which only the tokens are wanted, as complete as one that is to be answered.
func (g *Gateway) inputCall(t tokenCall, body []byte) (*call, error) {
	req, shape, err := openai.DecodeChat(body)
	if err != nil {
		return nil, err
	}
	c := g.complete(t.served, t.caller, req, shape)
	if err := g.attach(t.r, linksOf(req), t.files); err != nil {
		return nil, err
	}
	g.vault.recall(c.owner, req)
	return c, nil
}

// noRoute is the error of a route that a deployment does not have.
func noRoute(message string) error { return &llm.Error{Kind: llm.KindNoRoute, Message: message} }

// configuration answers with the JSON Schema of what custom_fields.configuration may say.
func (g *Gateway) configuration(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	s, err := g.resolve(x, r, caller, name)
	if err != nil {
		return x.refuse(err)
	}
	if s.ConfigurationAt != nil {
		return g.feature(x, r, feature{caller, s, s.ConfigurationAt})
	}
	if s.elsewhere() { // DIAL: nothing to configure
		x.WriteHeader(http.StatusOK)
		return nil
	}
	if s.Configuration == nil {
		return x.refuse(noRoute("The deployment " + name + " takes no configuration."))
	}
	x.Header().Set("Content-Type", "application/json")
	return x.send(s.Configuration())
}
