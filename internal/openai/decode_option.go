package openai

import "outcrop/internal/llm"

// option reads the rarer members of a request: how the answer should look and be served, and what is
// refused or without effect.
func (d *decoder) option(key string) {
	at := d.s.Offset()
	switch key {
	case "n":
		d.shape.N = d.count(maxChoices)
	case "max_prompt_tokens":
		d.shape.MaxPromptTokens = d.count(maxReplyTokens)
	case "response_format":
		d.responseFormat()
	case "reasoning_effort":
		d.effort()
	case "service_tier":
		d.tier()
	case "custom_fields":
		d.customFields()
	case "cache_control":
		d.cache, d.cacheGiven = d.cachePoint(""), hasCacheControl
	case "prompt_cache_options":
		d.cacheOptions()
	case "prompt_cache_retention":
		// "24h" is a stay that no Bedrock model has; in_memory is minutes, as everywhere.
		d.ignoreUnless(`"in_memory"`)
	case "functions":
		d.legacy.at = at
		d.functions()
	case "function_call":
		d.functionChoice()
	case "modalities":
		d.modalities()
	default:
		d.beside(key)
	}
}

// beside reads the members that no model hears of: they ask for what happens anyway, or are refused,
// or are listed.
func (d *decoder) beside(key string) {
	at := d.s.Offset()
	switch key {
	case "logprobs":
		if d.s.Bool() {
			d.refuse(at, "leave it out")
		}
	case "audio", "web_search_options": // {} asks for a web search
		d.refuse(at, "leave it out")
	case "moderation": // who asks for a check must not believe that there was one
		d.refuse(at, "use a guardrail")
	case "presence_penalty", "frequency_penalty", "top_logprobs":
		if d.s.Float() != 0 {
			d.ignoreAt(at)
		}
	case "store":
		d.ignoreUnless("false")
	default:
		d.ignore()
	}
}

func (d *decoder) modalities() {
	for d.s.Array(); d.s.Element(); {
		at := d.s.Offset()
		if d.s.String() != "text" {
			d.fail(at, "", "only text is supported by this version")
		}
	}
}

const formatWords = "text, json_object or json_schema"

func (d *decoder) responseFormat() {
	at := d.s.Offset()
	var kind string
	var kindAt, schemaAt int
	var format llm.Format
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			kindAt, kind = o.value, d.s.String()
		case "json_schema":
			schemaAt = o.value
			d.jsonSchema(&format)
		default:
			d.ignore()
		}
	}
	switch kind {
	case "text", "json_object":
		format = llm.Format{}
		if kind == "json_object" {
			format.Kind = llm.FormatJSON
		}
		d.ignorePresent(schemaAt)
	case "json_schema":
		format.Kind = llm.FormatSchema
		switch {
		case schemaAt == 0:
			d.fail(at, "json_schema", "missing; expected an object with name and schema")
		case format.Schema == nil:
			d.fail(schemaAt, "schema", "missing; expected a JSON Schema, which is an object")
		}
	case "":
		d.fail(at, "type", "missing; expected "+formatWords)
	default:
		d.fail(kindAt, "", "expected "+formatWords)
	}
	d.req.Format = format
}

func (d *decoder) jsonSchema(format *llm.Format) {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
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
}

// schema reads a JSON Schema, whatever it says.
func (d *decoder) schema() []byte {
	if d.s.Kind() != '{' {
		d.wrongType("a JSON Schema, which is an object")
	}
	return d.s.Raw()
}

func (d *decoder) effort() {
	at := d.s.Offset()
	switch word := d.s.String(); word {
	case "", "none", "minimal", "low", "medium", "high", "xhigh", "max":
		d.req.Effort = word
	default:
		d.fail(at, "", "expected none, minimal, low, medium, high, xhigh or max")
	}
}

// tier reads service_tier. OpenAI's scale and fast are tiers of contracts that Bedrock does not know;
// auto, which is what a request gets without them, is not dearer.
func (d *decoder) tier() {
	at := d.s.Offset()
	switch word := d.s.String(); word {
	case "", "auto", "default", "flex", "priority":
		d.req.Tier = word
	case "scale", "fast":
		d.ignoreAt(at)
	default:
		d.fail(at, "", "expected auto, default, flex or priority")
	}
}

// customFields reads DIAL's extension of a request.
func (d *decoder) customFields() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "configuration":
			d.req.Config = d.configuration()
		case "cache_breakpoint":
			d.cache, d.cacheGiven = d.cachePoint(""), hasCustomFields
		default:
			d.ignore()
		}
	}
}

// configuration reads what only an adapter understands; nil when it says nothing.
func (d *decoder) configuration() []byte {
	if d.s.Kind() != '{' {
		d.wrongType("an object")
	}
	if raw := d.s.Raw(); !saysNothing(raw) {
		return raw
	}
	return nil
}
