package bedrock

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
)

// probe is the smallest request that asks for a feature, and what of it the body holds when the model
// gets it.
type probe struct {
	req  func() llm.ChatRequest
	mark string
}

// probing is a probe of a request.
func probing(mark string, req llm.ChatRequest) probe {
	return probe{mark: mark, req: func() llm.ChatRequest {
		if req.Messages == nil {
			req.Messages = ask("Hi")
		}
		return req
	}}
}

func file(mime string, data string) []llm.Message {
	return []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Look"}, llm.Blob{MIME: mime, Name: "f", Bytes: []byte(data)}}}}
}

func resultWith(parts ...llm.Part) []llm.Message {
	messages := loop()
	messages[2].Parts = []llm.Part{llm.ToolResult{ID: "t1", Parts: parts}}
	return messages
}

// The smallest files that are known for what they are.
const (
	onePixelPNG = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
	tinyMP4     = "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
	tinyMP3     = "ID3\x04\x00\x00\x00\x00\x00\x00"
)

func probes() map[llm.Feature]probe {
	two := append(weather(), llm.Tool{Name: "clock"})
	failed := loop()
	failed[2].Parts = []llm.Part{llm.ToolResult{ID: "t1", Failed: true, Parts: []llm.Part{llm.Text{Text: "No."}}}}
	thought := ask("Hi", "Ho", "Hm")
	thought[1].Parts = slices.Insert(thought[1].Parts, 0, llm.Part(llm.Reasoning{Text: "Hm", Signature: "c2ln"}))
	sampling := func(temperature, topP *float64) llm.ChatRequest {
		return llm.ChatRequest{Sampling: llm.Sampling{Temperature: temperature, TopP: topP}}
	}
	own := func(mark, config string) probe { return probing(mark, configured(config)) }
	point := func(ttl time.Duration) llm.ChatRequest {
		return llm.ChatRequest{Messages: marked(ask("Hi"), ttl, 0)}
	}
	return map[llm.Feature]probe{
		llm.FeatureSystem:             probing(`"Be brief."`, llm.ChatRequest{Messages: append([]llm.Message{system("Be brief.")}, ask("Hi")...)}),
		llm.FeatureLateSystem:         probing(`"Be brief."`, llm.ChatRequest{Messages: append(ask("Hi", "Ho", "Hm"), system("Be brief."))}),
		llm.FeatureLeadingAssistant:   probing(`"Welcome"`, llm.ChatRequest{Messages: append([]llm.Message{{Role: llm.RoleAssistant, Parts: []llm.Part{llm.Text{Text: "Welcome"}}}}, ask("Hi")...)}),
		llm.FeaturePrefill:            probing(`"I am"`, llm.ChatRequest{Messages: ask("Hi", "I am")}),
		llm.FeatureImage:              probing(`{"image":`, llm.ChatRequest{Messages: file("image/png", onePixelPNG)}),
		llm.FeatureDocument:           probing(`{"document":`, llm.ChatRequest{Messages: file("application/pdf", samplePDF)}),
		llm.FeatureVideo:              probing(`{"video":`, llm.ChatRequest{Messages: file("video/mp4", tinyMP4)}),
		llm.FeatureAudio:              probing(`{"audio":`, llm.ChatRequest{Messages: file("audio/mpeg", tinyMP3)}),
		llm.FeatureS3:                 probing(`s3Location`, llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Look"}, llm.Link{URL: "s3://b/f.png"}}}}}),
		llm.FeatureTools:              probing(`"toolSpec"`, llm.ChatRequest{Tools: two}),
		llm.FeatureStreamedTools:      probing(`"toolSpec"`, llm.ChatRequest{Tools: two}),
		llm.FeatureToolChoiceNone:     probing("", llm.ChatRequest{Tools: two, ToolChoice: llm.ToolChoice{Mode: llm.ToolNone}}),
		llm.FeatureToolChoiceRequired: probing(`"any"`, llm.ChatRequest{Tools: two, ToolChoice: llm.ToolChoice{Mode: llm.ToolRequired}}),
		llm.FeatureToolChoiceNamed:    probing(`"toolChoice"`, llm.ChatRequest{Tools: two, ToolChoice: llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"}}),
		llm.FeatureOneTool:            probing(`disable_parallel_tool_use`, llm.ChatRequest{Tools: two, OneTool: true}),
		llm.FeatureStrictTools:        probing(`"strict":true`, llm.ChatRequest{Tools: []llm.Tool{{Name: "f", Schema: []byte(emptySchema), Strict: true}}}),
		llm.FeatureToolResultImage:    probing(`{"image":`, llm.ChatRequest{Tools: two, Messages: resultWith(llm.Blob{MIME: "image/png", Bytes: []byte(onePixelPNG)})}),
		llm.FeatureToolResultDocument: probing(`{"document":`, llm.ChatRequest{Tools: two, Messages: resultWith(llm.Blob{MIME: "application/pdf", Name: "f", Bytes: []byte(samplePDF)})}),
		llm.FeatureToolResultFailed:   probing("", llm.ChatRequest{Tools: two, Messages: failed}),
		llm.FeatureTextBesideResult:   probing(`"And?"`, llm.ChatRequest{Tools: two, Messages: append(loop(), reindexed(ask("And?"), 3)...)}),
		llm.FeatureMaxTokens:          probing(`"maxTokens":77`, llm.ChatRequest{MaxTokens: 77}),
		llm.FeatureTemperature:        probing(`"temperature":0.5`, sampling(new(0.5), nil)),
		llm.FeatureHotTemperature:     probing(`"temperature":1`, sampling(new(1.5), nil)),
		llm.FeatureTopP:               probing(`"topP":0.5`, sampling(nil, new(0.5))),
		llm.FeatureTemperatureAndTopP: probing(`"topP":0.5`, sampling(new(0.5), new(0.5))),
		llm.FeatureTopK:               own(`:5`, `{"top_k":5}`),
		llm.FeatureSeed:               probing("", llm.ChatRequest{Sampling: llm.Sampling{Seed: new(int64(7))}}),
		llm.FeatureStop:               probing(`"stopSequences":["END"]`, llm.ChatRequest{Stop: []string{"END"}}),
		llm.FeatureManyStops:          probing(`"stopSequences"`, llm.ChatRequest{Stop: strings.Split("a b c d e f g h i j k l m n", " ")}),
		llm.FeatureEffort:             probing(`"additionalModelRequestFields"`, llm.ChatRequest{Effort: "low"}),
		llm.FeatureEffortNone:         probing("", llm.ChatRequest{Effort: "none"}),
		llm.FeatureThinking:           own(`"thinking"`, `{"thinking":{"type":"enabled","budget_tokens":1024}}`),
		llm.FeatureReasoningReplay:    probing(`"signature":"c2ln"`, llm.ChatRequest{Messages: thought}),
		llm.FeatureSchema:             probing("", schema(emptySchema)),
		llm.FeatureJSON:               probing(`one JSON object`, llm.ChatRequest{Format: llm.Format{Kind: llm.FormatJSON}}),
		llm.FeatureCachePoint:         probing(`"cachePoint"`, point(0)),
		llm.FeatureAutoCache:          probing("", llm.ChatRequest{Messages: append([]llm.Message{system(long())}, ask("Hi", "Ho", "Hm")...)}),
		llm.FeatureCacheHour:          probing(`"ttl":"1h"`, point(time.Hour)),
		llm.FeatureCitations:          own("", `{"enable_citations":true}`),
		llm.FeatureBetas:              own(`"anthropic_beta"`, `{"betas":["x"]}`),
		llm.FeatureGuardrail:          own(`"guardrailConfig"`, `{"guardrailConfig":{"guardrailIdentifier":"g","guardrailVersion":"1"}}`),
		llm.FeatureLatency:            own(`"performanceConfig"`, `{"performanceConfig":{"latency":"optimized"}}`),
		llm.FeatureTier:               probing(`"serviceTier"`, llm.ChatRequest{Tier: "flex"}),
		llm.FeatureMetadata:           probing(`"requestMetadata"`, llm.ChatRequest{Metadata: map[string]string{"user": "u"}}),
		llm.FeatureExtraFields:        own(`"x":1`, `{"additionalModelRequestFields":{"x":1}}`),
		llm.FeatureResponseFields:     own(`"/x"`, `{"additionalModelResponseFieldPaths":["/x"]}`),
	}
}

// TestTreatmentIsWhatHappens builds a request for every feature and family, and compares.
func TestTreatmentIsWhatHappens(t *testing.T) {
	all := probes()
	if len(all) != llm.FeatureCount {
		t.Errorf("%d of %d features are probed", len(all), llm.FeatureCount)
	}
	for _, family := range Families() {
		tr := modelTraits(t, family.Example)
		for f := range llm.Feature(llm.FeatureCount) {
			req := all[f].req()
			call, err := build(&req, tr)
			if f == llm.FeatureAutoCache { // what nobody asked for is not reported
				if err != nil || strings.Contains(string(call.body), "cachePoint") != (tr.treatment(f) == llm.Emulated) {
					t.Errorf("%s, automatic cache points: %v", family.Name, err)
				}
				continue
			}
			if wrong := disagrees(tr.treatment(f), all[f].mark, call, err); wrong != "" {
				t.Errorf("%s, feature %d: %s is said, and %s", family.Name, f, tr.treatment(f), wrong)
			}
		}
	}
}

// disagrees says what a call shows other than what is said of it, or "".
func disagrees(said llm.Treatment, mark string, call *converse, err error) string {
	if err != nil {
		if _, ok := errors.AsType[*llm.Error](err); !ok || said != llm.Refused {
			return err.Error()
		}
		return ""
	}
	reported := len(call.ignored)+len(call.changed) > 0
	switch {
	case said == llm.Refused:
		return "it is not refused: " + string(call.body)
	case said == llm.Ignored && !reported:
		return "nothing is reported: " + string(call.body)
	case said == llm.Forwarded && reported, len(call.ignored) > 0 && said != llm.Ignored:
		return fmt.Sprint("it is reported: ", call.ignored, call.changed)
	case said != llm.Ignored && said != llm.Emulated && !strings.Contains(string(call.body), mark):
		return "the body has no " + mark + ": " + string(call.body)
	default:
		return ""
	}
}

// TestEveryFamilyHasAnExample: a family of the table has one in the list that the documentation is made
// of, and the catalogue knows it.
func TestEveryFamilyHasAnExample(t *testing.T) {
	list := Families()
	for _, f := range families() {
		if f.Name != "GPT" && !slices.ContainsFunc(list, func(info FamilyInfo) bool { return strings.HasPrefix(info.Example, f.Prefix) }) {
			t.Errorf("%s has no example", f.Name)
		}
	}
	for _, info := range list[:len(list)-1] {
		if tr := modelTraits(t, info.Example); tr.model.Converse == nil || tr.model.Provider == "" {
			t.Errorf("the catalogue does not know %s", info.Example)
		}
	}
}
