package proxy

import (
	"io"
	"sync"
	"testing"
)

// TestABodyThatIsTakenBack gives nothing any more, nor does a reader that a transport asks for later.
func TestABodyThatIsTakenBack(t *testing.T) {
	var c Call
	first := c.lent.lend([]byte("hello"))
	if got, err := io.ReadAll(io.LimitReader(first, 2)); string(got) != "he" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	c.Close()
	for _, r := range []io.Reader{first, c.lent.lend([]byte("hello"))} {
		if got, err := io.ReadAll(r); len(got) > 0 || err == nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestABodyIsTakenBackWhileItIsRead: whoever has it back may write to it; the race detector looks.
func TestABodyIsTakenBackWhileItIsRead(*testing.T) {
	for range 100 {
		body := make([]byte, 1<<16)
		reader, takeBack := Lend(body)
		var reads sync.WaitGroup
		reads.Go(func() { _, _ = io.Copy(io.Discard, reader) })
		takeBack()
		clear(body)
		reads.Wait()
	}
}
