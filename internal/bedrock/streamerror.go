package bedrock

import (
	"strings"

	"outcrop/internal/sse"
)

// streamError is the error that a frame of server-sent events names in its event, or nil.
func streamError(f sse.Frame) error {
	if f.Event == "error" || strings.HasSuffix(f.Event, "Exception") {
		return reported(f.Event, f.Data)
	}
	return nil
}

// reported classifies an error that came with status 200.
func reported(event string, data []byte) error {
	e := &awsError{}
	if strings.HasSuffix(event, "Exception") {
		e.code = strings.ToUpper(event[:1]) + event[1:]
	}
	e.readBody(data)
	return classify(e)
}
