package sandbox

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"outcrop/internal/models"
)

// The rules of this file are AWS's or the publishers'; their words are the
// sandbox's unless a comment says otherwise.

// limitRules hold for every model that is known.
func limitRules() []rule {
	return []rule{besideResults, insideResults, stopCount, chosenTools, latency, strictTools, imageBytes, videoLimits, effortLevel}
}

// besideResults: what may stand beside a toolResult in a turn
// (bedrock-api.md §10.3). Models that want a result alone have a rule of their
// own.
func besideResults(v *conversation) *apiError {
	var refused []string
	switch familyOfModel(v.model) {
	case familyClaude:
		refused = []string{"document", "video"}
	case familyQwen:
		refused = []string{"document", "video", "audio"}
	}
	for _, t := range v.turns {
		result := slices.ContainsFunc(t.content, func(b any) bool { return dig(b, "toolResult") != nil })
		for j, b := range t.content {
			for _, kind := range refused {
				if result && t.role == "user" && dig(b, kind) != nil {
					return invalid("The %s content block at messages.%d.content.%d cannot be provided in the same turn as a tool result. "+
						"Move it to a turn of its own and try again.", kind, t.index, j)
				}
			}
		}
	}
	return nil
}

// insideResults: what a toolResult may hold beside text and JSON, where the
// catalogue does not say. Nova has a rule of its own.
func insideResults(v *conversation) *apiError {
	if v.traits().ToolResultMedia != nil {
		return nil
	}
	allowed, known := map[family][]string{
		familyClaude: {"image", "document"}, familyMistral: {"document"}, familyKimi: {}, familyLlama: {"image", "document"},
	}[familyOfModel(v.model)]
	if !known {
		return nil
	}
	can := models.Converse{ToolResultMedia: allowed}
	for _, b := range v.blocks {
		if err := toolResultMedia(&can, object(b["toolResult"])); err != nil {
			return err
		}
	}
	return nil
}

// stopCount: how many stop sequences a family takes (bedrock-api.md §10.2).
func stopCount(v *conversation) *apiError {
	stops := array(dig(v.body, "inferenceConfig", "stopSequences"))
	limit, known := map[family]int{
		familyNova: 4, familyNova2: 4, familyMistral: 10, familyCohere: 4, familyJamba: 4,
	}[familyOfModel(v.model)]
	switch {
	case known && len(stops) > limit && isNova(v.model):
		return modelSays("%s", malformed(fmt.Sprintf("#/inferenceConfig/stopSequences: expected maximum item count: %d, found: %d", limit, len(stops))))
	case known && len(stops) > limit:
		return modelSays("stop: at most %d stop sequences may be given, found %d", limit, len(stops))
	case familyOfModel(v.model) == familyClaude && slices.ContainsFunc(stops, func(s any) bool { return strings.TrimSpace(text(s)) == "" }):
		return modelSays("stop_sequences: each stop sequence must contain non-whitespace") // Anthropic's text
	}
	return nil
}

// chosenTools: a choice names a tool of the request. Claude says it by itself.
func chosenTools(v *conversation) *apiError {
	name := text(dig(v.body, "toolConfig", "toolChoice", "tool", "name"))
	if name == "" || v.model.Provider == "anthropic" {
		return nil
	}
	for _, t := range array(dig(v.body, "toolConfig", "tools")) {
		if dig(t, "toolSpec", "name") == name || dig(t, "systemTool", "name") == name {
			return nil
		}
	}
	return invalid("The tool %s that toolConfig.toolChoice.tool names is not among toolConfig.tools. Add it or choose another and try again.", name)
}

// latency: few models have the optimized kind.
// https://docs.aws.amazon.com/bedrock/latest/userguide/latency-optimized-inference.html
func latency(v *conversation) *apiError {
	if dig(v.body, "performanceConfig", "latency") != "optimized" {
		return nil
	}
	for _, known := range []string{"amazon.nova-pro-v1", "anthropic.claude-3-5-haiku", "meta.llama3-1-70b", "meta.llama3-1-405b", "meta.llama3-3-70b"} {
		if strings.HasPrefix(v.model.Base, known) {
			return nil
		}
	}
	return invalid("Latency performance configuration is not supported for %s.", v.model.ID)
}

// imageBytes: an image is what its format says it is. Claude has its own words
// for it.
func imageBytes(v *conversation) *apiError {
	if v.model.Provider == "anthropic" {
		return nil
	}
	for at, b := range v.blocks {
		for _, img := range imagesOf(b) {
			data := text(dig(img, "source", "bytes"))
			size, format := imageSize(data)
			if data != "" && format == "" {
				return invalid("The image at %s is none. Provide the bytes of a PNG, JPEG, GIF or WebP and try again.", at.place())
			}
			if declared := text(img["format"]); format != "" && format != declared {
				return invalid("The image at %s is declared as %s, but its bytes are %s. Correct the format and try again.", at.place(), declared, format)
			}
			if max(size.X, size.Y) > maxImageSide {
				return invalid("The image at %s has %d × %d pixels, more than the %d a side that are allowed.", at.place(), size.X, size.Y, maxImageSide)
			}
		}
	}
	return nil
}

// Nova's limits on video.
// https://docs.aws.amazon.com/nova/latest/userguide/modalities-video.html
const (
	maxVideos     = 1
	maxVideoBytes = 26_214_400 // 25 MB
)

func videoLimits(v *conversation) *apiError {
	videos := 0
	for at, b := range v.blocks {
		video := object(b["video"])
		if video == nil {
			continue
		}
		videos++
		if format := text(video["format"]); v.model.VideoTypes != nil && !slices.Contains(v.model.VideoTypes, format) {
			return invalid("This model doesn't support the video format %s at %s. Convert the video and try again.", format, at.place())
		}
		if err := tooLarge(at, b, "video", maxVideoBytes); err != nil {
			return err
		}
	}
	if videos > maxVideos && isNova(v.model) {
		return invalid("The request has %d videos, more than the %d that are allowed.", videos, maxVideos)
	}
	return nil
}

// effortLevel: the words that a model's own field knows (bedrock-api.md §10.1).
func effortLevel(v *conversation) *apiError {
	var levels []string
	switch v.traits().Thinking {
	case models.ThinkingLevel:
		levels = []string{"low", "medium", "high"}
	case models.ThinkingConfig:
		levels = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}
	default:
		return nil
	}
	if level := dig(v.body, "additionalModelRequestFields", "reasoning_config"); level != nil && !slices.Contains(levels, text(level)) {
		return modelSays("reasoning_config: Input should be '%s'", strings.Join(levels, "', '"))
	}
	return nil
}

// isPDF says whether base64 data begins as a PDF does, within its first kilobyte
// as readers allow it.
func isPDF(data string) bool {
	head, err := base64.StdEncoding.DecodeString(data[:min(len(data), 2048)&^3])
	return err == nil && bytes.Contains(head, []byte("%PDF-"))
}

// pdfDocuments: Claude reads the bytes of a PDF, and wants one.
func pdfDocuments(v *conversation) *apiError {
	for at, b := range v.blocks {
		for _, d := range documentsOf(b) {
			data := text(dig(d, "source", "bytes"))
			if d["format"] != "pdf" || data == "" {
				continue
			}
			if !isPDF(data) { // Anthropic's text
				return modelSays("%s: The PDF specified was not valid.", at.place().in("document", "source", "base64", "data"))
			}
		}
	}
	return nil
}
