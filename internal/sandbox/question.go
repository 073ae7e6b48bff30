package sandbox

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/models"
)

// textSlot is a place in a body where a directive stood.
type textSlot struct {
	holder map[string]any
	key    string
	rest   string // the text without it

	list []any // in place of holder and key: the text is list[at]
	at   int
}

// drop takes the directive out, so that the model does not read it.
func (t textSlot) drop() {
	if t.list != nil {
		t.list[t.at] = t.rest
		return
	}
	t.holder[t.key] = t.rest
}

// readDirectives gathers the wishes of the header X-Sandbox and of the last
// user message. The message keeps its directive until the slots are dropped: a
// message of nothing but a directive must not be refused as blank.
func readDirectives(h http.Header, c *call) (directive, []textSlot, error) {
	var d directive
	if v := h.Get("X-Sandbox"); v != "" {
		if err := d.parseHeader(v); err != nil {
			return d, nil, err
		}
	}
	var slots []textSlot
	for holder, key := range userTexts(c.Body) {
		before := text(holder[key])
		rest, err := d.cutDirectives(before)
		if err != nil {
			return d, nil, err
		}
		if rest != before {
			slots = append(slots, textSlot{holder: holder, key: key, rest: rest})
		}
	}
	more, err := d.readLists(c.Body)
	if err != nil {
		return d, nil, err
	}
	return d, append(append(slots, more...), d.readEarlier(c.Body)...), nil
}

// readLists reads the texts that stand in lists: those of Cohere's embeddings,
// and documents to rank.
func (d *directive) readLists(body map[string]any) (slots []textSlot, err error) {
	for _, name := range []string{"texts", "documents"} {
		list := array(body[name])
		for i := range list {
			before := text(list[i])
			rest, err := d.cutDirectives(before)
			if err != nil {
				return nil, err
			}
			if rest != before {
				slots = append(slots, textSlot{list: list, at: i, rest: rest})
			}
		}
	}
	return slots, nil
}

// readEarlier takes the directives out of the user messages before the last:
// they were obeyed when they were new. One of them still holds while the tools
// it leads to are being answered: that with a loop.
func (d *directive) readEarlier(body map[string]any) []textSlot {
	if inner := object(dig(body, "input", "converse")); inner != nil {
		body = inner
	}
	var slots []textSlot
	last, worded := true, false
	for _, m := range slices.Backward(array(body["messages"])) {
		message := object(m)
		if message["role"] != "user" {
			continue
		}
		var told directive
		for holder, key := range textsOf(message) {
			before := text(holder[key])
			if !last {
				if rest, err := told.cutDirectives(before); err == nil && rest != before {
					slots = append(slots, textSlot{holder: holder, key: key, rest: rest})
				}
			}
			if !worded && !last {
				d.goOn(told)
			}
			worded = true
		}
		last = false
	}
	return slots
}

// goOn keeps of the wishes of a prompt what concerns the loop it began.
func (d *directive) goOn(told directive) {
	if told.loop == 0 {
		return
	}
	d.loop, d.tool, d.tools, d.reasoning = told.loop, told.tool, told.tools, told.reasoning
	d.drip, d.batch, d.think = told.drip, told.batch, told.think
}

// userTexts yields the places that hold text of the last user message: of
// Converse and Nova, of Anthropic's body, or the text of an embedding or a query.
func userTexts(body map[string]any) func(yield func(map[string]any, string) bool) {
	return func(yield func(map[string]any, string) bool) {
		if inner := object(dig(body, "input", "converse")); inner != nil {
			body = inner
		}
		for holder, key := range nativeTexts(body) {
			if !yield(holder, key) {
				return
			}
		}
		for holder, key := range textsOf(lastOf(array(body["messages"]), "user")) {
			if !yield(holder, key) {
				return
			}
		}
	}
}

// nativeTexts yields the places that hold the text of a body without messages.
func nativeTexts(body map[string]any) func(yield func(map[string]any, string) bool) {
	return func(yield func(map[string]any, string) bool) {
		holders := []map[string]any{body, object(dig(body, "singleEmbeddingParams", "text")), object(body["text"]), object(body["text_image"])}
		for _, holder := range holders {
			for _, key := range []string{"inputText", "inputPrompt", "prompt", "query", "value"} {
				if _, ok := holder[key].(string); ok && !yield(holder, key) {
					return
				}
			}
		}
		for _, input := range array(body["inputs"]) {
			for holder, key := range textsOf(object(input)) {
				if !yield(holder, key) {
					return
				}
			}
		}
	}
}

// textsOf yields the places that hold text of a message.
func textsOf(message map[string]any) func(yield func(map[string]any, string) bool) {
	return func(yield func(map[string]any, string) bool) {
		if _, plain := message["content"].(string); plain {
			yield(message, "content")
			return
		}
		for _, b := range array(message["content"]) {
			block := object(b)
			if _, ok := block["text"].(string); ok && !yield(block, "text") {
				return
			}
		}
	}
}

// lastOf is the last message of a role, nil when there is none.
func lastOf(messages []any, role string) map[string]any {
	for _, m := range slices.Backward(messages) {
		if message := object(m); message["role"] == role {
			return message
		}
	}
	return nil
}

// tool is one that the model may call.
type tool struct {
	name   string
	schema map[string]any // of its input; nil when absent
}

// toolAnswer is what a tool said to the model's last call.
type toolAnswer struct{ name, text string }

// question is what the model sees of a request.
type question struct {
	model  string // for people
	family family
	seed   [sha256.Size]byte // of everything that is not in the question otherwise

	text     string // the last user message
	system   bool
	messages int
	media    map[string]int // blocks by kind: image, document, video, audio
	prefill  string         // what the last message, the assistant's, says
	answers  []toolAnswer   // in the last message
	gathered []toolAnswer   // since the last words of the user
	rounds   int            // messages they came in
	source   *source        // the first document that may be cited
	server   string         // the tool of the service that the request allows

	tools  []tool
	choice string // "auto", "any" or, after "tool:", a name

	maxTokens int // 0 = no limit
	stops     []string
	reasoning string         // "", "on", "omitted" or "redacted"
	schema    map[string]any // of a structured answer
	wish      directive
}

// ask builds the question from a body in Converse's vocabulary.
func ask(c *call, body map[string]any, wish directive) *question {
	config := object(body["inferenceConfig"])
	q := &question{
		model: c.ModelID, family: familyOf(c), seed: sha256.Sum256(c.Raw), wish: wish,
		system: len(array(body["system"])) > 0, media: map[string]int{},
		maxTokens: int(min(number(config["maxTokens"]), math.MaxInt32)), schema: answerSchema(body),
	}
	if c.Model != nil {
		q.model = c.Model.Name
		if q.maxTokens == 0 {
			q.maxTokens = c.Model.MaxOutputTokens
		}
	}
	for _, s := range array(config["stopSequences"]) {
		q.stops = append(q.stops, text(s))
	}
	q.readMessages(array(body["messages"]))
	q.readTools(object(body["toolConfig"]))
	q.reasoning = reasoningOf(c, q.family, body)
	if wish.reasoning != "" {
		q.reasoning = wish.reasoning
	}
	if wish.think > 0 && q.reasoning == "" {
		q.reasoning = "on"
	}
	return q
}

// fits refuses a directive that asks for a tool the request does not have.
func (q *question) fits() error {
	has := func(t tool) bool { return t.name == q.wish.tool }
	switch {
	case q.wish.tool != "" && !slices.ContainsFunc(q.tools, has):
		return fmt.Errorf("tool: the request has no tool of the name %q", q.wish.tool)
	case q.wish.tools > 0 && len(q.tools) == 0:
		return fmt.Errorf("tools: the request has no tools")
	case q.wish.loop > 0 && len(q.tools) == 0:
		return fmt.Errorf("loop: the request has no tools")
	}
	return nil
}

func (q *question) readMessages(messages []any) {
	q.messages = len(messages)
	names := map[string]string{} // of tool calls, by id
	for _, m := range messages {
		message := object(m)
		if message["role"] != "system" { // such a turn of Claude's may stand between a result and the answer to it
			q.answers = nil
		}
		if message["role"] == "user" && messageText(message) != "" {
			q.gathered, q.rounds = nil, 0
		}
		for _, b := range array(message["content"]) {
			q.readBlock(object(b), names)
		}
		if message["role"] == "user" && len(q.answers) > 0 {
			q.gathered, q.rounds = append(q.gathered, q.answers...), q.rounds+1
		}
	}
	q.text = messageText(lastOf(messages, "user"))
	if len(messages) > 0 {
		if last := object(messages[len(messages)-1]); last["role"] == "assistant" {
			q.prefill = messageText(last)
		}
	}
}

func (q *question) readBlock(block map[string]any, names map[string]string) {
	for _, kind := range []string{"image", "document", "video", "audio"} {
		if block[kind] == nil {
			continue
		}
		if kind == "document" && q.source == nil && dig(block, "document", "citations", "enabled") == true {
			q.source = &source{index: q.media[kind], document: object(block[kind])}
		}
		q.media[kind]++
	}
	if use := object(block["toolUse"]); use != nil {
		names[text(use["toolUseId"])] = text(use["name"])
	}
	if result := object(block["toolResult"]); result != nil {
		q.answers = append(q.answers, toolAnswer{names[text(result["toolUseId"])], resultText(result)})
	}
}

// messageText joins the text blocks of a message.
func messageText(message map[string]any) string {
	var parts []string
	for _, b := range array(message["content"]) {
		block := object(b)
		for _, s := range []string{text(block["text"]), text(dig(block, "guardContent", "text", "text"))} {
			if s = strings.TrimSpace(s); s != "" {
				parts = append(parts, s)
			}
		}
	}
	return strings.Join(parts, " ")
}

// resultText is what a tool result says, JSON where it is not text.
func resultText(result map[string]any) string {
	var parts []string
	for _, c := range array(result["content"]) {
		for kind, v := range object(c) {
			switch kind {
			case "text":
				parts = append(parts, text(v))
			case "json":
				parts = append(parts, string(encode(v)))
			default:
				parts = append(parts, "(a "+kind+")")
			}
		}
	}
	return strings.Join(parts, " ")
}

func (q *question) readTools(config map[string]any) {
	for _, t := range array(config["tools"]) {
		spec := object(object(t)["toolSpec"])
		if spec == nil { // systemTool, cachePoint: nothing the caller could run
			q.server = orElse(q.server, text(dig(t, "systemTool", "name")))
			continue
		}
		q.tools = append(q.tools, tool{text(spec["name"]), object(dig(spec, "inputSchema", "json"))})
	}
	q.choice = "auto"
	choice := object(config["toolChoice"])
	switch {
	case choice["any"] != nil:
		q.choice = "any"
	case choice["tool"] != nil:
		q.choice = "tool:" + text(dig(choice, "tool", "name"))
	}
}

// answerSchema is the JSON schema a structured answer must fit: Converse's own,
// Claude's, or that of chat completions.
func answerSchema(body map[string]any) map[string]any {
	extra := object(body["additionalModelRequestFields"])
	structure := dig(body, "outputConfig", "textFormat", "structure")
	if s := text(dig(structure, "jsonSchema", "schema")); s != "" {
		return decodeObject([]byte(s))
	}
	if s := object(dig(extra, "output_config", "format", "schema")); s != nil {
		return s
	}
	return object(dig(extra, "response_format", "json_schema", "schema"))
}

// reasoningOf says whether the model thinks aloud: because it always does, or
// because the request asks for it in one of the ways of bedrock-api.md §10.1.
func reasoningOf(c *call, f family, body map[string]any) string {
	if f == familyDeepseek || f == familyGptOSS || (c.Model != nil && c.Model.Converse != nil && c.Model.Converse.Thinking == models.ThinkingAlways) {
		return "on"
	}
	extra := object(body["additionalModelRequestFields"])
	for _, key := range []string{"thinking", "reasoning_config", "reasoningConfig"} {
		config := object(extra[key])
		switch config["type"] {
		case "adaptive", "enabled":
			return shown(c, config)
		}
	}
	for _, key := range []string{"reasoning_effort", "reasoning_config"} {
		if effort := text(extra[key]); effort != "" && effort != "none" {
			return "on"
		}
	}
	return ""
}

// shown tells whether the text of thinking comes back: models that only think
// adaptively leave it out unless display says "summarized".
func shown(c *call, config map[string]any) string {
	adaptiveOnly := c.Model != nil && c.Model.Converse != nil && c.Model.Converse.Thinking == models.ThinkingAdaptive
	if config["display"] == "omitted" || (adaptiveOnly && config["display"] != "summarized") {
		return "omitted"
	}
	return "on"
}
