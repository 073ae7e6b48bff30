package bedrock

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// responsesWriter writes a chat as a body of OpenAI's Responses API: every text, call and result is an
// item of its own kind. Nothing is kept on the server: what the model thought goes to the client, sealed,
// and comes back with the next request.
// https://platform.openai.com/docs/api-reference/responses/create
type responsesWriter struct {
	chat  chatWriter // what both APIs have in common
	items int
}

// responsesFields are the members that the writer itself writes.
const responsesFields = "model input tools tool_choice parallel_tool_calls temperature top_p max_output_tokens text reasoning " +
	"include store stream service_tier instructions previous_response_id conversation"

func writeResponses(id string, v *view, req *llm.ChatRequest) (*outcall, error) {
	plan, err := planElsewhere(v, req, responsesFields)
	if err != nil {
		return nil, err
	}
	if err := plan.planStops(); err != nil {
		return nil, err
	}
	plan.stops = req.Stop // the API has none of its own
	w := &responsesWriter{chat: chatWriter{plan: plan, body: make([]byte, 0, estimate(req).bytes)}}
	w.raw(`{"model":`)
	w.text(id)
	w.raw(`,"store":false,"include":["reasoning.encrypted_content"]`)
	for _, add := range []func(*llm.ChatRequest) error{w.addInput, w.addTools, w.addSampling, w.addThinking, w.chat.addTier} {
		if err := add(req); err != nil {
			return nil, err
		}
	}
	if !req.Whole {
		w.raw(`,"stream":true`)
	}
	header, err := plan.guardrailHeader()
	if err != nil {
		return nil, err
	}
	decode := func() *responsesDecoder { return &responsesDecoder{names: plan.names} }
	return &outcall{
		plan: plan, body: plan.appendExtra(w.chat.body), header: header, stream: !req.Whole,
		whole:  func(body []byte, _ http.Header) ([]llm.Event, error) { return decode().whole(body) },
		frames: func(a *answer, ctx context.Context, body io.Reader) { a.readSSE(ctx, body, decode().frame) },
		param:  func(e *awsError) string { return openAIParam(req, e.param, w.chat.sent) },
	}, nil
}

func (w *responsesWriter) raw(text string)  { w.chat.body = append(w.chat.body, text...) }
func (w *responsesWriter) text(text string) { w.chat.body = jsonscan.AppendString(w.chat.body, text) }

// item begins an item of the input.
func (w *responsesWriter) item(m *llm.Message, kind string) {
	if w.items > 0 {
		w.raw(",")
	}
	w.items++
	w.chat.sent = append(w.chat.sent, m.Index)
	w.raw(`{"type":"` + kind + `"`)
}

func (w *responsesWriter) addInput(req *llm.ChatRequest) error {
	w.raw(`,"input":[`)
	for i := range req.Messages {
		m := &req.Messages[i]
		var err error
		switch m.Role {
		case llm.RoleSystem:
			err = w.message(m, "system", m.Parts)
		case llm.RoleAssistant:
			err = w.assistant(m)
		case llm.RoleTool:
			err = w.results(m)
		default:
			err = w.message(m, "user", m.Parts)
		}
		if err != nil {
			return err
		}
	}
	if w.items == 0 {
		return llm.Invalid("messages", "No message has any content: at least one user message must hold text or an image.")
	}
	w.raw(`]`)
	return nil
}

// message writes a turn of the user or of the system.
func (w *responsesWriter) message(m *llm.Message, role string, parts []llm.Part) error {
	if len(parts) == 0 {
		return nil
	}
	w.item(m, "message")
	w.raw(`,"role":"` + role + `","content":`)
	if err := w.content(m, parts, role == "user"); err != nil {
		return err
	}
	w.raw(`}`)
	return nil
}

// content writes a list of input parts.
func (w *responsesWriter) content(m *llm.Message, parts []llm.Part, files bool) error {
	w.raw(`[`)
	first := len(w.chat.body)
	for _, part := range parts {
		if point, ok := part.(llm.CachePoint); ok {
			w.chat.plan.ignore(pointField(m, point), cacheWhy)
			continue
		}
		if len(w.chat.body) > first {
			w.raw(`,`)
		}
		switch p := part.(type) {
		case llm.Text:
			w.raw(`{"type":"input_text","text":`)
			w.text(p.Text)
			w.raw(`}`)
		case llm.Blob:
			if !files {
				return llm.Invalid(placeField(m, p.At), "A system message can hold text only.")
			}
			if err := w.file(m, p); err != nil {
				return err
			}
		case llm.Link:
			return llm.Invalid(placeField(m, p.At), "This model's API takes files as bytes only: send a data URL.")
		default:
			return llm.Invalid(messageField(m, "content"), "A "+m.Role.String()+" message cannot hold content of this kind.")
		}
	}
	w.raw(`]`)
	return nil
}

func (w *responsesWriter) file(m *llm.Message, b llm.Blob) error {
	if kind := sniff(b); kind.class == classDocument && kind.format == "pdf" {
		name := b.Name
		if name == "" {
			name = "document.pdf" // the API wants one
		}
		w.raw(`{"type":"input_file","filename":`)
		w.text(name)
		w.raw(`,"file_data":"`)
		w.chat.body = appendDataURL(w.chat.body, "application/pdf", b)
		w.raw(`"}`)
		return nil
	}
	mime, err := pictureType(m, b)
	if err != nil {
		return llm.Invalid(placeField(m, b.At), "This model's API takes images (PNG, JPEG, GIF, WebP) and PDF only: send the file's text instead.")
	}
	w.raw(`{"type":"input_image","image_url":"`)
	w.chat.body = appendDataURL(w.chat.body, mime, b)
	w.raw(`"}`)
	return nil
}

// assistant writes a turn of the model as items, in their order.
func (w *responsesWriter) assistant(m *llm.Message) error {
	for _, part := range m.Parts {
		switch p := part.(type) {
		case llm.Text:
			w.item(m, "message")
			w.raw(`,"role":"assistant","content":[{"type":"output_text","text":`)
			w.text(p.Text)
			w.raw(`}]}`)
		case llm.Reasoning:
			w.reasoning(m, p)
		case llm.ToolCall:
			w.item(m, "function_call")
			w.raw(`,"call_id":`)
			w.text(bareCallID(p.ID))
			w.raw(`,"name":`)
			w.text(w.chat.plan.toolName(p.Name))
			w.raw(`,"arguments":`)
			w.text(p.Args)
			w.raw(`}`)
		case llm.CachePoint:
			w.chat.plan.ignore(pointField(m, p), cacheWhy)
		default:
			return llm.Invalid(messageField(m, "content"), "An assistant message cannot hold content of this kind.")
		}
	}
	return nil
}

// sealPrefix begins a signature that is the sealed reasoning of the Responses API, the item's id and
// its encrypted content: responses:rs_1:gAAA…. Claude's signatures are base64 and never look so.
const sealPrefix = "responses:"

// reasoning gives the model its own thinking back; that of another model has no place here.
func (w *responsesWriter) reasoning(m *llm.Message, r llm.Reasoning) {
	seal, ours := strings.CutPrefix(r.Signature, sealPrefix)
	id, sealed, ok := strings.Cut(seal, ":")
	if !ours || !ok {
		w.chat.plan.ignore(messageField(m, "reasoning_content"), replyWhy)
		return
	}
	w.item(m, "reasoning")
	w.raw(`,"id":`)
	w.text(id)
	w.raw(`,"summary":[`)
	if r.Text != "" {
		w.raw(`{"type":"summary_text","text":`)
		w.text(r.Text)
		w.raw(`}`)
	}
	w.raw(`],"encrypted_content":`)
	w.text(sealed)
	w.raw(`}`)
}

func (w *responsesWriter) results(m *llm.Message) error {
	for _, part := range m.Parts {
		if point, ok := part.(llm.CachePoint); ok {
			w.chat.plan.ignore(pointField(m, point), cacheWhy)
			continue
		}
		result, ok := part.(llm.ToolResult)
		if !ok {
			return llm.Invalid(messageField(m, "content"), "A tool message cannot hold content of this kind.")
		}
		parts := result.Parts
		if result.Failed {
			w.chat.plan.change(messageField(m, "content"), failedWhy)
			parts = append([]llm.Part{llm.Text{Text: failedResult}}, parts...)
		}
		w.item(m, "function_call_output")
		w.raw(`,"call_id":`)
		w.text(bareCallID(result.ID))
		w.raw(`,"output":`)
		if err := w.output(m, parts); err != nil {
			return err
		}
		w.raw(`}`)
	}
	return nil
}

// output writes a result: one text as it is, else a list of parts.
func (w *responsesWriter) output(m *llm.Message, parts []llm.Part) error {
	if len(parts) == 0 {
		w.raw(`""`)
		return nil
	}
	if text, ok := parts[0].(llm.Text); ok && len(parts) == 1 {
		w.text(text.Text)
		return nil
	}
	return w.content(m, parts, true)
}

func (w *responsesWriter) addTools(req *llm.ChatRequest) error {
	if len(req.Tools) == 0 {
		return w.chat.addTools(req) // which refuses a choice among none
	}
	for i := range req.Tools {
		w.raw([...]string{`,"tools":[{"type":"function",`, `,{"type":"function",`}[min(i, 1)])
		if err := w.chat.tool(&req.Tools[i]); err != nil {
			return err
		}
		if !req.Tools[i].Strict {
			w.raw(`,"strict":false`) // the API's default is true
		}
		w.raw(`}`)
		if cache := req.Tools[i].Cache; cache != nil {
			w.chat.plan.ignore(pointPath(toolHome(&req.Tools[i]), cache.At), cacheWhy)
		}
	}
	w.raw(`]`)
	switch req.ToolChoice.Mode {
	case llm.ToolNone:
		w.raw(`,"tool_choice":"none"`)
	case llm.ToolRequired:
		w.raw(`,"tool_choice":"required"`)
	case llm.ToolNamed:
		w.raw(`,"tool_choice":{"type":"function","name":`)
		w.text(w.chat.plan.toolName(req.ToolChoice.Name))
		w.raw(`}`)
	case llm.ToolAuto:
		// It is the default.
	}
	if req.OneTool {
		w.raw(`,"parallel_tool_calls":false`)
	}
	return nil
}

// minOutputTokens is the least that the API takes.
const minOutputTokens = 16

func (w *responsesWriter) addSampling(req *llm.ChatRequest) error {
	w.chat.body = appendSampling(w.chat.body, req.Sampling)
	if most := w.chat.plan.maxTokens; most > 0 {
		if most < minOutputTokens {
			return llm.Invalid(limitField(req), "This model's API (Responses) takes at least 16.")
		}
		w.raw(`,"max_output_tokens":`)
		w.chat.body = strconv.AppendInt(w.chat.body, int64(most), 10)
	}
	switch req.Format.Kind {
	case llm.FormatJSON:
		w.raw(`,"text":{"format":{"type":"json_object"}}`)
	case llm.FormatSchema:
		w.raw(`,"text":{"format":{"type":"json_schema",`)
		w.chat.body = appendSchema(w.chat.body, &req.Format)
		w.raw(`}}`)
	case llm.FormatText:
		// It is the default.
	}
	return nil
}

// addThinking asks for a summary of what the model thinks: without it nothing of it is told.
func (w *responsesWriter) addThinking(*llm.ChatRequest) error {
	effort, err := w.chat.plan.openAIEffort()
	if err != nil {
		return err
	}
	if effort == effortNone {
		w.raw(`,"reasoning":{"effort":"none"}`)
		return nil
	}
	w.raw(`,"reasoning":{"summary":"auto"`)
	if effort != "" {
		w.raw(`,"effort":`)
		w.text(effort)
	}
	w.raw(`}`)
	return nil
}
