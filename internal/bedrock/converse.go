package bedrock

import (
	"time"

	"outcrop/internal/llm"
)

// converse is a chat as a call of Converse or ConverseStream, which take the same body.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
type converse struct {
	traits *traits
	// req is the request as it is written: the client's, or a copy with what this model needs.
	req  *llm.ChatRequest
	body []byte

	tools   bool              // the body holds toolConfig
	whole   bool              // the reply comes in one piece
	ignored []string          // fields of the request that the body does not carry
	changed []string          // fields that it carries in another form
	why     map[noted]string  // reasons
	names   map[string]string // tool names that AWS would refuse, by what stands for them
	places  []place           // where the content blocks come from and went
	turns   int32             // how many are written
	files   files             // of the messages

	config    configuration // custom_fields.configuration
	citations bool          // documents are to be cited
	maxTokens int           // 0: left out
	offer     offer         // the tools and the choice among them
	thinking  thinking
	format    formatMode
	stops     []string // stop sequences for which the reply has to be searched
	extra     extraFields

	results   []bool // by message, whether its turn holds a tool's result; made when it is asked for
	cached    string // the last of the client's cache points that is passed on
	cachedFor time.Duration
	// autoCached says that the body holds cache points that nobody asked for.
	autoCached bool
}

// build translates a request for a model.
func build(req *llm.ChatRequest, t *traits) (*converse, error) {
	size := estimate(req)
	c := &converse{traits: t, req: req, body: make([]byte, 0, size.bytes)}
	if err := c.prepare(size); err != nil {
		return nil, err
	}
	for _, add := range [...]func(*converse, *llm.ChatRequest) error{
		(*converse).addMessages, (*converse).addSystem, (*converse).addInference, (*converse).addTools, (*converse).addRest,
	} {
		if err := add(c, c.req); err != nil {
			return nil, err
		}
	}
	c.body = append(c.body, '}')
	return c, nil
}

// start is how a reply to the call opens.
func (c *converse) start(id, model string) llm.Start {
	return llm.Start{
		ID: id, Model: model, Ignored: c.ignored, Changed: c.changed, Cached: c.cached, CachedFor: c.cachedFor,
	}
}

// ignore notes that a field of the client's is without effect, and why.
func (c *converse) ignore(param, why string) { c.ignored = c.note(c.ignored, noted{param, false}, why) }

// change notes that a field of the client's reaches the model in another form, and why.
func (c *converse) change(param, why string) { c.changed = c.note(c.changed, noted{param, true}, why) }

// noted is a field in one of the two lists.
type noted struct {
	param   string
	changed bool
}

func (c *converse) note(list []string, n noted, why string) []string {
	if _, done := c.why[n]; done {
		return list
	}
	if c.why == nil {
		c.why = map[noted]string{}
	}
	c.why[n] = why
	return append(list, n.param)
}

// size is what can be said of a request's length without writing it.
type size struct {
	bytes int // of the body, about
	text  int // bytes of it that are not files
}

// estimate is about how long the body will be, so that it is allocated once.
func estimate(req *llm.ChatRequest) size {
	n, files := 512, 0
	for _, m := range req.Messages {
		n += 32
		for _, part := range m.Parts {
			switch p := part.(type) {
			case llm.Text:
				n += len(p.Text) + len(p.Text)/16 + 16
			case llm.Blob:
				files += len(p.Base64) + len(p.Bytes)*4/3
				n += 64
			case llm.ToolCall:
				n += len(p.Args) + 128
			case llm.ToolResult:
				for _, part := range p.Parts {
					switch p := part.(type) {
					case llm.Text:
						n += len(p.Text) + len(p.Text)/16 + 128
					case llm.Blob:
						files += len(p.Base64) + len(p.Bytes)*4/3 + 64
					}
				}
			case llm.Reasoning:
				n += len(p.Text) + len(p.Signature) + len(p.Redacted)*4/3 + 128
			}
		}
	}
	for _, t := range req.Tools {
		n += len(t.Schema) + len(t.Description) + 128
	}
	return size{bytes: n + files, text: n}
}

// addSystem writes the system messages, wherever they stood, in their order.
func (c *converse) addSystem(req *llm.ChatRequest) error {
	open := false
	for m, part := range systemTexts(req) {
		if open {
			c.body = append(c.body, ',')
		} else {
			c.body = append(c.body, `,"system":[`...)
			open = true
		}
		switch p := part.(type) {
		case llm.Text:
			c.text(p.Text)
		case llm.CachePoint:
			c.cachePoint(p)
		default:
			return llm.Invalid(param(m), "A system message can hold text only.")
		}
	}
	if open {
		c.body = append(c.body, ']')
	}
	return nil
}
