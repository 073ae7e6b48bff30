package bedrock

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// The members of the body that are not alike on Anthropic's API and on Bedrock.
const (
	memberModel    = "model"
	memberStream   = "stream"
	memberVersion  = "anthropic_version"
	memberBeta     = "anthropic_beta"
	memberTier     = "service_tier"
	memberMessages = "messages"
	memberEffort   = "output_config"
)

// memberSpan is a member of an object where it lies.
type memberSpan struct {
	key   string
	text  []byte // "key":value
	value []byte
}

// memberSpans walks over the members of a valid object.
func memberSpans(object []byte) iter.Seq[memberSpan] {
	return func(yield func(memberSpan) bool) {
		s := jsonscan.New(object)
		s.Object()
		for first := true; ; first = false {
			start := s.Offset() // the comma, or the first key
			key, ok := s.Member()
			if !ok {
				return
			}
			if !first {
				start++
			}
			from := s.Offset()
			value := s.Raw()
			if s.Err() != nil {
				return
			}
			text := bytes.TrimLeft(object[start:from+len(value)], " \t\r\n")
			if !yield(memberSpan{key, text, value}) {
				return
			}
		}
	}
}

// nativeEdit is a client's body on its way to Bedrock: what passes is copied as it stands.
type nativeEdit struct {
	body    []byte // without its end
	betas   []string
	tier    string // AWS's, if the client asks for one of those
	version bool   // the body says which
	limited bool   // the body has max_tokens
	asked   bool   // the body has messages
	seen    uint8  // which members have come that may come once
	ignored []string
}

// edit takes out of a body what has another place on Bedrock, or none.
func (n *native) edit(req *llm.MessagesRequest) (*nativeEdit, error) {
	if err := checkObject(req.Body); err != nil {
		return nil, err
	}
	e := &nativeEdit{body: make([]byte, 0, len(req.Body)+256)}
	e.body = append(e.body, '{')
	if err := e.readBetas(n.surface, req); err != nil {
		return nil, err
	}
	for m := range memberSpans(req.Body) {
		switch {
		case e.again(m.key):
			return nil, llm.Invalid(strings.Clone(m.key), "The body holds this member twice.")
		case m.key == memberModel, m.key == memberStream, m.key == memberBeta,
			m.key == memberVersion && n.surface == SurfaceMantle:
		case m.key == memberTier:
			e.readTier(n.surface, m.value)
		case n.view.traits.guardrail != nil && strings.HasPrefix(strings.ToLower(m.key), awsFields):
			return nil, llm.Invalid(strings.Clone(m.key), "This deployment's guardrail is set by the server: what it looks at cannot be changed.")
		case m.key == memberMessages && slices.Contains(e.ignored, betaName(betaPerTurn)):
			e.asked = true
			e.add([]byte(`"messages":`))
			e.body = append(e.body, e.withoutEffort(m.value)...)
		default:
			e.version = e.version || m.key == memberVersion
			e.limited = e.limited || m.key == "max_tokens"
			e.asked = e.asked || m.key == memberMessages
			e.add(m.text)
		}
	}
	return e, nil
}

// again says that a member has come before whose second could go past a guardrail that reads the first.
func (e *nativeEdit) again(key string) bool {
	for i, single := range [...]string{memberMessages, "system", "tools", "max_tokens"} {
		if key == single {
			before := e.seen
			e.seen |= 1 << i
			return e.seen == before
		}
	}
	return false
}

func checkObject(body []byte) error {
	s := jsonscan.New(body)
	s.Object()
	for _, ok := s.Member(); ok; _, ok = s.Member() {
		s.Skip()
	}
	s.End()
	if syntax, ok := errors.AsType[*jsonscan.Error](s.Err()); ok {
		return llm.Invalid("", fmt.Sprintf("The body is not a JSON object: at byte %d, %s.", syntax.Offset, syntax.Reason))
	}
	return nil
}

// add appends a member.
func (e *nativeEdit) add(member []byte) {
	if len(e.body) > 1 {
		e.body = append(e.body, ',')
	}
	e.body = append(e.body, member...)
}

// keep leaves those members in the body that fit.
func (e *nativeEdit) keep(fits func(key string) bool) {
	kept := nativeEdit{body: append(make([]byte, 0, len(e.body)+64), '{')}
	for m := range memberSpans(append(e.body, '}')) {
		if fits(m.key) {
			kept.add(m.text)
		}
	}
	e.body = kept.body
}

// readBetas gathers the betas of the header and of the body.
func (e *nativeEdit) readBetas(surface string, req *llm.MessagesRequest) error {
	for _, flag := range req.Betas {
		e.beta(surface, flag)
	}
	for m := range memberSpans(req.Body) {
		if m.key != memberBeta || string(m.value) == "null" {
			continue
		}
		s := jsonscan.New(m.value)
		for s.Array(); s.Element(); {
			flag := s.String()
			if strings.ContainsFunc(flag, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' }) {
				return llm.Invalid(memberBeta, "A beta's name is printable ASCII without spaces and commas.")
			}
			e.beta(surface, flag)
		}
		if s.Err() != nil {
			return llm.Invalid(memberBeta, "This must be a list of the names of betas.")
		}
	}
	return nil
}

// beta takes a flag of the client's: under AWS's name, or not at all.
func (e *nativeEdit) beta(surface, flag string) {
	as, ok := betaOn(surface, flag)
	switch {
	case flag == "":
	case !ok:
		if name := betaName(flag); !slices.Contains(e.ignored, name) {
			e.ignored = append(e.ignored, name)
		}
	case !slices.Contains(e.betas, as):
		e.betas = append(e.betas, as)
	}
}

// betaName is how a flag is reported.
func betaName(flag string) string { return "anthropic-beta: " + flag }

// readTier passes on the tiers of AWS, which go into a header of the runtime. Anthropic's are of its own
// contracts. https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html
func (e *nativeEdit) readTier(surface string, value []byte) {
	switch word := stringIn(value); word {
	case "default", "priority", "flex", "reserved":
		if surface == SurfaceInvoke {
			e.tier = word
			return
		}
	}
	if string(value) != "null" {
		e.ignored = append(e.ignored, memberTier)
	}
}

// withoutEffort takes the effort out of messages, where it needs a beta that Bedrock does not have.
func (e *nativeEdit) withoutEffort(messages []byte) []byte {
	s := jsonscan.New(messages)
	if s.Kind() != '[' {
		return messages
	}
	out := []byte{'['}
	i := 0
	for s.Array(); s.Element(); i++ {
		if i > 0 {
			out = append(out, ',')
		}
		message := s.Raw()
		list := members(message)
		if find(list, memberEffort) == nil {
			out = append(out, message...)
			continue
		}
		e.ignored = append(e.ignored, "messages["+strconv.Itoa(i)+"]."+memberEffort)
		inner := nativeEdit{body: []byte{'{'}}
		for m := range memberSpans(message) {
			if m.key != memberEffort {
				inner.add(m.text)
			}
		}
		out = append(append(out, inner.body...), '}')
	}
	return append(out, ']')
}

// finish closes the body with what the surface wants to find in it.
func (e *nativeEdit) finish(n *native, stream bool) []byte {
	if n.surface == SurfaceMantle {
		e.add([]byte(`"model":`))
		e.body = jsonscan.AppendString(e.body, n.model.id)
		if stream {
			e.add([]byte(`"stream":true`))
		}
		return append(e.body, '}')
	}
	if !e.version {
		e.add([]byte(`"` + memberVersion + `":"` + bedrockVersion + `"`))
	}
	for i, flag := range e.betas {
		if i == 0 {
			e.add([]byte(`"` + memberBeta + `":[`))
		} else {
			e.body = append(e.body, ',')
		}
		e.body = jsonscan.AppendString(e.body, flag)
	}
	if len(e.betas) > 0 {
		e.body = append(e.body, ']')
	}
	if g := n.view.traits.guardrail; g != nil && stream && g.StreamProcessingMode == "async" {
		// https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-streaming.html
		e.add([]byte(`"amazon-bedrock-guardrailConfig":{"streamProcessingMode":"ASYNCHRONOUS"}`))
	}
	return append(e.body, '}')
}
