package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// The texts of this file are those of OpenAI's API where it is known what it
// says, else the sandbox's own: what bedrock-mantle says has not been observed.

// maxChoices bounds n.
const maxChoices = 16

// openaiRules are those of the body.
func openaiRules(c *call) *apiError {
	checks := []func(*call) *apiError{chatArguments, chatRanges, chatMessages, chatHistory, openaiFunctions, openaiChoice, openaiFormat, openaiWindow}
	if c.Op == opResponses {
		checks = []func(*call) *apiError{
			responseArguments, responseRanges, responseInput, responseHistory, openaiFunctions, openaiChoice, openaiFormat, openaiWindow,
		}
	}
	for _, check := range checks {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

// unknownArguments refuses what the API does not have.
func unknownArguments(c *call, known string) *apiError {
	names := strings.Fields(known)
	for _, name := range slices.Sorted(maps.Keys(c.Native)) {
		if !slices.Contains(names, name) {
			return openaiInvalid(name, "Unrecognized request argument supplied: %s", name)
		}
	}
	return nil
}

func chatArguments(c *call) *apiError {
	if err := unknownArguments(c, `model messages max_tokens max_completion_tokens temperature top_p stop n stream stream_options
		tools tool_choice parallel_tool_calls response_format seed presence_penalty frequency_penalty logit_bias logprobs top_logprobs
		user metadata reasoning_effort service_tier store verbosity safety_identifier prompt_cache_key prediction`); err != nil {
		return err
	}
	switch {
	case c.Native["max_tokens"] != nil && c.Native["max_completion_tokens"] != nil:
		return openaiInvalid("max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case c.Native["stream_options"] != nil && !c.Stream:
		return openaiInvalid("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case c.Native["top_logprobs"] != nil && c.Native["logprobs"] != true:
		return openaiInvalid("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	}
	return openaiEffort(c, c.Native["reasoning_effort"], "reasoning_effort")
}

func responseArguments(c *call) *apiError {
	if err := unknownArguments(c, `model input instructions max_output_tokens temperature top_p stream stream_options tools tool_choice
		parallel_tool_calls text reasoning include metadata store user service_tier truncation previous_response_id background
		safety_identifier prompt_cache_key max_tool_calls top_logprobs`); err != nil {
		return err
	}
	switch {
	case c.Native["previous_response_id"] != nil: // nothing is stored
		return &apiError{Status: 400, Type: "ValidationException", Extra: map[string]any{"code": "previous_response_not_found", "param": "previous_response_id"},
			Message: fmt.Sprintf("Previous response with id '%s' not found.", text(c.Native["previous_response_id"]))}
	case c.Native["background"] == true:
		return openaiInvalid("background", "Background mode is not supported.")
	}
	return openaiEffort(c, dig(c.Native, "reasoning", "effort"), "reasoning.effort")
}

// openaiEffort: gpt-oss always reasons, at one of three levels.
func openaiEffort(c *call, effort any, param string) *apiError {
	levels := []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}
	if familyOf(c) == familyGptOSS {
		levels = []string{"low", "medium", "high"}
	}
	if effort != nil && !slices.Contains(levels, text(effort)) {
		return openaiInvalid(param, "Invalid value: '%v'. Supported values are: '%s'.", effort, strings.Join(levels, "', '"))
	}
	return nil
}

// span is what a number may be.
type span struct {
	name      string
	low, high float64
	whole     bool
}

func chatRanges(c *call) *apiError {
	return openaiRanges(c, []span{
		{"temperature", 0, 2, false}, {"top_p", 0, 1, false}, {"presence_penalty", -2, 2, false}, {"frequency_penalty", -2, 2, false},
		{"n", 1, maxChoices, true}, {"max_tokens", 1, math.MaxInt32, true}, {"max_completion_tokens", 1, math.MaxInt32, true},
		{"top_logprobs", 0, 20, true}, {"seed", math.MinInt64, math.MaxInt64, true},
	})
}

func responseRanges(c *call) *apiError {
	return openaiRanges(c, []span{
		{"temperature", 0, 2, false}, {"top_p", 0, 1, false}, {"max_output_tokens", 16, math.MaxInt32, true}, {"top_logprobs", 0, 20, true},
	})
}

func openaiRanges(c *call, spans []span) *apiError {
	for _, r := range spans {
		value := c.Native[r.name]
		_, isNumber := value.(json.Number)
		n := number(value)
		switch {
		case value == nil:
		case !isNumber, r.whole && n != math.Trunc(n):
			return openaiInvalid(r.name, "Invalid type for '%s'.", r.name)
		case n < r.low:
			return openaiInvalid(r.name, "Invalid '%s': below the minimum value. Expected a value >= %v, but got %v instead.", r.name, r.low, value)
		case n > r.high:
			return openaiInvalid(r.name, "Invalid '%s': above the maximum value. Expected a value <= %v, but got %v instead.", r.name, r.high, value)
		}
	}
	if stops := array(c.Native["stop"]); len(stops) > 4 {
		return openaiInvalid("stop", "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length %d instead.", len(stops))
	}
	return nil
}

func chatMessages(c *call) *apiError {
	messages := array(c.Native["messages"])
	if len(messages) == 0 {
		return openaiInvalid("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	for i, m := range messages {
		message, at := object(m), fmt.Sprintf("messages[%d]", i)
		role := text(message["role"])
		if !slices.Contains([]string{"system", "developer", "user", "assistant", "tool"}, role) {
			return openaiInvalid(at+".role", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'developer', and 'tool'.", role)
		}
		calls := array(message["tool_calls"])
		if message["content"] == nil && (role != "assistant" || len(calls) == 0) {
			return openaiInvalid(at+".content", "Invalid value for 'content': expected a string, got null.")
		}
		if err := c.parts(at+".content", role, message["content"]); err != nil {
			return err
		}
		for j, call := range calls {
			if arguments, ok := dig(call, "function", "arguments").(string); !ok || text(dig(call, "id")) == "" || text(dig(call, "function", "name")) == "" {
				return openaiInvalid(fmt.Sprintf("%s.tool_calls[%d]", at, j), "A tool call needs an id, a name and its arguments as a string.")
			} else if decodeObject([]byte(arguments)) == nil {
				return openaiInvalid(fmt.Sprintf("%s.tool_calls[%d].function.arguments", at, j), "The arguments of a tool call must be a JSON object.")
			}
		}
	}
	return nil
}

// parts checks the content of a message of either API.
func (c *call) parts(at, role string, content any) *apiError {
	if _, plain := content.(string); plain || content == nil {
		return nil
	}
	list, ok := content.([]any)
	if !ok || len(list) == 0 {
		return openaiInvalid(at, "Invalid type for '%s': expected a string or a list of parts.", at)
	}
	for i, p := range list {
		where := fmt.Sprintf("%s[%d]", at, i)
		switch kind := text(dig(p, "type")); kind {
		case "text", "input_text", "output_text", "refusal":
			if _, isText := object(p)["text"].(string); !isText && kind != "refusal" {
				return openaiInvalid(where+".text", "Missing required parameter: '%s.text'.", where)
			}
			if c.Op == opChat && (kind == "input_text" || kind == "output_text") || c.Op == opResponses && kind == "text" {
				return openaiInvalid(where+".type", "Invalid value: '%s'.", kind)
			}
		case "image_url", "input_image":
			if err := c.image(where, role, p); err != nil {
				return err
			}
		case "file", "input_file":
			if err := c.file(where, p); err != nil {
				return err
			}
		default:
			return openaiInvalid(where+".type", "Invalid value: '%s'.", kind)
		}
	}
	return nil
}

// file: a PDF with a name, for a model that reads them.
func (c *call) file(at string, part any) *apiError {
	from := object(part)
	if c.Op == opChat {
		from = object(from["file"])
	}
	mediaType, data, ok := dataURL(text(from["file_data"]))
	switch {
	case (c.Op == opChat) != (dig(part, "type") == "file"):
		return openaiInvalid(at+".type", "Invalid value: '%s'.", text(dig(part, "type")))
	case c.Model.Input == nil || !slices.Contains(c.Model.Input, "pdf"):
		return openaiInvalid(at, "This model does not support file content types.")
	case !ok || text(from["filename"]) == "":
		return openaiInvalid(at, "A file needs a filename, and file_data that is a base64 data URL.")
	case mediaType != "application/pdf" || !isPDF(data):
		return openaiInvalid(at, "The file type you uploaded is not supported. Please try again with a pdf.")
	}
	return nil
}

// image: a model that sees, a user who shows, and a data URL that is what it
// says.
func (c *call) image(at, role string, part any) *apiError {
	url := orElse(text(dig(part, "image_url")), text(dig(part, "image_url", "url")))
	mediaType, data, ok := dataURL(url)
	_, format := imageSize(data)
	switch {
	case role != "user":
		return openaiInvalid(at, "Image parts are only allowed in messages of the role 'user'.")
	case c.Model.Input != nil && !slices.Contains(c.Model.Input, "image"):
		return openaiInvalid(at, "This model does not support image input.")
	case !ok:
		return openaiInvalid(at, "Images must be base64 data URLs.")
	case format == "":
		return openaiInvalid(at, "You uploaded an unsupported image. Please make sure your image is valid.")
	case mediaType != "image/"+format:
		return openaiInvalid(at, "The image is declared as %s, but it is image/%s.", mediaType, format)
	}
	return nil
}

// chatHistory pairs calls and results: each is answered before anything else is
// said.
func chatHistory(c *call) *apiError {
	var open []string
	for i, m := range array(c.Native["messages"]) {
		message := object(m)
		if message["role"] == "tool" {
			id := text(message["tool_call_id"])
			at := slices.Index(open, id)
			if at < 0 {
				return openaiInvalid(fmt.Sprintf("messages[%d].role", i), "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
			}
			open = slices.Delete(open, at, at+1)
			continue
		}
		if len(open) > 0 {
			return unanswered(i, open)
		}
		for _, call := range array(message["tool_calls"]) {
			open = append(open, text(dig(call, "id")))
		}
	}
	if len(open) > 0 {
		return unanswered(len(array(c.Native["messages"])), open)
	}
	return nil
}

func unanswered(i int, ids []string) *apiError {
	return openaiInvalid(fmt.Sprintf("messages[%d].role", i), "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "+
		"The following tool_call_ids did not have response messages: %s", strings.Join(ids, ", "))
}

func responseInput(c *call) *apiError {
	switch input := c.Native["input"].(type) {
	case string:
		return nil
	case []any:
		for i, v := range input {
			if err := c.responseItem(fmt.Sprintf("input[%d]", i), object(v)); err != nil {
				return err
			}
		}
		if len(input) > 0 {
			return nil
		}
	}
	return openaiInvalid("input", "Missing required parameter: 'input'.")
}

func (c *call) responseItem(at string, item map[string]any) *apiError {
	need := func(names ...string) *apiError {
		for _, name := range names {
			if item[name] == nil {
				return openaiInvalid(at+"."+name, "Missing required parameter: '%s.%s'.", at, name)
			}
		}
		return nil
	}
	switch item["type"] {
	case nil, "message":
		role := text(item["role"])
		if !slices.Contains([]string{"system", "developer", "user", "assistant"}, role) {
			return openaiInvalid(at+".role", "Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", role)
		}
		if err := need("content"); err != nil {
			return err
		}
		return c.parts(at+".content", role, item["content"])
	case "function_call":
		return need("call_id", "name", "arguments")
	case "function_call_output":
		if err := need("call_id", "output"); err != nil {
			return err
		}
		return c.parts(at+".output", "user", item["output"])
	case "reasoning":
		if sealed := text(item["encrypted_content"]); sealed != "" && !sealedThought(sealed) {
			return &apiError{Status: 400, Type: "ValidationException", Extra: map[string]any{"code": "invalid_encrypted_content", "param": at},
				Message: fmt.Sprintf("The encrypted content for item %s could not be verified.", text(item["id"]))}
		} else if sealed == "" && item["content"] == nil {
			return openaiInvalid(at, "Item with id '%s' not found. Items are not persisted when `store` is set to false.", text(item["id"]))
		}
		return nil
	}
	return openaiInvalid(at+".type", "Invalid value: '%v'.", item["type"])
}

// responseHistory pairs calls and outputs, by the id of the call.
func responseHistory(c *call) *apiError {
	calls := map[string]bool{} // answered or not
	for _, v := range array(c.Native["input"]) {
		item := object(v)
		id := text(item["call_id"])
		switch _, known := calls[id]; {
		case item["type"] == "function_call":
			calls[id] = false
		case item["type"] == "function_call_output" && !known:
			return openaiInvalid("input", "No tool call found for function call output with call_id %s.", id)
		case item["type"] == "function_call_output":
			calls[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(calls)) {
		if !calls[id] {
			return openaiInvalid("input", "No tool output found for function call %s.", id)
		}
	}
	return nil
}

// openaiWindow compares the estimate with the model's window.
func openaiWindow(c *call) *apiError {
	limit := c.Model.ContextWindow
	if n := countTokens(c.Body); limit > 0 && n > limit {
		return &apiError{Status: 400, Type: "ValidationException", Extra: map[string]any{"code": "context_length_exceeded", "param": "messages"},
			Message: fmt.Sprintf("This model's maximum context length is %d tokens. However, your messages resulted in %d tokens. Please reduce the length of the messages.", limit, n)}
	}
	return nil
}
