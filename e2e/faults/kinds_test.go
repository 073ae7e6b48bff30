package faults

// kind is a kind of request.
type kind string

// The kinds, in the order of the table. Of the last two another server answers; the others are Bedrock's: Converse,
// InvokeModel with Claude's own body, InvokeModel of an embedding model.
const (
	chat            kind = "chat"
	chatStream      kind = "chat stream"
	responses       kind = "Responses"
	responsesStream kind = "Responses stream"
	messages        kind = "Messages"
	messagesStream  kind = "Messages stream"
	embeddings      kind = "embeddings"
	remote          kind = "forwarded chat"
	remoteStream    kind = "forwarded stream"
)

func kinds() []kind {
	return []kind{chat, chatStream, responses, responsesStream, messages, messagesStream, embeddings, remote, remoteStream}
}

// streams says whether the client gets events.
func (k kind) streams() bool {
	return k == chatStream || k == responsesStream || k == messagesStream || k == remoteStream
}

// forwarded says whether another server answers.
func (k kind) forwarded() bool { return k == remote || k == remoteStream }

// passed is what a client sees of an answer that is none and is passed on all the same. No row of the table has it.
const passed = "200 and what the server said"

// outcome is what comes of a fault, in words of which there are few.
type outcome struct {
	Sees      string // the client, with one upstream
	Second    string // the client, where another upstream is there, or for a forwarded deployment its fallback
	Accounted string // with one upstream
}
