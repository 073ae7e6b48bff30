package limit

import (
	"bytes"
	"encoding/gob"
	"testing"

	"outcrop/internal/journal"
)

func smallSegments() journal.Options { return journal.Options{Segment: 500} }

func laterSnapshot(t *testing.T) []byte {
	t.Helper()
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(&snapshotFile{Version: 2}); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}
