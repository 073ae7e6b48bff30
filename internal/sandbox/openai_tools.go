package sandbox

import (
	"fmt"
	"regexp"
	"slices"
)

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// openaiFunctions checks the tools of either API.
func openaiFunctions(c *call) *apiError {
	tools, list := c.Native["tools"].([]any)
	if c.Native["tools"] != nil && (!list || len(tools) == 0 && c.Op == opChat) {
		return openaiInvalid("tools", "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	for i, v := range tools {
		at, function := fmt.Sprintf("tools[%d]", i), object(v)
		if function["type"] != "function" {
			return openaiInvalid(at+".type", "Invalid value: '%v'. Supported values are: 'function'.", function["type"])
		}
		if c.Op == opChat {
			at, function = at+".function", object(function["function"])
		}
		if name := text(function["name"]); !functionName.MatchString(name) {
			return openaiInvalid(at+".name", "Invalid '%s.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", at)
		}
		parameters, given := function["parameters"]
		if given && parameters != nil && object(parameters)["type"] != "object" {
			return openaiInvalid(at+".parameters", "Invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"'.", text(function["name"]))
		}
		if function["strict"] == true && !strictSchema(parameters) {
			return openaiInvalid(at+".parameters", "Invalid schema for function '%s': %s", text(function["name"]), notStrict)
		}
	}
	return nil
}

func openaiChoice(c *call) *apiError {
	choice, tools := c.Native["tool_choice"], array(c.Native["tools"])
	if choice == nil {
		return nil
	}
	if word, ok := choice.(string); ok {
		switch {
		case !slices.Contains([]string{"none", "auto", "required"}, word):
			return openaiInvalid("tool_choice", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", word)
		case len(tools) == 0 && (c.Op == opChat || word == "required"):
			return openaiInvalid("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.")
		}
		return nil
	}
	name := chosenTool(choice)
	if !slices.ContainsFunc(tools, func(t any) bool { return name != "" && chosenTool(t) == name }) {
		return openaiInvalid("tool_choice", "Tool choice '%s' not found in 'tools' parameter.", name)
	}
	return nil
}

func openaiFormat(c *call) *apiError {
	param, format := "response_format", object(c.Native["response_format"])
	schema := object(format["json_schema"])
	if c.Op == opResponses {
		param, format = "text.format", object(dig(c.Native, "text", "format"))
		schema = format
	}
	switch {
	case format == nil, format["type"] == "text", format["type"] == "json_object":
	case format["type"] != "json_schema":
		return openaiInvalid(param+".type", "Invalid value: '%v'. Supported values are: 'json_object', 'json_schema', and 'text'.", format["type"])
	case text(schema["name"]) == "":
		return openaiInvalid(param, "Missing required parameter: '%s.name'.", param)
	case schema["strict"] == true && !strictSchema(schema["schema"]):
		return openaiInvalid(param, "Invalid schema for %s '%s': %s", param, text(schema["name"]), notStrict)
	}
	return nil
}

const notStrict = "In context=(), 'additionalProperties' is required to be supplied and to be false, and 'required' to name every property."

// strictSchema: closed objects all of whose members are required.
func strictSchema(schema any) bool {
	if !closed(schema) {
		return false
	}
	root := object(schema)
	for name := range object(root["properties"]) {
		if !slices.Contains(array(root["required"]), any(name)) {
			return false
		}
	}
	return true
}
