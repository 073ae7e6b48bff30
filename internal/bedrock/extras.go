package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// extras is what Bedrock tells beside its answer. The raw members alias the reply.
type extras struct {
	fields, performance, trace []byte
	served                     []served
	tier                       string
}

// served is a call of a tool that AWS runs itself (Nova's grounding and code interpreter), or its result.
// No client can answer the one or replay the other, so they are told beside the answer.
type served struct {
	block  int // content block index
	result bool
	head   string // the block's JSON up to its input or content
	body   []byte // the input, or the elements of the content
}

// accountID is the twelve digits of an account within an ARN.
var accountID = regexp.MustCompile(`(arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:)\d{12}:`)

// custom is the JSON object for Finish.Custom, or nil.
func (x *extras) custom() []byte {
	out := []byte(`{"bedrock":{`)
	open := len(out)
	member := func(name string, value []byte) {
		if len(value) == 0 || string(value) == "null" {
			return
		}
		if len(out) > open {
			out = append(out, ',')
		}
		out = append(append(append(append(out, '"'), name...), `":`...), value...)
	}
	member("additionalModelResponseFields", x.fields)
	member("performanceConfig", x.performance)
	member("serverTools", x.serverTools())
	member("trace", x.trace)
	if len(out) == open {
		return nil
	}
	return accountID.ReplaceAll(append(out, `}}`...), []byte(`${1}***:`))
}

func (x *extras) serverTools() []byte {
	if len(x.served) == 0 {
		return nil
	}
	var out []byte
	for i, s := range x.served {
		out = append(out, "[,"[min(i, 1)])
		out = append(out, s.head...)
		switch {
		case s.result:
			out = append(append(out, '['), s.body...)
			out = append(out, `]}}`...)
		case json.Valid(s.body):
			out = append(append(out, s.body...), `}}`...)
		default: // the model was cut off while it wrote
			out = append(out, `{}}}`...)
		}
	}
	return append(out, ']')
}

// serve begins a block of a tool that AWS runs.
func (x *extras) serve(block int, call llm.ToolCallStart) {
	head := append([]byte(nil), `{"toolUse":{"toolUseId":`...)
	head = jsonscan.AppendString(head, call.ID)
	head = append(head, `,"name":`...)
	head = jsonscan.AppendString(head, call.Name)
	x.served = append(x.served, served{block: block, head: string(append(head, `,"input":`...))})
}

// serveResult reads a ToolResultBlock or a ToolResultBlockStart, which has no content.
func (x *extras) serveResult(s *jsonscan.Scanner, block int) {
	var id, status string
	var body []byte
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "toolUseId":
			id = s.String()
		case "status":
			status = s.String()
		case "content":
			body = elements(s)
		default:
			s.Skip()
		}
	}
	head := append([]byte(nil), `{"toolResult":{"toolUseId":`...)
	head = jsonscan.AppendString(head, id)
	if status != "" {
		head = append(head, `,"status":`...)
		head = jsonscan.AppendString(head, status)
	}
	x.served = append(x.served, served{block: block, result: true, head: string(append(head, `,"content":`...)), body: body})
}

// find returns the block of a tool that AWS runs.
func (x *extras) find(block int) *served {
	for i := len(x.served) - 1; i >= 0; i-- {
		if x.served[i].block == block {
			return &x.served[i]
		}
	}
	return nil
}

// elements reads an array and returns what stands between its brackets.
func elements(s *jsonscan.Scanner) (out []byte) {
	for s.Array(); s.Element(); {
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, s.Raw()...)
	}
	return out
}

// more appends elements to a result's content.
func (r *served) more(s *jsonscan.Scanner) {
	list := elements(s)
	if len(r.body) > 0 && len(list) > 0 {
		r.body = append(r.body, ',')
	}
	r.body = append(r.body, list...)
}

// drawing is an image that is on its way.
type drawing struct {
	block  int
	format string
	pieces []string // base64
}

// blob joins the pieces.
func (d *drawing) blob() (llm.Event, error) {
	joined := strings.Join(d.pieces, "")
	for i, piece := range d.pieces {
		if i < len(d.pieces)-1 && strings.HasSuffix(piece, "=") {
			return d.decoded()
		}
	}
	if joined == "" {
		return nil, nil
	}
	return llm.BlobOut{Blob: llm.Blob{MIME: "image/" + d.format, Base64: joined}}, nil
}

// decoded joins pieces that were each padded.
func (d *drawing) decoded() (llm.Event, error) {
	var all []byte
	for _, piece := range d.pieces {
		data, err := decodeBase64(piece)
		if err != nil {
			return nil, err
		}
		all = append(all, data...)
	}
	return llm.BlobOut{Blob: llm.Blob{MIME: "image/" + d.format, Base64: base64.StdEncoding.EncodeToString(all)}}, nil
}

// readFile reads an ImageBlock, AudioBlock or ImageBlockDelta.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html
func readFile(s *jsonscan.Scanner, kind string) (format, data string, err error) {
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch {
		case s.Null():
		case key == "format":
			format = s.String()
		case key == "source":
			data, err = readSource(s, kind)
		case key == "error":
			return "", "", &unknownContent{kind + " error"}
		default:
			s.Skip()
		}
	}
	return format, data, err
}

func readSource(s *jsonscan.Scanner, kind string) (data string, err error) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key != "bytes" {
			return "", &unknownContent{kind + "." + key}
		}
		data = s.String()
	}
	return data, nil
}

// audioMIME is the media type of Converse's name of an audio format.
func audioMIME(format string) string {
	switch format {
	case "mp3", "mpga":
		return "audio/mpeg"
	case "x-aac":
		return "audio/aac"
	case "m4a":
		return "audio/mp4"
	case "mkv", "mka":
		return "audio/x-matroska"
	case "opus":
		return "audio/ogg"
	default:
		return "audio/" + format
	}
}

// fileBlock reads an image or a sound of a whole reply.
func fileBlock(s *jsonscan.Scanner, kind string) (llm.Event, error) {
	format, data, err := readFile(s, kind)
	if err != nil || data == "" {
		return nil, err
	}
	media := "image/" + format
	if kind == "audio" {
		media = audioMIME(format)
	}
	return llm.BlobOut{Blob: llm.Blob{MIME: media, Base64: data}}, nil
}
