package openai

import "fmt"

// chat reads the members of a request.
func (d *decoder) chat() {
	o := d.object()
	o.given = &d.shape.given
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
		case "seed":
			d.req.Sampling.Seed = new(d.s.Int())
		case "max_tokens":
			d.maxAt = o.value
			d.maxTokens = d.count(maxReplyTokens)
		case "max_completion_tokens":
			d.maxCompletion = d.count(maxReplyTokens)
		case "stop":
			d.stop()
		case "tools":
			d.toolsAt = o.value
			d.tools()
		case "tool_choice":
			d.choiceAt = o.value
			d.toolChoice()
		case "parallel_tool_calls":
			d.req.OneTool = !d.s.Bool()
		default:
			d.option(key)
		}
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

// number reads a number from 0 to top.
func (d *decoder) number(top float64) *float64 {
	at := d.s.Offset()
	f := d.s.Float()
	if f < 0 || f > top {
		d.fail(at, "", fmt.Sprintf("expected a number from 0 to %g", top))
	}
	return &f
}

// count reads an integer from 1 to top.
func (d *decoder) count(top int64) int {
	at := d.s.Offset()
	n := d.s.Int()
	if n < 1 || n > top {
		d.fail(at, "", fmt.Sprintf("expected an integer from 1 to %d", top))
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
		return
	case len(d.req.Messages) == 0:
		d.fail(d.messagesAt, "", "empty; expected at least one message")
		return
	}
	d.req.Whole = !d.shape.Stream
	d.settle()
	d.keepAllowed()
	d.checkChoice()
	if d.cache != nil {
		cacheAtEnd(d.req, d.cache)
	}
}

// settle decides between members that mean the same.
func (d *decoder) settle() {
	d.settleFunctions()
	d.req.MaxTokens = d.maxTokens
	if d.maxCompletion != 0 {
		d.req.MaxTokens, d.req.MaxTokensAt = d.maxCompletion, "max_completion_tokens"
		if d.maxTokens != 0 && d.maxTokens != d.maxCompletion {
			d.ignoreAt(d.maxAt)
		}
	}
}
