package openai

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// unnumbered is the index of a member of a list in a plain reply, where its place says it.
const unnumbered = -1

// custom is custom_content: DIAL's place for what OpenAI's message has none for.
type custom struct {
	blobs    []llm.BlobOut
	thoughts []llm.Reasoning
	stages   bool   // the thoughts are stages too
	more     []byte // what stands between the braces of llm.Finish.Custom
}

func (c *custom) empty() bool {
	return len(c.blobs) == 0 && len(c.more) == 0 && !slices.ContainsFunc(c.thoughts, isSealed) && !c.hasStages()
}

// appendCustom appends the member custom_content, after a comma if there is something before it; or
// nothing, when it would be empty.
func appendCustom(dst []byte, c *custom) []byte {
	if c.empty() {
		return dst
	}
	dst = append(comma(dst), `"custom_content":{`...)
	if len(c.blobs) > 0 {
		dst = append(dst, `"attachments":[`...)
		for i := range c.blobs {
			dst = appendAttachment(dst, &c.blobs[i], unnumbered)
		}
		dst = append(dst, ']')
	}
	if c.hasStages() {
		dst = appendStages(comma(dst), c.thoughts)
	}
	if slices.ContainsFunc(c.thoughts, isSealed) {
		dst = appendState(comma(dst), c.thoughts)
	}
	if len(c.more) > 0 {
		dst = append(comma(dst), c.more...)
	}
	return append(dst, '}')
}

// members is what stands between the braces of an object, without line breaks, which would end a
// frame. What is no object would spoil the reply, and is left out.
func members(object []byte) []byte {
	if len(object) == 0 {
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, object); err != nil || b.Bytes()[0] != '{' {
		return nil
	}
	return b.Bytes()[1 : b.Len()-1]
}

// appendAttachment appends a file that the model made. Pieces of a stream are numbered, as DIAL wants
// them.
func appendAttachment(dst []byte, out *llm.BlobOut, index int) []byte {
	b := &out.Blob
	dst = append(comma(dst), '{')
	dst = appendIndex(dst, index)
	dst = append(comma(dst), `"type":`...)
	dst = jsonscan.AppendString(dst, cmp.Or(b.MIME, "application/octet-stream"))
	if b.Name != "" {
		dst = append(dst, `,"title":`...)
		dst = jsonscan.AppendString(dst, b.Name)
	}
	if out.URL != "" {
		dst = append(dst, `,"url":`...)
		return append(jsonscan.AppendString(dst, out.URL), '}')
	}
	dst = append(dst, `,"data":"`...)
	if b.Base64 != "" {
		dst = append(dst, b.Base64...)
	} else {
		dst = base64.StdEncoding.AppendEncode(dst, b.Bytes)
	}
	return append(dst, `"}`...)
}

func appendIndex(dst []byte, index int) []byte {
	if index == unnumbered {
		return dst
	}
	dst = append(dst, `"index":`...)
	return strconv.AppendInt(dst, int64(index), 10)
}

// isSealed reports whether the vendor wants the block back as it is.
func isSealed(r llm.Reasoning) bool { return r.Signature != "" || len(r.Redacted) > 0 }

// appendState appends the member state: the reasoning that a later request has to bring back. Clients
// of DIAL send custom_content.state of an assistant's message back as they got it; DecodeChat reads it.
func appendState(dst []byte, thoughts []llm.Reasoning) []byte {
	dst = append(dst, `"state":{"outcrop":{"reasoning":[`...)
	for i := range thoughts {
		r := &thoughts[i]
		if !isSealed(*r) {
			continue
		}
		dst = comma(dst)
		if len(r.Redacted) > 0 {
			dst = append(dst, `{"redacted":"`...)
			dst = base64.StdEncoding.AppendEncode(dst, r.Redacted)
			dst = append(dst, '"')
		} else {
			dst = append(dst, `{"text":`...)
			dst = jsonscan.AppendString(dst, r.Text)
			dst = append(dst, `,"signature":`...)
			dst = jsonscan.AppendString(dst, r.Signature)
		}
		if r.Calls > 0 {
			dst = append(dst, `,"calls":`...)
			dst = strconv.AppendInt(dst, int64(r.Calls), 10)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}}"...)
}
