package openai

import (
	"cmp"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// AppendRequest appends the body of a chat completion request that asks another server what req asks:
// DecodeChat the other way around, for what DIAL Core takes. A reply is asked for as a stream unless
// req.Whole; a breakpoint's expire_at counts from now.
//
// System messages become one, at the front; a tool's result is text, and its files are in the user message
// after it; signed thinking goes along as DIAL's adapter keeps it (custom_content.state).
func AppendRequest(dst []byte, req *llm.ChatRequest, now time.Time) []byte {
	w := requestWriter{dst: append(dst, `{"messages":[`...), req: req, now: now}
	w.messages()
	w.raw(`]`)
	w.tools()
	w.sampling()
	w.answer()
	if !req.Whole {
		w.raw(`,"stream":true,"stream_options":{"include_usage":true}`)
	}
	w.raw(`}`)
	return w.dst
}

type requestWriter struct {
	dst   []byte
	req   *llm.ChatRequest
	now   time.Time
	files []llm.Part // of tool results, for the next user message
}

func (w *requestWriter) raw(text string)   { w.dst = append(w.dst, text...) }
func (w *requestWriter) quote(text string) { w.dst = jsonscan.AppendString(w.dst, text) }

// member appends a member whose value is a string, unless it is empty.
func (w *requestWriter) member(name, value string) {
	if value != "" {
		w.raw(`,"` + name + `":`)
		w.quote(value)
	}
}

func (w *requestWriter) number(name string, n *float64) {
	if n != nil {
		w.raw(`,"` + name + `":`)
		w.dst = strconv.AppendFloat(w.dst, *n, 'g', -1, 64)
	}
}

func (w *requestWriter) sampling() {
	if w.req.MaxTokens > 0 {
		w.raw(`,"max_completion_tokens":` + strconv.Itoa(w.req.MaxTokens))
	}
	w.number("temperature", w.req.Sampling.Temperature)
	w.number("top_p", w.req.Sampling.TopP)
	if seed := w.req.Sampling.Seed; seed != nil {
		w.raw(`,"seed":` + strconv.FormatInt(*seed, 10))
	}
	for i, stop := range w.req.Stop {
		w.raw([...]string{`,"stop":[`, `,`}[min(i, 1)])
		w.quote(stop)
	}
	if len(w.req.Stop) > 0 {
		w.raw(`]`)
	}
}

// answer appends what the answer should be like, and for whom it is.
func (w *requestWriter) answer() {
	w.member("reasoning_effort", w.req.Effort)
	w.member("service_tier", w.req.Tier)
	w.member("user", w.req.User)
	if w.req.NoAutoCache {
		w.raw(`,"prompt_cache_options":{"mode":"explicit"}`)
	}
	switch f := &w.req.Format; f.Kind {
	case llm.FormatJSON:
		w.raw(`,"response_format":{"type":"json_object"}`)
	case llm.FormatSchema:
		w.raw(`,"response_format":{"type":"json_schema","json_schema":{"name":`)
		w.quote(cmp.Or(f.Name, "response"))
		w.member("description", f.Description)
		w.raw(`,"schema":`)
		w.dst = append(w.dst, f.Schema...)
		w.raw(`,"strict":` + strconv.FormatBool(f.Strict) + `}}`)
	default:
	}
	if len(w.req.Config) > 0 {
		w.raw(`,"custom_fields":{"configuration":`)
		w.dst = append(w.dst, w.req.Config...)
		w.raw(`}`)
	}
}

func (w *requestWriter) tools() {
	for i := range w.req.Tools {
		w.raw([...]string{`,"tools":[`, `,`}[min(i, 1)])
		w.tool(&w.req.Tools[i])
	}
	if len(w.req.Tools) == 0 {
		return
	}
	w.raw(`]`)
	switch choice := w.req.ToolChoice; choice.Mode {
	case llm.ToolNone:
		w.raw(`,"tool_choice":"none"`)
	case llm.ToolRequired:
		w.raw(`,"tool_choice":"required"`)
	case llm.ToolNamed:
		w.raw(`,"tool_choice":{"type":"function","function":{"name":`)
		w.quote(choice.Name)
		w.raw(`}}`)
	default:
		w.raw(`,"tool_choice":"auto"`)
	}
	if w.req.OneTool {
		w.raw(`,"parallel_tool_calls":false`)
	}
}

func (w *requestWriter) tool(t *llm.Tool) {
	if t.Static != nil {
		w.raw(`{"type":"static_function","static_function":{"name":`)
		w.quote(t.Name)
		w.raw(`,"configuration":`)
		w.dst = append(w.dst, t.Static...)
	} else {
		w.raw(`{"type":"function","function":{"name":`)
		w.quote(t.Name)
		w.member("description", t.Description)
		if t.Schema != nil {
			w.raw(`,"parameters":`)
			w.schema(t.Schema)
		}
		w.raw(`,"strict":` + strconv.FormatBool(t.Strict))
	}
	w.raw(`}`)
	if t.Cache != nil {
		w.breakpoint(t.Cache)
	}
	w.raw(`}`)
}

// schema appends the parameters of a tool without the root's $schema, which OpenAI's servers refuse.
func (w *requestWriter) schema(doc []byte) {
	w.raw(`{`)
	s := jsonscan.New(doc)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		value := s.Raw()
		if key == "$schema" {
			continue
		}
		w.dst = jsonscan.AppendString(comma(w.dst), key)
		w.dst = append(append(w.dst, ':'), value...)
	}
	w.raw(`}`)
}

// breakpoint appends DIAL's member with a cache breakpoint. The lifetime is in both of its words: some
// servers read the one and some the other.
func (w *requestWriter) breakpoint(point *llm.CachePoint) {
	w.raw(`,"custom_fields":{"cache_breakpoint":{`)
	if point.TTL > 0 {
		w.raw(`"ttl":"1h","expire_at":"` + w.now.Add(point.TTL).UTC().Format(time.RFC3339) + `"`)
	}
	w.raw(`}}`)
}

// dataURL appends a file as a data URL, in quotes.
func (w *requestWriter) dataURL(b *llm.Blob) {
	w.raw(`"data:`)
	w.dst = jsonscan.AppendEscaped(w.dst, cmp.Or(b.MIME, "application/octet-stream"))
	w.raw(`;base64,`)
	w.base64(b)
	w.raw(`"`)
}

func (w *requestWriter) base64(b *llm.Blob) {
	if b.Base64 != "" {
		w.raw(b.Base64)
		return
	}
	w.dst = base64.StdEncoding.AppendEncode(w.dst, b.Bytes)
}

// isPicture says whether a part is an image; a link of which nobody has said anything is taken for one.
func isPicture(part llm.Part) bool {
	switch p := part.(type) {
	case llm.Blob:
		return strings.HasPrefix(p.MIME, "image/")
	case llm.Link:
		return p.MIME == "" || strings.HasPrefix(p.MIME, "image/")
	}
	return false
}
