package journal

import "context"

// Note is one record and its place.
type Note struct {
	Position string // opaque; what comes after it is what Read gives with it
	Data     []byte
}

// Outbox is notes in the order in which they came. Whoever reads them remembers the position together with what it
// made of them, so that each counts once.
type Outbox interface {
	// ID tells outboxes apart, over restarts.
	ID() string
	// Read gives at most so many notes after the position, "" for from the beginning. It waits for the first one
	// as long as the context lasts, and then gives none and no error.
	Read(ctx context.Context, after string, most int) ([]Note, error)
	// Trim forgets the notes up to that position.
	Trim(ctx context.Context, upTo string) error
}
