package sandbox

import (
	"fmt"
	"strings"
)

// pegasusDialect is the body of TwelveLabs Pegasus, which watches a video.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-pegasus.html
type pegasusDialect struct{}

// pegasusMaxTokens is the largest maxOutputTokens.
const pegasusMaxTokens = 4096

// fromPegasus puts the body into Converse's vocabulary.
func fromPegasus(body map[string]any) map[string]any {
	limit := body["maxOutputTokens"]
	source := map[string]any{"bytes": dig(body, "mediaSource", "base64String")}
	if s3 := dig(body, "mediaSource", "s3Location"); s3 != nil {
		source = map[string]any{"s3Location": s3}
	}
	out := map[string]any{
		"inferenceConfig": map[string]any{"maxTokens": limit, "temperature": body["temperature"]},
		"messages": []any{map[string]any{"role": "user", "content": []any{
			map[string]any{"video": map[string]any{"format": "mp4", "source": source}}, map[string]any{"text": body["inputPrompt"]},
		}}},
	}
	if schema := object(dig(body, "responseFormat", "jsonSchema")); schema != nil {
		out["outputConfig"] = map[string]any{"textFormat": map[string]any{"structure": map[string]any{
			"jsonSchema": map[string]any{"schema": string(encode(schema))},
		}}}
	}
	return out
}

// pegasusNative: what its JSON schema demands.
func pegasusNative(c *call) *apiError {
	schema := nativeSchema{
		required: []string{"inputPrompt", "mediaSource"}, optional: []string{"temperature", "responseFormat", "maxOutputTokens"},
	}
	found := schema.findings(c.Body)
	_, isText := c.Body["inputPrompt"].(string)
	media := object(c.Body["mediaSource"])
	data, embedded := media["base64String"].(string)
	_, decodes := base64Size(data)
	switch {
	case len(found) > 0:
	case !isText || strings.TrimSpace(text(c.Body["inputPrompt"])) == "":
		found = append(found, "#/inputPrompt: expected minLength: 1, actual: 0")
	case len(media) != 1 || !embedded && text(dig(media, "s3Location", "uri")) == "":
		found = append(found, "#/mediaSource: expected one of [base64String, s3Location]")
	case embedded && (data == "" || !decodes):
		found = append(found, "#/mediaSource/base64String: not a base64 string")
	case !embedded && !strings.HasPrefix(text(dig(media, "s3Location", "uri")), "s3://"):
		found = append(found, "#/mediaSource/s3Location/uri: does not match the pattern ^s3://")
	}
	for _, r := range []span{{"temperature", 0, 1, false}, {"maxOutputTokens", 1, pegasusMaxTokens, true}} {
		if value := c.Body[r.name]; value != nil && (number(value) < r.low || number(value) > r.high) {
			found = append(found, fmt.Sprintf("#/%s: %v is not between %v and %v", r.name, value, r.low, r.high))
		}
	}
	if len(found) > 0 {
		return invalid("%s", malformed(found...))
	}
	return nil
}

func (pegasusDialect) reply(t epilogue) map[string]any {
	said := ""
	for _, b := range t.answer.blocks {
		if b.kind == blockText {
			said += b.text()
		}
	}
	return map[string]any{"message": said, "finishReason": finishReason(t.answer.stop)}
}

func (pegasusDialect) events(t epilogue) []event {
	var out []event
	for _, b := range t.answer.blocks {
		if b.kind != blockText {
			continue
		}
		for _, p := range b.pieces {
			out = append(out, event{kind: "chunk", payload: map[string]any{"message": p}, token: true})
		}
	}
	return append(out, event{kind: "chunk", payload: map[string]any{"message": "", "finishReason": finishReason(t.answer.stop)}})
}
