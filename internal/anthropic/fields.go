package anthropic

import (
	"cmp"
	"slices"
)

// Fate is what becomes of a member of a request that has to be translated for another vendor's model.
type Fate uint8

// The fates.
const (
	// Carried members reach every model, or steer the reply here.
	Carried Fate = iota
	// ByModel members become a part of the llm.ChatRequest or of the model's configuration; a model that
	// cannot honour one is told of, or refuses it.
	ByModel
	// Changed members reach a model in another form, with a loss, and are listed in Shape.Changed.
	Changed
	// Ignored members have no effect and are listed in Shape.Ignored.
	Ignored
	// Refused members end the request with an error that names them.
	Refused
)

// String is the fate in words, for the documentation.
func (f Fate) String() string {
	return [...]string{"carried", "by model", "changed and reported", "ignored and reported", "refused"}[min(int(f), 4)]
}

// Field is a member of the wire and its fate. A Path has [] for every element of a list.
type Field struct {
	Path string
	Fate Fate
	Note string // what the fate means or depends on; may be ""
}

// Fields lists every member of a Messages request, in the order of their paths. A model of Anthropic's own
// gets the body as it is, and Fields is not about that.
func Fields() []Field {
	fields := slices.Concat(requestFields(), messageFields(), blockFields(), sourceFields(), toolFields(), cacheFields())
	slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	return fields
}

func fate(f Fate, note string, paths ...string) []Field {
	fields := make([]Field, len(paths))
	for i, path := range paths {
		fields[i] = Field{path, f, note}
	}
	return fields
}

func requestFields() []Field {
	return slices.Concat(
		fate(Carried, "", "model", "stream", "messages", "system", "system[].type", "system[].text"),
		fate(ByModel, "may be absent", "max_tokens"),
		fate(ByModel, "", "temperature", "top_p", "stop_sequences"),
		fate(ByModel, "where the model's configuration has it, else ignored and reported", "top_k"),
		fate(ByModel, "as it is where the model's configuration has it; else an effort, which is reported as changed", "thinking",
			"thinking.type", "thinking.budget_tokens", "thinking.display"),
		fate(ByModel, "none, minimal, low, medium, high, xhigh or max", "output_config", "output_config.effort"),
		fate(ByModel, "json_schema", "output_config.format", "output_config.format.type", "output_config.format.schema",
			"output_format", "output_format.type", "output_format.schema"),
		fate(Ignored, "Bedrock counts no budget of a task", "output_config.task_budget"),
		fate(ByModel, "standard_only is Bedrock's default tier; others are ignored and reported", "service_tier"),
		fate(Carried, "DIAL Core gets it as user; Bedrock does not, which is reported", "metadata", "metadata.user_id"),
		fate(Ignored, "only Anthropic's own servers have it", "context_management", "container", "mcp_servers", "inference_geo", "speed",
			"compaction", "anthropic_version", "anthropic_beta"),
		fate(Refused, "Bedrock holds no conversations; Anthropic's SDKs then send all messages", memberThread),
	)
}

func messageFields() []Field {
	const m = "messages[]."
	return slices.Concat(
		fate(Carried, "user, assistant or system", m+"role"),
		fate(Carried, "", m+"content", m+"content[].type"),
		fate(Carried, "of a system message: next_user_message", m+"clear_at"),
		fate(ByModel, "of a system message; the last counts", m+"output_config.effort"),
	)
}

func blockFields() []Field {
	const b = "messages[].content[]."
	return slices.Concat(
		fate(Carried, "", b+"text"),
		fate(ByModel, "", b+"thinking", b+"signature", b+"data"),
		fate(ByModel, "", b+"id", b+"name", b+"input"),
		fate(ByModel, "results go before the rest of their turn; one that stood after something else is reported as changed",
			b+"tool_use_id", b+"content"),
		fate(ByModel, "", b+"is_error"),
		fate(Carried, "the name of a document", b+"title"),
		fate(ByModel, "of a document: where the model's configuration has enable_citations", b+"citations.enabled"),
		fate(Ignored, "the text is what a model gets", b+"context"),
		fate(Ignored, "of a tool_use; the call is what counts", b+"caller"),
		fate(Changed, "a search result becomes text", b+"source"),
		fate(Ignored, "what Anthropic's own servers did", "messages[].content[]"),
	)
}

func sourceFields() []Field {
	const s = "messages[].content[].source."
	return slices.Concat(
		fate(Carried, "base64, url; text and content of a document", s+"type"),
		fate(ByModel, "what the bytes are decides", s+"media_type", s+"data"),
		fate(ByModel, "of http, https, s3 or DIAL", s+"url"),
		fate(Changed, "the pieces of a document become one text", s+"content"),
		fate(Refused, "send the bytes as base64", s+"file_id"),
	)
}

func toolFields() []Field {
	return slices.Concat(
		fate(ByModel, "", "tools", "tools[].name", "tools[].description", "tools[].input_schema"),
		fate(ByModel, "custom; DIAL Core gets others as static_function, Bedrock's models of other vendors refuse them", "tools[].type"),
		fate(ByModel, "", "tools[].strict"),
		fate(Ignored, "without effect on what other models do", "tools[].defer_loading", "tools[].eager_input_streaming",
			"tools[].input_examples", "tools[].allowed_callers"),
		fate(ByModel, "auto, any, none or tool", "tool_choice", "tool_choice.type", "tool_choice.name"),
		fate(ByModel, "", "tool_choice.disable_parallel_tool_use"),
	)
}

func cacheFields() (fields []Field) {
	for _, owner := range []string{"", "system[].", "messages[].content[].", "tools[]."} {
		point := owner + "cache_control"
		fields = append(fields, fate(ByModel, "", point, point+".type")...)
		fields = append(fields, fate(ByModel, "5m or 1h", point+".ttl")...)
	}
	return fields
}
