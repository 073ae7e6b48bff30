package openai

import (
	"cmp"
	"slices"

	"outcrop/internal/llm"
)

// ResponsesFields lists every member of OpenAI's Responses request, and of the extensions of it that are
// understood, in the order of their paths. An item's members are those of its type.
func ResponsesFields() []Field {
	fields := slices.Concat(responsesRequestFields(), responsesOptionFields(), responsesItemFields(), responsesPartFields("content"), responsesPartFields("output"),
		responsesToolFields())
	slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	return fields
}

func responsesRequestFields() []Field {
	return slices.Concat(
		carried("", "model", "input", "stream"),
		carried("a system message before the others", "instructions"),
		byModel(llm.FeatureTemperature, "0 to 2", "temperature"),
		byModel(llm.FeatureTopP, "", "top_p"),
		byModel(llm.FeatureMaxTokens, "", "max_output_tokens"),
		byModel(llm.FeatureEffort, "none, minimal, low, medium, high, xhigh or max", "reasoning", "reasoning.effort"),
		carried("thinking is shown as the summary of its item", "reasoning.summary", "reasoning.generate_summary"),
		ignored("", "reasoning.context", "reasoning.mode"),
		byModel(llm.FeatureSchema, "text, json_schema; of json_object see the models", "text", "text.format", "text.format.type"),
		byModel(llm.FeatureSchema, "", "text.format.name", "text.format.description", "text.format.schema", "text.format.strict"),
		ignored("no Bedrock model takes it; medium is what happens", "text.verbosity"),
		byModel(llm.FeatureTier, "scale and fast, which Bedrock has not, are ignored and reported", "service_tier"),
		carried("reasoning.encrypted_content is meant; what OpenAI's own tools would tell is ignored and reported, logprobs are refused", "include"),
		carried("true is the default; without it there is no background", "store"),
		carried("", "background"),
		carried("up to 16 pairs of text, which the response repeats", "metadata"),
	)
}

func responsesOptionFields() []Field {
	const user = "an operator's own names of the caller go to Bedrock, never the client's; the response repeats it"
	return slices.Concat(
		refused("DIAL's refusal", "previous_response_id", "conversation"),
		refused("send its text as instructions and input", "prompt"),
		refused("use a guardrail", "moderation"),
		refused("0 is what happens", "top_logprobs"),
		ignored("auto only: what is too long is refused", "truncation"),
		ignored(user, "user", "safety_identifier"),
		ignored("Bedrock's caches have no keys", "prompt_cache_key"),
		ignored("no Bedrock model keeps a cache for a day", "prompt_cache_retention"),
		byModel(llm.FeatureAutoCache, "explicit leaves automatic cache points out", "prompt_cache_options", "prompt_cache_options.mode"),
		ignored("the models' own lifetime", "prompt_cache_options.ttl"),
		byModel(llm.FeatureCachePoint, "", "cache_control"),
		carried("the model's own options; unknown ones are refused", "custom_fields", "custom_fields.configuration"),
		ignored("there are no tools that the server runs", "max_tool_calls"),
		ignored("events are never padded", "stream_options", "stream_options.include_obfuscation"),
		ignored("", "access_programs", "background_options", "context_management", "image"),
	)
}

func responsesItemFields() []Field {
	const i = "input[]."
	return slices.Concat(
		carried("message, function_call, function_call_output or reasoning; other types are refused", i+"type"),
		carried("developer is system", i+"role"),
		carried("text or parts", i+"content"),
		carried("what this server gave them; not reported", i+"id", i+"status", i+"phase"),
		byModel(llm.FeatureTools, "", i+"call_id", i+"name", i+"output"),
		byModel(llm.FeatureTools, "what is no JSON object is put into one and reported as changed", i+"arguments"),
		ignored("", i+"namespace", i+"caller"),
		byModel(llm.FeatureReasoningReplay, "a reasoning item without it is ignored and reported", i+"encrypted_content"),
		carried("encrypted_content counts", i+"summary"),
	)
}

// responsesPartFields are of a message's content, or of a function's output.
func responsesPartFields(list string) []Field {
	p := "input[]." + list + "[]."
	return slices.Concat(
		carried("input_text, input_image, input_file, output_text or refusal", p+"type"),
		carried("", p+"text"),
		carried("as text", p+"refusal"),
		byModel(llm.FeatureImage, "a data URL, or a link of http, https, s3 or DIAL", p+"image_url"),
		ignored("auto is what happens", p+"detail"),
		byModel(llm.FeatureDocument, "what the bytes are decides", p+"file_data", p+"file_url", p+"filename"),
		refused("send the file itself", p+"file_id"),
		ignored("what was told, not what was said", p+"annotations", p+"logprobs"),
		byModel(llm.FeatureCachePoint, "", p+"prompt_cache_breakpoint", p+"cache_control"),
	)
}

func responsesToolFields() []Field {
	const t = "tools[]."
	return slices.Concat(
		byModel(llm.FeatureTools, "functions only; other types are refused", "tools", t+"type"),
		byModel(llm.FeatureTools, "", t+"name", t+"description", t+"parameters"),
		byModel(llm.FeatureStrictTools, "false is the default here", t+"strict"),
		byModel(llm.FeatureCachePoint, "", t+"cache_control"),
		ignored("", t+"allowed_callers", t+"defer_loading", t+"output_schema"),
		byModel(llm.FeatureToolChoiceRequired, "of none see the models", "tool_choice"),
		byModel(llm.FeatureToolChoiceNamed, "a function, or allowed_tools", "tool_choice.type", "tool_choice.name"),
		byModel(llm.FeatureTools, "of allowed_tools: the other tools are left out", "tool_choice.mode", "tool_choice.tools"),
		byModel(llm.FeatureOneTool, "", "parallel_tool_calls"),
	)
}

// CompletionFields lists every member of OpenAI's legacy completion request, in the order of their paths.
func CompletionFields() []Field {
	fields := slices.Concat(
		carried("", "model", "stream", "stream_options", "stream_options.include_usage"),
		carried("one text; tokens and several texts are refused", "prompt"),
		carried("as many requests to the model, side by side", "n"),
		byModel(llm.FeatureTemperature, "0 to 2", "temperature"),
		byModel(llm.FeatureTopP, "", "top_p"),
		byModel(llm.FeatureSeed, "image models take it; of several choices each has the next", "seed"),
		byModel(llm.FeatureMaxTokens, "the model's own default, not OpenAI's 16", "max_tokens"),
		byModel(llm.FeatureStop, "", "stop"),
		refused("no Bedrock chat model has it", "suffix", "logprobs"),
		refused("false is what happens", "echo"),
		refused("1 is what happens", "best_of"),
		ignored("no Bedrock model takes it", "presence_penalty", "frequency_penalty", "logit_bias"),
		ignored("an operator's own names of the caller go to Bedrock, never the client's", "user"),
		ignored("chunks are never padded", "stream_options.include_obfuscation"),
	)
	slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	return fields
}
