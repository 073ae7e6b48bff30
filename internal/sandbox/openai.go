package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/models"
)

// mantleService is the SigV4 service of the host bedrock-mantle, which serves
// OpenAI's API (bedrock-api.md §4.1).
const mantleService = "bedrock-mantle"

// The paths of OpenAI's API. Those without /openai are mantle's alone, the chat
// completions under /openai the runtime's alone, and both have the last.
const (
	pathModels        = "/v1/models"
	pathMantleChat    = "/v1/chat/completions"
	pathMantleReply   = "/v1/responses"
	pathRuntimeChat   = "/openai/v1/chat/completions"
	pathProprietary   = "/openai/v1/responses"
	surfaceMantle     = "mantle"
	surfaceMantleOpen = "mantle:responses"
)

func openaiPath(method, path string) bool {
	switch path {
	case pathModels:
		return method == http.MethodGet
	case pathMantleChat, pathMantleReply, pathRuntimeChat, pathProprietary:
		return method == http.MethodPost
	}
	return false
}

// serveOpenAI is the line of one request of OpenAI's API, up to the point where
// it is an ordinary call of a model.
func (s *Server) serveOpenAI(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("X-Request-Id", w.Header().Get("X-Amzn-Requestid"))
	c := &call{Op: opChat, Raw: body, Path: r.URL.Path}
	if strings.HasSuffix(c.Path, "/responses") {
		c.Op = opResponses
	}
	if len(body) > maxBody {
		writeOpenAIError(w, &apiError{Status: http.StatusRequestEntityTooLarge, Type: "ValidationException", Message: "The request body is too large."})
		return
	}
	service := c.service(r.Header.Get("Authorization"))
	who, refused := s.verifier.verify(r, body, service)
	if refused != nil {
		writeOpenAIError(w, refused)
		return
	}
	c.Region, c.Caller, c.Mantle = who.Region, who.ARN, service == mantleService
	if c.Path == pathModels {
		if denied := s.mayListMantle(who); denied != nil {
			writeOpenAIError(w, denied)
			return
		}
		s.listMantle(w)
		return
	}
	if refused := c.decodeOpenAI(); refused != nil {
		writeOpenAIError(w, refused)
		return
	}
	c.Model, _ = s.catalogue.Lookup(c.ModelID)
	s.answer(w, r, c, who)
}

// service is the one that the signature must be for. The path that both hosts
// have goes by what the signature says.
func (c *call) service(authorization string) string {
	switch c.Path {
	case pathRuntimeChat:
		return "bedrock"
	case pathProprietary:
		if !strings.Contains(authorization, "/"+mantleService+"/"+terminator) {
			return "bedrock"
		}
	}
	return mantleService
}

// decodeOpenAI parses the body and translates it into Converse's vocabulary, as
// far as the model of the sandbox reads it.
func (c *call) decodeOpenAI() *apiError {
	if json.Valid(c.Raw) {
		c.Native = decodeObject(c.Raw)
	}
	if c.Native == nil {
		return openaiInvalid("", "We could not parse the JSON body of your request. The body must be a JSON object.")
	}
	c.ModelID = text(c.Native["model"])
	c.Stream = c.Native["stream"] == true
	if c.Op == opChat {
		c.Body = fromChat(c.Native)
	} else {
		c.Body = fromResponses(c.Native)
	}
	return nil
}

// openaiRoute says whether the model may be called on this path.
func openaiRoute(c *call) *apiError {
	switch {
	case c.ModelID == "":
		return openaiInvalid("model", "you must provide a model parameter")
	case c.Model == nil || c.Model.Geo != "" && c.Mantle:
		return &apiError{Status: http.StatusNotFound, Type: "ValidationException", Message: fmt.Sprintf("The model '%s' does not exist", c.ModelID),
			Extra: map[string]any{"code": "model_not_found", "param": "model"}}
	case !onRoute(c):
		return openaiInvalid("model", "model `%s` isn't supported on this route", c.ModelID)
	}
	return nil
}

// onRoute reads the catalogue's surfaces. gpt-oss is the one family that the
// runtime serves as chat completions, and among those with an open weight the
// surface of its responses is stated apart.
func onRoute(c *call) bool {
	m := c.Model
	oss := strings.HasPrefix(m.Base, "openai.gpt-oss-") && m.Kind == models.Chat
	switch c.Path {
	case pathMantleChat:
		return slices.Contains(m.Surfaces, surfaceMantle) || oss && slices.Contains(m.Surfaces, surfaceMantleOpen)
	case pathMantleReply:
		return slices.Contains(m.Surfaces, surfaceMantle) || slices.Contains(m.Surfaces, surfaceMantleOpen)
	case pathRuntimeChat:
		return oss
	}
	if c.Mantle {
		return slices.Contains(m.Surfaces, "mantle:"+pathProprietary)
	}
	return slices.Contains(m.Surfaces, "runtime:"+pathProprietary)
}

// listMantle answers GET /v1/models: the ids that mantle serves, none of which
// has a geo prefix.
func (s *Server) listMantle(w http.ResponseWriter) {
	if general := s.generalRefusal(); general != nil {
		writeOpenAIError(w, general)
		return
	}
	data := []any{}
	for _, m := range s.catalogue.All() {
		mantle := func(surface string) bool {
			return surface == surfaceMantle || strings.HasPrefix(surface, surfaceMantle+":")
		}
		if m.Geo == "" && slices.ContainsFunc(m.Surfaces, mantle) {
			data = append(data, map[string]any{
				"id": m.ID, "object": "model", "created": bornAt, "owned_by": m.Provider,
				"data_retention": map[string]any{"mode": "default", "allowed_modes": []any{"default", "none"}},
			})
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

// bornAt is when every reply was made, so that the same request has the same
// reply: 2026-01-31.
const bornAt = 1_769_817_600

// openaiInvalid refuses a parameter.
func openaiInvalid(param, format string, args ...any) *apiError {
	e := invalid(format, args...)
	if param != "" {
		e.Extra = map[string]any{"param": param}
	}
	return e
}

// writeOpenAIError sends a refusal as OpenAI's API does.
func writeOpenAIError(w http.ResponseWriter, e *apiError) {
	if e.Type == "" { // whatever stands in front of the service knows no API
		writeError(w, e)
		return
	}
	status := e.Status
	if e.Type == "MissingAuthenticationTokenException" || e.BodyKey == "Message" && strings.Contains(e.Message, "API Key") {
		status = http.StatusUnauthorized
	}
	writeJSON(w, status, openaiErrorBody(e))
}

// openaiErrorBody puts an error of AWS into OpenAI's shape.
func openaiErrorBody(e *apiError) map[string]any {
	kind, code := "server_error", any(nil)
	switch e.Type {
	case "ValidationException", "UnknownOperationException", "SerializationException":
		kind = "invalid_request_error"
	case "ThrottlingException", "ModelNotReadyException":
		kind, code = "rate_limit_error", "rate_limit_exceeded"
	case "ServiceQuotaExceededException":
		kind, code = "insufficient_quota", "insufficient_quota"
	case "AccessDeniedException":
		kind, code = "permission_error", "access_denied"
	case "ResourceNotFoundException":
		kind, code = "not_found_error", "not_found"
	case "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException", "IncompleteSignatureException",
		"MissingAuthenticationTokenException":
		kind, code = "authentication_error", "invalid_credentials"
	}
	if strings.Contains(e.Message, "API Key") {
		kind, code = "authentication_error", "invalid_api_key"
	}
	if own := e.Extra["code"]; own != nil {
		code = own
	}
	return map[string]any{"error": map[string]any{"message": e.Message, "type": kind, "code": code, "param": e.Extra["param"]}}
}

// openai lets the model answer a call of OpenAI's API.
func (s *Server) openai(e *exchange) {
	c := e.call
	q := ask(c, c.Body, e.wish)
	if err := q.fits(); err != nil {
		c.fail(e.w, badDirective(err))
		return
	}
	if q.reasoning == "" && c.Op == opResponses && c.Model.Reasoning == models.Yes && dig(c.Native, "reasoning", "effort") != "none" {
		q.reasoning = "on"
	}
	a := q.answer()
	u := s.cache.settle(c, c.Body)
	u.output = a.tokens
	t := epilogue{call: c, question: q, answer: openaiAnswer(c, q, a), usage: u}
	var reply func(epilogue) map[string]any
	var events func(epilogue) []event
	if c.Op == opChat {
		reply, events = chatReply, chatEvents
	} else {
		reply, events = responseReply, responseEvents
	}
	if c.streams() {
		e.play(events(t))
		return
	}
	e.reply(reply(t), a.tokens)
}

// openaiAnswer leaves out what these APIs have no words for and gives the calls
// their ids: GPT-5 and later number them anew in every reply, so that an id is
// not unique in a conversation (reported, bedrock-api.md §4.1).
func openaiAnswer(c *call, q *question, a answer) answer {
	blocks := a.blocks
	a.blocks = nil
	calls := 0
	for _, b := range blocks {
		switch b.kind {
		case blockImage, blockServerUse, blockServerSay:
			continue
		case blockTool:
			b.id = "call_" + strings.TrimPrefix(b.id, "tooluse_")
			if c.Model.Provider == "openai" && q.family != familyGptOSS {
				b.id = fmt.Sprintf("call_%d", calls)
			}
			calls++
		}
		if !b.streamed {
			a.blocks = append(a.blocks, b)
		}
	}
	return a
}

// reasoningTokens is the part of an answer that was thought.
func (a answer) reasoningTokens() int {
	n := 0
	for _, b := range a.blocks {
		if b.kind == blockReasoning || b.kind == blockRedacted {
			n += len(b.pieces)
		}
	}
	return n
}
