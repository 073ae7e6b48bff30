package anthropic

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// Shape is how the client wants the reply, and what of its request depends on the model that it is for.
type Shape struct {
	Model  string // the member "model", "" when absent
	Stream bool
	// Thinking is the member of that name.
	Thinking Thinking
	// TopK is top_k, nil when absent.
	TopK *int
	// Citations is the first member that asks for a document to be cited, as a path, or "".
	Citations string
	// Ignored names, as JSON paths in the order of the body, the members that were accepted without
	// effect. It holds at most 65 entries; the last then says how many more there were.
	Ignored []string
	// Changed names, like Ignored, the members that a model gets in another form than the client's, with
	// a loss.
	Changed []string
}

// Thinking is what a client says of the model's thinking.
type Thinking struct {
	Type   string // enabled, adaptive or disabled; "" when nothing was said
	Budget int    // budget_tokens, 0 when absent
	JSON   []byte // the member as the client wrote it
}

// SystemIndex is the Message.Index of the request's member "system".
const SystemIndex = -1

// Decode reads the body of a request of the Messages API
// (https://docs.anthropic.com/en/api/messages), or of its count_tokens. The values alias body, which must
// not change while they are in use. An error is always an *llm.Error of KindInvalid; its Param is the
// path of the member that is wrong, or "" when that is the whole body.
//
// It checks what the wire prescribes, not what a model does. max_tokens may be absent: it is then left to
// the model. A tool that only Anthropic runs is a Tool with its Static.
func Decode(body []byte) (*llm.ChatRequest, Shape, error) {
	d := &decoder{s: jsonscan.New(body), body: body, req: &llm.ChatRequest{}, names: make([]string, 0, maxMembers)}
	d.request()
	d.s.End()
	d.finish()
	if err := d.err(); err != nil {
		return nil, Shape{}, err
	}
	if d.threaded {
		return nil, Shape{}, noThreads()
	}
	d.shape.Ignored = d.ignored.paths(body)
	d.shape.Changed = d.changed.paths(body)
	if d.citationsAt != 0 {
		d.shape.Citations = jsonscan.Path(body, d.citationsAt)
	}
	return d.req, d.shape, nil
}

// decoder walks a body once. Offsets stand for paths until one has to be told.
type decoder struct {
	s     jsonscan.Scanner
	body  []byte
	req   *llm.ChatRequest
	shape Shape

	names  []string // of the members of every open object, to notice a second one
	system []llm.Part
	parts  []llm.Part // of the current message
	// fileCount and markCount are of the whole request.
	fileCount, markCount int
	efforts              []turnEffort
	lastEffort           string // of the last turn that says one and counts

	messagesAt, choiceAt, choiceNameAt, citationsAt int

	cache    llm.Part // at the end of the request
	threaded bool     // the server is to hold the conversation

	ignored, changed told
	fault            fault
}

// request reads the members of a request.
func (d *decoder) request() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "model":
			d.shape.Model = strings.Clone(d.s.String()) // which the log has when the body is gone
		case "stream":
			d.shape.Stream = d.s.Bool()
		case "max_tokens":
			d.req.MaxTokens = d.count(math.MaxInt32)
		case "system":
			d.systemPrompt()
		case "messages":
			d.messagesAt = o.value
			d.messages()
		case "tools":
			d.tools()
		case "tool_choice":
			d.choiceAt = o.value
			d.toolChoice()
		case "temperature":
			d.req.Sampling.Temperature = d.number(2)
		case "top_p":
			d.req.Sampling.TopP = d.number(1)
		case "top_k":
			d.topK()
		case "stop_sequences":
			d.stops()
		default:
			d.option(key)
		}
	}
}

// option reads the rarer members of a request; those that no model but Anthropic's own knows are listed.
func (d *decoder) option(key string) {
	switch key {
	case "thinking":
		d.thinking()
	case "output_config":
		d.outputConfig()
	case "output_format": // before it was output_config.format
		d.format()
	case "service_tier":
		d.tier()
	case "metadata":
		d.metadata()
	case "cache_control":
		d.cache = d.cachePoint("")
	case memberThread:
		d.threaded = true
		d.s.Skip()
	default:
		d.ignore()
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

func (d *decoder) topK() {
	at := d.s.Offset()
	k := d.s.Int()
	if k < 0 || k > math.MaxInt32 {
		d.fail(at, "", "expected an integer of at least 0")
	}
	n := int(k)
	d.shape.TopK = &n
}

func (d *decoder) stops() {
	for a := d.array(maxStops, "strings"); a.more(); {
		if text := d.s.String(); text != "" {
			d.req.Stop = append(d.req.Stop, text)
		}
	}
}

func (d *decoder) thinking() {
	at, saved := d.s.Offset(), d.s
	t := &d.shape.Thinking
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			switch t.Type = d.s.String(); t.Type {
			case "enabled", "adaptive", "disabled":
			default:
				d.fail(o.value, "", "expected enabled, adaptive or disabled")
			}
		case "budget_tokens":
			t.Budget = d.count(math.MaxInt32)
		case "display":
			d.s.Skip()
		default:
			d.ignore()
		}
	}
	if t.Type == "" {
		d.fail(at, "type", "missing; expected enabled, adaptive or disabled")
	}
	if t.Type == "enabled" && t.Budget == 0 {
		d.fail(at, "budget_tokens", "missing; expected how many tokens the thinking may take")
	}
	t.JSON = saved.Raw()
}

func (d *decoder) outputConfig() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "effort":
			d.req.Effort = d.effort()
		case "format":
			d.format()
		default:
			d.ignore()
		}
	}
}

func (d *decoder) effort() string {
	at := d.s.Offset()
	word := d.s.String()
	switch word {
	case "none", "minimal", "low", "medium", "high", "xhigh", "max":
	default:
		d.fail(at, "", "expected none, minimal, low, medium, high, xhigh or max")
	}
	return word
}

// format reads what the answer must look like. The name is for vendors that want one.
func (d *decoder) format() {
	at, kindAt, kind := d.s.Offset(), 0, ""
	format := llm.Format{Kind: llm.FormatSchema, Name: "response", Strict: true}
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			kindAt, kind = o.value, d.s.String()
		case "schema":
			format.Schema = d.schema()
		default:
			d.ignore()
		}
	}
	switch {
	case kind == "":
		d.fail(at, "type", "missing; expected json_schema")
	case kind != "json_schema":
		d.fail(kindAt, "", "expected json_schema")
	case format.Schema == nil:
		d.fail(at, "schema", "missing; expected a JSON Schema, which is an object")
	}
	d.req.Format = format
}

// schema reads a JSON Schema, whatever it says.
func (d *decoder) schema() []byte {
	if d.s.Kind() != '{' {
		d.wrongType("a JSON Schema, which is an object")
	}
	return d.s.Raw()
}

// tier reads service_tier: standard_only is Bedrock's default tier.
func (d *decoder) tier() {
	at := d.s.Offset()
	switch d.s.String() {
	case "auto":
		d.req.Tier = "auto"
	case "standard_only":
		d.req.Tier = "default"
	default:
		d.ignored.add(at)
	}
}

func (d *decoder) metadata() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "user_id" && d.s.Kind() == '"' {
			d.req.User = d.s.String()
		} else {
			d.ignore()
		}
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
	d.checkChoice()
	d.req.Effort = cmp.Or(d.lastEffort, d.req.Effort)
	if d.cache != nil {
		cacheAtEnd(d.req, d.cache)
	}
	if len(d.system) > 0 {
		d.req.Messages = append([]llm.Message{{Role: llm.RoleSystem, Index: SystemIndex, Parts: d.system}}, d.req.Messages...)
	}
}

// cacheAtEnd marks everything up to the last message that is not the assistant's as worth caching, unless
// it is marked already.
func cacheAtEnd(req *llm.ChatRequest, point llm.Part) {
	i := len(req.Messages) - 1
	for i > 0 && req.Messages[i].Role == llm.RoleAssistant {
		i--
	}
	m := &req.Messages[i]
	if n := len(m.Parts); n > 0 {
		if _, marked := m.Parts[n-1].(llm.CachePoint); marked {
			return
		}
	}
	m.Parts = append(m.Parts[:len(m.Parts):len(m.Parts)], point)
}
