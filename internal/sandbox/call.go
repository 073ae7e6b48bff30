package sandbox

import (
	"fmt"
	"maps"

	"outcrop/internal/models"
)

// The runtime operations the sandbox knows, as they are named in [call.Op].
const (
	opConverse       = "Converse"
	opConverseStream = "ConverseStream"
	opInvoke         = "InvokeModel"
	opInvokeStream   = "InvokeModelWithResponseStream"
	opCountTokens    = "CountTokens"
	opChat           = "ChatCompletions" // OpenAI's own, as is the next
	opResponses      = "Responses"
	opMessages       = "Messages" // Anthropic's own, as is the next
	opCountMessages  = "CountMessages"
)

// call is one runtime request, decoded.
type call struct {
	Op      string         // "Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream", "CountTokens"
	ModelID string         // as in the path, unescaped
	Model   *models.Model  // nil when the catalogue does not know it
	Body    map[string]any // decoded with json.Decoder.UseNumber; nil for InvokeModel whose body is not JSON
	Raw     []byte         // the body as it came

	// Native is the body of an OpenAI-shaped call, whose Body is a translation, or
	// of one of Anthropic's API, whose Body is what InvokeModel would have got;
	// Stream says that it wants a stream, Path where it went, Mantle that it was
	// signed for the host bedrock-mantle.
	Native map[string]any
	Stream bool
	Path   string
	Mantle bool

	// Region and Caller name the request in the text of an IAM denial; empty
	// means us-east-1 and a user of the sandbox's account.
	Region string
	Caller string // ARN of the signer
}

// streams says whether the reply would be an event stream.
func (c *call) streams() bool {
	return c.Op == opConverseStream || c.Op == opInvokeStream || c.Stream
}

// isOpenAI says whether the call is one of OpenAI's API.
func (c *call) isOpenAI() bool { return c.Op == opChat || c.Op == opResponses }

// isAnthropic says whether the call is one of Anthropic's API.
func (c *call) isAnthropic() bool { return c.Op == opMessages || c.Op == opCountMessages }

// isConverse says whether the body is Converse's own vocabulary.
func (c *call) isConverse() bool {
	return c.Op == opConverse || c.Op == opConverseStream
}

// mood is the state of an account that Bedrock's answers depend on. The zero
// value and nil both mean an account to which nothing is denied.
type mood struct {
	// Refuse names the refusal every call meets (see refusalNames); "" is none.
	// A name that does not exist is the caller's mistake and must be reported by
	// whoever read it: validate treats it as none.
	Refuse string
	// Access is the state of each model; nil is that of an account to which every
	// model is available.
	Access *accessBook
}

// errorNamespace is what Bedrock writes after the colon of x-amzn-errortype.
const errorNamespace = "http://internal.amazon.com/coral/com.amazon.bedrock/"

// authNamespace is the same for errors of the framework under the service:
// signatures (observed: UnrecognizedClientException, 2026-08-19) and bodies that
// cannot be decoded.
const authNamespace = "http://internal.amazon.com/coral/com.amazon.coral.service/"

// apiError is a refusal as AWS writes it.
type apiError struct {
	Status    int    // HTTP status
	Type      string // "ValidationException"; "" = no x-amzn-errortype at all, as a proxy on the way answers
	Message   string
	BodyKey   string         // member that holds Message: "message" unless AWS writes "Message"
	Namespace string         // of x-amzn-errortype after the colon; "" = errorNamespace
	Extra     map[string]any // further body members, e.g. originalStatusCode
}

// Error makes an apiError fit for logs and for errors.As.
func (e *apiError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Status, e.Type, e.Message)
}

// header is the value of x-amzn-errortype; "" means that it must not be sent.
func (e *apiError) header() string {
	if e.Type == "" {
		return ""
	}
	ns := e.Namespace
	if ns == "" {
		ns = errorNamespace
	}
	return e.Type + ":" + ns
}

// body holds the members of the JSON body.
func (e *apiError) body() map[string]any {
	key := e.BodyKey
	if key == "" {
		key = "message"
	}
	out := map[string]any{key: e.Message}
	maps.Copy(out, e.Extra)
	return out
}

// invalid is a ValidationException with the given text.
func invalid(format string, args ...any) *apiError {
	return &apiError{Status: 400, Type: "ValidationException", Message: fmt.Sprintf(format, args...)}
}
