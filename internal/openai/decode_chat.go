package openai

import (
	"fmt"

	"outcrop/internal/llm"
)

// chat reads the members that become part of the llm.ChatRequest.
func (d *decoder) chat() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "messages":
			d.messagesAt = o.value
			d.messages()
		case "model":
			d.shape.Model = d.s.String()
		case "stream":
			d.shape.Stream = d.s.Bool()
		case "stream_options":
			d.streamOptions()
		case "temperature":
			d.req.Sampling.Temperature = d.number(2)
		case "top_p":
			d.req.Sampling.TopP = d.number(1)
		case "max_tokens":
			d.maxAt = o.value
			d.maxTokens = d.replyTokens()
		case "max_completion_tokens":
			d.maxCompletion = d.replyTokens()
		case "stop":
			d.stop()
		case "tools":
			d.tools()
		case "tool_choice":
			d.choiceAt = o.value
			d.toolChoice()
		default:
			d.beside(key)
		}
	}
}

// beside reads the members that no model hears of: they ask for what happens anyway, or are refused,
// or are listed.
func (d *decoder) beside(key string) {
	at := d.s.Offset()
	switch key {
	case "parallel_tool_calls":
		if !d.s.Bool() {
			d.ignoreAt(at)
		}
	case "n":
		if d.s.Int() != 1 {
			d.fail(at, "", "only 1 is supported by this version")
		}
	case "logprobs":
		if d.s.Bool() {
			d.refuse(at, "")
		}
	case "response_format":
		d.responseFormat()
	case "modalities":
		d.modalities()
	case "functions":
		d.refuseUnlessEmpty("use tools")
	case "function_call":
		d.refuseUnlessEmpty("use tool_choice")
	case "audio", "max_prompt_tokens", "web_search_options": // {} asks for a web search
		d.refuse(at, "")
	case "custom_fields":
		d.customFields()
	case "presence_penalty", "frequency_penalty", "top_logprobs":
		if d.s.Float() != 0 {
			d.ignoreAt(at)
		}
	case "store":
		d.ignoreUnless("false")
	default:
		d.ignore()
	}
}

func (d *decoder) streamOptions() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "include_usage":
			d.shape.IncludeUsage = d.s.Bool()
		case "include_obfuscation":
			d.ignoreUnless("false")
		default:
			d.ignore()
		}
	}
}

func (d *decoder) responseFormat() {
	at, format := d.s.Offset(), "text"
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "type" {
			format = d.s.String()
		} else {
			d.ignore()
		}
	}
	if format != "text" {
		d.fail(at, "type", "only text is supported by this version; ask for JSON in the prompt, or use a tool")
	}
}

func (d *decoder) modalities() {
	for d.s.Array(); d.s.Element(); {
		at := d.s.Offset()
		if d.s.String() != "text" {
			d.fail(at, "", "only text is supported by this version")
		}
	}
}

func (d *decoder) customFields() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "configuration" {
			d.refuseUnlessEmpty("")
		} else {
			d.ignore()
		}
	}
}

// number reads a number from 0 to top.
func (d *decoder) number(top float64) *float64 {
	at := d.s.Offset()
	f := d.s.Float()
	if f < 0 || f > top {
		d.fail(at, "", fmt.Sprintf("expected a number from 0 to %g", top))
	}
	return &f
}

func (d *decoder) replyTokens() int {
	at := d.s.Offset()
	n := d.s.Int()
	if n < 1 || n > maxReplyTokens {
		d.fail(at, "", fmt.Sprintf("expected an integer from 1 to %d", maxReplyTokens))
	}
	return int(n)
}

func (d *decoder) stop() {
	switch d.s.Kind() {
	case '"':
		d.stopAt()
	case '[':
		for a := d.array(maxStops, "strings"); a.more(); {
			d.stopAt()
		}
	default:
		d.wrongType("a string or an array of strings")
	}
}

func (d *decoder) stopAt() {
	if text := d.s.String(); text != "" {
		d.req.Stop = append(d.req.Stop, text)
	}
}

// finish settles what only the whole request shows.
func (d *decoder) finish() {
	switch {
	case d.s.Err() != nil:
		return
	case d.messagesAt == 0:
		d.fail(0, "messages", "missing; expected an array of at least one message")
	case len(d.req.Messages) == 0:
		d.fail(d.messagesAt, "", "empty; expected at least one message")
	}
	d.req.Whole = !d.shape.Stream
	d.req.MaxTokens = d.maxTokens
	if d.maxCompletion != 0 {
		d.req.MaxTokens = d.maxCompletion
		if d.maxTokens != 0 && d.maxTokens != d.maxCompletion {
			d.ignoreAt(d.maxAt)
		}
	}
	d.checkChoice()
}

// checkChoice refuses a tool_choice that the tools cannot meet: it would be lost on the way, or come
// back as an error that names nothing of the client's request.
func (d *decoder) checkChoice() {
	choice := d.req.ToolChoice
	if choice.Mode != llm.ToolRequired && choice.Mode != llm.ToolNamed {
		return
	}
	if len(d.req.Tools) == 0 {
		d.fail(d.choiceAt, "", "asks for a tool call, but there are no tools")
		return
	}
	if choice.Mode == llm.ToolRequired {
		return
	}
	for _, tool := range d.req.Tools {
		if tool.Name == choice.Name {
			return
		}
	}
	d.fail(d.choiceNameAt, "", "names none of the tools")
}
