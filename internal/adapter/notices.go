package adapter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// noticePause is how long one warning stays unrepeated.
const noticePause = 5 * time.Minute

// maxNotices is how many warnings are remembered: their texts come from the operator, and are few.
const maxNotices = 256

// notices are warnings that every request would repeat.
type notices struct {
	log  *slog.Logger
	mu   sync.Mutex
	last map[string]time.Time
}

func newNotices(log *slog.Logger) *notices { return &notices{log: log, last: map[string]time.Time{}} }

// warn logs a message, unless it has been logged a short while ago with the same first value.
func (n *notices) warn(message string, args ...any) {
	key := message
	if len(args) > 1 {
		if text, ok := args[1].(string); ok {
			key += " " + text
		}
	}
	n.mu.Lock()
	last, known := n.last[key]
	due := !known || time.Since(last) >= noticePause
	if due && (known || len(n.last) < maxNotices) {
		n.last[key] = time.Now()
	}
	n.mu.Unlock()
	if due {
		n.log.Log(context.Background(), slog.LevelWarn, message, args...) //nolint:sloglint // the callers' messages are constants
	}
}

var errNoRegion = errors.New("no AWS region")
