package openai

import (
	"outcrop/internal/jsonscan"
)

// whole tells the response as it is now.
func (r *response) whole(kind string) {
	if r.event(nil, kind) {
		*r.out = append(*r.out, `,"response":`...)
		*r.out = r.append(*r.out)
		r.endEvent()
	}
}

// itemEvent tells that an item begins or has ended.
func (r *response) itemEvent(it *outItem, kind string) {
	if !r.event(nil, kind) {
		return
	}
	*r.out = appendInt(*r.out, `,"output_index":`, it.index)
	*r.out = append(*r.out, `,"item":`...)
	*r.out = it.appendItem(*r.out)
	r.endEvent()
}

// partEvent tells that the part of an item begins or has ended.
func (r *response) partEvent(it *outItem, kind string) {
	if r.event(it, kind) {
		*r.out = append(*r.out, `,"part":`...)
		*r.out = it.appendPart(*r.out)
		r.endEvent()
	}
}

// delta adds to what an item says.
func (r *response) delta(it *outItem, text string) {
	if text == "" {
		return
	}
	it.text = append(it.text, text...)
	kind, end := "", ""
	switch it.kind {
	case messageOut:
		kind, end = "response.output_text.delta", `,"logprobs":[]`
	case reasoningOut:
		kind = "response.reasoning_summary_text.delta"
	default:
		kind = "response.function_call_arguments.delta"
	}
	if r.event(it, kind) {
		*r.out = append(*r.out, `,"delta":"`...)
		*r.out = jsonscan.AppendEscaped(*r.out, text)
		*r.out = append(append(*r.out, '"'), end...)
		r.endEvent()
	}
}

// close ends an item.
func (r *response) close(it *outItem, status string) {
	it.status = status
	switch it.kind {
	case messageOut:
		r.textDone(it, "response.output_text.done", "text")
		r.partEvent(it, "response.content_part.done")
		r.runes += it.runes
	case reasoningOut:
		if it.summary {
			r.textDone(it, "response.reasoning_summary_text.done", "text")
			r.partEvent(it, "response.reasoning_summary_part.done")
		}
	case callOut:
		r.textDone(it, "response.function_call_arguments.done", "arguments")
	default:
		if r.event(it, "response.image_generation_call.completed") {
			r.endEvent()
		}
	}
	r.itemEvent(it, "response.output_item.done")
	if it.kind == messageOut || it.kind == reasoningOut {
		r.current = -1
	}
}

// textDone tells all that an item says.
func (r *response) textDone(it *outItem, kind, member string) {
	if !r.event(it, kind) {
		return
	}
	dst := append(*r.out, `,"`...)
	dst = append(append(dst, member...), `":"`...)
	dst = append(jsonscan.AppendEscaped(dst, string(it.text)), '"')
	switch it.kind {
	case messageOut:
		dst = append(dst, `,"logprobs":[]`...)
	case callOut:
		dst = append(dst, `,"name":`...)
		dst = jsonscan.AppendString(dst, it.call.Name)
	}
	*r.out = dst
	r.endEvent()
}
