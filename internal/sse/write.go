package sse

// ContentType is the media type of an event stream.
const ContentType = "text/event-stream"

// A frame whose data is JSON on one line is Data, the JSON and End. Writers that append the JSON in
// pieces append these around it.
const (
	Data = "data: "
	End  = "\n\n"
)

// Done is the frame that ends an OpenAI stream.
const Done = Data + "[DONE]" + End
