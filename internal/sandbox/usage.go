package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
)

// What a request costs beyond its text. Real tokenizers differ by family; the
// estimate only has to be the same for the same request and grow with it.
const (
	charsPerToken   = 4
	tokensPerTurn   = 4
	pixelsPerToken  = 750  // docs.claude.com/en/docs/build-with-claude/vision
	imageTokensMax  = 1600 // larger images are scaled down before they are read
	imageSideMax    = 1568 // pixels, likewise
	imageTokensFar  = 1600 // an image in S3, whose size is not known
	bytesPerToken   = 40   // of a PDF or an office document
	mediaPerToken   = 1000 // bytes of video and sound
	documentInS3    = 2000
	tokensPerTool   = 12
	tokensPerPrompt = 3
)

// countTokens estimates the input tokens of a body: a Converse request, a
// CountTokens request (what it wraps is counted), or a model's native body.
// About four bytes of text are a token; images count by their pixels, documents
// by their bytes.
func countTokens(body map[string]any) int {
	if input := object(body["input"]); input["converse"] != nil {
		return countTokens(object(input["converse"]))
	} else if input["invokeModel"] != nil {
		return countTokens(nativeBody(text(dig(input, "invokeModel", "body"))))
	}
	if prompt, ok := body["inputText"].(string); ok {
		return textTokens(prompt) // Titan counts the text and nothing else
	}
	n := tokensPerPrompt
	for name, value := range body {
		switch name {
		case "messages":
			n += tokensPerTurn*len(array(value)) + valueTokens(value)
		case "toolConfig", "tools":
			tools := array(value)
			if tools == nil {
				tools = array(dig(value, "tools"))
			}
			n += tokensPerTool*len(tools) + jsonTokens(tools)
		case "system", "prompt", "message", "texts", "query", "documents", "singleEmbeddingParams", "chat_history", "inputImage":
			n += valueTokens(value)
		}
	}
	return n
}

// nativeBody decodes the base64 body inside a CountTokens request; nil when it
// is not a JSON object.
func nativeBody(encoded string) map[string]any {
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil
	}
	return decodeObject(data)
}

func textTokens(s string) int { return (len(s) + charsPerToken - 1) / charsPerToken }

// valueTokens counts what a model reads of messages and system prompts: every
// text, whatever it is called, and media by their own measure.
func valueTokens(v any) int {
	switch v := v.(type) {
	case string:
		return textTokens(v)
	case []any:
		n := 0
		for _, item := range v {
			n += valueTokens(item)
		}
		return n
	case map[string]any:
		if media, ok := mediaTokens(v); ok {
			return media
		}
		n := 0
		for name, item := range v {
			n += memberTokens(name, item)
		}
		return n
	default:
		return 0
	}
}

// memberTokens counts one member of a block, by its name.
func memberTokens(name string, v any) int {
	switch name {
	case "role", "type", "cachePoint", "cache_control", "toolUseId", "tool_use_id", "id", "status", "format", "signature",
		"citations", "qualifiers":
		return 0
	case "input", "json":
		return jsonTokens(v)
	case "redactedContent":
		return decodedSize(text(v)) / charsPerToken
	default:
		return valueTokens(v)
	}
}

// mediaTokens counts a block that is one medium; false when it is not.
func mediaTokens(block map[string]any) (int, bool) {
	for _, kind := range []string{"image", "document", "video", "audio"} {
		if m := object(block[kind]); m["source"] != nil {
			return sourceTokens(kind, m), true
		}
	}
	source := object(block["source"])
	if kind := text(block["type"]); source["data"] != nil && (kind == "image" || kind == "document") { // Anthropic's form
		return sourceTokens(kind, map[string]any{"format": "pdf", "source": map[string]any{"bytes": source["data"]}}), true
	}
	return 0, false
}

func sourceTokens(kind string, m map[string]any) int {
	data := text(dig(m, "source", "bytes"))
	size := decodedSize(data)
	switch {
	case kind == "image" && data == "":
		return imageTokensFar
	case kind == "image":
		return imageTokens(data)
	case kind == "document" && dig(m, "source", "s3Location") != nil:
		return documentInS3
	case kind == "document" && data == "":
		return valueTokens(m)
	case kind == "document" && slices.Contains([]string{"txt", "md", "csv", "html"}, text(m["format"])):
		return size/charsPerToken + 1
	case kind == "document":
		return size/bytesPerToken + 1
	default:
		return size/mediaPerToken + 1
	}
}

// imageTokens scales as Claude does and divides the pixels.
func imageTokens(data string) int {
	size, _ := imageSize(data)
	w, h := size.X, size.Y
	if long := max(w, h); long > imageSideMax {
		w, h = w*imageSideMax/long, h*imageSideMax/long
	}
	return max(1, min(imageTokensMax, (w*h+pixelsPerToken-1)/pixelsPerToken))
}

// jsonTokens counts a value that the model reads as JSON.
func jsonTokens(v any) int { return (jsonLength(v) + charsPerToken - 1) / charsPerToken }

// jsonLength is roughly the length of v as JSON, in bytes.
func jsonLength(v any) int {
	switch v := v.(type) {
	case string:
		return len(v) + 2
	case json.Number:
		return len(v)
	case bool:
		return len(strconv.FormatBool(v))
	case []any:
		n := 2
		for _, item := range v {
			n += jsonLength(item) + 1
		}
		return n
	case map[string]any:
		n := 2
		for name, item := range v {
			n += len(name) + 4 + jsonLength(item)
		}
		return n
	default:
		return len("null")
	}
}
