package openai

import (
	"encoding/base64"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// itemKind is the type of an item of the output.
type itemKind uint8

const (
	messageOut itemKind = iota
	reasoningOut
	callOut
	imageOut
)

// outItem is an item of the output.
type outItem struct {
	kind  itemKind
	id    string
	index int    // its place in the output
	at    []byte // what an event says of where it belongs
	text  []byte // the answer's, the thinking's, or a call's arguments
	// status is in_progress, completed or incomplete.
	status string

	annotations []llm.Citation // of a message
	from, runes int            // of a message: where in the whole answer its text begins, and its length
	summary     bool           // thinking that is shown
	seal        string         // of thinking
	call        llm.ToolCall
	blob        llm.Blob
}

// names are the prefix of the items' ids and their type.
func (k itemKind) names() (prefix, kind string) {
	switch k {
	case messageOut:
		return "msg_", "message"
	case reasoningOut:
		return "rs_", "reasoning"
	case callOut:
		return "fc_", "function_call"
	default:
		return "ig_", "image_generation_call"
	}
}

// appendItem appends the item as it is now.
func (it *outItem) appendItem(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, it.id)
	_, kind := it.kind.names()
	dst = append(append(append(dst, `,"type":"`...), kind...), '"')
	dst = append(append(append(dst, `,"status":"`...), it.status...), '"')
	switch it.kind {
	case messageOut:
		dst = append(dst, `,"role":"assistant","content":[`...)
		if it.status != inProgress {
			dst = it.appendPart(dst)
		}
		return append(dst, "]}"...)
	case reasoningOut:
		return it.appendThought(dst)
	case callOut:
		return it.appendCall(dst)
	default:
		return it.appendImage(dst)
	}
}

// appendPart appends the only part of a message, or of shown thinking.
func (it *outItem) appendPart(dst []byte) []byte {
	if it.kind == reasoningOut {
		dst = append(dst, `{"type":"summary_text","text":"`...)
		return append(jsonscan.AppendEscaped(dst, string(it.text)), `"}`...)
	}
	dst = append(dst, `{"type":"output_text","text":"`...)
	dst = jsonscan.AppendEscaped(dst, string(it.text))
	dst = append(dst, `","annotations":[`...)
	for i := range it.annotations {
		dst = appendFlatAnnotation(comma(dst), &it.annotations[i])
	}
	return append(dst, `],"logprobs":[]}`...)
}

func (it *outItem) appendThought(dst []byte) []byte {
	dst = append(dst, `,"summary":[`...)
	if it.summary && it.status != inProgress {
		dst = it.appendPart(dst)
	}
	dst = append(dst, ']')
	if it.seal != "" {
		dst = append(dst, `,"encrypted_content":`...)
		dst = jsonscan.AppendString(dst, it.seal)
	}
	return append(dst, '}')
}

func (it *outItem) appendCall(dst []byte) []byte {
	dst = append(dst, `,"call_id":`...)
	dst = jsonscan.AppendString(dst, it.call.ID)
	dst = append(dst, `,"name":`...)
	dst = jsonscan.AppendString(dst, it.call.Name)
	dst = append(dst, `,"arguments":"`...)
	if it.status != inProgress {
		dst = jsonscan.AppendEscaped(dst, string(it.text))
	}
	return append(dst, `"}`...)
}

func (it *outItem) appendImage(dst []byte) []byte {
	if it.status == inProgress {
		return append(dst, `,"result":null}`...)
	}
	dst = append(dst, `,"result":"`...)
	if it.blob.Base64 != "" {
		dst = append(dst, it.blob.Base64...)
	} else {
		dst = base64.StdEncoding.AppendEncode(dst, it.blob.Bytes)
	}
	return append(dst, `"}`...)
}

// appendFlatAnnotation appends a citation as this wire has it: OpenAI's url_citation for what has an
// address, and for a file of the request file_citation. OpenAI's file has an id and its place in the list
// of files; here the id is empty, and the place in the file and the text that rests on it are beside.
func appendFlatAnnotation(dst []byte, c *llm.Citation) []byte {
	if c.URL != "" {
		dst = append(dst, `{"type":"url_citation","url":`...)
		dst = jsonscan.AppendString(dst, c.URL)
		dst = append(dst, `,"title":`...)
		dst = jsonscan.AppendString(dst, c.Title)
	} else {
		dst = append(dst, `{"type":"file_citation","file_id":"","filename":`...)
		dst = jsonscan.AppendString(dst, c.Title)
		dst = appendInt(dst, `,"index":`, c.Document)
	}
	if c.Unit != "" {
		dst = append(dst, `,"unit":`...)
		dst = jsonscan.AppendString(dst, c.Unit)
		dst = appendInt(dst, `,"from":`, c.From)
		dst = appendInt(dst, `,"to":`, c.To)
	}
	if c.Quote != "" {
		dst = append(dst, `,"quote":`...)
		dst = jsonscan.AppendString(dst, c.Quote)
	}
	dst = appendInt(dst, `,"start_index":`, c.TextFrom)
	dst = appendInt(dst, `,"end_index":`, c.TextTo)
	return append(dst, '}')
}

func appendInt(dst []byte, member string, n int) []byte {
	return strconv.AppendInt(append(dst, member...), int64(n), 10)
}
