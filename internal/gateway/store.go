package gateway

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"outcrop/internal/llm"
)

// storeTimeout is how long a file may take to be stored.
const storeTimeout = 30 * time.Second

// stored puts the files that the model makes where the caller can get them, if there is such a place. A file
// that cannot be put there stays in the reply: it has been paid for.
func (g *Gateway) stored(x *exchange, r *http.Request, reply iter.Seq2[llm.Event, error]) iter.Seq2[llm.Event, error] {
	if g.store == nil {
		return reply
	}
	return func(yield func(llm.Event, error) bool) {
		for event, err := range reply {
			if out, ok := event.(llm.BlobOut); ok && out.URL == "" {
				event = g.put(x, r, out)
			}
			if !yield(event, err) {
				return
			}
		}
	}
}

// put is the file with the URL where it is now, or as it was.
func (g *Gateway) put(x *exchange, r *http.Request, out llm.BlobOut) llm.BlobOut {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	url, err := g.store(ctx, credentialsOf(r.Header), out.Blob)
	if err != nil || url == "" {
		g.log.LogAttrs(ctx, slog.LevelWarn, "a file could not be stored and is in the reply itself",
			slog.String("request_id", x.id), slog.String("deployment", x.deployment), slog.Any("error", err))
		return out
	}
	return llm.BlobOut{URL: url, Blob: llm.Blob{MIME: out.Blob.MIME, Name: out.Blob.Name}}
}
