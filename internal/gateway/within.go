package gateway

import (
	"context"
	"time"
)

// within does one piece of work of a model that answers whole, in at most that long; 0 is without
// bound.
func within[T any](ctx context.Context, total time.Duration, do func(ctx context.Context) (T, error)) (out T, err error) {
	if total <= 0 {
		return do(ctx)
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(total, func() {
		cancel(tooLate("The answer took longer than %v, the deployment's total timeout.", total))
	}).Stop()
	if out, err = do(inner); err != nil && inner.Err() != nil && ctx.Err() == nil {
		return out, context.Cause(inner)
	}
	return out, err
}
