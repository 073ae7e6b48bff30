package gateway

import (
	"bytes"
	"strings"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/proxy"
)

// responseNames puts the ids that callers know in the place of another server's, in what that server answers.
type responseNames struct {
	responses  *responses
	caller     auth.Caller
	deployment string
	known      map[string]string // ours, by theirs
	line       []byte            // of a stream, as much of it as has come
	failed     error
	last       openai.ResponseState // of a document, with the other server's id
}

const (
	// maxNames is how many responses an answer may be about: it is one, and another server's mistakes.
	maxNames = 16
	// maxNamedLine is the longest line of a stream, in bytes: as long as a document may be.
	maxNamedLine = 64 << 20
)

var (
	errManyNames = &llm.Error{Kind: llm.KindUpstream, Message: "The answer of the deployment's server is about too many responses."}
	errLongLine  = &llm.Error{Kind: llm.KindUpstream, Message: "The answer of the deployment's server has a line that is too long."}
)

// name is the caller's id for a response of the other server.
func (n *responseNames) name(theirs string) string {
	ours, ok := n.known[theirs]
	switch {
	case ok:
	case len(n.known) >= maxNames:
		n.failed = errManyNames
		return ""
	default:
		if ours, n.failed = n.responses.sealID(n.caller, remoteResponse{n.deployment, theirs}); n.failed != nil {
			return ""
		}
		n.known[strings.Clone(theirs)] = ours // it aliases the line
	}
	return ours
}

// rename is a part of an answer with the caller's ids: of a stream whole lines of it, of a document all.
func (n *responseNames) rename(data []byte, a *proxy.Answer, last bool) ([]byte, error) {
	switch {
	case n == nil:
		return data, nil
	case !a.Stream:
		if !last || a.Status >= 400 {
			return data, nil
		}
		n.last = openai.StateOf(data)
		data = openai.RenameResponse(data, n.name)
		return data, n.failed
	}
	if n.line = append(n.line, data...); len(n.line) > maxNamedLine {
		n.failed = errLongLine
		return nil, n.failed
	}
	end := bytes.LastIndexByte(n.line, '\n') + 1
	if last {
		end = len(n.line)
	}
	out := make([]byte, 0, end+256)
	for line := range bytes.Lines(n.line[:end]) {
		out = append(out, n.event(line)...)
	}
	n.line = append(n.line[:0], n.line[end:]...)
	return out, n.failed
}

// event is a line of a stream. Only those with a response have an id of one.
func (n *responseNames) event(line []byte) []byte {
	const field = "data:"
	data, ok := bytes.CutPrefix(line, []byte(field))
	if !ok {
		return line
	}
	return append([]byte(field), openai.RenameInEvent(data, n.name)...)
}
