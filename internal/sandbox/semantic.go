package sandbox

import (
	"encoding/json"
	"strings"

	"outcrop/internal/models"
)

// semanticRules are Converse's own, in the order they are tried. Places count
// from 0. Texts without a case id in their comment are the sandbox's: the rule
// is AWS's, its words are not known.
func semanticRules() []rule {
	return []rule{
		promptMembers, hasMessages, contentBlocks, documentNames, documentsHaveText, startsWithUser,
		toolConfigPresent, toolPairs, toolSchemas, maxTokens, mediaCounts, responsePaths, freeFields,
	}
}

// promptMembers: a stored prompt brings these itself.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
func promptMembers(v *conversation) *apiError {
	if !v.prompt {
		return nil
	}
	for _, name := range []string{"additionalModelRequestFields", "inferenceConfig", "system", "toolConfig"} {
		if v.body[name] != nil {
			return invalid("The %s field cannot be used with a prompt resource. Remove %s and try again.", name, name)
		}
	}
	return nil
}

const mustStartWithUser = "A conversation must start with a user message. Try again with a conversation that starts with a user message." // c03

func hasMessages(v *conversation) *apiError {
	if len(v.turns) == 0 && !v.prompt {
		return invalid(mustStartWithUser)
	}
	return nil
}

func contentBlocks(v *conversation) *apiError {
	for _, t := range v.turns {
		if len(t.content) == 0 { // c02
			return invalid("The content field in the Message object at messages.%d is empty. Add a ContentBlock object to the content field and try again.", t.index)
		}
	}
	for at, b := range v.blocks {
		if err := v.contentBlock(at, b); err != nil {
			return err
		}
	}
	return nil
}

func (v *conversation) contentBlock(at spot, b map[string]any) *apiError {
	if s, ok := b["text"].(string); ok && v.isBlank(s) { // c01
		return invalid("The text field in the ContentBlock object at %s is blank. Add text to the text field, and try again.", at.place())
	}
	for _, kind := range []string{"image", "document", "video"} {
		if b[kind] != nil && at.turn.role == "assistant" {
			return invalid("The %s content block at %s is only supported in user messages. Move it to a user message and try again.", kind, at.place())
		}
	}
	if use := object(b["toolUse"]); use != nil && object(use["input"]) == nil { // c09
		return notAnObject(at.place().in("toolUse", "input"))
	}
	if result := object(b["toolResult"]); result != nil {
		return toolResult(at.place().in("toolResult"), result)
	}
	return nil
}

// isBlank: Claude 4.5 was seen to take a lone line feed; other models refuse
// white space.
func (v *conversation) isBlank(s string) bool {
	if v.model != nil && v.model.Provider == "anthropic" && strings.Contains(v.model.Base, "-4-5") {
		return s == ""
	}
	return strings.TrimSpace(s) == ""
}

func toolResult(at place, result map[string]any) *apiError {
	content := array(result["content"])
	if len(content) == 0 && result["status"] == "error" { // c08
		return invalid("The content field at %s cannot be empty when status value is error.", at)
	}
	for i, part := range content {
		if value, given := object(part)["json"]; given && object(value) == nil { // c10
			return notAnObject(at.in("content", i, "json"))
		}
	}
	return nil
}

func notAnObject(at place) *apiError {
	return invalid("The format of the value at %s is invalid. Provide a json object for the field and try again.", at)
}

// documentNames looks at the documents of messages and of tool results.
func documentNames(v *conversation) *apiError {
	seen := map[string]bool{}
	for _, b := range v.blocks {
		for _, d := range documentsOf(b) {
			name := text(d["name"])
			if !goodDocumentName(name) { // c12, c13, c14
				return invalid("The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets. " +
					"The name can't contain more than one consecutive whitespace character. " +
					"Check that the file name conforms to these restrictions and retry your request.")
			}
			if seen[name] { // c16
				return invalid("The document name %s is used more than once. Give each document of the request a name of its own and try again.", name)
			}
			seen[name] = true
		}
	}
	return nil
}

func documentsOf(b map[string]any) []map[string]any {
	var out []map[string]any
	if d := object(b["document"]); d != nil {
		out = append(out, d)
	}
	for _, part := range array(dig(b, "toolResult", "content")) {
		if d := object(dig(part, "document")); d != nil {
			out = append(out, d)
		}
	}
	return out
}

// goodDocumentName allows what was seen to pass: besides the documented set an
// underscore (v013), and a single space anywhere.
func goodDocumentName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("-()[]_", c) >= 0:
		case c == ' ' && (i == 0 || name[i-1] != ' '):
		default:
			return false
		}
	}
	return true
}

func documentsHaveText(v *conversation) *apiError {
	for _, t := range v.turns {
		var document, words bool
		for _, b := range t.content {
			document = document || object(b)["document"] != nil
			words = words || object(b)["text"] != nil
		}
		if document && !words { // c11
			return invalid("A text block must be included when using documents. Add a text block to messages.%d.content and try again.", t.index)
		}
	}
	return nil
}

func startsWithUser(v *conversation) *apiError {
	refuses := v.model != nil && v.model.Converse != nil && v.model.Converse.LeadingAssistant == models.No
	if all := merged(v.turns); refuses && len(all) > 0 && all[0].role != "user" {
		return invalid(mustStartWithUser)
	}
	return nil
}

func maxTokens(v *conversation) *apiError {
	if v.model == nil || v.model.ConverseMaxTokens == 0 {
		return nil
	}
	limit := v.model.ConverseMaxTokens
	if number(dig(v.body, "inferenceConfig", "maxTokens")) > float64(limit) { // c15
		return invalid("The maximum tokens you requested exceeds the model limit of %d. Try again with a maximum tokens value that is lower than %d.", limit, limit)
	}
	return nil
}

// Limits of one request; Claude has its own for images (see claudeImages).
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
const (
	maxImages        = 20
	maxDocuments     = 5
	maxImageBytes    = 3_932_160 // 3.75 MB
	maxDocumentBytes = 4_718_592 // 4.5 MB
)

func mediaCounts(v *conversation) *apiError {
	claude := v.model != nil && v.model.Provider == "anthropic"
	images, documents := 0, 0
	for at, b := range v.blocks {
		if b["image"] != nil {
			images++
		}
		if b["document"] != nil {
			documents++
		}
		if err := tooLarge(at, b, "document", maxDocumentBytes); err != nil {
			return err
		}
		if claude {
			continue
		}
		if err := tooLarge(at, b, "image", maxImageBytes); err != nil {
			return err
		}
	}
	if images > maxImages && !claude {
		return invalid("The request has %d images, more than the %d that are allowed.", images, maxImages)
	}
	if documents > maxDocuments {
		return invalid("The request has %d documents, more than the %d that are allowed.", documents, maxDocuments)
	}
	return nil
}

func tooLarge(at spot, b map[string]any, kind string, limit int) *apiError {
	if size := decodedSize(text(dig(b, kind, "source", "bytes"))); size > limit {
		return invalid("The %s at %s has %d bytes, more than the %d that are allowed.", kind, at.place(), size, limit)
	}
	return nil
}

func responsePaths(v *conversation) *apiError {
	for i, p := range array(v.body["additionalModelResponseFieldPaths"]) {
		if !strings.HasPrefix(text(p), "/") { // c17
			return invalid("The value at additionalModelResponseFieldPaths.%d is not a JSON pointer. Start it with / and try again.", i)
		}
	}
	return nil
}

// freeFields are JSON values that must be objects.
func freeFields(v *conversation) *apiError {
	if extra := v.body["additionalModelRequestFields"]; extra != nil && object(extra) == nil {
		return notAnObject(place{"additionalModelRequestFields"})
	}
	if schema := dig(v.body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema"); schema != nil {
		var parsed map[string]any
		if json.Unmarshal([]byte(text(schema)), &parsed) != nil || parsed == nil {
			return notAnObject(place{"outputConfig", "textFormat", "structure", "jsonSchema", "schema"})
		}
	}
	return nil
}
