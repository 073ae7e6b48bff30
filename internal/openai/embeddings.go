package openai

import (
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// EmbedShape is how the client of an embeddings request wants the reply, and which deployment it named.
type EmbedShape struct {
	Model  string // the member "model", "" when absent
	Base64 bool   // encoding_format is base64
	// Ignored names the members that were accepted without effect, as Shape's.
	Ignored []string

	given memberSet // the members of the body, for EmbedDefaults
}

// DecodeEmbeddings reads the body of an embeddings request (the wire is
// https://platform.openai.com/docs/api-reference/embeddings/create, with DIAL's custom_input and
// custom_fields). The inputs are all of input, then all of custom_input; there may be none. The values
// alias body, and errors and limits are as DecodeChat's.
//
// Tokens instead of texts, which OpenAI takes, are refused, since no Bedrock model does; so is an empty
// text (Titan, Cohere and Nova want at least one character). Everything else of a model is the adapter's
// business.
func DecodeEmbeddings(body []byte) (*llm.EmbedRequest, EmbedShape, error) {
	d := newEmbedDecoder(body)
	d.members()
	d.s.End()
	if d.s.Err() == nil && !d.inputGiven {
		d.fail(0, "input", "missing; expected a string or an array of strings")
	}
	if err := d.err(); err != nil {
		return nil, EmbedShape{}, errorOf(err, "an embeddings request")
	}
	d.req.Inputs = d.inputs()
	d.shape.Ignored = d.ignored.paths(body)
	return &d.req, d.shape, nil
}

// embedDecoder reads an embeddings request with the means of the decoder of chats. Its parts and files
// are those of input and of custom_input.
type embedDecoder struct {
	decoder
	req   llm.EmbedRequest
	shape EmbedShape

	inputGiven bool             // by either member
	alone      bool             // input is a string, not a list
	custom     []llm.EmbedInput // of custom_input
}

func newEmbedDecoder(body []byte) embedDecoder {
	return embedDecoder{decoder: decoder{s: jsonscan.New(body), body: body, names: make([]string, 0, fewNames)}}
}

// members reads the members of a request.
func (d *embedDecoder) members() {
	o := d.object()
	o.given = &d.shape.given
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "input":
			d.input()
		case "custom_input":
			d.customInput()
		case "model":
			d.shape.Model = d.s.String()
		case "encoding_format":
			d.encoding()
		case "dimensions":
			d.req.Dimensions = d.count(maxDimensions)
		case "custom_fields":
			d.embedFields()
		default:
			d.ignore()
		}
	}
}

// maxDimensions is far above any model's; each says itself what it makes.
const maxDimensions = 1 << 16

const (
	inputWords = "a string or an array of strings"
	tokenWords = "tokens cannot be embedded, only texts; expected " + inputWords +
		" (LangChain's OpenAIEmbeddings and AzureOpenAIEmbeddings send texts with check_embedding_ctx_length=False)"
)

func (d *embedDecoder) input() {
	d.inputGiven = true
	switch d.s.Kind() {
	case '"':
		d.alone = true
		d.parts = append(d.parts, d.text())
	case '[':
		for a := d.array(maxInputs, "inputs"); a.more(); {
			if kind := d.s.Kind(); a.n == 1 && (kind == '0' || kind == '[') {
				d.fail(a.at, "", tokenWords)
				return
			}
			d.parts = append(d.parts, d.text())
		}
	default:
		d.wrongType(inputWords)
	}
}

// text reads a text that is to be embedded.
func (d *embedDecoder) text() llm.Text {
	at := d.s.Offset()
	text := d.s.String()
	if text == "" {
		d.fail(at, "", "empty; no Bedrock model embeds an empty text, so leave it out")
	}
	return llm.Text{Text: text}
}

// customInput reads DIAL's inputs, each of which is a text, a file, or a list of those.
func (d *embedDecoder) customInput() {
	d.inputGiven = true
	if d.s.Kind() != '[' {
		d.wrongType("an array of strings, attachments and arrays of those")
		return
	}
	for a := d.array(maxInputs, "inputs"); a.more(); {
		from := len(d.files)
		if d.s.Kind() == '[' {
			d.mixed(a.n - 1)
		} else {
			d.piece(a.n-1, alone)
		}
		d.custom = append(d.custom, llm.EmbedInput{Parts: d.files[from:len(d.files):len(d.files)]})
	}
}

// mixed reads the pieces of one input.
func (d *embedDecoder) mixed(input int) {
	n := 0
	a := d.array(maxInputParts, "parts of one input")
	for ; a.more(); n++ {
		d.piece(input, n)
	}
	if n == 0 {
		d.fail(a.at, "", "empty; expected at least one string or attachment")
	}
}

// alone is the place of a piece that is a whole input.
const alone = -1

// piece reads a text or a file of an input of custom_input into d.files.
func (d *embedDecoder) piece(input, i int) {
	switch d.s.Kind() {
	case '"':
		d.files = append(d.files, d.text())
	case '{':
		f := file{at: d.s.Offset(), part: input, under: "custom_input[" + strconv.Itoa(input) + "]"}
		if i != alone {
			f.part = i
			f.under += "[" + strconv.Itoa(i) + "]"
		}
		d.attachment(f)
	default:
		d.wrongType("a string or an attachment")
	}
}

func (d *embedDecoder) encoding() {
	at := d.s.Offset()
	switch d.s.String() {
	case "", "float":
	case "base64":
		d.shape.Base64 = true
	default:
		d.fail(at, "", "expected float or base64")
	}
}

// embedFields reads DIAL's extension of a request.
func (d *embedDecoder) embedFields() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			d.req.Type = d.s.String()
		case "instruction":
			d.req.Instruction = d.s.String()
		case "configuration":
			d.req.Config = d.configuration()
		default:
			d.ignore()
		}
	}
}

// inputs are all of them, each with its place.
func (d *embedDecoder) inputs() []llm.EmbedInput {
	texts := len(d.parts)
	all := make([]llm.EmbedInput, texts, texts+len(d.custom))
	for i := range d.parts {
		all[i].Parts = d.parts[i : i+1 : i+1]
	}
	if d.alone {
		all[0].At = "input"
	} else {
		setPlaces(all, "input")
	}
	setPlaces(d.custom, "custom_input")
	return append(all, d.custom...)
}

// setPlaces gives the elements of a list their places, which are pieces of one string.
func setPlaces(inputs []llm.EmbedInput, list string) {
	const digits = 5 // of maxInputs
	places := make([]byte, 0, len(inputs)*(len(list)+digits+2))
	ends := make([]int, len(inputs))
	for i := range inputs {
		places = append(append(places, list...), '[')
		places = append(strconv.AppendInt(places, int64(i), 10), ']')
		ends[i] = len(places)
	}
	text, from := string(places), 0
	for i, end := range ends {
		inputs[i].At, from = text[from:end], end
	}
}
