package openai

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// HeaderIgnored is the response header that lists, separated by commas, the members of the request
// that had no effect.
const HeaderIgnored = "X-Outcrop-Ignored"

// Envelope is what a reply says beside what the model said.
type Envelope struct {
	ID           string    // of the request; the reply's id is "chatcmpl-" and this
	Model        string    // the deployment's name, as the client knows it
	Created      time.Time // when the reply was begun
	Ignored      []string  // Shape.Ignored
	IncludeUsage bool      // Shape.IncludeUsage; WriteReply always tells the usage
	// Heartbeat is after how much silence WriteStream writes a comment; 0 means never.
	Heartbeat time.Duration
}

// maxIgnoredHeader bounds the header in bytes: common proxies give 4 KiB to all headers of a reply.
const maxIgnoredHeader = 2048

// setIgnored lists the paths in the header. A character that a header value cannot carry, or that
// would separate two paths, is written as its escape, \u2026.
func setIgnored(h http.Header, paths []string) {
	var b strings.Builder
	for i, path := range paths {
		text := headerText(path)
		full := b.Len()+len(text) > maxIgnoredHeader
		if full {
			text = "...and " + strconv.Itoa(len(paths)-i) + " more"
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text)
		if full {
			break
		}
	}
	if b.Len() > 0 {
		h.Set(HeaderIgnored, b.String())
	}
}

func headerText(path string) string {
	path = strings.ReplaceAll(path, "…", "...")
	if !strings.ContainsFunc(path, outsideHeader) {
		return path
	}
	var b strings.Builder
	for _, r := range path {
		switch {
		case !outsideHeader(r):
			b.WriteRune(r)
		case r > 0xffff:
			b.WriteString(`\U` + hex(r, 8))
		default:
			b.WriteString(`\u` + hex(r, 4))
		}
	}
	return b.String()
}

func outsideHeader(r rune) bool { return r < 0x20 || r > 0x7e || r == ',' }

func hex(r rune, width int) string {
	digits := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(0, width-len(digits))) + digits
}

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
	reply, err := llm.CollectOne(seq)
	if err != nil {
		WriteError(w, err)
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = append(appendReply(*buf, reply, &env), '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	setIgnored(h, slices.Concat(env.Ignored, reply.Start.Ignored))
	if _, err := w.Write(*buf); err != nil {
		return clientGone(err)
	}
	return nil
}

func clientGone(err error) error {
	return &llm.Error{Kind: llm.KindCanceled, Message: "The client went away.", Err: err}
}

// appendHead appends the members that every chunk and every reply begins with.
func appendHead(dst []byte, object string, env *Envelope) []byte {
	dst = append(dst, `{"id":"chatcmpl-`...)
	dst = jsonscan.AppendEscaped(dst, env.ID)
	dst = append(dst, `","object":"`...)
	dst = append(dst, object...)
	dst = append(dst, `","created":`...)
	dst = strconv.AppendInt(dst, env.Created.Unix(), 10)
	dst = append(dst, `,"model":`...)
	return jsonscan.AppendString(dst, env.Model)
}

func appendReply(dst []byte, r *llm.Reply, env *Envelope) []byte {
	dst = appendHead(dst, "chat.completion", env)
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	if r.Text == "" && len(r.ToolCalls) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = jsonscan.AppendString(dst, r.Text)
	}
	dst = appendReasoning(dst, r.Reasoning)
	dst = appendToolCalls(dst, r.ToolCalls)
	dst = append(dst, `},"finish_reason":"`...)
	dst = append(dst, finishWord(r.Finish.Reason)...)
	dst = append(dst, `"}],"usage":`...)
	dst = appendUsage(dst, r.Finish.Usage)
	return append(dst, '}')
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
	for i, call := range calls {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[{"id":`...)
		} else {
			dst = append(dst, `,{"id":`...)
		}
		dst = jsonscan.AppendString(dst, call.ID)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = jsonscan.AppendString(dst, call.Name)
		dst = append(dst, `,"arguments":`...)
		dst = jsonscan.AppendString(dst, call.Args)
		dst = append(dst, "}}"...)
	}
	if len(calls) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// finishWord is finish_reason. OpenAI has no word for a reason that is none of its own; "other" is
// ours, because calling such an end a normal stop would be a lie.
func finishWord(r llm.FinishReason) string {
	switch r {
	case llm.FinishStop:
		return "stop"
	case llm.FinishLength:
		return "length"
	case llm.FinishToolCalls:
		return "tool_calls"
	case llm.FinishContentFilter:
		return "content_filter"
	default:
		return "other"
	}
}

// appendUsage counts cached tokens within prompt_tokens, as OpenAI does; cache_write_tokens is DIAL's
// addition.
func appendUsage(dst []byte, u llm.Usage) []byte {
	dst = append(dst, `{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, int64(u.Prompt()), 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, int64(u.Output), 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, int64(u.Total()), 10)
	if u.CacheRead > 0 || u.CacheWrite > 0 {
		dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
		dst = strconv.AppendInt(dst, int64(u.CacheRead), 10)
		if u.CacheWrite > 0 {
			dst = append(dst, `,"cache_write_tokens":`...)
			dst = strconv.AppendInt(dst, int64(u.CacheWrite), 10)
		}
		dst = append(dst, '}')
	}
	if u.Reasoning > 0 {
		dst = append(dst, `,"completion_tokens_details":{"reasoning_tokens":`...)
		dst = strconv.AppendInt(dst, int64(u.Reasoning), 10)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
