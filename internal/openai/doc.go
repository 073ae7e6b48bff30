// Package openai is the OpenAI chat wire with DIAL's extensions, both directions: DecodeChat turns a
// request's body into llm values, WriteStream, WriteReply and WriteError turn a reply's events and
// failures into what the clients of that wire expect, and the types of wire.go are the same wire seen
// from a client. DecodeEmbeddings and WriteEmbeddings do the same for vectors.
//
// Nothing in a request is dropped silently. A member is carried, or refused with its name, or listed
// in Shape.Ignored, which the writers repeat in the response header X-Outcrop-Ignored; Fields is the
// list of all members and their fates. What a model gets in another form than the client's is in
// Shape.Changed and X-Outcrop-Changed. A null, and an empty value where it means nothing, counts as
// absent.
//
// What OpenAI's reply has no place for is in DIAL's: files that the model made are attachments of
// custom_content, and the reasoning that a vendor wants back as it was (signed, or readable only by
// it) is custom_content.state, which DecodeChat reads when a client sends the message back.
package openai
