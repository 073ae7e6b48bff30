package bedrock

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// chatWriter writes a chat as a body of OpenAI's chat completions, for the hosts that serve them.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html
type chatWriter struct {
	plan *converse // what is shared with Converse
	body []byte
	sent []int // the client's index of each message of the body
}

func writeChat(id string, v *view, req *llm.ChatRequest) (*outcall, error) {
	plan, err := planElsewhere(v, req, chatFields)
	if err != nil {
		return nil, err
	}
	if err := plan.planStops(); err != nil {
		return nil, err
	}
	w := &chatWriter{plan: plan, body: make([]byte, 0, estimate(req).bytes)}
	w.body = append(w.body, `{"model":`...)
	w.body = jsonscan.AppendString(w.body, id)
	for _, add := range []func(*llm.ChatRequest) error{w.addMessages, w.addTools, w.addSampling, w.addFormat, w.addEffort, w.addTier} {
		if err := add(req); err != nil {
			return nil, err
		}
	}
	if !req.Whole {
		w.body = append(w.body, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	header, err := plan.guardrailHeader()
	if err != nil {
		return nil, err
	}
	decode := func() *chatDecoder {
		return &chatDecoder{names: plan.names, tags: tagReader{on: v.traits.family.Name == "gpt-oss"}}
	}
	return &outcall{
		plan: plan, body: plan.appendExtra(w.body), header: header, stream: !req.Whole,
		whole:  func(body []byte, _ http.Header) ([]llm.Event, error) { return decode().whole(body) },
		frames: func(a *answer, ctx context.Context, body io.Reader) { a.readSSE(ctx, body, decode().frame) },
		param:  func(e *awsError) string { return openAIParam(req, e.param, w.sent) },
	}, nil
}

// chatFields are the members that the writer itself writes.
const chatFields = "model messages tools tool_choice parallel_tool_calls temperature top_p stop max_completion_tokens max_tokens " +
	"response_format reasoning_effort stream stream_options service_tier n"

// messageField is the client's name of a message's member.
func messageField(m *llm.Message, field string) string {
	return "messages[" + strconv.Itoa(m.Index) + "]." + field
}

// placeField is the client's name of a part.
func placeField(m *llm.Message, at llm.Place) string {
	if at == "" {
		return messageField(m, "content")
	}
	return messageField(m, string(at))
}

func (w *chatWriter) addMessages(req *llm.ChatRequest) error {
	w.body = append(w.body, `,"messages":[`...)
	for i := range req.Messages {
		m := &req.Messages[i]
		var err error
		switch m.Role {
		case llm.RoleSystem:
			err = w.textMessage("system", m)
		case llm.RoleAssistant:
			err = w.assistant(m)
		case llm.RoleTool:
			err = w.toolMessage(m)
		default:
			err = w.user(m)
		}
		if err != nil {
			return err
		}
	}
	if len(w.sent) == 0 {
		return llm.Invalid("messages", "No message has any content: at least one user message must hold text or an image.")
	}
	w.body = append(w.body, ']')
	return nil
}

// open begins a message.
func (w *chatWriter) open(role string, m *llm.Message) {
	if len(w.sent) > 0 {
		w.body = append(w.body, ',')
	}
	w.sent = append(w.sent, m.Index)
	w.body = append(append(append(w.body, `{"role":"`...), role...), '"')
}

// textMessage writes a message of which all parts are texts.
func (w *chatWriter) textMessage(role string, m *llm.Message) error {
	texts, err := w.texts(m, m.Parts)
	if err != nil || len(texts) == 0 {
		return err
	}
	w.open(role, m)
	w.body = append(w.body, `,"content":`...)
	w.textList(texts)
	w.body = append(w.body, '}')
	return nil
}

// texts takes the texts out of parts that may hold nothing else.
func (w *chatWriter) texts(m *llm.Message, parts []llm.Part) (texts []string, err error) {
	for _, part := range parts {
		switch p := part.(type) {
		case llm.Text:
			texts = append(texts, p.Text)
		case llm.CachePoint:
			w.plan.ignore(pointField(m, p), cacheWhy)
		case llm.Blob:
			return nil, llm.Invalid(placeField(m, p.At), "On this model's API files can stand in user messages only.")
		case llm.Link:
			return nil, llm.Invalid(placeField(m, p.At), "On this model's API files can stand in user messages only.")
		default:
			return nil, llm.Invalid(messageField(m, "content"), "A "+m.Role.String()+" message cannot hold content of this kind.")
		}
	}
	return texts, nil
}

// textList writes texts as a message's content: one as a string, several as parts, so that the model
// sees where one ends.
func (w *chatWriter) textList(texts []string) {
	if len(texts) == 1 {
		w.body = jsonscan.AppendString(w.body, texts[0])
		return
	}
	w.body = append(w.body, '[')
	for i, text := range texts {
		if i > 0 {
			w.body = append(w.body, ',')
		}
		w.textPart(text)
	}
	w.body = append(w.body, ']')
}

func (w *chatWriter) textPart(text string) {
	w.body = append(w.body, `{"type":"text","text":`...)
	w.body = jsonscan.AppendString(w.body, text)
	w.body = append(w.body, '}')
}

func (w *chatWriter) user(m *llm.Message) error {
	plain := true
	for _, part := range m.Parts {
		if _, ok := part.(llm.Text); !ok {
			plain = false
		}
	}
	if plain {
		return w.textMessage("user", m)
	}
	w.open("user", m)
	w.body = append(w.body, `,"content":[`...)
	first := len(w.body)
	for _, part := range m.Parts {
		if at, ok := part.(llm.CachePoint); ok {
			w.plan.ignore(pointField(m, at), cacheWhy)
			continue
		}
		if len(w.body) > first {
			w.body = append(w.body, ',')
		}
		if err := w.userPart(m, part); err != nil {
			return err
		}
	}
	w.body = append(w.body, `]}`...)
	return nil
}

func (w *chatWriter) userPart(m *llm.Message, part llm.Part) error {
	switch p := part.(type) {
	case llm.Text:
		w.textPart(p.Text)
		return nil
	case llm.Blob:
		mime, err := pictureType(m, p)
		if err != nil {
			return err
		}
		w.body = append(w.body, `{"type":"image_url","image_url":{"url":"`...)
		w.body = appendDataURL(w.body, mime, p)
		w.body = append(w.body, `"}}`...)
		return nil
	case llm.Link:
		return llm.Invalid(placeField(m, p.At), "This model's API takes images as bytes only: send a data URL.")
	default:
		return llm.Invalid(messageField(m, "content"), "A "+m.Role.String()+" message cannot hold content of this kind.")
	}
}

// pictureType says which of the image types a file is, by its bytes.
func pictureType(m *llm.Message, b llm.Blob) (string, error) {
	if kind := sniff(b); kind.class == classImage {
		return "image/" + kind.format, nil
	}
	return "", llm.Invalid(placeField(m, b.At),
		"This model's API takes images only (PNG, JPEG, GIF, WebP), no other files: send the file's text, or use a model that Bedrock serves through Converse.")
}

func appendDataURL(dst []byte, mime string, b llm.Blob) []byte {
	dst = append(append(append(dst, "data:"...), mime...), ";base64,"...)
	if b.Base64 != "" {
		return append(dst, b.Base64...)
	}
	return base64.StdEncoding.AppendEncode(dst, b.Bytes)
}

// assistant writes a turn of the model. Its reasoning has no member in chat completions and is left
// out, as their own clients do.
func (w *chatWriter) assistant(m *llm.Message) error {
	var texts []string
	var calls []llm.ToolCall
	for _, part := range m.Parts {
		switch p := part.(type) {
		case llm.ToolCall:
			calls = append(calls, p)
		case llm.Reasoning:
			w.plan.ignore(messageField(m, "reasoning_content"), replyWhy)
		default:
			more, err := w.texts(m, []llm.Part{p})
			if err != nil {
				return err
			}
			texts = append(texts, more...)
		}
	}
	if len(texts) == 0 && len(calls) == 0 {
		return nil
	}
	w.open("assistant", m)
	w.body = append(w.body, `,"content":`...)
	if len(texts) == 0 {
		w.body = append(w.body, "null"...)
	} else {
		w.textList(texts)
	}
	for i, call := range calls {
		w.body = append(w.body, [...]string{`,"tool_calls":[{"id":`, `,{"id":`}[min(i, 1)]...)
		w.body = jsonscan.AppendString(w.body, bareCallID(call.ID))
		w.body = append(w.body, `,"type":"function","function":{"name":`...)
		w.body = jsonscan.AppendString(w.body, w.plan.toolName(call.Name))
		w.body = append(w.body, `,"arguments":`...)
		w.body = jsonscan.AppendString(w.body, call.Args)
		w.body = append(w.body, `}}`...)
	}
	if len(calls) > 0 {
		w.body = append(w.body, ']')
	}
	w.body = append(w.body, '}')
	return nil
}

// toolMessage writes each result of a message as one of its own.
func (w *chatWriter) toolMessage(m *llm.Message) error {
	for _, part := range m.Parts {
		result, ok := part.(llm.ToolResult)
		if !ok {
			if point, ok := part.(llm.CachePoint); ok {
				w.plan.ignore(pointField(m, point), cacheWhy)
				continue
			}
			return llm.Invalid(messageField(m, "content"), "A tool message cannot hold content of this kind.")
		}
		texts, err := w.texts(m, result.Parts)
		if err != nil {
			return err
		}
		if result.Failed {
			w.plan.change(messageField(m, "content"), failedWhy)
			texts = append([]string{failedResult}, texts...)
		}
		if len(texts) == 0 {
			texts = []string{""}
		}
		w.open("tool", m)
		w.body = append(w.body, `,"tool_call_id":`...)
		w.body = jsonscan.AppendString(w.body, bareCallID(result.ID))
		w.body = append(w.body, `,"content":`...)
		w.body = jsonscan.AppendString(w.body, strings.Join(texts, "\n"))
		w.body = append(w.body, '}')
	}
	return nil
}

// failedResult begins the result of a tool that failed: OpenAI's API has no member that says so.
const (
	failedResult = "The tool failed:"
	failedWhy    = "the model's API cannot mark a result as failed: its text says so"
)

// openAIPath takes a path of OpenAI's errors apart: "messages[2].content", "messages.2.content",
// "['messages', 2, …]".
var openAIPath = regexp.MustCompile(`^(messages|input)(?:\[|\.)(\d+)\]?((?:[.\[][A-Za-z0-9_]+\]?)*)$`)

// openAIParam finds the client's field that an error's param names. sent holds the client's index of
// each message of the body.
func openAIParam(req *llm.ChatRequest, theirs string, sent []int) string {
	switch theirs {
	case "max_completion_tokens", "max_output_tokens", "max_tokens":
		return limitField(req)
	case "reasoning.effort":
		return "reasoning_effort"
	case "text.format", "text.format.schema":
		return "response_format"
	case "messages", "temperature", "top_p", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format",
		"reasoning_effort", "service_tier":
		return theirs
	}
	if m := openAIPath.FindStringSubmatch(theirs); m != nil {
		if i, err := strconv.Atoi(m[2]); err == nil && i < len(sent) {
			rest := m[3]
			if m[1] == "input" || rest == "" {
				rest = ".content" // items of the Responses API are cut otherwise than messages
			}
			return "messages[" + strconv.Itoa(sent[i]) + "]" + rest
		}
	}
	return ""
}
