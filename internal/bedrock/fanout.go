package bedrock

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// fanWidth is how many calls of one request are out at the same time.
const fanWidth = 16

// fan runs do for 0 to n-1, at most fanWidth at a time, each with a buffer that nobody else uses meanwhile.
// The first error cancels the others' context, and is returned once all of them have ended. A panic is the
// caller's, as if do had been called here.
func fan(ctx context.Context, n int, do func(ctx context.Context, i int, buf *bytes.Buffer) error) error {
	switch {
	case ctx.Err() != nil:
		return ended(ctx)
	case n == 1:
		return do(ctx, 0, new(bytes.Buffer))
	}
	f := fanning{n: n, do: do}
	ctx, f.cancel = context.WithCancel(ctx)
	defer f.cancel()
	var running sync.WaitGroup
	for range min(n, fanWidth) {
		running.Go(func() { f.work(ctx) })
	}
	running.Wait()
	switch {
	case f.panic != nil:
		panic(f.panic)
	case f.err == nil && ctx.Err() != nil:
		return ended(ctx)
	default:
		return f.err
	}
}

type fanning struct {
	n      int
	do     func(ctx context.Context, i int, buf *bytes.Buffer) error
	cancel context.CancelFunc
	next   atomic.Int64 // counts what has been taken

	first sync.Once
	err   error
	panic any // what a do panicked with
}

// work does one after the other of what nobody has taken.
func (f *fanning) work(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			text := fmt.Sprintf("%v\n\n%s", p, debug.Stack())
			f.stop(func() { f.panic = text })
		}
	}()
	var buf bytes.Buffer
	for ctx.Err() == nil {
		i := int(f.next.Add(1)) - 1
		if i >= f.n {
			return
		}
		if err := f.do(ctx, i, &buf); err != nil {
			f.stop(func() { f.err = err })
			return
		}
	}
}

// stop keeps what ended the whole, unless something did before.
func (f *fanning) stop(keep func()) {
	f.first.Do(func() {
		keep()
		f.cancel()
	})
}
