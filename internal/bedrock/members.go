package bedrock

import "strings"

// Member is a member of Converse's request, or all below it.
type Member struct {
	Path string // "messages[].content[].image", "requestMetadata{}"
	// From is the client's field that fills it, in OpenAI's and DIAL's words; "" if none does.
	From string
	// Why says, of a member that is not offered, what stands against it.
	Why string
}

// Members lists what Converse's request holds and how a client reaches it. A longer path has the word
// over a shorter one.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
func Members() []Member {
	const content, result = "messages[].content[]", "messages[].content[].toolResult.content[]"
	const files = "messages[].content[] with an image_url, file or input_audio part; messages[].custom_content.attachments"
	const notWire = "neither OpenAI's nor DIAL's messages have such a part"
	const notSource = "files are sent as bytes, which every model takes"
	return []Member{
		{Path: "messages[].role", From: "messages[].role"},
		{Path: content + ".text", From: "messages[].content"},
		{Path: content + ".image", From: files},
		{Path: content + ".image.error", Why: "only replies have it"},
		{Path: content + ".document", From: files},
		{Path: content + ".document.source.text", Why: notSource},
		{Path: content + ".document.source.content", Why: notSource},
		{Path: content + ".document.context", Why: notWire},
		{Path: content + ".document.citations", From: configPath + ".enable_citations"},
		{Path: content + ".video", From: files},
		{Path: content + ".audio", From: files},
		{Path: content + ".audio.error", Why: "only replies have it"},
		{Path: content + ".audio.source.s3Location", Why: "no model that takes s3: URLs takes audio"},
		{Path: content + ".image.source.s3Location.bucketOwner", Why: "an s3: URL names no account: the bucket must be the upstream's own"},
		{Path: content + ".document.source.s3Location.bucketOwner", Why: "an s3: URL names no account: the bucket must be the upstream's own"},
		{Path: content + ".video.source.s3Location.bucketOwner", Why: "an s3: URL names no account: the bucket must be the upstream's own"},
		{Path: content + ".toolUse", From: "messages[].tool_calls"},
		{Path: content + ".toolUse.type", Why: "tools that AWS runs are not offered, so that none of their calls comes back"},
		{Path: content + ".toolResult", From: "messages[] of the role tool"},
		{Path: content + ".toolResult.type", Why: "tools that AWS runs are not offered, so that none of their results comes back"},
		{Path: result + ".json", Why: "a result is sent as the text that the tool wrote, which need not be an object"},
		{Path: result + ".image.error", Why: "only replies have it"},
		{Path: result + ".image.source.s3Location", Why: "a file of a tool's result is sent as bytes"},
		{Path: result + ".document.source.s3Location", Why: "a file of a tool's result is sent as bytes"},
		{Path: result + ".document.source.text", Why: notSource},
		{Path: result + ".document.source.content", Why: notSource},
		{Path: result + ".document.context", Why: notWire},
		{Path: result + ".video", Why: "no model takes a video there; it follows as the user's"},
		{Path: result + ".searchResult", Why: notWire},
		{Path: content + ".guardContent", Why: notWire},
		{Path: content + ".cachePoint", From: "messages[].custom_fields.cache_breakpoint"},
		{Path: content + ".reasoningContent", From: "messages[].custom_content.state"},
		{Path: content + ".citationsContent", Why: "the text of an earlier reply is sent back without its citations"},
		{Path: content + ".searchResult", Why: notWire},
		{Path: content + ".toolAddition", Why: notWire},
		{Path: content + ".toolRemoval", Why: notWire},
		{Path: "system[].text", From: "messages[] of the roles system and developer"},
		{Path: "system[].guardContent", Why: notWire},
		{Path: "system[].cachePoint", From: "messages[].custom_fields.cache_breakpoint"},
		{Path: "inferenceConfig.maxTokens", From: "max_tokens, max_completion_tokens"},
		{Path: "inferenceConfig.temperature", From: "temperature"},
		{Path: "inferenceConfig.topP", From: "top_p"},
		{Path: "inferenceConfig.stopSequences", From: "stop"},
		{Path: "toolConfig.tools[].toolSpec", From: "tools[].function"},
		{Path: "toolConfig.tools[].systemTool", Why: "tools that AWS runs need their calls and results back, which OpenAI's messages cannot carry"},
		{Path: "toolConfig.tools[].cachePoint", From: "tools[].custom_fields.cache_breakpoint"},
		{Path: "toolConfig.toolChoice.auto", Why: "it is the default"},
		{Path: "toolConfig.toolChoice.any", From: "tool_choice: required"},
		{Path: "toolConfig.toolChoice.tool", From: "tool_choice with a name"},
		{Path: "guardrailConfig", From: configPath + ".guardrailConfig"},
		{Path: "additionalModelRequestFields", From: configPath + ".additionalModelRequestFields, and the fields of each family"},
		{Path: "promptVariables", Why: "prompts of AWS's prompt management have messages of their own"},
		{Path: "additionalModelResponseFieldPaths", From: configPath + ".additionalModelResponseFieldPaths"},
		{Path: "requestMetadata", From: "the server's own knowledge of the caller"},
		{Path: "performanceConfig.latency", From: configPath + ".performanceConfig.latency"},
		{Path: "serviceTier.type", From: "service_tier, " + configPath + ".serviceTier"},
		{Path: "outputConfig.textFormat", From: "response_format"},
		{Path: "outputConfig.effort", Why: "reasoning_effort goes into the model's own fields, which older models have as well"},
	}
}

// memberOf is the entry that speaks for a path.
func memberOf(list []Member, path string) (found Member, ok bool) {
	for _, m := range list {
		rest, below := strings.CutPrefix(path, m.Path)
		if below && (rest == "" || strings.ContainsAny(rest[:1], ".[{")) && len(m.Path) >= len(found.Path) {
			found, ok = m, true
		}
	}
	return found, ok
}
