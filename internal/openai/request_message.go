package openai

import (
	"slices"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

func (w *requestWriter) messages() {
	w.system()
	all := w.req.Messages
	for i := range all {
		m := &all[i]
		switch m.Role {
		case llm.RoleTool:
			w.results(m)
		case llm.RoleAssistant:
			w.leftFiles()
			w.turn(m)
		case llm.RoleUser:
			w.user(m.Parts)
		case llm.RoleSystem:
		}
	}
	w.leftFiles()
}

// open begins a message.
func (w *requestWriter) open(role string) {
	w.dst = comma(w.dst)
	w.raw(`{"role":"` + role + `"`)
}

// close ends a message, with the breakpoint that its parts have.
func (w *requestWriter) close(parts []llm.Part) {
	if point, ok := lastMark(parts); ok {
		w.breakpoint(&point)
	}
	w.raw(`}`)
}

// lastMark is the breakpoint of a message: the last, for as long as the one that lives longest.
func lastMark(parts []llm.Part) (last llm.CachePoint, found bool) {
	for _, part := range parts {
		if point, ok := part.(llm.CachePoint); ok {
			point.TTL = max(point.TTL, last.TTL)
			last, found = point, true
		}
	}
	return last, found
}

// textsOf are the texts among the parts.
func textsOf(parts []llm.Part) (texts []string) {
	for _, part := range parts {
		if text, ok := part.(llm.Text); ok {
			texts = append(texts, text.Text)
		}
	}
	return texts
}

// system appends the system messages as one.
func (w *requestWriter) system() {
	var all []llm.Part
	for i := range w.req.Messages {
		if w.req.Messages[i].Role == llm.RoleSystem {
			all = append(all, w.req.Messages[i].Parts...)
		}
	}
	if texts := textsOf(all); len(texts) > 0 {
		w.open("system")
		w.member("content", strings.Join(texts, "\n\n"))
		w.close(all)
	}
}

// leftFiles appends the files of tool results that no user message follows.
func (w *requestWriter) leftFiles() {
	if len(w.files) > 0 {
		w.user(nil)
	}
}

func (w *requestWriter) user(own []llm.Part) {
	parts := slices.Concat(w.files, own)
	w.files = nil
	texts, pictures := textsOf(parts), slices.ContainsFunc(parts, isPicture)
	w.open("user")
	switch {
	case pictures || len(texts) > 1:
		w.raw(`,"content":[`)
		for _, part := range parts {
			w.contentPart(part)
		}
		w.raw(`]`)
	case len(texts) == 1:
		w.member("content", texts[0])
	default:
		w.raw(`,"content":""`)
	}
	w.attachments(parts)
	w.close(own)
}

// contentPart appends a text or an image.
func (w *requestWriter) contentPart(part llm.Part) {
	text, isText := part.(llm.Text)
	if !isText && !isPicture(part) {
		return
	}
	w.dst = comma(w.dst)
	if isText {
		w.raw(`{"type":"text"`)
		w.member("text", text.Text)
		w.raw(`}`)
		return
	}
	w.raw(`{"type":"image_url","image_url":{"url":`)
	switch p := part.(type) {
	case llm.Blob:
		w.dataURL(&p)
	case llm.Link:
		w.quote(p.URL)
	}
	w.raw(`}}`)
}

// attachments appends the files that are no images, where DIAL has them.
func (w *requestWriter) attachments(parts []llm.Part) {
	n := 0
	for _, part := range parts {
		blob, isBlob := part.(llm.Blob)
		link, isLink := part.(llm.Link)
		if !isBlob && !isLink || isPicture(part) {
			continue
		}
		w.raw([...]string{`,"custom_content":{"attachments":[`, `,`}[min(n, 1)])
		n++
		if isLink {
			w.attachment(link.MIME, link.Name)
			w.member("url", link.URL)
		} else {
			w.attachment(blob.MIME, blob.Name)
			w.raw(`,"data":"`)
			w.base64(&blob)
			w.raw(`"`)
		}
		w.raw(`}`)
	}
	if n > 0 {
		w.raw(`]}`)
	}
}

func (w *requestWriter) attachment(mime, name string) {
	w.raw(`{"type":`)
	if mime == "" {
		mime = "application/octet-stream"
	}
	w.quote(mime)
	w.member("title", name)
}

// results appends a message for each result, which is a text there.
func (w *requestWriter) results(m *llm.Message) {
	for i, part := range m.Parts {
		result, ok := part.(llm.ToolResult)
		if !ok {
			continue
		}
		text := strings.Join(textsOf(result.Parts), "\n")
		if result.Failed {
			text = "Error: " + text
		}
		w.open("tool")
		w.member("tool_call_id", result.ID)
		w.raw(`,"content":`)
		w.quote(text)
		w.close(m.Parts[i:min(i+2, len(m.Parts))])
		for _, inner := range result.Parts {
			switch inner.(type) {
			case llm.Blob, llm.Link:
				w.files = append(w.files, inner)
			}
		}
	}
}

// turn appends what the assistant said, called and, if a vendor can check it, thought.
func (w *requestWriter) turn(m *llm.Message) {
	texts, calls := textsOf(m.Parts), callsOf(m.Parts)
	w.open("assistant")
	w.raw(`,"content":`)
	if len(texts) == 0 && len(calls) > 0 {
		w.raw(`null`)
	} else {
		w.quote(strings.Join(texts, "\n"))
	}
	w.dst = appendToolCalls(w.dst, calls)
	w.state(m.Parts)
	w.close(m.Parts)
}

func callsOf(parts []llm.Part) (calls []llm.ToolCall) {
	for _, part := range parts {
		if call, ok := part.(llm.ToolCall); ok {
			calls = append(calls, call)
		}
	}
	return calls
}

// state appends the turn as the blocks of Anthropic's API, if there is signed thinking in it: DIAL's adapter
// puts them back in place of the message.
func (w *requestWriter) state(parts []llm.Part) {
	parts = signed(parts)
	if !slices.ContainsFunc(parts, isProof) {
		return
	}
	w.raw(`,"custom_content":{"state":{"claude_message_content":[`)
	for _, part := range parts {
		switch p := part.(type) {
		case llm.Text:
			w.stateBlock("text")
			w.member("text", p.Text)
		case llm.ToolCall:
			w.stateBlock("tool_use")
			w.member("id", p.ID)
			w.member("name", p.Name)
			w.raw(`,"input":` + p.Args)
		case llm.Reasoning:
			w.thought(&p)
		default:
			continue
		}
		w.raw(`}`)
	}
	w.raw(`]}}`)
}

func (w *requestWriter) stateBlock(kind string) {
	w.dst = comma(w.dst)
	w.raw(`{"type":"` + kind + `"`)
}

func (w *requestWriter) thought(r *llm.Reasoning) {
	if len(r.Redacted) > 0 {
		w.stateBlock("redacted_thinking")
		w.member("data", string(r.Redacted))
		return
	}
	w.stateBlock("thinking")
	w.raw(`,"thinking":`)
	w.dst = jsonscan.AppendString(w.dst, r.Text)
	w.member("signature", r.Signature)
}

func isProof(part llm.Part) bool {
	r, ok := part.(llm.Reasoning)
	return ok && isSealed(r)
}

// signed is the parts without the thinking that nobody has signed. A signature that came alone, after its
// text had been streamed, is put to that text.
func signed(parts []llm.Part) []llm.Part {
	out := slices.Clone(parts)
	for i, part := range out {
		late, ok := part.(llm.Reasoning)
		if !ok || late.Text != "" || late.Signature == "" {
			continue
		}
		for j := range i {
			if r, ok := out[j].(llm.Reasoning); ok && r.Text != "" && r.Signature == "" {
				r.Signature = late.Signature
				out[j], out[i] = r, llm.Reasoning{}
				break
			}
		}
	}
	return slices.DeleteFunc(out, func(part llm.Part) bool {
		r, ok := part.(llm.Reasoning)
		return ok && !isSealed(r)
	})
}
