package openai

import (
	"cmp"
	"slices"

	"outcrop/internal/llm"
)

// Fate is what becomes of a member of a request at this door.
type Fate uint8

// The fates.
const (
	// Carried members reach every model, or steer the reply here.
	Carried Fate = iota
	// ByModel members become a part of the llm.ChatRequest; of each model the Feature says what it does
	// with it.
	ByModel
	// Ignored members have no effect and are listed in Shape.Ignored, unless they ask for what happens
	// anyway.
	Ignored
	// Refused members end the request with an error that names them.
	Refused
)

// String is the fate in words, for the documentation.
func (f Fate) String() string {
	return [...]string{"carried", "by model", "ignored and reported", "refused"}[min(int(f), 3)]
}

// Field is a member of the wire and its fate. A Path has [] for every element of a list:
// "messages[].content[].image_url.url".
type Field struct {
	Path    string
	Fate    Fate
	Feature llm.Feature // when Fate is ByModel
	Note    string      // what the fate means or depends on; may be ""
}

// Fields lists every member of OpenAI's chat completion request, of DIAL's extensions and of the
// extensions of others that are understood, in the order of their paths.
func Fields() []Field {
	fields := slices.Concat(requestFields(), answerFields(), messageFields(), callFields(), partFields(), dialFields(), toolFields(),
		legacyFields(), cacheFields(), audioFields(), searchFields(), moderationFields())
	slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	return fields
}

// EmbeddingFields lists every member of OpenAI's embeddings request and of DIAL's extensions of it, in
// the order of their paths. What a model does with a carried member is the model's.
func EmbeddingFields() []Field {
	const c = "custom_input[]."
	fields := slices.Concat(
		carried("", "model"),
		carried("strings; tokens and empty strings are refused", "input"),
		carried("strings, attachments, and lists of both for one vector", "custom_input"),
		carried("float or base64", "encoding_format"),
		carried("the lengths that the model has", "dimensions"),
		carried("what the vectors are for, in the model's words", "custom_fields", "custom_fields.type"),
		carried("for models that take one", "custom_fields.instruction"),
		carried("the model's own options; unknown ones are refused", "custom_fields.configuration"),
		carried("what the bytes are decides", c+"type", c+"title", c+"data", c+"url"),
		ignored("the attachment itself is what a model gets", c+"reference_type", c+"reference_url"),
		ignored("the order of the list counts; not reported where it says the same", c+"index"),
		ignored("an operator's own names of the caller go to Bedrock, never the client's", "user"),
	)
	slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	return fields
}

// all gives several paths the same fate.
func all(f Field, paths ...string) []Field {
	fields := make([]Field, len(paths))
	for i, path := range paths {
		fields[i] = f
		fields[i].Path = path
	}
	return fields
}

func ignored(note string, paths ...string) []Field {
	return all(Field{Fate: Ignored, Note: note}, paths...)
}
func refused(note string, paths ...string) []Field {
	return all(Field{Fate: Refused, Note: note}, paths...)
}
func carried(note string, paths ...string) []Field {
	return all(Field{Fate: Carried, Note: note}, paths...)
}

func byModel(feature llm.Feature, note string, paths ...string) []Field {
	return all(Field{Fate: ByModel, Feature: feature, Note: note}, paths...)
}

func requestFields() []Field {
	return slices.Concat(
		carried("", "model", "messages", "stream", "stream_options", "stream_options.include_usage"),
		carried("as many requests to the model, side by side", "n"),
		carried("the oldest messages are left out", "max_prompt_tokens"),
		byModel(llm.FeatureTemperature, "0 to 2", "temperature"),
		byModel(llm.FeatureTopP, "", "top_p"),
		byModel(llm.FeatureSeed, "image models take it; of several choices each has the next", "seed"),
		byModel(llm.FeatureMaxTokens, "", "max_completion_tokens"),
		byModel(llm.FeatureMaxTokens, "ignored beside another max_completion_tokens", "max_tokens"),
		byModel(llm.FeatureStop, "", "stop"),
		byModel(llm.FeatureEffort, "none, minimal, low, medium, high, xhigh or max", "reasoning_effort"),
		byModel(llm.FeatureTier, "scale and fast, which Bedrock has not, are ignored and reported", "service_tier"),
		carried("text only; audio is refused", "modalities"),
		ignored("no Bedrock model takes it", "presence_penalty", "frequency_penalty", "logit_bias", "verbosity"),
		ignored("a model that takes it has it in custom_fields.configuration", "top_logprobs"),
		refused("true is refused", "logprobs"),
		ignored("nothing is stored", "store"),
		ignored("an operator's own names of the caller go to Bedrock, never the client's", "user", "safety_identifier", "metadata"),
		ignored("without effect on the answer", "prediction", "prediction.type", "prediction.content", "prediction.content[].type",
			"prediction.content[].text", "prediction.content[].prompt_cache_breakpoint",
			"prediction.content[].prompt_cache_breakpoint.mode", "prediction.content[].prompt_cache_breakpoint.ttl"),
		ignored("chunks are never padded", "stream_options.include_obfuscation"),
	)
}

func answerFields() []Field {
	return slices.Concat(
		byModel(llm.FeatureSchema, "text, json_schema; of json_object see the models", "response_format", "response_format.type"),
		byModel(llm.FeatureSchema, "", "response_format.json_schema", "response_format.json_schema.name",
			"response_format.json_schema.description", "response_format.json_schema.schema", "response_format.json_schema.strict"),
	)
}

func messageFields() []Field {
	const m = "messages[]."
	return slices.Concat(
		carried("developer is system; what becomes of one after the first turn depends on the model", m+"role"),
		carried("", m+"content"),
		carried("as text of the assistant's turn", m+"refusal"),
		ignored("Bedrock has no names of speakers; of a function message it is the function's", m+"name"),
		refused("", m+"audio", m+"audio.id"),
		byModel(llm.FeatureReasoningReplay, "has no signature", m+"reasoning_content", m+"reasoning"),
		byModel(llm.FeatureTools, "", m+"tool_call_id"),
		byModel(llm.FeatureToolResultFailed, "of a tool message: true, \"error\"", m+"is_error", m+"status"),
	)
}

func callFields() []Field {
	const c = "messages[].tool_calls[]"
	return slices.Concat(
		byModel(llm.FeatureTools, "", "messages[].tool_calls", c+".id", c+".type", c+".function", c+".function.name"),
		byModel(llm.FeatureTools, "what is no JSON object is put into one and reported as changed", c+".function.arguments"),
		ignored("the order of the list counts; not reported where it says the same", c+".index"),
		refused("only functions", c+".custom", c+".custom.name", c+".custom.input"),
	)
}

func partFields() []Field {
	const p = "messages[].content[]."
	return slices.Concat(
		carried("", p+"type", p+"text"),
		carried("as text", p+"refusal"),
		byModel(llm.FeatureImage, "a data URL, or a link of http, https, s3 or DIAL", p+"image_url", p+"image_url.url"),
		ignored("auto is what happens", p+"image_url.detail"),
		byModel(llm.FeatureVideo, "a data URL or a link", p+"video_url", p+"video_url.url"),
		byModel(llm.FeatureAudio, "", p+"input_audio", p+"input_audio.data", p+"input_audio.format"),
		byModel(llm.FeatureDocument, "what the bytes are decides", p+"file", p+"file.file_data", p+"file.filename"),
		refused("send the bytes as file_data", p+"file.file_id"),
	)
}

func dialFields() []Field {
	const c = "messages[].custom_content."
	const a, s = c + "attachments[].", c + "stages[]."
	return slices.Concat(
		carried("the model's own options; unknown ones are refused", "custom_fields", "custom_fields.configuration"),
		ignored("for DIAL's other servers", "custom_fields.interceptor_configuration", "custom_fields.skills"),
		carried("", "messages[].custom_content", c+"state"),
		byModel(llm.FeatureReasoningReplay, "", c+"state.outcrop.reasoning", c+"state.claude_message_content"),
		byModel(llm.FeatureDocument, "what the bytes are decides", c+"attachments", a+"type", a+"title", a+"data", a+"url"),
		ignored("the attachment itself is what a model gets", a+"reference_type", a+"reference_url"),
		ignored("the order of the list counts; not reported where it says the same", a+"index"),
		ignored("what an application showed, not what was said", c+"stages", s+"name", s+"status", s+"content", s+"attachments",
			s+"parent_stage_index", s+"index"),
		ignored("for the application that made the form", c+"form_value", c+"form_schema"),
	)
}

func toolFields() []Field {
	const f = "tools[].function"
	const custom, static = "tools[].custom", "tools[].static_function"
	return slices.Concat(
		byModel(llm.FeatureTools, "", "tools", "tools[].type", f, f+".name", f+".description", f+".parameters"),
		byModel(llm.FeatureStrictTools, "", f+".strict"),
		refused("only functions", custom, custom+".name", custom+".description", custom+".format", custom+".format.type",
			custom+".format.grammar", custom+".format.grammar.definition", custom+".format.grammar.syntax"),
		refused("Bedrock runs no tools of its own", static, static+".name", static+".description", static+".configuration"),
		byModel(llm.FeatureToolChoiceRequired, "of none see the models", "tool_choice"),
		byModel(llm.FeatureToolChoiceNamed, "", "tool_choice.type", "tool_choice.function", "tool_choice.function.name"),
		byModel(llm.FeatureTools, "the other tools are left out", "tool_choice.allowed_tools", "tool_choice.allowed_tools.mode",
			"tool_choice.allowed_tools.tools"),
		refused("only functions", "tool_choice.custom", "tool_choice.custom.name"),
		byModel(llm.FeatureOneTool, "", "parallel_tool_calls"),
	)
}

func legacyFields() []Field {
	const c = "messages[].function_call"
	return slices.Concat(
		byModel(llm.FeatureTools, "as tools", "functions", "functions[].name", "functions[].description", "functions[].parameters"),
		byModel(llm.FeatureStrictTools, "as tools", "functions[].strict"),
		byModel(llm.FeatureToolChoiceNamed, "as tool_choice", "function_call", "function_call.name"),
		byModel(llm.FeatureTools, "as a tool call", c, c+".name", c+".arguments"),
	)
}

func cacheFields() []Field {
	const part, tool = "messages[].content[]", "tools[]"
	const note = "an hour if more than 5 minutes are asked for"
	fields := slices.Concat(
		ignored("Bedrock's caches have no keys", "prompt_cache_key"),
		ignored("no Bedrock model keeps a cache for a day", "prompt_cache_retention"),
		byModel(llm.FeatureAutoCache, "explicit leaves automatic cache points out", "prompt_cache_options", "prompt_cache_options.mode"),
		ignored("the models' own lifetime", "prompt_cache_options.ttl"),
		byModel(llm.FeatureCachePoint, "", part+".prompt_cache_breakpoint", part+".prompt_cache_breakpoint.mode"),
		byModel(llm.FeatureCacheHour, note, part+".prompt_cache_breakpoint.ttl"),
		carried("", "messages[].custom_fields", tool+".custom_fields"),
	)
	for _, owner := range []string{"", "messages[].", tool + "."} {
		point := owner + "custom_fields.cache_breakpoint"
		fields = append(fields, byModel(llm.FeatureCachePoint, "", point)...)
		fields = append(fields, byModel(llm.FeatureCacheHour, note, point+".ttl", point+".expire_at")...)
	}
	for _, owner := range []string{"", "messages[].", part + ".", tool + ".", tool + ".function."} {
		point := owner + "cache_control"
		fields = append(fields, byModel(llm.FeatureCachePoint, "", point, point+".type")...)
		fields = append(fields, byModel(llm.FeatureCacheHour, note, point+".ttl")...)
	}
	return fields
}

func audioFields() []Field {
	return refused("no Bedrock chat model speaks on this wire", "audio", "audio.format", "audio.voice", "audio.voice.id")
}

func searchFields() []Field {
	const w = "web_search_options"
	const a = w + ".user_location.approximate"
	return refused("Bedrock searches no web", w, w+".search_context_size", w+".user_location", w+".user_location.type",
		a, a+".city", a+".country", a+".region", a+".timezone")
}

func moderationFields() []Field {
	const m = "moderation"
	return refused("use a guardrail", m, m+".model", m+".policy", m+".policy.input", m+".policy.input.mode",
		m+".policy.output", m+".policy.output.mode")
}
