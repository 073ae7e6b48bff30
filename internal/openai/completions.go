package openai

import (
	"outcrop/internal/llm"
)

// DecodeCompletion reads the body of a legacy completion request (the wire is
// https://platform.openai.com/docs/api-reference/completions/create) as a chat of one user message, of the Index AtPrompt. Of
// prompts there is one: several, and prompts of tokens, are refused, and so are the members that only a model
// of that time can honour (echo, logprobs, suffix, best_of). Without max_tokens the model decides, as in a
// chat, where OpenAI ends after 16. The values alias body, and errors and limits are as DecodeChat's.
func DecodeCompletion(body []byte) (*llm.ChatRequest, Shape, error) {
	d := completionDecoder{decoder: newDecoder(body)}
	d.members()
	d.s.End()
	if d.s.Err() == nil && d.prompt == "" {
		d.fail(d.promptAt, d.missing(), "missing; expected "+promptWords)
	}
	if err := d.err(); err != nil {
		return nil, Shape{}, errorOf(err, "a completion request")
	}
	d.req.Messages = []llm.Message{{Role: llm.RoleUser, Index: AtPrompt, Parts: []llm.Part{llm.Text{Text: d.prompt}}}}
	d.req.MaxTokens, d.req.Whole = d.maxTokens, !d.shape.Stream
	d.shape.Ignored = d.ignored.paths(body)
	return d.req, d.shape, nil
}

const promptWords = "a text, or an array of one text"

// completionDecoder reads a completion request with the means of the decoder of chats.
type completionDecoder struct {
	decoder
	promptAt int
	prompt   string
}

// missing is the member that an absent prompt is told at: an empty one stands where it is.
func (d *completionDecoder) missing() string {
	if d.promptAt == 0 {
		return "prompt"
	}
	return ""
}

// members reads the members of a request.
func (d *completionDecoder) members() {
	o := d.object()
	o.given = &d.shape.given
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "prompt":
			d.promptAt = o.value
			d.prompts()
		case "model":
			d.shape.Model = d.s.String()
		case "stream":
			d.shape.Stream = d.s.Bool()
		case "stream_options":
			d.streamOptions()
		case "temperature":
			d.req.Sampling.Temperature = d.number(2)
		case "top_p":
			d.req.Sampling.TopP = d.number(1)
		case "seed":
			d.req.Sampling.Seed = new(d.s.Int())
		case "max_tokens":
			d.maxTokens = d.count(maxReplyTokens)
		case "n":
			d.shape.N = d.count(maxChoices)
		case "stop":
			d.stop()
		case "frequency_penalty", "presence_penalty":
			d.ignoreUnless("0")
		default:
			d.unserved(key)
		}
	}
}

// unserved refuses what would make another answer, and lists the rest.
func (d *completionDecoder) unserved(key string) {
	at, usual := d.s.Offset(), ""
	switch key {
	case "echo":
		usual = "false"
	case "suffix":
		usual = `""`
	case "best_of":
		usual = "1"
	case "logprobs": // 0 asks for those of the chosen tokens
	default:
		d.ignore()
		return
	}
	if raw := d.s.Raw(); len(raw) > 0 && string(raw) != usual {
		d.refuse(at, "leave it out")
	}
}

func (d *completionDecoder) prompts() {
	switch d.s.Kind() {
	case '"':
		d.prompt = d.s.String()
	case '[':
		for a := d.array(1, "prompts"); a.more(); {
			if kind := d.s.Kind(); kind == '0' || kind == '[' {
				d.fail(a.at, "", "tokens are not read, only texts; expected "+promptWords)
				return
			}
			d.prompt = d.s.String()
		}
	default:
		d.wrongType(promptWords)
	}
}
