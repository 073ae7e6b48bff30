package openai

import (
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// choice is what a stream has to know of one of its choices.
type choice struct {
	delta     []byte // of a chunk with a delta, up to what the delta says
	finished  bool
	hasArgs   []bool // of every tool call: some arguments have come
	blobs     int    // how many there were
	citations []llm.Citation
	thoughts  llm.Thoughts
	stages    int  // how many there were
	thinking  bool // the last of them is open
	tier      string
}

// appendDelta is the beginning of a choice's chunks.
func appendDelta(head []byte, index int) []byte {
	delta := append(make([]byte, 0, len(head)+40), head...)
	delta = append(delta, `,"choices":[{"index":`...)
	delta = strconv.AppendInt(delta, int64(index), 10)
	return append(delta, `,"delta":{`...)
}

// numbered is the choice with that index.
func (s *stream) numbered(index int) *choice {
	for len(s.others) < index {
		s.others = append(s.others, &choice{delta: appendDelta(s.head, len(s.others)+1)})
	}
	if index == 0 {
		return &s.first
	}
	return s.others[index-1]
}

// open begins a chunk with a delta. Before the first one every choice gets its chunk with the role, as
// OpenAI does it: its Python client fails when choices appear in another order than that of their
// indices.
func (s *stream) open() {
	if !s.opened {
		s.opened = true
		for i := range max(1, s.env.Choices) {
			s.out.Buf = append(s.out.Buf, s.numbered(i).delta...)
			s.out.Buf = append(s.out.Buf, `"role":"assistant","content":""`...)
			s.out.Buf = append(s.out.Buf, s.tail...)
		}
	}
	s.out.Buf = append(s.out.Buf, s.choice.delta...)
}

func (s *stream) text(text string) {
	s.endThought()
	s.say(`"content":"`, text)
}

// reasoning tells the text at once, and the proofs at the end of the choice.
func (s *stream) reasoning(e llm.ReasoningDelta) {
	s.choice.thoughts.Add(e, len(s.choice.hasArgs))
	if s.env.DIAL && e.Text != "" {
		s.think(e.Text)
		return
	}
	s.say(`"reasoning_content":"`, e.Text)
}

func (s *stream) endThought() {
	s.choice.thoughts.End(len(s.choice.hasArgs))
	s.endStage()
}

func (s *stream) say(member, text string) {
	if text == "" {
		return
	}
	s.open()
	s.out.Buf = append(s.out.Buf, member...)
	s.out.Buf = jsonscan.AppendEscaped(s.out.Buf, text)
	s.out.Buf = append(s.out.Buf, '"')
	s.out.Buf = append(s.out.Buf, s.tail...)
}

func (s *stream) callStart(e llm.ToolCallStart) {
	s.endThought()
	s.choice.hasArgs = append(s.choice.hasArgs, false)
	s.open()
	if s.env.Functions {
		s.out.Buf = append(s.out.Buf, `"function_call":{"name":`...)
		s.out.Buf = jsonscan.AppendString(s.out.Buf, e.Name)
		s.out.Buf = append(s.out.Buf, `,"arguments":""}`...)
		s.out.Buf = append(s.out.Buf, s.tail...)
		return
	}
	s.out.Buf = append(s.out.Buf, `"tool_calls":[{"index":`...)
	s.out.Buf = strconv.AppendInt(s.out.Buf, int64(e.Index), 10)
	s.out.Buf = append(s.out.Buf, `,"id":`...)
	s.out.Buf = jsonscan.AppendString(s.out.Buf, e.ID)
	s.out.Buf = append(s.out.Buf, `,"type":"function","function":{"name":`...)
	s.out.Buf = jsonscan.AppendString(s.out.Buf, e.Name)
	s.out.Buf = append(s.out.Buf, `,"arguments":""}}]`...)
	s.out.Buf = append(s.out.Buf, s.tail...)
}

func (s *stream) callArgs(index int, args string) {
	if args == "" {
		return
	}
	s.choice.hasArgs[index] = true
	s.open()
	end := `"}}]`
	if s.env.Functions {
		end = `"}`
		s.out.Buf = append(s.out.Buf, `"function_call":{"arguments":"`...)
	} else {
		s.out.Buf = append(s.out.Buf, `"tool_calls":[{"index":`...)
		s.out.Buf = strconv.AppendInt(s.out.Buf, int64(index), 10)
		s.out.Buf = append(s.out.Buf, `,"function":{"arguments":"`...)
	}
	s.out.Buf = jsonscan.AppendEscaped(s.out.Buf, args)
	s.out.Buf = append(s.out.Buf, end...)
	s.out.Buf = append(s.out.Buf, s.tail...)
}

func (s *stream) blob(b *llm.BlobOut) {
	s.open()
	s.out.Buf = append(s.out.Buf, `"custom_content":{"attachments":[`...)
	s.out.Buf = appendAttachment(s.out.Buf, b, s.choice.blobs)
	s.out.Buf = append(s.out.Buf, "]}"...)
	s.out.Buf = append(s.out.Buf, s.tail...)
	s.choice.blobs++
}

// finish closes a choice, and reports whether that is the end of the stream. A call without arguments
// gets its {} here, since until now some could still have come.
func (s *stream) finish(e llm.Finish) (last bool) {
	if s.choice.finished {
		return false
	}
	for index, has := range s.choice.hasArgs {
		if empty := e.Reason.EmptyArgs(); !has && empty != "" {
			s.callArgs(index, empty)
		}
	}
	s.finalDelta(e.Custom)
	s.choice.finished, s.choice.tier = true, e.Tier
	s.usage = s.usage.Add(e.Usage)
	if e.Cost != "" {
		s.cost = e.Cost
	}
	s.unfinished--
	last = s.unfinished == 0

	s.open()
	s.out.Buf = append(s.out.Buf, `},"finish_reason":"`...)
	s.out.Buf = append(s.out.Buf, finishWord(e.Reason, s.env)...)
	s.out.Buf = append(s.out.Buf, `"}]`...)
	switch {
	case s.env.IncludeUsage:
		s.out.Buf = append(s.out.Buf, `,"usage":null`...)
		if last {
			s.out.Buf = append(s.out.Buf, "}"+sse.End...)
			s.out.Buf = append(s.out.Buf, s.head...)
			s.out.Buf = append(s.out.Buf, `,"choices":[],"usage":`...)
			s.out.Buf = appendUsage(s.out.Buf, s.usage)
		}
	case s.env.DIAL && last:
		s.out.Buf = append(s.out.Buf, `,"usage":`...)
		s.out.Buf = appendUsage(s.out.Buf, s.usage)
	}
	if last {
		s.out.Buf = appendEnd(s.out.Buf, ending{s.tier(), s.usage, s.cost, true}, s.env)
	}
	s.out.Buf = append(s.out.Buf, "}"+sse.End...)
	if last {
		s.out.Buf = append(s.out.Buf, sse.Done...)
	}
	return last
}

// finalDelta tells what is only known at a choice's end, in a chunk before the one with the reason:
// clients may stop at that one. Annotations come together, as OpenAI sends them: its Node client keeps
// those of one chunk only, and its Python client joins no lists whose members have no index.
func (s *stream) finalDelta(more []byte) {
	s.endThought()
	c := custom{thoughts: s.choice.thoughts.Blocks, more: members(more)}
	if c.empty() && len(s.choice.citations) == 0 {
		return
	}
	s.open()
	s.out.Buf = appendAnnotations(s.out.Buf, s.choice.citations)
	s.out.Buf = appendCustom(s.out.Buf, &c)
	s.out.Buf = append(s.out.Buf, s.tail...)
}

// tier is the first choice's that has one, as in a plain reply.
func (s *stream) tier() string {
	tier := s.first.tier
	for _, c := range s.others {
		if tier == "" {
			tier = c.tier
		}
	}
	return tier
}
