// Package sse writes and reads the frames of a server-sent-event stream (the format of
// https://html.spec.whatwg.org/multipage/server-sent-events.html, the part that OpenAI and Anthropic
// use: data, event, comments).
package sse
