package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"iter"
	"net/http"

	"outcrop/internal/catalog"
	"outcrop/internal/limit"
	"outcrop/internal/llm"
	"outcrop/internal/proxy"
)

// headerFallback names the deployment that answers in another's place, and why it does.
const headerFallback = "X-Outcrop-Fallback"

const (
	// maxFallbacks is how many deployments may be tried in another's place: one of them may have a fallback too.
	maxFallbacks = 4
	// maxRefusal is how much of another server's refusal is read for why it refused, in bytes.
	maxRefusal = 64 << 10
)

// why says for which kind of failure another deployment may be asked, in the words of the configuration; "" is for none.
func why(err error) (reason string, fallback func(catalog.Fallback) string) {
	e := llm.AsError(err)
	switch e.Kind {
	case llm.KindContextLength:
		return "contextLength", func(f catalog.Fallback) string { return f.ContextLength }
	case llm.KindContentFilter:
		return "contentFilter", func(f catalog.Fallback) string { return f.ContentFilter }
	case llm.KindRateLimited:
		if errors.Is(e, errLimited) { // the caller's own limit
			return "", nil
		}
	case llm.KindUpstream, llm.KindUnavailable, llm.KindTimeout, llm.KindEndOfLife:
	case llm.KindServerUnavailable: // another deployment of this server would meet it too
		return "", nil
	default:
		return "", nil
	}
	return "outage", func(f catalog.Fallback) string { return f.Outage }
}

// instead is where a request goes on that its deployment failed before the client has seen anything, if the operator
// has said so and the caller may use that one; else nil.
func (g *Gateway) instead(x *exchange, a asked, from *served, api catalog.Interface, err error) *step {
	reason, of := why(err)
	if reason == "" || from.Fallback == (catalog.Fallback{}) || a.r.Context().Err() != nil || x.fallbacks >= maxFallbacks {
		return nil
	}
	name := of(from.Fallback)
	if name == "" {
		return nil
	}
	before, deployment, region := x.charge, x.deployment, x.region
	x.charge = charge{} // an interceptor before the fallback is nobody's: who it calls is
	next, refused := g.step(x, a, api, name)
	if refused != nil {
		x.charge, x.deployment, x.region = before, deployment, region
		g.log.Warn("a fallback cannot be asked", "request_id", x.id, "deployment", deployment, "fallback", name, "error", logText(llm.AsError(refused)))
		return nil
	}
	if !before.ticket.Settle(limit.Amounts{}, nil) { // nothing was used, its entry is that of the whole request
		g.log.Error("the place of a request could not be given back: the store of limits takes no more", "request_id", x.id, "deployment", deployment)
	}
	x.fallbacks++
	if x.charge.name != "" {
		x.charge.instead = cmp.Or(before.instead, before.name)
	}
	x.tally.header = x.Header() // nobody has begun to write it
	x.tally.restart()
	x.Header().Set(headerFallback, name+"; reason="+reason)
	g.log.Info("a fallback is asked", "request_id", x.id, "deployment", deployment, "fallback", name, "reason", reason)
	return next
}

// held waits for the first word of a reply, so that it can still be another's: the reply from there on, or why there
// is none. It is for deployments with a fallback alone, since a stream's head waits for it.
func held[T any](seq iter.Seq2[T, error], silent func(*T) bool) (rest iter.Seq2[T, error], err error) {
	next, stop := iter.Pull2(seq)
	var first []T
	for {
		v, err, more := next()
		if err != nil {
			stop()
			return nil, err
		}
		if !more {
			break
		}
		quiet := silent(&v)
		if first = append(first, v); !quiet {
			break
		}
	}
	return func(yield func(T, error) bool) {
		defer stop()
		for _, v := range first {
			if !yield(v, nil) {
				return
			}
		}
		for v, err, more := next(); more; v, err, more = next() {
			if !yield(v, err) {
				return
			}
		}
	}, nil
}

// silentEvent says that nothing of an event has to be seen by a client.
func silentEvent(e *llm.Event) bool { return !isVisible(*e) }

// refusalOf is why another server refused a request, as far as it says: rest is then what was read of the answer.
func refusalOf(a *proxy.Answer) (why error, rest []byte, err error) {
	for piece, err := range a.Pieces() {
		if err != nil {
			return nil, nil, err
		}
		if rest = append(rest, piece.Bytes...); len(rest) > maxRefusal {
			return nil, nil, &llm.Error{Kind: llm.KindUpstream, Message: "The deployment's server refused the request, with an answer that is too long."}
		}
	}
	kind := kindOf(a.Status)
	if kind == llm.KindInvalid || kind == llm.KindTooLarge {
		kind = kindOfRefusal(rest)
	}
	return &llm.Error{Kind: kind, Message: "The deployment's server refused the request."}, rest, nil
}

// kindOfRefusal reads the code of an error in OpenAI's words, or Azure's.
func kindOfRefusal(body []byte) llm.Kind {
	var answer struct {
		Error struct {
			Code  any
			Inner struct{ Code string } `json:"innererror"`
		}
	}
	if json.Unmarshal(body, &answer) != nil {
		return llm.KindInvalid
	}
	switch answer.Error.Code {
	case "context_length_exceeded", "string_above_max_length":
		return llm.KindContextLength
	case "content_filter":
		return llm.KindContentFilter
	}
	if answer.Error.Inner.Code == "ResponsibleAIPolicyViolation" {
		return llm.KindContentFilter
	}
	return llm.KindInvalid
}

// again lets the deployment answer that a fallback names, in the API of the request.
func (g *Gateway) again(x *exchange, a asked, next *step, body []byte) error {
	a.name = next.Name
	switch next.api {
	case catalog.Embeddings:
		return g.embedAt(x, a, next, body)
	case catalog.Messages:
		return g.messagesAt(x, a, next, body)
	case catalog.Responses:
		return g.respondAt(x, a, next, body)
	default:
		return g.chatAt(x, a, next, body)
	}
}

// refused deals with an answer that refuses a request whose deployment has a fallback: that one answers, or the client
// gets the refusal. It is not done with any other answer.
func (f *forwarding) refused(g *Gateway, a asked, answer *proxy.Answer, body []byte) (done bool, err error) {
	if answer.Status < http.StatusBadRequest || f.to.Fallback == (catalog.Fallback{}) || f.to.beside {
		return false, nil
	}
	why, rest, err := refusalOf(answer)
	if err != nil {
		if err = f.breakOff(err, false); f.left == nil {
			err = f.unanswered(g, a, err, body)
		}
		return true, err
	}
	if next := g.instead(f.exchange, a, f.to.served, f.to.api, why); next != nil {
		return true, g.again(f.exchange, a, next, body)
	}
	f.head(answer, len(rest), true)
	err = f.write(rest)
	f.broken = f.left != nil && f.client.Err() == nil
	return true, err
}

// failed ends a request that no server answered, unless a fallback does.
func (f *forwarding) failed(g *Gateway, a asked, err error, body []byte) error {
	if !f.to.beside {
		if next := g.instead(f.exchange, a, f.to.served, f.to.api, err); next != nil {
			return g.again(f.exchange, a, next, body)
		}
	}
	return f.refuse(err)
}
