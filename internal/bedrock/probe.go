package bedrock

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// Refusal is AWS's own answer to a call that failed. Its Message is for the operator, not for a client:
// it names accounts and roles, and of other codes than those of access it may quote the request.
type Refusal struct {
	Status    int // of HTTP; 0 for an exception within a stream
	Code      string
	Message   string
	RequestID string
}

// RefusalOf is AWS's answer in an error of this package; false when there was none.
func RefusalOf(err error) (Refusal, bool) {
	e, ok := errors.AsType[*awsError](err)
	if !ok {
		return Refusal{}, false
	}
	return Refusal{Status: e.status, Code: e.code, Message: firstLine(e.message), RequestID: e.requestID}, true
}

// Endpoint is one of AWS's services as an upstream reaches it.
type Endpoint struct {
	Service string // bedrock-runtime, bedrock, bedrock-mantle, sts
	URL     string // without a path
}

// Endpoints are those of Bedrock.
func (c *Client) Endpoints() []Endpoint {
	return []Endpoint{{hostRuntime, c.base}, {hostControl, c.control}, {hostMantle, c.mantle}}
}

// STSEndpoint is the token service of an upstream with these settings. The region is the client's.
func (p *Process) STSEndpoint(s Settings, region string) Endpoint {
	way := p.network.with(s.Network)
	return Endpoint{"sts", cmp.Or(s.STSEndpoint, p.endpoints.sts, "https://"+way.host("sts", region))}
}

// Transport is a new transport on the way that the settings lead, which shares no connection with others.
func (p *Process) Transport(s Settings) (*http.Transport, error) {
	return p.network.with(s.Network).transport()
}

// Control asks the control plane: GET of a path, such as "/foundation-model-availability/" and an id,
// whose segments the caller has escaped. The answer is decoded into the value.
func (c *Client) Control(ctx context.Context, path string, into any) error {
	to, err := newTarget(c.control+path, serviceBedrock)
	if err != nil {
		return err
	}
	to.method = http.MethodGet
	resp, err := c.send(ctx, to, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxLookup))
	if err != nil {
		return classifyNetwork(err)
	}
	return json.Unmarshal(body, into)
}

// ID is the model id or ARN that AWS is called with.
func (m *Model) ID() string { return m.id }

// Base is the id of the foundation model; "" when it is not known.
func (m *Model) Base() string { return m.current.Load().traits.model.Base }

// Surface is the word for the API that the model is asked with, one of Surfaces.
func (m *Model) Surface() string { return m.current.Load().surface() }

// Counts says whether AWS is asked for the model's own count of tokens.
func (m *Model) Counts() bool {
	v := m.current.Load()
	return (v.dialect == speaksConverse || v.dialect == speaksMessages) && v.traits.claude() && v.traits.model.Base != ""
}

// ProbeCount has AWS count the tokens of a word, which costs nothing. Unlike CountTokens it has no
// estimate to fall back on.
func (m *Model) ProbeCount(ctx context.Context) error {
	call, err := m.countCall(m.known(ctx), greeting())
	if err == nil {
		_, err = m.askCount(ctx, call)
	}
	return err
}

// ProbeAccess sends a body that no model takes: AWS complains about it to who may call the model, and
// refuses the others before. It is billed in neither case. The error is that of a caller who may not: of
// whole answers, and where the model has them of streams, which are an action of their own.
func (m *Model) ProbeAccess(ctx context.Context) error {
	v := m.known(ctx)
	if err := m.probeTarget(ctx, v, v.whole); err != nil {
		return err
	}
	return m.ProbeStream(ctx)
}

// ProbeStream is the part of ProbeAccess that is about streams: bedrock:InvokeModelWithResponseStream. Without
// streams, or where the same call gives them, there is nothing to ask.
func (m *Model) ProbeStream(ctx context.Context) error {
	v := m.known(ctx)
	if !m.Calls().Stream || v.stream.url.String() == v.whole.url.String() {
		return nil
	}
	return m.probeTarget(ctx, v, v.stream)
}

// probeTarget sends nothing but the deployment's guardrail, which is an action of its own.
func (m *Model) probeTarget(ctx context.Context, v *view, to target) error {
	body, header := []byte("{}"), http.Header{"Accept": {"application/json"}}
	if g := v.traits.guardrail; g != nil && v.dialect == speaksConverse {
		body = jsonscan.AppendString([]byte(`{"guardrailConfig":{"guardrailIdentifier":`), g.ID)
		body = append(jsonscan.AppendString(append(body, `,"guardrailVersion":`...), g.Version), `}}`...)
	} else if g != nil {
		header[headerGuardrail], header[headerGuardrailVersion] = []string{g.ID}, []string{g.Version}
	}
	resp, err := m.client.send(ctx, to, body, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	err = refusal(resp)
	e := llm.AsError(err)
	if r, _ := RefusalOf(err); e.Kind == llm.KindInvalid && !saysNoAccess(r.Message) {
		return nil
	}
	return m.advise(e)
}

// saysNoAccess knows what AWS says to accounts that may not call at all, as if their requests were wrong.
// https://repost.aws/knowledge-center/bedrock-invokemodel-api-error
func saysNoAccess(message string) bool {
	return strings.HasPrefix(message, "Operation not allowed") || strings.HasPrefix(message, "Access to ") ||
		strings.Contains(message, "account is not authorized")
}

// greeting is the shortest chat.
func greeting() *llm.ChatRequest {
	return &llm.ChatRequest{
		Messages:  []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Hi"}}}},
		MaxTokens: 1, NoAutoCache: true, Whole: true,
	}
}

// leastAnswer is what OpenAI's Responses API takes at least for max_output_tokens.
const leastAnswer = 16

// ProbeCall asks the model for as little as it gives: a token, the vector of a word, the rank of one, or the
// smallest image. It is billed.
func (m *Model) ProbeCall(ctx context.Context) error {
	v := m.known(ctx)
	switch {
	case v.traits.vectors != nil:
		_, err := m.Embed(ctx, &llm.EmbedRequest{Inputs: []llm.EmbedInput{{Parts: []llm.Part{llm.Text{Text: "Hi"}}, At: "input"}}})
		return err
	case v.traits.ranking != nil:
		_, err := m.Rerank(ctx, &llm.RerankRequest{Query: "Hi", Documents: []string{"Hi"}})
		return err
	}
	req := greeting()
	if v.dialect == speaksResponses {
		req.MaxTokens = leastAnswer
	}
	for _, err := range m.Chat(ctx, req) {
		if err != nil {
			return err
		}
	}
	return nil
}
