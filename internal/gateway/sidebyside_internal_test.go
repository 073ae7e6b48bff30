package gateway

import (
	"context"
	"testing"
)

// TestSideBySidePanics: a panic of one piece of work is the request's, which answers for it, and not the
// end of the process.
func TestSideBySidePanics(t *testing.T) {
	ended := 0
	defer func() {
		if recover() == nil {
			t.Error("the panic was lost")
		}
		if ended != 1 {
			t.Errorf("%d others had ended", ended)
		}
	}()
	_ = sideBySide(t.Context(), 2, 2, func(ctx context.Context, i int) error {
		if i == 0 {
			panic("boom")
		}
		<-ctx.Done()
		ended++
		return ctx.Err()
	})
}
