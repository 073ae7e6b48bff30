package gateway

import (
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/anthropic"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// translated is a Messages request on its way to a model of another wire.
type translated struct {
	*call
	head             anthropic.Head
	ignored, changed []string
	// thinks says that the effort is what the client said of thinking.
	thinks bool
}

// translate makes of a Messages request a chat, as complete as one that came as such.
func (g *Gateway) translate(r *http.Request, m *messages) (*translated, error) {
	req, shape, err := anthropic.Decode(m.body)
	if err != nil {
		return nil, err
	}
	if err := refuseStatic(req.Tools); err != nil {
		return nil, err
	}
	t := &translated{head: m.head, ignored: shape.Ignored, changed: shape.Changed}
	for _, beta := range m.betas {
		t.ignored = append(t.ignored, "anthropic-beta: "+beta) // they are flags of Anthropic's own API
	}
	if req.User != "" {
		t.ignored = append(t.ignored, "metadata.user_id") // Bedrock hears only the operator's names of a caller
	}
	own := t.options(req, &shape, m.Configuration)
	t.call = g.complete(m.served, m.caller, req, openai.ShapeOf(req, shape.Stream))
	if t.req.Config, err = merged(t.req.Config, own); err != nil {
		return nil, err
	}
	if t.format, err = newFormat(req.Format, shape.Stream); err != nil {
		return nil, err
	}
	if err := g.attach(r, linksOf(req), newBudget()); err != nil {
		return nil, err
	}
	g.vault.recall(t.owner, req)
	return t, nil
}

// refuseStatic refuses tools that only Anthropic defines or runs.
func refuseStatic(tools []llm.Tool) error {
	for i := range tools {
		if tools[i].Static != nil {
			path := "tools[" + strconv.Itoa(tools[i].Index) + "].type"
			return llm.Invalid(path, path+": only tools of type custom can be given to this model. Describe it as a custom tool with an input_schema, or leave it out.")
		}
	}
	return nil
}

// options settles what depends on the model, by the JSON Schema of its configuration: members that the model
// has go there, and are returned; of the others thinking becomes an effort, and the rest is listed.
func (t *translated) options(req *llm.ChatRequest, shape *anthropic.Shape, configuration func() []byte) map[string]json.RawMessage {
	own, thinking := map[string]json.RawMessage{}, &shape.Thinking
	if thinking.Type == "" && shape.TopK == nil && shape.Citations == "" {
		return nil
	}
	has := propertiesOf(configuration)
	switch {
	case thinking.Type == "":
	case has["thinking"] != nil && thinking.Type != "disabled":
		own["thinking"] = thinking.JSON
	case req.Effort != "":
		if thinking.Budget > 0 {
			t.changed = append(t.changed, "thinking.budget_tokens")
		}
	default:
		req.Effort, t.thinks = effortOf(thinking), true
		if thinking.Type != "disabled" {
			t.changed = append(t.changed, "thinking")
		}
	}
	switch {
	case shape.TopK == nil:
	case has["top_k"] != nil:
		own["top_k"] = json.RawMessage(strconv.Itoa(*shape.TopK))
	default:
		t.ignored = append(t.ignored, "top_k")
	}
	switch {
	case shape.Citations == "":
	case has["enable_citations"] != nil:
		own["enable_citations"] = json.RawMessage("true")
	default:
		t.ignored = append(t.ignored, shape.Citations)
	}
	return own
}

// propertiesOf are the members of a configuration, by its JSON Schema.
func propertiesOf(configuration func() []byte) map[string]json.RawMessage {
	var schema struct{ Properties map[string]json.RawMessage }
	if configuration == nil || json.Unmarshal(configuration(), &schema) != nil {
		return nil
	}
	return schema.Properties
}

// effortOf is what comes nearest to a thinking of so many tokens, by the steps at which an adapter makes
// tokens of an effort: 2048, 8192 and 16384.
func effortOf(t *anthropic.Thinking) string {
	switch {
	case t.Type == "disabled":
		return "none"
	case t.Type == "adaptive":
		return "medium"
	case t.Budget < 5<<10:
		return "low"
	case t.Budget < 12<<10:
		return "medium"
	default:
		return "high"
	}
}

// merged is the deployment's configuration with the client's members, which win.
func merged(config []byte, own map[string]json.RawMessage) ([]byte, error) {
	if len(own) == 0 {
		return config, nil
	}
	all := map[string]json.RawMessage{}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &all); err != nil {
			return nil, err
		}
	}
	for name, value := range own {
		all[name] = value
	}
	return json.Marshal(all)
}

// renamed is the reply with the effort's errors told as thinking's, where the client speaks of that.
func (t *translated) renamed(seq iter.Seq2[llm.Event, error]) iter.Seq2[llm.Event, error] {
	if !t.thinks {
		return seq
	}
	return func(yield func(llm.Event, error) bool) {
		for event, err := range seq {
			if err != nil && llm.AsError(err).Param == effortMember {
				e := *llm.AsError(err)
				e.Param = "thinking"
				err = &e
			}
			if !yield(event, err) {
				return
			}
		}
	}
}

const effortMember = "reasoning_effort"

// write answers in Anthropic's words.
func (t *translated) write(x *exchange, reply iter.Seq2[llm.Event, error]) error {
	write := anthropic.WriteReply
	if t.head.Stream {
		write = anthropic.WriteStream
	}
	return write(x, reply, anthropic.Envelope{
		ID: x.id, Model: t.Name, Heartbeat: t.Timeouts.Heartbeat,
		Header: func(h http.Header, start *llm.Start) {
			told := llm.Start{Ignored: t.paths(start.Ignored), Changed: t.paths(start.Changed), CachedFor: start.CachedFor}
			told.Cached = t.cached(start)
			changed := slices.DeleteFunc(slices.Clone(t.changed), func(path string) bool { return slices.Contains(told.Ignored, path) })
			openai.SetHeaders(h, &openai.Envelope{Created: x.began, Ignored: t.ignored, Changed: changed}, &told)
		},
	})
}

// cached is the client's last breakpoint that was passed on, as exactly as it is known.
func (t *translated) cached(start *llm.Start) string {
	path := anthropic.Path(start.Cached)
	if path != "" && strings.HasPrefix(t.head.Cached, path) {
		return t.head.Cached
	}
	return path
}

// paths are the client's own words for members of a chat.
func (t *translated) paths(members []string) []string {
	paths := slices.Clone(members)
	for i, member := range members {
		if paths[i] = anthropic.Path(member); t.thinks && member == effortMember {
			paths[i] = "thinking"
		}
	}
	return paths
}
