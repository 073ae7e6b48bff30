package sandbox

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"outcrop/internal/models"
)

// nativeFamily tells whose chat body an InvokeModel call must have, familyPlain
// when it is none that the sandbox speaks. The ARN of an application inference
// profile does not name its model, so there the body does: by the member that
// no other family has.
func nativeFamily(c *call) family {
	switch m := c.Model; {
	case m == nil && c.Body["anthropic_version"] != nil:
		return familyClaude
	case m == nil && c.Body["schemaVersion"] == "messages-v1":
		return familyNova
	case m == nil:
		return familyPlain
	case claudeVersion(m) >= 3, m.Provider == "anthropic" && c.Body["messages"] != nil:
		return familyClaude
	case isNova(m) && m.Kind == models.Chat:
		return familyNova
	case strings.HasPrefix(m.Base, "twelvelabs.pegasus"):
		return familyPegasus
	}
	return familyPlain
}

// nativeCheck applies rules of a conversation to a native body. InvokeModel
// passes on what the model says without Converse's words in front.
func nativeCheck(c *call, body map[string]any, all []rule) *apiError {
	if c.Model == nil {
		return nil // nothing is known of the model
	}
	v := newConversation(c, body)
	for _, r := range all {
		if err := r(v); err != nil {
			err.Message = strings.TrimPrefix(err.Message, modelSaysPrefix)
			return err
		}
	}
	return nil
}

// claudeNative: the Messages body, whose model and stream are in the path. The
// texts are those of Anthropic's own API.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
func claudeNative(c *call) *apiError {
	for _, name := range []string{"messages", "max_tokens", "anthropic_version"} {
		if c.Body[name] == nil {
			return invalid("%s: Field required", name)
		}
	}
	for _, name := range []string{"model", "stream"} {
		if c.Body[name] != nil {
			return invalid("%s: Extra inputs are not permitted", name)
		}
	}
	for _, check := range []func(*call) *apiError{claudeMembers, claudeRanges, claudeMessages, claudeTools, claudeSchema} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nativeCheck(c, fromAnthropic(c.Body), []rule{
		claudeLimit, claudeToolPairs, cachePointCount, cachePointOrder, thinkingKind, thinkingBudget, thinkingSampling,
		thinkingTools, thinkingReplay, thinkingSignatures, sampling, prefill, uniqueCalls, claudeEffort, betas, claudeImages, contextWindow,
	})
}

// claudeMembers: what the body may hold, in the first place and where a beta is
// needed. Anthropic's own service tiers, containers, remote MCP servers and
// regions are not AWS's, and an effort per message is not either.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
func claudeMembers(c *call) *apiError {
	v := conversation{body: map[string]any{"additionalModelRequestFields": pick(c.Body, "anthropic_beta")}}
	for _, name := range slices.Sorted(maps.Keys(c.Body)) {
		switch name {
		case "anthropic_version", "anthropic_beta", "messages", "max_tokens", "system", "temperature", "top_p", "top_k", "stop_sequences",
			"tools", "tool_choice", "thinking", "output_config", "output_format", "cache_control", "metadata":
			continue
		case "context_management":
			if v.hasBeta("context-management-2025-06-27") || v.hasBeta("compact-2026-01-12") {
				continue
			}
		}
		if !strings.HasPrefix(name, "amazon-bedrock-") {
			return invalid("%s: Extra inputs are not permitted", name)
		}
	}
	for i, m := range array(c.Body["messages"]) {
		if dig(m, "output_config") != nil {
			return invalid("messages.%d.output_config: Extra inputs are not permitted", i)
		}
	}
	for i, t := range array(c.Body["tools"]) {
		if dig(t, "defer_loading") != nil && !v.hasBeta("tool-search-tool-2025-10-19") {
			return invalid("tools.%d.custom.defer_loading: Extra inputs are not permitted", i)
		}
	}
	return nil
}

// claudeRanges: numbers and what they may be.
// https://docs.claude.com/en/api/messages
func claudeRanges(c *call) *apiError {
	for _, r := range []struct {
		name      string
		low, high float64
		whole     bool
	}{
		{"max_tokens", 1, math.Inf(1), true}, {"temperature", 0, 1, false}, {"top_p", 0, 1, false}, {"top_k", 0, math.Inf(1), true},
	} {
		value := c.Body[r.name]
		_, isNumber := value.(json.Number)
		n := number(value)
		switch {
		case value == nil:
		case r.whole && (!isNumber || n != math.Trunc(n)):
			return invalid("%s: Input should be a valid integer", r.name)
		case !isNumber:
			return invalid("%s: Input should be a valid number", r.name)
		case n < r.low:
			return invalid("%s: Input should be greater than or equal to %v", r.name, r.low)
		case n > r.high:
			return invalid("%s: Input should be less than or equal to %v", r.name, r.high)
		}
	}
	return nil
}

func claudeMessages(c *call) *apiError {
	messages, ok := c.Body["messages"].([]any)
	switch {
	case !ok:
		return invalid("messages: Input should be a valid list")
	case len(messages) == 0:
		return invalid("messages: at least one message is required")
	}
	for i, m := range messages {
		message := object(m)
		if message == nil {
			return invalid("messages.%d: Input should be a valid dictionary", i)
		}
		role := text(message["role"])
		system := role == "system" && c.Model != nil && takesSystemTurns(c.Model)
		if role != "user" && role != "assistant" && !system {
			return invalid("messages.%d.role: Input should be 'user' or 'assistant'", i)
		}
		if role == "assistant" && i == len(messages)-1 && len(array(message["content"])) == 0 {
			continue // the one message that may be empty
		}
		if err := claudeContent(place{"messages", i}, message["content"]); err != nil {
			return err
		}
	}
	return nil
}

// claudeContent: a text, or a list of blocks that say their type.
func claudeContent(at place, content any) *apiError {
	blocks, list := content.([]any)
	switch said, plain := content.(string); {
	case content == nil:
		return invalid("%s: Field required", at.in("content"))
	case !plain && !list:
		return invalid("%s: Input should be a valid list", at.in("content"))
	case said == "" && len(blocks) == 0:
		return invalid("%s: all messages must have non-empty content except for the optional final assistant message", at)
	}
	for i, b := range blocks {
		kind := dig(b, "type")
		switch {
		case object(b) == nil:
			return invalid("%s: Input should be a valid dictionary", at.in("content", i))
		case text(kind) == "":
			return invalid("%s: Field required", at.in("content", i, "type"))
		case kind == "text" && text(dig(b, "text")) == "":
			return invalid("messages: text content blocks must be non-empty")
		}
	}
	return nil
}

func claudeTools(c *call) *apiError {
	tools, ok := c.Body["tools"].([]any)
	if c.Body["tools"] != nil && !ok {
		return invalid("tools: Input should be a valid list")
	}
	names := map[string]bool{}
	for i, t := range tools {
		name := text(dig(t, "name"))
		switch schema, given := object(t)["input_schema"]; {
		case object(t) == nil:
			return invalid("tools.%d: Input should be a valid dictionary", i)
		case given && dig(schema, "type") != "object":
			return invalid("tools.%d.custom.input_schema.type: Input should be 'object'", i)
		case name != "" && names[name]:
			return invalid("tools: Tool names must be unique.")
		}
		names[name] = true
	}
	if chosen := text(dig(c.Body, "tool_choice", "name")); chosen != "" && !names[chosen] {
		return invalid("Tool '%s' not found in provided tools", chosen)
	}
	return nil
}

func claudeSchema(c *call) *apiError {
	if schema := dig(c.Body, "output_config", "format", "schema"); schema != nil && !closed(schema) {
		return invalid("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false")
	} else if found := refusedKeyword(schema); found != "" {
		return invalid("output_config.format.schema: %s", found)
	}
	return nil
}

func claudeLimit(v *conversation) *apiError {
	n, limit := number(dig(v.body, "inferenceConfig", "maxTokens")), v.model.MaxOutputTokens
	if limit == 0 || n <= float64(limit) {
		return nil
	}
	_, name, _ := strings.Cut(v.model.Base, ".")
	return invalid("max_tokens: %.0f > %d, which is the maximum allowed number of output tokens for %s", n, limit, name)
}

// claudeToolPairs: every call is answered in the next turn, and nothing else is.
func claudeToolPairs(v *conversation) *apiError {
	all := merged(v.turns)
	for i, t := range all {
		var calls []string
		if i > 0 {
			calls = toolCalls(all[i-1])
		}
		for _, b := range t.content {
			if id := text(dig(b, "toolResult", "toolUseId")); id != "" && t.role == "user" && !slices.Contains(calls, id) {
				return invalid("messages.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. "+
					"Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", t.index, id)
			}
		}
		if t.role != "assistant" {
			continue
		}
		next := turn{}
		if i+1 < len(all) {
			next = all[i+1]
		}
		if missing := withoutResult(toolCalls(t), next); len(missing) > 0 {
			return invalid("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. "+
				"Each `tool_use` block must have a corresponding `tool_result` block in the next message.", t.index, strings.Join(missing, ", "))
		}
	}
	return nil
}

// novaNative: Nova's body is Converse's but for a few names, so the service
// model judges its types and ranges; Nova's own words for them are not known.
// https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
func novaNative(c *call) *apiError {
	schema := nativeSchema{
		required: []string{"messages"},
		optional: []string{"schemaVersion", "system", "toolConfig", "inferenceConfig", "reasoningConfig", "additionalModelRequestFields"},
	}
	if err := schema.check(c.Body); err != nil {
		return err
	}
	shapes, err := inputShapes()
	if err != nil {
		return &apiError{Status: 500, Type: "InternalServerException", Message: err.Error()}
	}
	body := fromNova(c.Body)
	if err := checkConstraints(shapes[opConverse], body); err != nil {
		return invalid("%s", malformed(err.Message))
	}
	if len(array(body["messages"])) == 0 {
		return invalid("%s", malformed("#/messages: expected minimum item count: 1, found: 0"))
	}
	return nativeCheck(c, body, []rule{
		contentBlocks, documentNames, startsWithUser, toolPairs, toolSchemas, maxTokens, mediaCounts, systemTurns, media,
		novaCachePoints, novaToolResults, novaReasoning, contextWindow,
	})
}
