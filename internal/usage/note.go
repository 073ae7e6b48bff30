package usage

// AppendNote is replaced by the ledger's.
func AppendNote(dst []byte, _ *Entry) []byte { return dst }
