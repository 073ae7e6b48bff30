package cohere

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// Envelope is what a reply says beside the ranking.
type Envelope struct {
	ID      string // of the request
	Version string // of the route: "1" or "2"
	// Documents are those of the request when the reply is to repeat them, else nil.
	Documents []string
}

// WriteReply answers with a ranking, whose indices are of the request's documents. It returns
// KindCanceled when the reply could not be written.
func WriteReply(w http.ResponseWriter, out *llm.Reranking, env Envelope) error {
	const room = 64 // of a result
	dst := make([]byte, 0, 256+room*len(out.Results))
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, env.ID)
	dst = append(dst, `,"results":[`...)
	for i, r := range out.Results {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"index":`...)
		dst = strconv.AppendInt(dst, int64(r.Index), 10)
		dst = append(dst, `,"relevance_score":`...)
		dst = strconv.AppendFloat(dst, r.Score, 'g', -1, 64)
		if env.Documents != nil {
			dst = append(dst, `,"document":{"text":`...)
			dst = append(jsonscan.AppendString(dst, env.Documents[r.Index]), '}')
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `],"meta":{"api_version":{"version":`...)
	dst = jsonscan.AppendString(dst, env.Version)
	dst = append(dst, `},"billed_units":{"search_units":`...)
	dst = strconv.AppendInt(dst, int64(out.Units), 10)
	dst = append(dst, "}}}\n"...)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(dst)))
	if _, err := w.Write(dst); err != nil {
		return &llm.Error{Kind: llm.KindCanceled, Message: "The client went away.", Err: err}
	}
	return nil
}

// WriteError answers a request with a failure in Cohere's shape, {"message"}, which names the field that
// is to blame, and with Retry-After where that is known or the failure is a rate limit. Which status a
// failure has is the server's. Of an error that is no *llm.Error the client learns only that the server
// failed. Nothing may have been written to w.
func WriteError(w http.ResponseWriter, status int, err error) {
	e := llm.AsError(err)
	if e.RetryAfter > 0 || e.Kind == llm.KindRateLimited {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(seconds))))
	}
	message := e.Message
	if !strings.Contains(message, e.Param) {
		message = e.Param + ": " + message
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body := jsonscan.AppendString([]byte(`{"message":`), message)
	// A client that is gone cannot be told, and the caller already holds the error that matters.
	_, _ = w.Write(append(body, "}\n"...))
}
