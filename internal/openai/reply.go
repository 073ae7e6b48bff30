package openai

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// buffers are the output buffers of replies that have ended. What is large is left to the garbage
// collector.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(buf *[]byte) {
	if cap(*buf) <= 64<<10 {
		*buf = (*buf)[:0]
		buffers.Put(buf)
	}
}

// WriteReply answers with the sequence folded into one chat.completion. It returns the error that
// the client was told instead, or KindCanceled when the reply could not be written.
func WriteReply(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env Envelope) error {
	choices, err := collect(seq, &env)
	if err != nil {
		WriteError(w, err)
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = append(appendReply(*buf, choices, &env), '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	SetHeaders(h, &env, &choices[0].Start)
	if _, err := w.Write(*buf); err != nil {
		return clientGone(err)
	}
	return nil
}

// collect folds the sequence into the choices that the client asked for.
func collect(seq iter.Seq2[llm.Event, error], env *Envelope) ([]*llm.Reply, error) {
	choices, err := llm.Collect(seq)
	switch {
	case err != nil:
		return nil, err
	case len(choices) < env.Choices:
		return nil, unfinished()
	case env.Functions && slices.ContainsFunc(choices, func(r *llm.Reply) bool { return len(r.ToolCalls) > 1 }):
		return nil, manyCalls()
	}
	return choices, nil
}

func clientGone(err error) error {
	return &llm.Error{Kind: llm.KindCanceled, Message: "The client went away.", Err: err}
}

func unfinished() error {
	return &llm.Error{Kind: llm.KindInternal, Message: "The reply ended without a finish."}
}

// manyCalls is the error of a reply that the legacy functions cannot tell.
func manyCalls() error {
	return &llm.Error{
		Kind:    llm.KindUpstream,
		Message: "The model called several functions at once, which an answer to functions cannot say. Ask with tools instead of functions.",
	}
}

func appendReply(dst []byte, choices []*llm.Reply, env *Envelope) []byte {
	var usage llm.Usage
	tier, cost := "", ""
	dst = appendHead(dst, "chat.completion", env)
	dst = append(dst, `,"choices":[`...)
	for i, r := range choices {
		dst = append(comma(dst), `{"index":`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `,"message":{"role":"assistant"`...)
		dst = appendMessage(dst, r, env)
		dst = append(dst, `},"finish_reason":"`...)
		dst = append(dst, finishWord(r.Finish.Reason, env)...)
		dst = append(dst, `"}`...)
		usage = usage.Add(r.Finish.Usage)
		if tier == "" {
			tier = r.Finish.Tier
		}
		if r.Finish.Cost != "" {
			cost = r.Finish.Cost
		}
	}
	dst = append(dst, `],"usage":`...)
	dst = appendUsage(dst, usage)
	dst = appendEnd(dst, ending{tier, usage, cost, false}, env)
	return append(dst, '}')
}

// appendMessage appends what a message says, after its role.
func appendMessage(dst []byte, r *llm.Reply, env *Envelope) []byte {
	dst = append(dst, `,"content":`...)
	if r.Text == "" && len(r.ToolCalls) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = jsonscan.AppendString(dst, r.Text)
	}
	dst = appendReasoning(dst, r.Reasoning)
	if env.Functions && len(r.ToolCalls) > 0 {
		dst = append(dst, `,"function_call":`...)
		dst = appendFunction(dst, &r.ToolCalls[0])
	} else {
		dst = appendToolCalls(dst, r.ToolCalls)
	}
	dst = appendAnnotations(dst, r.Citations)
	return appendCustom(dst, &custom{blobs: r.Blobs, thoughts: r.Reasoning, stages: env.DIAL, more: members(r.Finish.Custom)})
}

// appendReasoning joins what a client would join from the chunks.
func appendReasoning(dst []byte, blocks []llm.Reasoning) []byte {
	opened := false
	for _, block := range blocks {
		if block.Text == "" {
			continue
		}
		if !opened {
			dst = append(dst, `,"reasoning_content":"`...)
			opened = true
		}
		dst = jsonscan.AppendEscaped(dst, block.Text)
	}
	if opened {
		dst = append(dst, '"')
	}
	return dst
}

func appendToolCalls(dst []byte, calls []llm.ToolCall) []byte {
	for i := range calls {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[{"id":`...)
		} else {
			dst = append(dst, `,{"id":`...)
		}
		dst = jsonscan.AppendString(dst, calls[i].ID)
		dst = append(dst, `,"type":"function","function":`...)
		dst = appendFunction(dst, &calls[i])
		dst = append(dst, '}')
	}
	if len(calls) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

func appendFunction(dst []byte, call *llm.ToolCall) []byte {
	dst = append(dst, `{"name":`...)
	dst = jsonscan.AppendString(dst, call.Name)
	dst = append(dst, `,"arguments":`...)
	dst = jsonscan.AppendString(dst, call.Args)
	return append(dst, '}')
}

// finishWord is finish_reason. OpenAI has no word for a reason that is none of its own; "other" is
// ours, because calling such an end a normal stop would be a lie.
func finishWord(r llm.FinishReason, env *Envelope) string {
	switch r {
	case llm.FinishStop:
		return "stop"
	case llm.FinishLength:
		return "length"
	case llm.FinishToolCalls:
		if env.Functions {
			return "function_call"
		}
		return "tool_calls"
	case llm.FinishContentFilter:
		return "content_filter"
	default:
		return "other"
	}
}
