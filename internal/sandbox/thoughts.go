package sandbox

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"
	"strings"
)

// Reasoning carries a proof that the model itself thought it. The key is no
// secret: a signature has to be good after a restart and in a recording, and
// nobody gains by forging a sandbox's.
const (
	thoughtKey      = "outcrop sandbox reasoning"
	signaturePrefix = "ErcBCkgI"
)

// seedSize is the length of what makes two signatures of one text differ.
const seedSize = 32

// signThought signs the text of a reasoning block.
func signThought(thought string, seed [seedSize]byte) string {
	return signaturePrefix + base64.StdEncoding.EncodeToString(proof(thought, seed[:]))
}

// signedThought says whether the sandbox gave that signature to that text.
func signedThought(thought, signature string) bool {
	encoded, ok := strings.CutPrefix(signature, signaturePrefix)
	return ok && proves(thought, encoded)
}

// sealThought is a reasoning block that nobody may read: base64 of a text that
// is base64 already (bedrock-api.md §10.1).
func sealThought(seed [seedSize]byte) string {
	inner := base64.StdEncoding.EncodeToString(proof("redacted", seed[:]))
	return base64.StdEncoding.EncodeToString([]byte(inner))
}

// sealedThought says whether the sandbox made that block.
func sealedThought(data string) bool {
	inner, err := base64.StdEncoding.DecodeString(data)
	return err == nil && proves("redacted", string(inner))
}

// proof is the seed behind its own and the text's authentication code.
func proof(thought string, seed []byte) []byte {
	return append(hmacSHA256([]byte(thoughtKey), string(seed)+thought), seed...)
}

func proves(thought, encoded string) bool {
	data, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && len(data) > seedSize && hmac.Equal(data, proof(thought, data[len(data)-seedSize:]))
}

// source is a document that may be cited.
type source struct {
	index    int // among the documents of the request
	document map[string]any
}

// citation tells which part of a document a text is taken from.
type citation struct {
	source
	quoted string
	length int // of quoted, in characters
}

// quoteLength bounds what a citation repeats of a document.
const quoteLength = 200

// cite is the citation of an answer: of the beginning of the first document that
// the request lets be cited; nil without one or without the directive.
func (q *question) cite() *citation {
	if !q.wish.citations || q.source == nil {
		return nil
	}
	quoted := "The first page."
	switch from := object(q.source.document["source"]); {
	case from["text"] != nil:
		quoted = text(from["text"])
	case from["content"] != nil:
		quoted = text(dig(first(from["content"]), "text"))
	case !q.source.paged():
		data, err := base64.StdEncoding.DecodeString(text(from["bytes"]))
		if err == nil {
			quoted = strings.ToValidUTF8(string(data), "")
		}
	}
	quoted = strings.TrimSuffix(clip(quoted, quoteLength+1), "…")
	return &citation{source: *q.source, quoted: quoted, length: len([]rune(quoted))}
}

// paged says whether places in the document are pages.
func (s source) paged() bool {
	return s.document["format"] == "pdf" && dig(s.document, "source", "bytes") != nil
}

// converse is the citation in Converse's vocabulary.
func (c *citation) converse() map[string]any {
	place := map[string]any{"documentChar": map[string]any{"documentIndex": c.index, "start": 0, "end": c.length}}
	switch {
	case c.paged():
		place = map[string]any{"documentPage": map[string]any{"documentIndex": c.index, "start": 1, "end": 2}}
	case dig(c.document, "source", "content") != nil:
		place = map[string]any{"documentChunk": map[string]any{"documentIndex": c.index, "start": 0, "end": 1}}
	}
	return map[string]any{
		"title": text(c.document["name"]), "sourceContent": []any{map[string]any{"text": c.quoted}}, "location": place,
	}
}

// anthropic is the citation in Claude's own vocabulary.
// https://docs.claude.com/en/docs/build-with-claude/citations
func (c *citation) anthropic() map[string]any {
	out := map[string]any{"cited_text": c.quoted, "document_index": c.index, "document_title": text(c.document["name"])}
	switch {
	case c.paged():
		out["type"], out["start_page_number"], out["end_page_number"] = "page_location", 1, 2
	case dig(c.document, "source", "content") != nil:
		out["type"], out["start_block_index"], out["end_block_index"] = "content_block_location", 0, 1
	default:
		out["type"], out["start_char_index"], out["end_char_index"] = "char_location", 0, c.length
	}
	return out
}

// useServerTool is a tool of the service's own: called, and answered, in one
// turn.
func (q *question) useServerTool() []block {
	name := orElse(q.server, "nova_code_interpreter")
	input := map[string]any{"snippet": clip(q.text, 60)}
	gave := map[string]any{"stdOut": "42", "stdErr": "", "exitCode": 0, "isError": false}
	id := q.callID(name, 1000)
	return []block{
		{kind: blockServerUse, id: id, name: name, input: input, pieces: []string{string(encode(input))}},
		{kind: blockServerSay, id: id, name: name, input: gave},
	}
}

// serverResult is a result without what it says.
func (b block) serverResult() map[string]any {
	return map[string]any{"toolUseId": b.id, "status": "success", "type": b.name + "_result"}
}

// drawing is a small PNG whose colour depends on the question, in base64.
func drawing(seed [seedSize]byte) string {
	canvas := image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.RGBA{seed[0], seed[1], seed[2], 255}})
	var b bytes.Buffer
	_ = png.Encode(&b, canvas) // a paletted image into memory cannot fail
	return base64.StdEncoding.EncodeToString(b.Bytes())
}
