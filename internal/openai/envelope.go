package openai

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

const (
	// HeaderIgnored is the response header that lists, separated by commas, the members of the request
	// that had no effect.
	HeaderIgnored = "X-Outcrop-Ignored"
	// HeaderChanged lists in the same way those that reached the model in another form, with a loss.
	HeaderChanged = "X-Outcrop-Changed"
	// HeaderCachePath tells DIAL Core which part of the request the upstream has cached, as a path into
	// the request's body: "prefix.body.messages[3]".
	HeaderCachePath = "X-DIAL-CACHE-BREAKPOINT-PATH"
	// HeaderCacheExpiry tells it until when, in Unix seconds.
	HeaderCacheExpiry = "X-DIAL-CACHE-EXPIRE-AT"
)

// Envelope is what a reply says beside what the model said.
type Envelope struct {
	ID           string    // of the request; the reply's id is "chatcmpl-" and this
	Model        string    // the deployment's name, as the client knows it
	Created      time.Time // when the reply was begun
	Ignored      []string  // Shape.Ignored; the Start's are added
	Changed      []string  // what the server itself changed; the Start's are added
	IncludeUsage bool      // Shape.IncludeUsage; WriteReply always tells the usage
	// DIAL says that the reply goes by DIAL's own route, where its Core and its clients read a reply as DIAL's
	// adapters write it: a stream's last chunk has the usage even if nobody asked, or Core would count
	// nothing, and thinking is a stage too, which is what its users see.
	DIAL bool
	// Functions says that the client asked with the legacy functions: the call is told as function_call.
	// A second call has no place there and fails the reply.
	Functions bool
	// Choices is how many choices the sequence has (n); 0 is one.
	Choices int
	// Statistics, when it is not nil, becomes DIAL's member of that name.
	Statistics *Statistics
	// PerModel says that the statistics tell the usage of the model too, as DIAL Core has them.
	PerModel bool
	// Heartbeat is after how much silence WriteStream writes a comment; 0 means never.
	Heartbeat time.Duration
}

// Statistics says what max_prompt_tokens did to the request.
type Statistics struct {
	Discarded []int // indices of the messages that were left out, ascending
	Exact     bool  // the tokens were counted by the model, not estimated
}

// SetReport lists in the header of a reply, of whatever dialect, the paths of the members that had no
// effect, and of those that reached the model in another form.
func SetReport(h http.Header, ignored, changed []string) {
	setPaths(h, HeaderIgnored, ignored)
	setPaths(h, HeaderChanged, changed)
}

// SetHeaders says in the header what became of the request. It is for the replies of other dialects too.
func SetHeaders(h http.Header, env *Envelope, start *llm.Start) {
	SetReport(h, slices.Concat(env.Ignored, start.Ignored), slices.Concat(env.Changed, start.Changed))
	if start.Cached == "" {
		return
	}
	h.Set(HeaderCachePath, "prefix.body."+headerText(start.Cached))
	if start.CachedFor > 0 {
		h.Set(HeaderCacheExpiry, strconv.FormatInt(env.Created.Add(start.CachedFor).Unix(), 10))
	}
}

// maxPathsHeader bounds a header of paths in bytes: common proxies give 4 KiB to all headers of a reply.
const maxPathsHeader = 2048

// setPaths lists the paths in the header, each once. A character that a header value cannot carry, or
// that would separate two paths, is written as its escape, \u2026.
func setPaths(h http.Header, header string, paths []string) {
	var b strings.Builder
	for i, path := range paths {
		if slices.Contains(paths[:i], path) {
			continue
		}
		text := headerText(path)
		full := b.Len()+len(text) > maxPathsHeader
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
		h.Set(header, b.String())
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

// ending is what is known at the end of a reply.
type ending struct {
	tier   string
	usage  llm.Usage
	cost   string // decimal USD, "" for a client that has not asked
	stream bool
}

// appendEnd appends the members that a reply and the last chunk of a stream end with: the tier that
// served it, and what DIAL calls statistics.
func appendEnd(dst []byte, end ending, env *Envelope) []byte {
	if end.tier != "" {
		dst = append(dst, `,"service_tier":`...)
		dst = jsonscan.AppendString(dst, end.tier)
	}
	if end.cost != "" {
		dst = append(dst, `,"cost":`...)
		dst = appendCost(dst, end.cost)
	}
	if env.Statistics == nil && !env.PerModel {
		return dst
	}
	dst = append(dst, `,"statistics":{`...)
	if env.Statistics != nil {
		dst = appendDiscarded(dst, env.Statistics)
	}
	if env.PerModel {
		dst = append(comma(dst), `"usage_per_model":`...)
		dst = AppendUsagePerModel(dst, []ModelUsage{{env.Model, end.usage, end.cost}}, end.stream)
	}
	return append(dst, '}')
}

// appendCost appends what something cost, as no dialect has it: a decimal number in a string, which no reader rounds.
func appendCost(dst []byte, usd string) []byte {
	dst = append(dst, `{"amount":`...)
	dst = jsonscan.AppendString(dst, usd)
	return append(dst, `,"currency":"USD"}`...)
}

func appendDiscarded(dst []byte, s *Statistics) []byte {
	dst = append(dst, `"discarded_messages":[`...)
	for _, index := range s.Discarded {
		dst = strconv.AppendInt(comma(dst), int64(index), 10)
	}
	if s.Exact {
		return append(dst, `],"token_count":"exact"`...)
	}
	return append(dst, `],"token_count":"estimated"`...)
}

// appendUsage counts cached tokens within prompt_tokens, as OpenAI does; cache_write_tokens is DIAL's
// addition, and cache_write_1h_tokens, a part of it, ours. An image that the model made is one token, as
// DIAL's adapters have it: DIAL Core's limits and prices know tokens only.
func appendUsage(dst []byte, u llm.Usage) []byte {
	u.Output += u.Images
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
		if u.CacheWrite1h > 0 {
			dst = append(dst, `,"cache_write_1h_tokens":`...)
			dst = strconv.AppendInt(dst, int64(u.CacheWrite1h), 10)
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

// comma separates what is appended next from what came before it in the same object or array.
func comma(dst []byte) []byte {
	if last := dst[len(dst)-1]; last == '{' || last == '[' {
		return dst
	}
	return append(dst, ',')
}
