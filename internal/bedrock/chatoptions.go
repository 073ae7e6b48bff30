package bedrock

import (
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

func (w *chatWriter) addTools(req *llm.ChatRequest) error {
	if len(req.Tools) == 0 {
		if req.ToolChoice.Mode == llm.ToolRequired || req.ToolChoice.Mode == llm.ToolNamed {
			return llm.Invalid("tool_choice", "tool_choice asks for a tool call, but tools is empty.")
		}
		return nil
	}
	for i := range req.Tools {
		w.body = append(w.body, [...]string{`,"tools":[{"type":"function","function":{`, `,{"type":"function","function":{`}[min(i, 1)]...)
		if err := w.tool(&req.Tools[i]); err != nil {
			return err
		}
		w.body = append(w.body, `}}`...)
		if cache := req.Tools[i].Cache; cache != nil {
			w.plan.ignore(pointPath(toolHome(&req.Tools[i]), cache.At), cacheWhy)
		}
	}
	w.body = append(w.body, ']')
	switch req.ToolChoice.Mode {
	case llm.ToolNone:
		w.body = append(w.body, `,"tool_choice":"none"`...)
	case llm.ToolRequired:
		w.body = append(w.body, `,"tool_choice":"required"`...)
	case llm.ToolNamed:
		w.body = append(w.body, `,"tool_choice":{"type":"function","function":{"name":`...)
		w.body = jsonscan.AppendString(w.body, w.plan.toolName(req.ToolChoice.Name))
		w.body = append(w.body, `}}`...)
	case llm.ToolAuto:
		// It is the default.
	}
	if req.OneTool {
		w.body = append(w.body, `,"parallel_tool_calls":false`...)
	}
	return nil
}

// tool writes the members of a function.
func (w *chatWriter) tool(t *llm.Tool) error {
	w.body = append(w.body, `"name":`...)
	w.body = jsonscan.AppendString(w.body, w.plan.toolName(t.Name))
	if t.Description != "" {
		w.body = append(w.body, `,"description":`...)
		w.body = jsonscan.AppendString(w.body, t.Description)
	}
	schema, ok := argumentsSchema(t.Schema, first(t.Schema, "type"))
	if !ok {
		return llm.Invalid(toolHome(t)+".function.parameters", notArguments)
	}
	w.body = append(append(w.body, `,"parameters":`...), schema...)
	if t.Strict {
		w.body = append(w.body, `,"strict":true`...)
	}
	return nil
}

func (w *chatWriter) addSampling(req *llm.ChatRequest) error {
	w.body = appendSampling(w.body, req.Sampling)
	if most := w.plan.maxTokens; most > 0 {
		w.body = append(w.body, `,"max_completion_tokens":`...)
		w.body = strconv.AppendInt(w.body, int64(most), 10)
	}
	native := w.plan.nativeStops()
	for i, stop := range native {
		w.body = append(w.body, [...]string{`,"stop":[`, `,`}[min(i, 1)]...)
		w.body = jsonscan.AppendString(w.body, stop)
	}
	if len(native) > 0 {
		w.body = append(w.body, ']')
	}
	return nil
}

func appendSampling(dst []byte, s llm.Sampling) []byte {
	if s.Temperature != nil {
		dst = strconv.AppendFloat(append(dst, `,"temperature":`...), *s.Temperature, 'g', -1, 64)
	}
	if s.TopP != nil {
		dst = strconv.AppendFloat(append(dst, `,"top_p":`...), *s.TopP, 'g', -1, 64)
	}
	return dst
}

func (w *chatWriter) addFormat(req *llm.ChatRequest) error {
	switch req.Format.Kind {
	case llm.FormatJSON:
		w.body = append(w.body, `,"response_format":{"type":"json_object"}`...)
	case llm.FormatSchema:
		w.body = append(w.body, `,"response_format":{"type":"json_schema","json_schema":{`...)
		w.body = appendSchema(w.body, &req.Format)
		w.body = append(w.body, `}}`...)
	case llm.FormatText:
		// It is the default.
	}
	return nil
}

// appendSchema writes the members of a schema's format, which both of OpenAI's APIs share.
func appendSchema(dst []byte, f *llm.Format) []byte {
	name := f.Name
	if name == "" {
		name = "answer" // the API wants one
	}
	dst = jsonscan.AppendString(append(dst, `"name":`...), name)
	if f.Description != "" {
		dst = jsonscan.AppendString(append(dst, `,"description":`...), f.Description)
	}
	dst = append(append(dst, `,"schema":`...), f.Schema...)
	if f.Strict {
		dst = append(dst, `,"strict":true`...)
	}
	return dst
}

func (w *chatWriter) addEffort(*llm.ChatRequest) error {
	effort, err := w.plan.openAIEffort()
	if err != nil || effort == "" {
		return err
	}
	w.body = append(w.body, `,"reasoning_effort":`...)
	w.body = jsonscan.AppendString(w.body, effort)
	return nil
}

// openAIEffort is the word of a model for how hard it should think. gpt-oss knows three and always
// thinks.
func (c *converse) openAIEffort() (string, error) {
	w, err := c.wished()
	effort, param := w.effort, w.effortAt
	if err != nil {
		return "", err
	}
	if c.traits.family.Name != "gpt-oss" {
		return effort, nil
	}
	switch effort {
	case effortNone:
		return "", llm.Invalid(param, "This model always thinks: choose low, medium or high.")
	case effortMinimal:
		c.change(param, "the model knows low, medium and high")
		return effortLow, nil
	case effortXHigh, effortMax:
		c.change(param, "the model knows low, medium and high")
		return effortHigh, nil
	}
	return effort, nil
}

// addTier writes the service tier.
func (w *chatWriter) addTier(*llm.ChatRequest) error {
	tier, err := w.plan.tier()
	if tier != "" {
		w.body = append(w.body, `,"service_tier":`...)
		w.body = jsonscan.AppendString(w.body, tier)
	}
	return err
}

const (
	cacheWhy = "the model's API has no cache points: what is cached it decides by itself"
	replyWhy = "the model's API takes no reasoning back that is not its own"
)
