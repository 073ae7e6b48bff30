package bedrock

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// Claude in Anthropic's own words: on bedrock-mantle as Anthropic serves it, and as the body of InvokeModel.
// https://docs.claude.com/en/api/messages
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
const (
	nativePath       = "/anthropic/v1/messages"
	nativeCountPath  = nativePath + "/count_tokens"
	anthropicVersion = "2023-06-01"         // of the header, on mantle
	bedrockVersion   = "bedrock-2023-05-31" // of the body, for InvokeModel
)

// The headers of Anthropic's API, as Go writes them.
const (
	headerVersion = "Anthropic-Version"
	headerBeta    = "Anthropic-Beta"
)

// The headers of InvokeModel for what Converse has in its body.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
const (
	headerLatency  = "X-Amzn-Bedrock-Performanceconfig-Latency"
	headerTier     = "X-Amzn-Bedrock-Service-Tier"
	headerMetadata = "X-Amzn-Bedrock-Request-Metadata"
)

// ownMembers are the members that a body of Anthropic's has anyway, for checkExtra.
func (t *traits) ownMembers() string {
	switch t.messages {
	case "":
		return ""
	case SurfaceMantle:
		return ownMembers + " anthropic_beta" // it is a header there
	default:
		return ownMembers
	}
}

const ownMembers = "model max_tokens temperature top_p stop_sequences tools tool_choice stream anthropic_version"

// onMessages is a Claude's view on a surface that takes Anthropic's body.
func (c *Client) onMessages(v *view, id, word string) (_ *view, err error) {
	v.dialect = speaksMessages
	v.traits.messages = word
	v.traits.converse.S3Media = models.No // Anthropic's body has no place for such a URL
	if word == SurfaceInvoke {
		return c.onRuntime(v, id, pathInvoke, pathInvokeStream)
	}
	// output_config.format is refused there. Whether tools can be strict, by the same grammar, no source tells.
	v.traits.model.StructuredOutputs = models.No
	v.whole, err = newTarget(c.mantle+nativePath, serviceMantle)
	v.stream = v.whole
	return v, err
}

// messagesProperties leaves out of the configuration what Anthropic's body has no counterpart of.
func (t *traits) messagesProperties(list []property) []property {
	if t.messages == "" {
		return list
	}
	list = slices.DeleteFunc(list, func(p property) bool {
		switch p.name {
		case "additionalModelResponseFieldPaths":
			return true
		case "performanceConfig", "serviceTier":
			return t.messages == SurfaceMantle
		}
		return false
	})
	for i := range list {
		list[i].members = slices.DeleteFunc(list[i].members, func(p property) bool { return p.name == "streamProcessingMode" })
	}
	return list
}

// writeMessages translates a request into a call with Anthropic's body.
func writeMessages(id string, v *view, req *llm.ChatRequest) (*outcall, error) {
	w, err := buildMessages(id, &v.traits, req)
	if err != nil {
		return nil, err
	}
	header, err := w.header()
	if err != nil {
		return nil, err
	}
	call := &outcall{
		plan: w.converse, body: w.body, header: header, stream: !w.whole,
		whole: func(body []byte, _ http.Header) ([]llm.Event, error) {
			return newMessagesDecoder(&decoder{names: w.names}).reply(body)
		},
		frames: func(a *answer, ctx context.Context, body io.Reader) {
			a.decoder.names = w.names
			a.readSSE(ctx, body, newMessagesDecoder(&a.decoder).frame)
		},
		param: func(cause *awsError) string { return w.locate(cause.message) },
	}
	if v.traits.messages == SurfaceInvoke {
		call.frames = func(a *answer, ctx context.Context, body io.Reader) {
			a.decoder.names = w.names
			d := newMessagesDecoder(&a.decoder)
			a.readFrames(ctx, body, func(_ *answer, fr frame) (llm.Event, error) { return d.chunk(fr) })
		}
	}
	return call, nil
}

// header is what the call takes as headers.
func (w *messagesWriter) header() (http.Header, error) {
	h, err := w.guardrailHeader()
	if err != nil {
		return nil, err
	}
	tier, err := w.tier()
	if err != nil {
		return nil, err
	}
	if w.traits.messages == SurfaceMantle {
		if tier != "" && tier != "default" {
			w.ignore("service_tier", "Anthropic's API on bedrock-mantle has no such tiers")
		}
		h.Set(headerVersion, anthropicVersion)
		return h, w.betaHeader(h)
	}
	h.Set("Accept", "application/json")
	if w.config.latency != "" {
		h.Set(headerLatency, w.config.latency)
	}
	if tier != "" {
		h.Set(headerTier, tier)
	}
	if len(w.req.Metadata) > 0 {
		const member = `,"requestMetadata":`
		var metadata converse
		if metadata.addMetadata(w.req.Metadata); len(metadata.body) > len(member) {
			h.Set(headerMetadata, string(metadata.body[len(member):]))
		}
	}
	return h, nil
}

// betaHeader writes the beta flags where they are a header.
func (w *messagesWriter) betaHeader(h http.Header) error {
	for _, beta := range w.config.betas {
		if strings.ContainsFunc(beta, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' }) {
			return llm.Invalid(configPath+".betas", "A beta flag holds no spaces, no commas and only ASCII.")
		}
	}
	if len(w.config.betas) > 0 {
		h.Set(headerBeta, strings.Join(w.config.betas, ","))
	}
	return nil
}

// countMessages is the call that counts a request: of Anthropic's own API, or of CountTokens with the body
// of InvokeModel.
// https://docs.claude.com/en/api/messages-count-tokens
func (m *Model) countMessages(v *view, req *llm.ChatRequest) (*countCall, error) {
	w, err := buildMessages(m.id, &v.traits, req)
	if err != nil {
		return nil, err
	}
	if v.traits.messages == SurfaceInvoke {
		body := []byte(`{"input":{"invokeModel":{"body":"`)
		body = base64.StdEncoding.AppendEncode(body, w.body)
		return m.countBase(v, append(body, `"}}}`...))
	}
	to, err := newTarget(m.client.mantle+nativeCountPath, serviceMantle)
	if err != nil {
		return nil, err
	}
	header, err := w.header()
	if err != nil {
		return nil, err
	}
	return &countCall{to: to, header: header, body: countedMembers(w.body)}, nil
}

// countedMembers takes out of a body what is no part of the prompt.
func countedMembers(messages []byte) []byte {
	body := make([]byte, 0, len(messages))
	body = append(body, '{')
	s := jsonscan.New(messages)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		raw := s.Raw()
		switch key {
		case "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config":
			if len(body) > 1 {
				body = append(body, ',')
			}
			body = append(append(append(body, '"'), key...), `":`...)
			body = append(body, bytes.TrimSpace(raw)...)
		}
	}
	return append(body, '}')
}
