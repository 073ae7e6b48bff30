package bedrock

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// Pegasus answers one prompt about one video, through InvokeModel alone.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-pegasus.html
type pegasusWriter struct {
	plan   *converse // what is shared with Converse
	prompt strings.Builder
	video  []byte // the member mediaSource
	from   string // the client's field that holds it
}

func writePegasus(v *view, req *llm.ChatRequest) (*outcall, error) {
	plan, err := planElsewhere(v, req, "inputPrompt mediaSource temperature maxOutputTokens responseFormat")
	if err != nil {
		return nil, err
	}
	if err := plan.planStops(); err != nil {
		return nil, err
	}
	plan.stops = req.Stop // the model has none of its own
	w := &pegasusWriter{plan: plan}
	if err := pegasusTakes(req); err != nil {
		return nil, err
	}
	if err := w.read(req); err != nil {
		return nil, err
	}
	w.forget(req)
	header, err := plan.invokeHeader(req)
	if err != nil {
		return nil, err
	}
	return &outcall{
		plan: plan, body: plan.appendExtra(w.fields(req)), header: header, stream: !req.Whole,
		whole:  wholePegasus,
		frames: (*answer).readPegasus,
	}, nil
}

func (w *pegasusWriter) fields(req *llm.ChatRequest) []byte {
	body := jsonscan.AppendString([]byte(`{"inputPrompt":`), w.prompt.String())
	body = append(append(body, `,"mediaSource":`...), w.video...)
	if t := req.Sampling.Temperature; t != nil {
		body = strconv.AppendFloat(append(body, `,"temperature":`...), *t, 'g', -1, 64)
	}
	if most := w.plan.maxTokens; most > 0 {
		body = strconv.AppendInt(append(body, `,"maxOutputTokens":`...), int64(most), 10)
	}
	if req.Format.Kind == llm.FormatSchema {
		body = append(append(append(body, `,"responseFormat":{"jsonSchema":`...), req.Format.Schema...), '}')
	}
	return body
}

// pegasusTakes refuses what the model cannot do at all.
func pegasusTakes(req *llm.ChatRequest) error {
	switch {
	case len(req.Tools) > 0:
		return llm.Invalid("tools", "This model cannot call tools.")
	case req.Format.Kind == llm.FormatJSON:
		return llm.Invalid("response_format", "This model takes json_schema only.")
	case req.Sampling.Temperature != nil && *req.Sampling.Temperature > 1:
		return llm.Invalid("temperature", "This model takes a temperature from 0 to 1.")
	}
	return nil
}

// forget lists what has no effect.
func (w *pegasusWriter) forget(req *llm.ChatRequest) {
	if req.Sampling.TopP != nil {
		w.plan.ignore("top_p", "the model takes a temperature only")
	}
	if req.Effort != "" && req.Effort != effortNone {
		w.plan.ignore("reasoning_effort", "the model does not reason")
	}
}

// invokeHeader is what InvokeModel takes as headers.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
func (c *converse) invokeHeader(req *llm.ChatRequest) (http.Header, error) {
	h, err := c.guardrailHeader()
	if err != nil {
		return nil, err
	}
	tier, err := c.tier()
	if err != nil {
		return nil, err
	}
	h.Set("Accept", "application/json")
	if tier != "" {
		h.Set("X-Amzn-Bedrock-Service-Tier", tier)
	}
	const member = `,"requestMetadata":`
	if c.addMetadata(req.Metadata); len(c.body) > len(member) {
		h.Set("X-Amzn-Bedrock-Request-Metadata", string(c.body[len(member):]))
	}
	return h, nil
}

// read writes the conversation as the one prompt that the model takes: a single question as it is, a
// longer conversation as a transcript. The video is that of the latest message that has one.
func (w *pegasusWriter) read(req *llm.ChatRequest) error {
	turns := 0
	for i := range req.Messages {
		if req.Messages[i].Role != llm.RoleSystem {
			turns++
		}
	}
	if turns > 1 {
		w.plan.change("messages", "the model takes one prompt: the conversation is written as a transcript")
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		label := ""
		if turns > 1 && m.Role == llm.RoleUser {
			label = "User: "
		} else if turns > 1 && m.Role == llm.RoleAssistant {
			label = "Assistant: "
		}
		seen := false
		for _, part := range m.Parts {
			if err := w.part(m, part, label, &seen); err != nil {
				return err
			}
		}
	}
	switch {
	case w.prompt.Len() == 0:
		return llm.Invalid("messages", "No message holds any text: this model needs a question about the video.")
	case w.video == nil:
		return llm.Invalid("messages", "This model answers about a video: a user message must hold one, as bytes or as an s3: URL.")
	}
	return nil
}

func (w *pegasusWriter) part(m *llm.Message, part llm.Part, label string, seen *bool) error {
	var source []byte
	var at llm.Place
	switch p := part.(type) {
	case llm.Text:
		if w.prompt.Len() > 0 {
			w.prompt.WriteString("\n")
		}
		w.prompt.WriteString(label + p.Text)
		return nil
	case llm.CachePoint:
		w.plan.ignore(pointField(m, p), cacheWhy)
		return nil
	case llm.Reasoning:
		w.plan.ignore(messageField(m, "reasoning_content"), replyWhy)
		return nil
	case llm.Blob:
		at = p.At
		if m.Role != llm.RoleUser || sniff(p).class != classVideo {
			return llm.Invalid(placeField(m, at), "This model takes videos only, in user messages.")
		}
		source = append(source, `{"base64String":"`...)
		if p.Base64 != "" {
			source = append(source, p.Base64...)
		} else {
			source = base64.StdEncoding.AppendEncode(source, p.Bytes)
		}
		source = append(source, `"}`...)
	case llm.Link:
		at = p.At
		if !strings.HasPrefix(p.URL, "s3://") || m.Role != llm.RoleUser {
			return llm.Invalid(placeField(m, at), "This model takes videos as bytes or as an s3: URL, in user messages.")
		}
		source = append(jsonscan.AppendString([]byte(`{"s3Location":{"uri":`), p.URL), `}}`...)
	default:
		return llm.Invalid(messageField(m, "content"), "This model takes texts and one video only.")
	}
	if *seen {
		return llm.Invalid(placeField(m, at), "This model takes one video a message.")
	}
	if w.from != "" {
		w.plan.ignore(w.from, "the model takes one video, and that of a later message goes first")
	}
	*seen, w.video, w.from = true, source, placeField(m, at)
	return nil
}

// pegasusAnswer is a piece of the answer, or the whole.
type pegasusAnswer struct {
	text, reason string
	usage        llm.Usage
}

func readPegasusAnswer(data []byte) (p pegasusAnswer, err error) {
	s := jsonscan.New(data)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "message":
			p.text = strings.Clone(optionalString(&s))
		case "finishReason":
			p.reason = strings.Clone(optionalString(&s))
		case "amazon-bedrock-invocationMetrics":
			p.usage = readInvocationMetrics(&s)
		default:
			s.Skip()
		}
	}
	s.End()
	return p, s.Err()
}

// readInvocationMetrics reads what AWS adds to the last chunk of every InvokeModel stream.
func readInvocationMetrics(s *jsonscan.Scanner) (u llm.Usage) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "inputTokenCount":
			u.Input = count(s)
		case "outputTokenCount":
			u.Output = count(s)
		default:
			s.Skip()
		}
	}
	return u
}

// wholePegasus decodes the answer of InvokeModel, whose tokens are counted in its headers.
func wholePegasus(body []byte, header http.Header) ([]llm.Event, error) {
	p, err := readPegasusAnswer(body)
	if err != nil {
		return nil, fmt.Errorf("pegasus answer: %w", err)
	}
	if p.reason == "" {
		return nil, errNoAnswer
	}
	finish := llm.Finish{Usage: llm.Usage{
		Input: headerCount(header, "X-Amzn-Bedrock-Input-Token-Count"), Output: headerCount(header, "X-Amzn-Bedrock-Output-Token-Count"),
	}}
	finish.Reason, finish.Detail = chatFinish(p.reason)
	if p.text == "" {
		return []llm.Event{finish}, nil
	}
	return []llm.Event{&llm.TextDelta{Text: p.text}, finish}, nil
}

func headerCount(h http.Header, name string) int {
	n, err := strconv.Atoi(h.Get(name))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

var errNoChunk = errors.New("a chunk holds no bytes")

// readPegasus yields the events of InvokeModelWithResponseStream, whose frames hold JSON in base64.
func (a *answer) readPegasus(ctx context.Context, body io.Reader) {
	a.readFrames(ctx, body, (*answer).chunk)
}

// chunk reads one frame into the decoder's finish, and gives its text.
func (a *answer) chunk(fr frame) (llm.Event, error) {
	if fr.eventType != eventChunk {
		return nil, nil // the protocol says that what is not modelled is skipped
	}
	s := jsonscan.New(fr.payload)
	encoded := ""
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "bytes" {
			encoded = s.String()
		} else {
			s.Skip()
		}
	}
	data, err := decodeBase64(encoded)
	switch {
	case s.Err() != nil:
		return nil, fmt.Errorf("chunk: %w", s.Err())
	case err != nil || len(data) == 0:
		return nil, errNoChunk
	}
	p, err := readPegasusAnswer(data)
	if err != nil {
		return nil, fmt.Errorf("chunk: %w", err)
	}
	if a.decoder.stopped && p.text != "" {
		return nil, errors.New("text after the finishReason")
	}
	if p.usage != (llm.Usage{}) {
		a.decoder.finish.Usage = p.usage
	}
	if p.reason != "" {
		a.decoder.stopped = true
		a.decoder.finish.Reason, a.decoder.finish.Detail = chatFinish(p.reason)
	}
	if p.text == "" {
		return nil, nil
	}
	return &llm.TextDelta{Text: p.text}, nil
}
