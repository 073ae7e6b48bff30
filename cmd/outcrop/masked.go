package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"outcrop/internal/bedrock"
	"outcrop/internal/usage"
)

// masked is a log without the ids of AWS accounts. Errors of AWS's SDK, roles and model ids have them in ARNs.
type masked struct {
	slog.Handler
	to flusher // what warnings and errors are not left waiting in, or nil
}

func newMasked(h slog.Handler, to io.Writer) masked {
	waiting, _ := to.(flusher)
	return masked{h, waiting}
}

// Handle implements slog.Handler.
func (m masked) Handle(ctx context.Context, r slog.Record) error {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = hasARN(a.Value)
		return !found
	})
	if found {
		clean := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
		r.Attrs(func(a slog.Attr) bool {
			clean.AddAttrs(maskedAttr(a))
			return true
		})
		r = clean
	}
	err := m.Handler.Handle(ctx, r)
	if m.to != nil && r.Level >= slog.LevelWarn {
		m.to.Flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (m masked) WithAttrs(attrs []slog.Attr) slog.Handler {
	attrs = slices.Clone(attrs)
	for i := range attrs {
		attrs[i] = maskedAttr(attrs[i])
	}
	return masked{m.Handler.WithAttrs(attrs), m.to}
}

// WithGroup implements slog.Handler.
func (m masked) WithGroup(name string) slog.Handler { return masked{m.Handler.WithGroup(name), m.to} }

// hasARN says whether a value's text may have an account's id. What is none of a text costs nothing.
func hasARN(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindString:
		return strings.Contains(v.String(), "arn:aws")
	case slog.KindAny, slog.KindGroup, slog.KindLogValuer:
		return strings.Contains(fmt.Sprint(v.Any()), "arn:aws")
	default:
		return false
	}
}

func maskedAttr(a slog.Attr) slog.Attr {
	switch {
	case !hasARN(a.Value):
		return a
	case a.Value.Kind() == slog.KindString:
		return slog.String(a.Key, bedrock.MaskAccounts(a.Value.String()))
	}
	if texts, ok := a.Value.Any().([]string); ok {
		texts = slices.Clone(texts)
		for i := range texts {
			texts[i] = bedrock.MaskAccounts(texts[i])
		}
		return slog.Any(a.Key, texts)
	}
	return slog.String(a.Key, bedrock.MaskAccounts(fmt.Sprint(a.Value.Any())))
}

// unnumbered gives Entries on without the ids of AWS accounts, which models behind ARNs have: the ledger is told, who
// reads traces is not.
func unnumbered(record func(usage.Entry)) func(usage.Entry) {
	return func(e usage.Entry) {
		if strings.HasPrefix(e.Model, "arn:") {
			e.Model = bedrock.MaskAccounts(e.Model)
		}
		record(e)
	}
}
