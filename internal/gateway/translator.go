package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"outcrop/internal/anthropic"
	"outcrop/internal/auth"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

// translatorTree is where DIAL Core reaches the translator: with it, clients of Anthropic's API can use any
// deployment of DIAL.
const translatorTree = "/to-chat-completions/anthropic/"

// translatorHeartbeat is after how much silence a stream gets a ping: nobody here knows the deployment's own.
const translatorHeartbeat = 15 * time.Second

// namedByCore is the deployment's name: the header has Core's own, whatever an override has made of the
// body's.
func namedByCore(r *http.Request, model string) string {
	if name := r.Header.Get("X-Dial-Deployment-Id"); name != "" {
		return name
	}
	return model
}

// maxName is the longest name of a deployment, in bytes, that goes into a log or a path unchecked: that of the
// longest ARN that Bedrock takes.
const maxName = 2048

// handleTranslator asks DIAL Core what a Messages request asks. Core has the deployment's defaults, limits
// and files.
func (g *Gateway) handleTranslator(x *exchange, r *http.Request, _ auth.Caller) error {
	x.operation = usage.Chat
	body, release, err := g.readBody(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	req, shape, err := anthropic.Decode(body)
	if err != nil {
		return x.refuse(err)
	}
	name := namedByCore(r, shape.Model)
	if name == "" {
		return x.refuse(llm.Invalid("model", "model must name a deployment."))
	}
	if len(name) > maxName {
		return x.refuse(llm.Invalid("model", fmt.Sprintf("model: no deployment has a name of more than %d bytes.", maxName)))
	}
	x.deployment, x.stream = name, shape.Stream
	if name == "." || name == ".." { // in a path they would be steps of it
		return x.refuse(&llm.Error{Kind: llm.KindNotFound, Param: "model", Message: "There is no deployment of this name."})
	}
	if g.core == nil {
		return x.refuse(errNoCore())
	}
	model := g.core(r, name)
	if model == nil {
		return x.refuse(errNoCore())
	}
	if err := forCore(req, &shape); err != nil {
		return x.refuse(err)
	}
	for _, beta := range betasOf(r.Header) {
		shape.Ignored = append(shape.Ignored, "anthropic-beta: "+beta)
	}
	names := aliasTools(req)
	reply := names.restored(timed{model, g.coreLimits, g.tally(x)}.Chat(r.Context(), req))
	write := anthropic.WriteReply
	if shape.Stream {
		write = anthropic.WriteStream
	}
	return write(x, reply, anthropic.Envelope{
		ID: x.id, Model: name, Heartbeat: translatorHeartbeat,
		Header: func(h http.Header, _ *llm.Start) {
			openai.SetHeaders(h, &openai.Envelope{Created: x.began, Ignored: shape.Ignored, Changed: shape.Changed}, &llm.Start{})
		},
	})
}

func errNoCore() error {
	return &llm.Error{
		Kind:    llm.KindInternal,
		Message: "This server does not know where DIAL Core is: set the environment variable DIAL_URL.",
	}
}

// forCore settles what depends on the model as DIAL's translator does: nobody here knows the model.
func forCore(req *llm.ChatRequest, shape *anthropic.Shape) error {
	switch shape.Thinking.Type {
	case "":
	case "disabled":
		if req.Effort == "" {
			req.Effort = "none"
		}
	default:
		shape.Ignored = append(shape.Ignored, "thinking")
	}
	if shape.TopK != nil {
		shape.Ignored = append(shape.Ignored, "top_k")
	}
	if shape.Citations == "" {
		return nil
	}
	var err error
	req.Config, err = merged(req.Config, map[string]json.RawMessage{"enable_citations": json.RawMessage("true")})
	return err
}

// aliases are names of tools as the client knows them, by those that Core was told.
type aliases map[string]string

// aliasTools gives every tool a name that OpenAI's models take, and returns what they were. The calls of the
// history change with them; another request of the conversation comes to the same names.
func aliasTools(req *llm.ChatRequest) aliases {
	names := aliases{}
	for i := range req.Tools {
		if req.Tools[i].Static == nil {
			req.Tools[i].Name = names.alias(req.Tools[i].Name)
		}
	}
	if req.ToolChoice.Name != "" {
		req.ToolChoice.Name = names.alias(req.ToolChoice.Name)
	}
	for _, m := range req.Messages {
		for i, part := range m.Parts {
			if call, ok := part.(llm.ToolCall); ok {
				call.Name = names.alias(call.Name)
				m.Parts[i] = call
			}
		}
	}
	return names
}

// The names that DIAL's translator passes on: ^[a-zA-Z_][a-zA-Z0-9_-]{2,63}$.
const (
	shortestName = 3
	longestName  = 64
	aliasDigits  = 8
)

// alias is the name itself or, where models would refuse it, its head with a hash behind it.
func (a aliases) alias(name string) string {
	safe := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	if first := safe[:min(1, len(safe))]; first == "-" || first >= "0" && first <= "9" {
		safe = "_" + safe
	}
	if safe == name && len(name) >= shortestName && len(name) <= longestName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	alias := safe[:min(len(safe), longestName-1-aliasDigits)] + "_" + hex.EncodeToString(sum[:])[:aliasDigits]
	a[alias] = name
	return alias
}

// restored is the reply with the tools' own names.
func (a aliases) restored(seq iter.Seq2[llm.Event, error]) iter.Seq2[llm.Event, error] {
	if len(a) == 0 {
		return seq
	}
	return func(yield func(llm.Event, error) bool) {
		for event, err := range seq {
			if start, ok := event.(llm.ToolCallStart); ok {
				if name, known := a[start.Name]; known {
					start.Name = name
					event = start
				}
			}
			if !yield(event, err) {
				return
			}
		}
	}
}
