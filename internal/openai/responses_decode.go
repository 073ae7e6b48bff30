package openai

import (
	"strings"

	"outcrop/internal/llm"
)

// DecodeResponses reads the body of a Responses request (the wire is
// https://platform.openai.com/docs/api-reference/responses/create). The values alias body, and errors and
// limits are as DecodeChat's. The sealer opens the encrypted_content of reasoning; with nil it is refused.
//
// The instructions are a system message before the others, of the Index AtInstructions; an input that is
// a string is a user message of the Index AtInput. Of the others the Index is that of the item in input;
// the items of one turn of the assistant, which the wire tells one by one, are one message with the first
// one's Index. RenameResponses gives the paths of messages the names of this wire.
//
// OpenAI lets a tool without "strict" be strict; here it is not, as in a chat: a schema that was not
// written for that would be refused.
func DecodeResponses(body []byte, sealer Sealer) (*llm.ChatRequest, ResponsesShape, error) {
	d := responsesDecoder{decoder: newDecoder(body), sealer: sealer}
	d.want.Store = true
	d.request()
	d.s.End()
	d.settle()
	if err := d.err(); err != nil {
		return nil, ResponsesShape{}, errorOf(err, "a Responses request")
	}
	d.want.Shape = d.shape
	d.want.Ignored, d.want.Changed = d.ignored.paths(body), d.changed.paths(body)
	d.want.Echo = d.echo.append(nil, body)
	return d.req, d.want, nil
}

// The Index of the messages that are no item of a list.
const (
	AtInstructions = -1 // instructions
	AtInput        = -2 // an input that is a string
	AtPrompt       = -3 // the prompt of a legacy completion
)

// responsesDecoder reads a Responses request with the means of the decoder of chats.
type responsesDecoder struct {
	decoder
	sealer Sealer
	want   ResponsesShape
	echo   echo
	exact  error // a refusal whose words are given

	inputAt, backgroundAt int
	instructions          string
	turn                  turn
}

func (d *responsesDecoder) err() error {
	if d.exact != nil {
		return d.exact
	}
	return d.decoder.err()
}

// request reads the members of a request.
func (d *responsesDecoder) request() {
	o := d.object()
	o.given = &d.shape.given
	d.shape.given = hasN | hasMaxPrompt // which this wire has not: no default may add them
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "input":
			d.inputAt = o.value
			d.input()
		case "model":
			d.shape.Model = d.s.String()
		case "instructions":
			d.instructions = d.s.String()
		case "stream":
			d.shape.Stream = d.s.Bool()
		case "stream_options":
			d.streamOptions()
		case "temperature":
			d.req.Sampling.Temperature = d.number(2)
		case "top_p":
			d.req.Sampling.TopP = d.number(1)
		case "max_output_tokens":
			d.shape.given |= hasMaxTokens
			d.req.MaxTokens, d.req.MaxTokensAt = d.count(maxReplyTokens), key
		case "tools":
			d.toolsAt = o.value
			d.flatTools()
		case "tool_choice":
			d.choiceAt = o.value
			d.flatChoice()
		case "parallel_tool_calls":
			d.req.OneTool = !d.s.Bool()
		case "text":
			d.textOptions()
		case "reasoning":
			d.reasoningOptions()
		default:
			d.option(key)
		}
		if d.s.Err() == nil {
			d.echo.note(key, o.value, d.s.Offset())
		}
	}
}

// option reads the rarer members of a request.
func (d *responsesDecoder) option(key string) {
	at := d.s.Offset()
	switch key {
	case "store":
		d.want.Store = d.s.Bool()
	case "background":
		d.backgroundAt, d.want.Background = at, d.s.Bool()
	case "include":
		d.include()
	case "metadata":
		d.metadata()
	case "service_tier":
		d.tier()
	case "truncation":
		d.truncation()
	case "top_logprobs":
		if d.s.Int() != 0 {
			d.refuse(at, "leave it out")
		}
	case "prompt":
		d.refuse(at, "send its text as instructions and input")
	case "previous_response_id", "conversation":
		d.unsupported(key)
	case "custom_fields":
		d.customFields()
	case "cache_control":
		d.cache = d.cachePoint("")
	case "prompt_cache_options":
		d.cacheOptions()
	case "prompt_cache_retention":
		d.ignoreUnless(`"in_memory"`)
	case "moderation":
		d.refuse(at, "use a guardrail")
	default:
		d.ignore()
	}
}

// unsupported refuses what DIAL refuses, in its words.
func (d *responsesDecoder) unsupported(key string) {
	at := d.s.Offset()
	d.s.Skip()
	if d.s.Err() == nil {
		d.fail(at, "", "is not supported")
		d.exact = llm.Invalid(strings.Clone(key), key+" is not supported")
	}
}

func (d *responsesDecoder) truncation() {
	at := d.s.Offset()
	switch d.s.String() {
	case "disabled":
	case "auto": // what is too long is refused, as without it
		d.ignoreAt(at)
	default:
		d.fail(at, "", "expected disabled or auto")
	}
}

// include reads what the response is to have beside. Of what it has for OpenAI's own tools there is
// nothing to tell.
func (d *responsesDecoder) include() {
	for a := d.array(maxMembers, "members"); a.more(); {
		at := d.s.Offset()
		switch d.s.String() {
		case "reasoning.encrypted_content":
			d.want.Encrypted = true
		case "file_search_call.results", "web_search_call.results", "web_search_call.action.sources", "message.input_image.image_url",
			"computer_call_output.output.image_url", "code_interpreter_call.outputs":
			d.ignoreAt(at)
		case "message.output_text.logprobs":
			d.refuse(at, "leave it out")
		default:
			d.fail(at, "", "expected reasoning.encrypted_content")
		}
	}
}

// OpenAI's limit of the pairs of metadata.
const maxPairs = 16

func (d *responsesDecoder) metadata() {
	at, n := d.s.Offset(), 0
	o := d.object()
	for _, ok := o.next(); ok; _, ok = o.next() {
		d.skipText()
		if n++; n > maxPairs {
			d.tooMany(at, "pairs", maxPairs)
		}
	}
}

func (d *responsesDecoder) reasoningOptions() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "effort":
			d.shape.given |= hasEffort
			d.effort()
		case "summary", "generate_summary":
			switch d.s.String() {
			case "auto", "concise", "detailed":
				d.want.Summary = true
			default:
				d.fail(o.value, "", "expected auto, concise or detailed")
			}
		default:
			d.ignore()
		}
	}
}

func (d *responsesDecoder) textOptions() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "format":
			d.shape.given |= hasFormat
			d.format()
		case "verbosity":
			d.ignoreUnless(`"medium"`)
		default:
			d.ignore()
		}
	}
}

// format reads text.format, whose members are those of response_format and of its json_schema.
func (d *responsesDecoder) format() {
	at, kindAt := d.s.Offset(), 0
	var kind string
	var format llm.Format
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			kindAt, kind = o.value, d.s.String()
		case "name":
			format.Name = d.s.String()
		case "description":
			format.Description = d.s.String()
		case "schema":
			format.Schema = d.schema()
		case "strict":
			format.Strict = d.s.Bool()
		default:
			d.ignore()
		}
	}
	switch kind {
	case "text":
		format = llm.Format{}
	case "json_object":
		format = llm.Format{Kind: llm.FormatJSON}
	case "json_schema":
		format.Kind = llm.FormatSchema
		if format.Schema == nil {
			d.fail(at, "schema", "missing; expected a JSON Schema, which is an object")
		}
	case "":
		d.fail(at, "type", "missing; expected "+formatWords)
	default:
		d.fail(kindAt, "", "expected "+formatWords)
	}
	d.req.Format = format
}

// settle finishes what only the whole request shows.
func (d *responsesDecoder) settle() {
	switch {
	case d.s.Err() != nil:
		return
	case d.inputAt == 0:
		d.fail(0, "input", "missing; expected a string or an array of items")
		return
	case d.want.Background && !d.want.Store:
		d.fail(d.backgroundAt, "", "a response in the background has to be stored; leave out store: false")
		return
	}
	d.endTurn()
	if len(d.req.Messages) == 0 {
		d.fail(d.inputAt, "", "empty; expected a text or at least one item that says something")
		return
	}
	if d.instructions != "" {
		first := llm.Message{Role: llm.RoleSystem, Index: AtInstructions, Parts: []llm.Part{llm.Text{Text: d.instructions}}}
		d.req.Messages = append([]llm.Message{first}, d.req.Messages...)
	}
	d.req.Whole = !d.shape.Stream
	d.keepAllowed()
	d.checkChoice()
	if d.cache != nil && d.s.Err() == nil {
		cacheAtEnd(d.req, d.cache)
	}
}

// kindOf is the member "type" of the object that comes next, without moving on; "" when it has none
// that is a string. What members an object may have depends on it, and it may come last.
func (d *decoder) kindOf() string {
	ahead := d.s
	if ahead.Kind() != '{' {
		return ""
	}
	ahead.Object()
	for key, ok := ahead.Member(); ok; key, ok = ahead.Member() {
		if key == "type" && ahead.Kind() == '"' {
			return ahead.String()
		}
		ahead.Skip()
	}
	return ""
}

// skipText reads a string that says nothing new.
func (d *decoder) skipText() { _ = d.s.String() }
