package bedrock

import (
	"encoding/base64"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// inputs are those of a call.
func (p *embedPlan) inputs(b embedBatch) []llm.EmbedInput { return p.req.Inputs[b.first : b.first+b.n] }

// appendBase64 writes a file's bytes, without quotes.
func appendBase64(body []byte, b llm.Blob) []byte {
	if b.Base64 != "" {
		return append(body, b.Base64...)
	}
	return base64.StdEncoding.AppendEncode(body, b.Bytes)
}

// appendMember writes a member's name, after a comma unless it is the first of its object.
func appendMember(body []byte, name string) []byte {
	if body[len(body)-1] != '{' {
		body = append(body, ',')
	}
	return append(append(append(body, '"'), name...), `":`...)
}

// appendSize writes the length that is asked for.
func (p *embedPlan) appendSize(body []byte, name string) []byte {
	if p.req.Dimensions == 0 || !p.family.sized {
		return body
	}
	return strconv.AppendInt(appendMember(body, name), int64(p.req.Dimensions), 10)
}

// appendKind writes what the numbers are to be.
func (p *embedPlan) appendKind(body []byte) []byte {
	if p.config.kind == "" {
		return body
	}
	return append(append(append(appendMember(body, p.config.kindAs), `["`...), p.config.kind...), `"]`...)
}

func writeTitan(p *embedPlan, b embedBatch, body []byte) []byte {
	text, _ := p.inputs(b)[0].Parts[0].(llm.Text) // the one shape that has been let in
	body = jsonscan.AppendString(append(body, `{"inputText":`...), text.Text)
	body = p.appendSize(body, "dimensions")
	if on := p.config.normalize; on != nil {
		body = strconv.AppendBool(append(body, `,"normalize":`...), *on)
	}
	return append(p.appendKind(body), '}')
}

func writeTitanImage(p *embedPlan, b embedBatch, body []byte) []byte {
	body = append(body, '{')
	for _, part := range p.inputs(b)[0].Parts {
		switch x := part.(type) {
		case llm.Text:
			body = jsonscan.AppendString(appendMember(body, "inputText"), x.Text)
		case llm.Blob:
			body = append(appendBase64(append(appendMember(body, "inputImage"), '"'), x), '"')
		}
	}
	if p.req.Dimensions > 0 {
		body = append(p.appendSize(append(body, `,"embeddingConfig":{`...), "outputEmbeddingLength"), '}')
	}
	return append(body, '}')
}

func writeCohere(p *embedPlan, b embedBatch, body []byte) []byte {
	list := [...]string{shapeText: `{"texts":[`, shapeFile: `{"images":[`, shapeMixed: `{"inputs":[`}
	body = append(body, list[b.shape]...)
	for i := range p.inputs(b) {
		in := &p.inputs(b)[i]
		if i > 0 {
			body = append(body, ',')
		}
		if b.shape == shapeMixed {
			body = appendCohereContent(body, in)
			continue
		}
		switch x := in.Parts[0].(type) {
		case llm.Text:
			body = jsonscan.AppendString(body, x.Text)
		case llm.Blob:
			body = appendPicture(body, x)
		}
	}
	kind := p.kind
	if b.shape == shapeFile && p.imagesOfTheirOwn() {
		kind = typeImage
	}
	body = append(append(append(body, `],"input_type":"`...), kind...), '"')
	if cut := p.cohereCut(); cut != "" && b.shape != shapeFile {
		body = append(append(append(body, `,"truncate":"`...), cut...), '"')
	}
	body = p.appendSize(p.appendKind(body), "output_dimension")
	if n := p.config.maxTokens; n > 0 {
		body = strconv.AppendInt(append(body, `,"max_tokens":`...), int64(n), 10)
	}
	return append(body, '}')
}

// cohereCut is the word for truncate: v3 says START and END for what v4 calls LEFT and RIGHT.
func (p *embedPlan) cohereCut() string {
	words := [...][2]string{{"LEFT", "START"}, {"RIGHT", "END"}}
	for _, w := range words {
		if p.config.truncate != w[0] && p.config.truncate != w[1] {
			continue
		}
		if strings.HasSuffix(p.family.prefix, "-v3") {
			return w[1]
		}
		return w[0]
	}
	return p.config.truncate
}

// appendCohereContent writes an input of several parts.
func appendCohereContent(body []byte, in *llm.EmbedInput) []byte {
	body = append(body, `{"content":[`...)
	for i, part := range in.Parts {
		if i > 0 {
			body = append(body, ',')
		}
		switch x := part.(type) {
		case llm.Text:
			body = append(jsonscan.AppendString(append(body, `{"type":"text","text":`...), x.Text), '}')
		case llm.Blob:
			body = append(appendPicture(append(body, `{"type":"image_url","image_url":{"url":`...), x), `}}`...)
		}
	}
	return append(body, `]}`...)
}

func appendPicture(body []byte, b llm.Blob) []byte {
	return append(appendDataURL(append(body, '"'), "image/"+sniff(b).format, b), '"')
}

func writeNovaEmbedding(p *embedPlan, b embedBatch, body []byte) []byte {
	body = append(append(body, `{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"`...), p.kind...)
	body = p.appendSize(append(body, '"'), "embeddingDimension")
	switch x := p.inputs(b)[0].Parts[0].(type) {
	case llm.Text:
		cut := p.config.truncate
		if cut == "" {
			cut = "NONE" // the member is required, and nobody asked that the text be cut
		}
		body = append(append(body, `,"text":{"truncationMode":"`...), cut...)
		body = append(jsonscan.AppendString(append(body, `","value":`...), x.Text), '}')
	case llm.Blob:
		body = p.openNovaFile(body, sniff(x))
		body = append(appendBase64(append(body, `{"bytes":"`...), x), `"}}`...)
	case llm.Link:
		body = p.openNovaFile(body, soundOf(x))
		body = append(jsonscan.AppendString(append(body, `{"s3Location":{"uri":`...), x.URL), `}}}`...)
	}
	return append(body, `}}`...)
}

// openNovaFile writes a file's member up to its source.
func (p *embedPlan) openNovaFile(body []byte, kind fileType) []byte {
	body = append(append(append(body, `,"`...), kind.class...), `":{"format":"`...)
	body = append(append(body, novaFormat(kind)...), '"')
	switch {
	case kind.class == classImage && p.config.detail != "":
		body = append(append(append(body, `,"detailLevel":"`...), p.config.detail...), '"')
	case kind.class == classVideo:
		body = append(body, `,"embeddingMode":"AUDIO_VIDEO_COMBINED"`...) // the other gives two vectors
	}
	return append(body, `,"source":`...)
}

// appendMediaSource writes a file of TwelveLabs' models.
func appendMediaSource(body []byte, part llm.Part) []byte {
	switch x := part.(type) {
	case llm.Blob:
		body = append(appendBase64(append(body, `"mediaSource":{"base64String":"`...), x), `"}`...)
	case llm.Link:
		body = append(jsonscan.AppendString(append(body, `"mediaSource":{"s3Location":{"uri":`...), x.URL), `}}`...)
	}
	return body
}

func writeMarengo2(p *embedPlan, b embedBatch, body []byte) []byte {
	part := p.inputs(b)[0].Parts[0]
	text, ok := part.(llm.Text)
	if !ok {
		return append(appendMediaSource(append(body, `{"inputType":"image",`...), part), '}')
	}
	cut := "none" // AWS's default is end, and nobody asked that the text be cut
	if p.config.truncate == "END" {
		cut = "end"
	}
	body = jsonscan.AppendString(append(body, `{"inputType":"text","inputText":`...), text.Text)
	return append(append(append(body, `,"textTruncate":"`...), cut...), `"}`...)
}

func writeMarengo(p *embedPlan, b embedBatch, body []byte) []byte {
	kind := [...]string{shapeText: "text", shapeFile: "image", shapeMixed: "text_image"}[b.shape]
	body = append(append(append(body, `{"inputType":"`...), kind...), `","`...)
	body = append(append(body, kind...), `":{`...)
	parts := p.inputs(b)[0].Parts
	for _, part := range parts {
		if text, ok := part.(llm.Text); ok {
			body = jsonscan.AppendString(append(body, `"inputText":`...), text.Text)
		}
	}
	if b.shape == shapeMixed {
		body = append(body, ',')
	}
	for _, part := range parts {
		body = appendMediaSource(body, part)
	}
	return append(body, `}}`...)
}
