package bedrock

import (
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// messagesWriter writes a chat as a body of Anthropic's Messages. What is asked for has been decided by the
// same rules as for Converse.
type messagesWriter struct {
	*converse
	marked int // how long the body was when a block was marked last
}

// leastTokens is the bound of a reply of a Claude whose own is not known: every Claude writes as many, and
// the body must have one.
const leastTokens = 4096

func buildMessages(id string, t *traits, req *llm.ChatRequest) (*messagesWriter, error) {
	size := estimate(req)
	w := &messagesWriter{converse: &converse{traits: t, req: req, body: make([]byte, 0, size.bytes)}}
	if err := w.prepare(size); err != nil {
		return nil, err
	}
	if w.maxTokens == 0 {
		w.maxTokens = leastTokens
		w.change(limitField(req), "the model's own limit is not known, and Claude's API wants one: it is "+strconv.Itoa(leastTokens))
	}
	if t.messages == SurfaceMantle {
		w.body = append(w.body, `{"model":`...)
		w.body = jsonscan.AppendString(w.body, id)
	} else {
		w.body = append(w.body, `{"anthropic_version":"`+bedrockVersion+`"`...)
	}
	for _, add := range [...]func(*messagesWriter) error{
		(*messagesWriter).addConversation, (*messagesWriter).addSampling, (*messagesWriter).addOffer, (*messagesWriter).addOwn,
	} {
		if err := add(w); err != nil {
			return nil, err
		}
	}
	if t.messages == SurfaceMantle && !w.whole {
		w.body = append(w.body, `,"stream":true`...)
	}
	w.body = append(w.body, '}')
	return w, nil
}

// addConversation writes the turns and the system prompt.
func (w *messagesWriter) addConversation() error {
	if err := w.addTurns(w.req, `,"messages":[`, w.turn); err != nil {
		return err
	}
	open := false
	for m, part := range systemTexts(w.req) {
		switch p := part.(type) {
		case llm.Text:
			if open {
				w.body = append(w.body, ',')
			} else {
				w.body = append(w.body, `,"system":[`...)
			}
			open = true
			w.text(p.Text)
		case llm.CachePoint:
			if open {
				w.cacheControl(p)
			}
		default:
			return llm.Invalid(param(m), "A system message can hold text only.")
		}
	}
	if open {
		w.body = append(w.body, ']')
	}
	return nil
}

// turn writes the blocks of one turn and notes where each of them went.
func (w *messagesWriter) turn(places []place, last bool) error {
	role := "user"
	if places[0].assistant {
		role = "assistant"
	}
	w.body = append(append(append(w.body, `{"role":"`...), role...), `","content":[`...)
	block := int32(-1)
	for i := range places {
		p := &places[i]
		p.turn = w.turns
		if point, ok := p.content().(llm.CachePoint); ok {
			p.block = max(block, 0)
			if block >= 0 {
				w.cacheControl(point)
			}
			continue
		}
		if block++; block > 0 {
			w.body = append(w.body, ',')
		}
		p.block = block
		if err := w.block(p, last && p.assistant && i == len(places)-1); err != nil {
			return p.blame(err)
		}
	}
	w.body = append(w.body, `]}`...)
	w.turns++
	return nil
}

// cacheControl marks the block that was written last as the end of what is cached, once: of two points in
// one place the first lives as long.
func (w *messagesWriter) cacheControl(p llm.CachePoint) {
	if w.marked == len(w.body) {
		return
	}
	w.body = append(w.body[:len(w.body)-1], `,"cache_control":{"type":"ephemeral"`...)
	if p.TTL > shortTTL {
		w.body = append(w.body, `,"ttl":"1h"`...)
	}
	w.body = append(w.body, `}}`...)
	w.marked = len(w.body)
}

// addSampling writes what Converse calls inferenceConfig.
func (w *messagesWriter) addSampling() error {
	w.body = strconv.AppendInt(append(w.body, `,"max_tokens":`...), int64(w.maxTokens), 10)
	temperature, topP := w.sampling(w.req)
	w.body = appendSampling(w.body, llm.Sampling{Temperature: temperature, TopP: topP})
	native := w.nativeStops()
	for i, stop := range native {
		w.body = append(w.body, [...]string{`,"stop_sequences":[`, `,`}[min(i, 1)]...)
		w.body = jsonscan.AppendString(w.body, stop)
	}
	if len(native) > 0 {
		w.body = append(w.body, ']')
	}
	return nil
}

// addOffer writes the tools and the choice among them.
func (w *messagesWriter) addOffer() error {
	tools := w.offer.tools
	if len(tools) == 0 {
		return nil
	}
	strict := 0
	for i := range tools {
		t := &tools[i]
		w.body = append(w.body, [...]string{`,"tools":[{"name":`, `,{"name":`}[min(i, 1)]...)
		w.body = jsonscan.AppendString(w.body, w.toolName(t.Name))
		if !isBlank(t.Description) {
			w.body = append(w.body, `,"description":`...)
			w.body = jsonscan.AppendString(w.body, t.Description)
		}
		schema, held, err := w.toolSchema(t, i, strict)
		if err != nil {
			return err
		}
		w.body = append(append(w.body, `,"input_schema":`...), schema...)
		if held {
			strict++
			w.body = append(w.body, `,"strict":true`...)
		}
		w.body = append(w.body, '}')
		if t.Cache != nil {
			w.cacheControl(*t.Cache)
		}
	}
	w.body = append(w.body, ']')
	w.toolChoice()
	return nil
}

// toolChoice writes the choice, which may forbid more than one call.
func (w *messagesWriter) toolChoice() {
	choice := w.offer.choice
	one := w.req.OneTool && choice != choiceNone
	if choice == "" {
		if !one {
			return
		}
		choice = choiceAuto
	}
	w.body = append(append(append(w.body, `,"tool_choice":{"type":"`...), choice...), '"')
	if choice == choiceTool {
		w.body = append(w.body, `,"name":`...)
		w.body = jsonscan.AppendString(w.body, w.toolName(w.offer.name))
	}
	if one {
		w.body = append(w.body, `,"disable_parallel_tool_use":true`...)
	}
	w.body = append(w.body, '}')
}

// addOwn writes Claude's other members: thinking, effort, the format of the answer, top_k, betas, and what
// the client writes for Claude itself.
func (w *messagesWriter) addOwn() error {
	w.addOutputFormat()
	if w.traits.messages == SurfaceInvoke {
		w.addBetas()
	}
	fields, err := w.extraMembers()
	if err != nil {
		return err
	}
	for _, m := range fields {
		w.body = append(jsonscan.AppendString(append(w.body, ','), m.key), ':')
		w.body = append(w.body, m.value...)
	}
	return nil
}

// addOutputFormat writes the schema of the answer beside the effort, which shares its home.
// https://docs.claude.com/en/docs/build-with-claude/structured-outputs
func (w *messagesWriter) addOutputFormat() {
	if w.format != formatNative {
		return
	}
	schema, _ := w.traits.nativeSchema(w.req.Format.Schema)
	out := []byte{'{'}
	for _, m := range members(find(w.extra, "output_config")) {
		out = append(append(jsonscan.AppendString(out, m.key), ':'), m.value...)
		out = append(out, ',')
	}
	out = append(append(out, `"format":{"type":"json_schema","schema":`...), schema...)
	w.extra.add("output_config", append(out, `}}`...))
}
