package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// embedRules holds the bodies of embedding models against their JSON schemas.
// What a schema says is AWS's documentation, how it says it are the texts i01 to
// i04 of the known messages; where neither tells, the words of the same validator
// (everit-org/json-schema) are used.
func embedRules(c *call) *apiError {
	base := c.Model.Base
	starts := func(prefix string) bool { return strings.HasPrefix(base, prefix) }
	var found []string
	switch {
	case starts("cohere.embed-"):
		found = cohereEmbed(c)
	case starts("amazon.titan-embed-image"):
		found = titanImageEmbed(c.Body)
	case starts("amazon.titan-embed-text-v2"):
		return titanEmbed(c.Body, nativeSchema{required: []string{"inputText"}, optional: []string{"dimensions", "normalize", "embeddingTypes"},
			numbers: map[string][]int{"dimensions": c.Model.VectorSizes}})
	case starts("amazon.titan-embed-"):
		return titanEmbed(c.Body, nativeSchema{required: []string{"inputText"}})
	case starts("amazon.nova-"):
		found = novaEmbed(c)
	case starts("twelvelabs.marengo-embed-2"):
		found = marengo2Embed(c.Body)
	case starts("twelvelabs.marengo-embed"):
		found = marengoEmbed(c.Body)
	}
	return refuseFindings(found)
}

func refuseFindings(found []string) *apiError {
	if len(found) == 0 {
		return nil
	}
	return invalid("%s", malformed(found[:min(len(found), maxViolations)]...))
}

// wantText finds fault with a member that must be a text with something in it.
func wantText(at string, v any) []string {
	s, ok := v.(string)
	switch {
	case !ok:
		return []string{at + ": expected type: String, found: " + jsonType(v)}
	case s == "":
		return []string{at + ": expected minLength: 1, actual: 0"}
	}
	return nil
}

// jsonType names a type as the validator does.
func jsonType(v any) string {
	switch v.(type) {
	case nil:
		return "Null"
	case string:
		return "String"
	case bool:
		return "Boolean"
	case []any:
		return "JSONArray"
	case map[string]any:
		return "JSONObject"
	default:
		return "Integer"
	}
}

// wantWord finds fault with a member that may be there and must be one of some
// words.
func wantWord(at string, v any, words ...string) []string {
	if v == nil || slices.Contains(words, text(v)) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %v is not a valid enum value", at, v)}
}

// wantImage finds fault with a file that must be an image of one of some formats.
func wantImage(at string, v any, formats ...string) []string {
	if found := wantText(at, v); found != nil {
		return found
	}
	if _, format := imageSize(text(v)); !slices.Contains(formats, format) {
		return []string{at + ": the image is not one of [" + strings.Join(formats, ", ") + "]"}
	}
	return nil
}

// Cohere's words. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
const cohereMaxImage = 5 << 20 // bytes; of v3

// cohereEmbed knows v3 and v4.
func cohereEmbed(c *call) []string {
	v4 := !strings.HasPrefix(c.Model.Base, "cohere.embed-english-v3") && !strings.HasPrefix(c.Model.Base, "cohere.embed-multilingual-v3")
	schema := nativeSchema{
		required: []string{"texts", "input_type"}, optional: []string{"truncate", "embedding_types", "images"},
		texts: map[string][]string{
			"input_type": {"search_document", "search_query", "classification", "clustering", "image"},
			"truncate":   {"NONE", "START", "END"},
		},
	}
	lists := []string{"texts", "images"}
	if v4 {
		schema.optional = append(schema.optional, "inputs", "output_dimension", "max_tokens")
		schema.numbers = map[string][]int{"output_dimension": c.Model.VectorSizes}
		schema.texts = map[string][]string{"input_type": schema.texts["input_type"][:4], "truncate": {"NONE", "LEFT", "RIGHT"}}
		lists = append(lists, "inputs")
	}
	given := slices.DeleteFunc(slices.Clone(lists), func(name string) bool { return c.Body[name] == nil })
	if len(given) > 0 {
		schema.required, schema.optional = []string{"input_type"}, append(schema.optional, "texts")
	}
	found := schema.findings(c.Body)
	if len(given) > 1 {
		found = append(found, "#: only one of ["+strings.Join(given, ", ")+"] is permitted")
	}
	for _, name := range given {
		found = append(found, cohereList(c, name, v4)...)
	}
	if kinds := c.Body["embedding_types"]; kinds != nil {
		for i, kind := range array(kinds) {
			found = append(found, wantWord(fmt.Sprintf("#/embedding_types/%d", i), kind, "float", "int8", "uint8", "binary", "ubinary")...)
		}
	}
	return found
}

// cohereList checks the texts, images or inputs.
func cohereList(c *call, name string, v4 bool) (found []string) {
	list, ok := c.Body[name].([]any)
	most := 96
	if name == "images" && !v4 {
		most = 1
	}
	switch {
	case !ok:
		return []string{"#/" + name + ": expected type: JSONArray, found: " + jsonType(c.Body[name])}
	case len(list) == 0:
		return []string{"#/" + name + ": expected minimum item count: 1, found: 0"}
	case len(list) > most:
		return []string{fmt.Sprintf("#/%s: expected maximum item count: %d, found: %d", name, most, len(list))}
	case !v4 && (name == "images") != (c.Body["input_type"] == "image"):
		return []string{"#/input_type: image goes with images and with nothing else"}
	}
	for i, item := range list {
		at := fmt.Sprintf("#/%s/%d", name, i)
		switch name {
		case "texts":
			found = append(found, cohereText(at, item, c.Model.MaxCharsPerText)...)
		case "images":
			found = append(found, cohereImage(at, item, v4)...)
		default:
			found = append(found, cohereContent(at, item)...)
		}
	}
	return found
}

func cohereText(at string, item any, most int) []string {
	if found := wantText(at, item); found != nil {
		return found
	}
	if n := utf8.RuneCountInString(text(item)); most > 0 && n > most { // i02
		return []string{fmt.Sprintf("%s: expected maxLength: %d, actual: %d", at, most, n)}
	}
	return nil
}

func cohereImage(at string, item any, v4 bool) []string {
	head, data, ok := strings.Cut(text(item), ";base64,")
	if !ok || !strings.HasPrefix(head, "data:image/") {
		return []string{at + ": the image is not a data URI"}
	}
	if n := decodedSize(data); !v4 && n > cohereMaxImage {
		return []string{fmt.Sprintf("%s: the image has %d bytes, more than %d", at, n, cohereMaxImage)}
	}
	return wantImage(at, data, "png", "jpeg", "webp", "gif")
}

// cohereContent checks an input of several parts. An image's URL comes both as a
// text and within an object: AWS's page has shown either.
func cohereContent(at string, item any) (found []string) {
	parts := array(dig(item, "content"))
	if len(parts) == 0 {
		return []string{at + "/content: expected minimum item count: 1, found: 0"}
	}
	for i, part := range parts {
		at := fmt.Sprintf("%s/content/%d", at, i)
		switch dig(part, "type") {
		case "text":
			found = append(found, wantText(at+"/text", dig(part, "text"))...)
		case "image_url":
			url := dig(part, "image_url")
			if object(url) != nil {
				url = dig(url, "url")
			}
			found = append(found, cohereImage(at+"/image_url", url, true)...)
		default:
			found = append(found, wantWord(at+"/type", text(dig(part, "type")), "text", "image_url")...)
		}
	}
	return found
}

// Titan's limits on one text.
// https://docs.aws.amazon.com/bedrock/latest/userguide/titan-embedding-models.html
const (
	titanMaxChars  = 50_000
	titanMaxTokens = 8_192
)

func titanEmbed(body map[string]any, schema nativeSchema) *apiError {
	found := schema.findings(body)
	if len(found) == 0 {
		found = wantText("#/inputText", body["inputText"])
	}
	if _, ok := body["normalize"].(bool); body["normalize"] != nil && !ok {
		found = append(found, "#/normalize: expected type: Boolean, found: "+jsonType(body["normalize"]))
	}
	for i, kind := range array(body["embeddingTypes"]) {
		found = append(found, wantWord(fmt.Sprintf("#/embeddingTypes/%d", i), kind, "float", "binary")...)
	}
	if err := refuseFindings(found); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(text(body["inputText"])); n > titanMaxChars { // i03
		return invalid("%s", malformed(fmt.Sprintf("expected maxLength: %d, actual: %d", titanMaxChars, n)))
	}
	if n := countTokens(body); n > titanMaxTokens { // i04
		return invalid("400 Bad Request: Too many input tokens. Max input tokens: %d, request input token count: %d", titanMaxTokens, n)
	}
	return nil
}

// titanImageEmbed: a text, an image, or both.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html
func titanImageEmbed(body map[string]any) []string {
	found := nativeSchema{optional: []string{"inputText", "inputImage", "embeddingConfig"}}.findings(body)
	if body["inputText"] == nil && body["inputImage"] == nil {
		found = append(found, "#: at least one of [inputText, inputImage] is required")
	}
	if body["inputText"] != nil {
		found = append(found, wantText("#/inputText", body["inputText"])...)
	}
	if body["inputImage"] != nil {
		found = append(found, wantImage("#/inputImage", body["inputImage"], "png", "jpeg")...)
	}
	if config := object(body["embeddingConfig"]); config != nil {
		sizes := nativeSchema{optional: []string{"outputEmbeddingLength"}, numbers: map[string][]int{"outputEmbeddingLength": {256, 384, 1024}}}
		for _, f := range sizes.findings(config) {
			found = append(found, strings.Replace(f, "#", "#/embeddingConfig", 1))
		}
	}
	return found
}

// novaEmbed: https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
func novaEmbed(c *call) []string {
	found := nativeSchema{
		required: []string{"taskType", "singleEmbeddingParams"}, optional: []string{"schemaVersion"},
		texts: map[string][]string{"taskType": {"SINGLE_EMBEDDING"}, "schemaVersion": {"nova-multimodal-embed-v1"}},
	}.findings(c.Body)
	params := object(c.Body["singleEmbeddingParams"])
	if len(found) > 0 || params == nil {
		return found
	}
	media := []string{"text", "image", "audio", "video"}
	inner := nativeSchema{
		required: []string{"embeddingPurpose"}, optional: append([]string{"embeddingDimension"}, media...),
		texts: map[string][]string{"embeddingPurpose": {
			"GENERIC_INDEX", "GENERIC_RETRIEVAL", "TEXT_RETRIEVAL", "IMAGE_RETRIEVAL", "VIDEO_RETRIEVAL", "DOCUMENT_RETRIEVAL",
			"AUDIO_RETRIEVAL", "CLASSIFICATION", "CLUSTERING",
		}},
		numbers: map[string][]int{"embeddingDimension": c.Model.VectorSizes},
	}
	const at = "#/singleEmbeddingParams"
	for _, f := range inner.findings(params) {
		found = append(found, strings.Replace(f, "#", at, 1))
	}
	given := slices.DeleteFunc(media, func(name string) bool { return params[name] == nil })
	if len(given) != 1 {
		return append(found, fmt.Sprintf("%s: %d subschemas matched instead of one", at, len(given)))
	}
	return append(found, novaEmbedInput(at+"/"+given[0], given[0], object(params[given[0]]))...)
}

// novaEmbedInput checks a text or a file.
func novaEmbedInput(at, name string, in map[string]any) (found []string) {
	formats := map[string][]string{
		"image": {"png", "jpeg", "gif", "webp"}, "audio": {"mp3", "wav", "ogg"},
		"video": {"mp4", "mov", "mkv", "webm", "flv", "mpeg", "mpg", "wmv", "3gp"},
	}
	if name == "text" {
		if in["truncationMode"] == nil {
			found = append(found, at+": required key [truncationMode] not found")
		}
		found = append(found, wantWord(at+"/truncationMode", in["truncationMode"], "START", "END", "NONE")...)
		if in["source"] != nil {
			return found
		}
		return append(found, wantText(at+"/value", in["value"])...)
	}
	if in["format"] == nil {
		found = append(found, at+": required key [format] not found")
	}
	found = append(found, wantWord(at+"/format", in["format"], formats[name]...)...)
	found = append(found, wantWord(at+"/detailLevel", in["detailLevel"], "STANDARD_IMAGE", "DOCUMENT_IMAGE")...)
	found = append(found, wantWord(at+"/embeddingMode", in["embeddingMode"], "AUDIO_VIDEO_COMBINED", "AUDIO_VIDEO_SEPARATE")...)
	if name == "video" && in["embeddingMode"] == nil {
		found = append(found, at+": required key [embeddingMode] not found")
	}
	data, uri := dig(in, "source", "bytes"), text(dig(in, "source", "s3Location", "uri"))
	switch {
	case data == nil && !strings.HasPrefix(uri, "s3://"):
		found = append(found, at+"/source: expected one of [bytes, s3Location]")
	case data != nil && name == "image":
		found = append(found, wantImage(at+"/source/bytes", data, text(in["format"]))...)
	case data != nil:
		found = append(found, wantText(at+"/source/bytes", data)...)
	}
	return found
}

// marengo2Embed: the members stand side by side.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-marengo.html
func marengo2Embed(body map[string]any) []string {
	found := nativeSchema{
		required: []string{"inputType"}, optional: []string{"inputText", "textTruncate", "mediaSource"},
		texts: map[string][]string{"inputType": {"text", "image"}, "textTruncate": {"end", "none"}},
	}.findings(body)
	switch body["inputType"] {
	case "text":
		found = append(found, wantText("#/inputText", body["inputText"])...)
	case "image":
		found = append(found, wantMedia("#/mediaSource", object(body["mediaSource"]))...)
	}
	return found
}

// marengoEmbed: they are in a member that has the type's name.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-marengo-3.html
func marengoEmbed(body map[string]any) []string {
	kinds := []string{"text", "image", "text_image"}
	found := nativeSchema{required: []string{"inputType"}, optional: kinds, texts: map[string][]string{"inputType": kinds}}.findings(body)
	kind := text(body["inputType"])
	in := object(body[kind])
	at := "#/" + kind
	switch {
	case len(found) > 0:
	case in == nil:
		found = append(found, "#: required key ["+kind+"] not found")
	default:
		if kind != "image" {
			found = append(found, wantText(at+"/inputText", in["inputText"])...)
		}
		if kind != "text" {
			found = append(found, wantMedia(at+"/mediaSource", object(in["mediaSource"]))...)
		}
	}
	return found
}

// wantMedia finds fault with an image of TwelveLabs' bodies.
func wantMedia(at string, source map[string]any) []string {
	uri := text(dig(source, "s3Location", "uri"))
	switch data := source["base64String"]; {
	case data != nil && uri == "":
		return wantImage(at+"/base64String", data, "png", "jpeg")
	case data == nil && strings.HasPrefix(uri, "s3://"):
		return nil
	default:
		return []string{at + ": expected one of [base64String, s3Location]"}
	}
}
