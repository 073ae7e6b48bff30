package bedrock

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// maxInvoke is the longest body that InvokeModel takes, in bytes.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
const maxInvoke = 25_000_000

const headerInputTokens = "X-Amzn-Bedrock-Input-Token-Count" //nolint:gosec // the name of a count

// Kind is what the model is for: models.Chat for one of which nothing else is known. Of an ARN that does
// not tell its model it may change once AWS has.
func (m *Model) Kind() models.Kind {
	if kind := m.current.Load().traits.notChat(); kind != "" {
		return kind
	}
	return models.Chat
}

// notChat is what a model does that answers no chats through this package: models.Embedding,
// models.Rerank; else "".
func (t *traits) notChat() models.Kind {
	switch {
	case t.vectors != nil || t.model.Kind == models.Embedding:
		return models.Embedding
	case t.ranking != nil || t.model.Kind == models.Rerank:
		return models.Rerank
	default:
		return ""
	}
}

// wrongRoute is the error of a request that the model does not do, with the one that it does.
func (t *traits) wrongRoute() error {
	switch kind := t.notChat(); {
	case t.model.Base == "":
		return llm.Invalid("model", "Which model is behind the deployment's ARN is not known. The operator has to name it.")
	case kind == models.Embedding:
		return llm.Invalid("model", "This model makes embeddings: send it requests to …/embeddings.")
	case kind == models.Rerank:
		return llm.Invalid("model", "This model ranks documents: send it requests to …/rerank.")
	default:
		return llm.Invalid("model", "This model makes neither embeddings nor rankings: send it requests to …/chat/completions.")
	}
}

// invokeHeader is what InvokeModel takes as headers, of a call that is no chat: the operator's guardrail,
// and what is for the operator's bill.
func (t *traits) invokeHeader(metadata map[string]string) (http.Header, error) {
	plan := converse{traits: t}
	h, err := plan.guardrailHeader()
	if err != nil {
		return nil, err
	}
	h.Set("Accept", "application/json")
	const member = `,"requestMetadata":`
	if plan.addMetadata(metadata); len(plan.body) > len(member) {
		h.Set("X-Amzn-Bedrock-Request-Metadata", string(plan.body[len(member):]))
	}
	return h, nil
}

// invoke makes one call of InvokeModel and reads its answer into buf.
func (m *Model) invoke(ctx context.Context, to target, call invocation, buf *bytes.Buffer) (http.Header, error) {
	resp, err := m.client.send(ctx, to, call.body, call.header)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		err := refusal(resp)
		if e, ok := errors.AsType[*llm.Error](err); ok {
			return nil, m.advise(e)
		}
		return nil, err
	}
	buf.Reset()
	if n := resp.ContentLength; n > 0 && n < maxReply {
		buf.Grow(int(n) + bytes.MinRead) // ReadFrom wants room to see the end
	}
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, maxReply)); err != nil {
		return nil, broken(ctx, textBroken, err)
	}
	return resp.Header, nil
}

// invocation is what a call of InvokeModel sends.
type invocation struct {
	body   []byte
	header http.Header
}
