package openai

import (
	"slices"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// stageThinking is what DIAL's adapters call the stage of a model's thinking.
const stageThinking = "Thinking"

// think tells thinking twice: to programs, and as a piece of a stage, which the first piece opens.
func (s *stream) think(text string) {
	s.open()
	s.out.Buf = append(s.out.Buf, `"reasoning_content":"`...)
	s.out.Buf = jsonscan.AppendEscaped(s.out.Buf, text)
	s.out.Buf = append(s.out.Buf, `","custom_content":{"stages":[{"index":`...)
	s.out.Buf = strconv.AppendInt(s.out.Buf, int64(s.choice.stages), 10)
	if !s.choice.thinking {
		s.choice.thinking = true
		s.out.Buf = append(s.out.Buf, `,"name":"`+stageThinking+`","status":null`...)
	}
	s.out.Buf = append(s.out.Buf, `,"content":"`...)
	s.out.Buf = jsonscan.AppendEscaped(s.out.Buf, text)
	s.out.Buf = append(s.out.Buf, `"}]}`...)
	s.out.Buf = append(s.out.Buf, s.tail...)
}

// endStage closes the stage that is open, if there is one.
func (s *stream) endStage() {
	if !s.choice.thinking {
		return
	}
	s.open()
	s.out.Buf = append(s.out.Buf, `"custom_content":{"stages":[{"index":`...)
	s.out.Buf = strconv.AppendInt(s.out.Buf, int64(s.choice.stages), 10)
	s.out.Buf = append(s.out.Buf, `,"status":"completed"}]}`...)
	s.out.Buf = append(s.out.Buf, s.tail...)
	s.choice.thinking = false
	s.choice.stages++
}

func (c *custom) hasStages() bool {
	return c.stages && slices.ContainsFunc(c.thoughts, func(r llm.Reasoning) bool { return r.Text != "" })
}

// appendStages joins the thoughts between two tool calls to a stage, as a stream does.
func appendStages(dst []byte, thoughts []llm.Reasoning) []byte {
	dst = append(dst, `"stages":[`...)
	calls := -1 // before the stage that is open
	for i := range thoughts {
		r := &thoughts[i]
		if r.Text == "" {
			continue
		}
		if r.Calls != calls {
			if calls >= 0 {
				dst = append(dst, `"},`...)
			}
			calls = r.Calls
			dst = append(dst, `{"name":"`+stageThinking+`","status":"completed","content":"`...)
		}
		dst = jsonscan.AppendEscaped(dst, r.Text)
	}
	return append(dst, `"}]`...)
}
