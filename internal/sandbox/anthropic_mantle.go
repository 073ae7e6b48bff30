package sandbox

import (
	"maps"
	"net/http"
	"strings"

	"outcrop/internal/models"
)

// The paths of Anthropic's API, which bedrock-mantle serves for Claude.
const (
	pathMessages      = "/anthropic/v1/messages"
	pathCountMessages = "/anthropic/v1/messages/count_tokens"
)

func anthropicPath(method, path string) bool {
	return method == http.MethodPost && (path == pathMessages || path == pathCountMessages)
}

// serveAnthropic is the line of one request of Anthropic's API, up to the point
// where it is an ordinary call of a model.
func (s *Server) serveAnthropic(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Request-Id", w.Header().Get("X-Amzn-Requestid"))
	c := &call{Op: opMessages, Raw: body, Path: r.URL.Path, Mantle: true}
	if c.Path == pathCountMessages {
		c.Op = opCountMessages
	}
	if len(body) > maxBody {
		c.fail(w, &apiError{Status: http.StatusRequestEntityTooLarge, Type: "RequestEntityTooLargeException", Message: "Request exceeds the maximum size"})
		return
	}
	who, refused := s.verifier.verify(r, body, mantleService)
	if refused != nil {
		c.fail(w, refused)
		return
	}
	c.Region, c.Caller = who.Region, who.ARN
	if refused := c.decodeMessages(r.Header); refused != nil {
		c.fail(w, refused)
		return
	}
	c.Model, _ = s.catalogue.Lookup(c.ModelID)
	s.answer(w, r, c, who)
}

// decodeMessages parses the body and puts it into the form of InvokeModel: what
// is the path or a header there is a member or another header here.
func (c *call) decodeMessages(h http.Header) *apiError {
	if c.Native = decodeObject(c.Raw); c.Native == nil {
		return invalid("The request body is not valid JSON")
	}
	switch version := h.Get("Anthropic-Version"); {
	case version == "":
		return invalid("anthropic-version: header is required")
	case version != "2023-06-01":
		return invalid("anthropic-version: %q is not a valid version", version)
	}
	c.ModelID = text(c.Native["model"])
	c.Stream = c.Op == opMessages && c.Native["stream"] == true
	c.Body = maps.Clone(c.Native)
	delete(c.Body, "model")
	delete(c.Body, "stream")
	c.Body["anthropic_version"] = "bedrock-2023-05-31"
	var betas []any
	for _, line := range h.Values("Anthropic-Beta") {
		for flag := range strings.SplitSeq(line, ",") {
			betas = append(betas, strings.TrimSpace(flag))
		}
	}
	if len(betas) > 0 {
		c.Body["anthropic_beta"] = betas
	}
	return nil
}

// messagesRoute says whether the model is Claude; mantle knows no ids with a geo
// prefix.
func messagesRoute(c *call) *apiError {
	switch {
	case c.ModelID == "":
		return invalid("model: Field required")
	case c.Model == nil || c.Model.Geo != "":
		return &apiError{Status: http.StatusNotFound, Type: "ResourceNotFoundException", Message: "model: " + c.ModelID}
	case c.Model.Provider != "anthropic" || c.Model.Kind != models.Chat:
		return invalid("model `%s` isn't supported on this route", c.ModelID)
	}
	return nil
}

// messagesRules are those of InvokeModel's body but for the members that are
// placed otherwise.
func messagesRules(c *call) *apiError {
	for _, name := range []string{"anthropic_version", "anthropic_beta"} {
		if c.Native[name] != nil {
			return invalid("%s: Extra inputs are not permitted", name)
		}
	}
	if stream := c.Native["stream"]; stream != nil && stream != true && stream != false {
		return invalid("stream: Input should be a valid boolean")
	}
	if c.Op == opCountMessages {
		for _, name := range []string{"max_tokens", "stream", "metadata"} {
			if c.Native[name] != nil {
				return invalid("%s: Extra inputs are not permitted", name)
			}
		}
		return countMembers(c)
	}
	return claudeNative(c)
}

// countMembers checks a count: everything of a request but its limit and what
// depends on it.
func countMembers(c *call) *apiError {
	if c.Body["messages"] == nil {
		return invalid("messages: Field required")
	}
	for _, check := range []func(*call) *apiError{claudeMembers, claudeMessages, claudeTools} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nativeCheck(c, fromAnthropic(c.Body), []rule{claudeToolPairs, cachePointCount, uniqueCalls, betas, claudeImages})
}

// anthropicErrorBody puts an error of AWS into Anthropic's shape.
// https://docs.claude.com/en/api/errors
func anthropicErrorBody(e *apiError) map[string]any {
	kind := "api_error"
	switch {
	case e.Type == "UnrecognizedClientException", e.Type == "ExpiredTokenException", e.Type == "InvalidSignatureException",
		e.Type == "IncompleteSignatureException", e.Type == "MissingAuthenticationTokenException", strings.Contains(e.Message, "API Key"):
		kind = "authentication_error"
	case e.Type == "ValidationException", e.Type == "UnknownOperationException", e.Type == "SerializationException":
		kind = "invalid_request_error"
	case e.Type == "ThrottlingException", e.Type == "ModelNotReadyException", e.Type == "ServiceQuotaExceededException":
		kind = "rate_limit_error"
	case e.Type == "AccessDeniedException":
		kind = "permission_error"
	case e.Type == "ResourceNotFoundException":
		kind = "not_found_error"
	case e.Type == "RequestEntityTooLargeException":
		kind = "request_too_large"
	case e.Type == "ModelTimeoutException":
		kind = "timeout_error"
	case e.Type == "ServiceUnavailableException":
		kind = "overloaded_error"
	}
	return map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": e.Message}}
}

// statusOverloaded is Anthropic's own.
const statusOverloaded = 529

// writeAnthropicError sends a refusal as Anthropic's API does.
func writeAnthropicError(w http.ResponseWriter, e *apiError) {
	if e.Type == "" { // whatever stands in front of the service knows no API
		writeError(w, e)
		return
	}
	body := anthropicErrorBody(e)
	status := e.Status
	switch dig(body, "error", "type") {
	case "authentication_error":
		status = http.StatusUnauthorized
	case "overloaded_error":
		status = statusOverloaded
	}
	writeJSON(w, status, body)
}

// messages answers a call of Anthropic's API in the words of InvokeModel, without
// AWS's frames and metrics.
func (s *Server) messages(e *exchange) {
	c := e.call
	if c.Op == opCountMessages {
		e.reply(map[string]any{"input_tokens": countTokens(c.Body)}, 0)
		return
	}
	body := fromAnthropic(c.Body)
	q := ask(c, body, e.wish)
	if err := q.fits(); err != nil {
		c.fail(e.w, badDirective(err))
		return
	}
	a := q.answer()
	u := s.cache.settle(c, body)
	u.output = a.tokens
	t := epilogue{call: c, question: q, answer: a, usage: u}
	d := anthropicDialect{}
	if c.Stream {
		e.play(d.events(t))
		return
	}
	e.reply(d.reply(t), a.tokens)
}

// namedSSE writes the events of Anthropic's stream.
type namedSSE struct{ sse }

func (*namedSSE) encode(ev event) []byte {
	ev.payload["type"] = ev.kind
	out := append([]byte("event: "+ev.kind+"\ndata: "), encode(ev.payload)...)
	return append(out, "\n\n"...)
}

// exception is an error in the middle.
func (s *namedSSE) exception(e *apiError, _ string) []byte {
	return s.encode(event{kind: "error", payload: anthropicErrorBody(e)})
}
