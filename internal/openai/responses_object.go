package openai

import (
	"cmp"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// The statuses of responses and items.
const (
	inProgress = "in_progress"
	completed  = "completed"
	incomplete = "incomplete"
	failed     = "failed"
)

// BareResponse is a response object without output: of the status queued, in_progress or cancelled, or
// failed with the failure.
func BareResponse(env *ResponsesEnvelope, status string, failure error) []byte {
	r := newResponse(env)
	r.status, r.failure = status, failure
	return r.append(nil)
}

// append appends the response as it is now.
func (r *response) append(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, r.env.ID)
	dst = append(dst, `,"object":"response","created_at":`...)
	dst = strconv.AppendInt(dst, r.env.Created.Unix(), 10)
	dst = append(append(append(dst, `,"status":"`...), r.status...), '"')
	dst = append(dst, `,"error":`...)
	dst = appendFailure(dst, r.failure)
	dst = append(dst, `,"incomplete_details":`...)
	if r.status == incomplete {
		dst = append(append(append(dst, `{"reason":"`...), incompleteReason(r.finish.Reason)...), `"}`...)
	} else {
		dst = append(dst, "null"...)
	}
	if rest, tier := cutTier(r.env.Echo); len(rest) > 0 {
		dst = append(append(dst, ','), rest...)
		dst = append(dst, tierMember...)
		if r.finish.Tier != "" {
			dst = jsonscan.AppendString(dst, r.finish.Tier)
		} else {
			dst = append(dst, cmp.Or(string(tier), "null")...)
		}
	}
	dst = append(dst, `,"model":`...)
	dst = jsonscan.AppendString(dst, r.env.Model)
	dst = append(dst, `,"output":[`...)
	for i := range r.items {
		dst = r.items[i].appendItem(comma(dst))
	}
	dst = append(dst, `],"usage":`...)
	dst = r.appendUsage(dst)
	dst = appendCustom(dst, &custom{blobs: r.blobs, more: members(r.finish.Custom)})
	return append(dst, '}')
}

// incompleteReason says why a response is not whole. "other" is ours, as the finish_reason of a chat: to
// call such an end complete would be a lie.
func incompleteReason(r llm.FinishReason) string {
	switch r {
	case llm.FinishLength:
		return "max_output_tokens"
	case llm.FinishContentFilter:
		return "content_filter"
	default:
		return "other"
	}
}

// appendFailure appends the error of a response, in the few words that OpenAI has for its code.
func appendFailure(dst []byte, failure error) []byte {
	if failure == nil {
		return append(dst, "null"...)
	}
	e, code := llm.AsError(failure), "server_error"
	switch e.Kind {
	case llm.KindRateLimited:
		code = "rate_limit_exceeded"
	case llm.KindInvalid, llm.KindContextLength, llm.KindContentFilter, llm.KindTooLarge, llm.KindTruncation:
		code = "invalid_prompt"
	}
	dst = append(append(append(dst, `{"code":"`...), code...), `","message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	if e.Param != "" {
		dst = append(dst, `,"param":`...)
		dst = jsonscan.AppendString(dst, e.Param)
	}
	return append(dst, '}')
}

// appendUsage counts as the usage of a chat does.
func (r *response) appendUsage(dst []byte) []byte {
	if r.status != completed && r.status != incomplete {
		return append(dst, "null"...)
	}
	u := r.finish.Usage
	u.Output += u.Images
	dst = appendInt(dst, `{"input_tokens":`, u.Prompt())
	dst = appendInt(dst, `,"input_tokens_details":{"cached_tokens":`, u.CacheRead)
	dst = appendInt(dst, `,"cache_write_tokens":`, u.CacheWrite)
	if u.CacheWrite1h > 0 {
		dst = appendInt(dst, `,"cache_write_1h_tokens":`, u.CacheWrite1h)
	}
	dst = appendInt(dst, `},"output_tokens":`, u.Output)
	dst = appendInt(dst, `,"output_tokens_details":{"reasoning_tokens":`, u.Reasoning)
	dst = appendInt(dst, `},"total_tokens":`, u.Total())
	return append(dst, '}')
}
