package bedrock

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/llm"
)

// awsError is a failure as Bedrock names it. Its text is for the log.
type awsError struct {
	status    int    // HTTP status; 0 for an exception within a stream
	code      string // ValidationException
	message   string
	requestID string
	param     string        // the field that an error of OpenAI's form blames
	retry     time.Duration // what Retry-After says; 0 without one
}

func (e *awsError) Error() string {
	text := "bedrock: " + e.code
	if e.status != 0 {
		text += fmt.Sprintf(" (%d)", e.status)
	}
	if e.requestID != "" {
		text += ", request " + e.requestID
	}
	return text + ": " + e.loggable()
}

// Said is what AWS itself said: the HTTP status, 0 within a stream, and when to try again, 0 when it did not say. It is
// for a balancer, which must tell both from what classify makes of them.
func (e *awsError) Said() (status int, retryAfter time.Duration) { return e.status, e.retry }

// maxErrorBody is how much of an error's body is read, in bytes.
const maxErrorBody = 64 << 10

// refusal reads an answer that is not 200.
func refusal(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return classifyNetwork(fmt.Errorf("reading the error of a %d: %w", resp.StatusCode, err))
	}
	code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	e := &awsError{status: resp.StatusCode, code: code, requestID: requestID(resp.Header)}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.retry = time.Duration(min(seconds, maxRetrySeconds)) * time.Second
	}
	e.readBody(body)
	e.message = concealed(e.message, resp.Request)
	return classify(e)
}

// maxRetrySeconds is the longest Retry-After that is passed on.
const maxRetrySeconds = 24 * 60 * 60

// exception reads an exception frame, of the answer to what was asked.
func exception(fr frame, requestID string, asked *http.Request) error {
	e := &awsError{code: fr.exceptionType, requestID: requestID}
	if fr.messageType == "error" {
		e.code = fr.errorCode
	}
	if e.code != "" {
		e.code = strings.ToUpper(e.code[:1]) + e.code[1:]
	}
	e.readBody(fr.payload)
	e.message = concealed(e.message, asked)
	return classify(e)
}

// readBody takes the message, whose key AWS writes in either case, and the type where no header
// gave it. OpenAI's APIs wrap both in an error. A body that is not JSON has neither; the status must do.
func (e *awsError) readBody(body []byte) {
	var b struct {
		Message string          `json:"message"` // encoding/json matches "Message" too
		Type    string          `json:"__type"`
		Code    json.RawMessage `json:"code"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &b) == nil {
		e.message = b.Message
		if e.code == "" {
			e.code = cmp.Or(b.Type[strings.LastIndexByte(b.Type, '#')+1:], stringIn(b.Code))
		}
		if len(b.Error) > 0 && string(b.Error) != "null" {
			e.readOpenAI(b.Error)
		}
	}
	if !codePattern.MatchString(e.code) {
		e.code = "UnknownError"
	}
}

// codePattern is what a code looks like: whatever else stands in its place may quote the request, and
// codes are logged.
var codePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,63}$`)

// readOpenAI takes the content of an error member: an object of OpenAI's, or a mere text.
func (e *awsError) readOpenAI(raw json.RawMessage) {
	var inner struct {
		Message string          `json:"message"`
		Type    string          `json:"type"`
		Code    json.RawMessage `json:"code"`
		Param   json.RawMessage `json:"param"`
	}
	if json.Unmarshal(raw, &inner) != nil {
		e.message = cmp.Or(stringIn(raw), e.message)
		return
	}
	e.message, e.param = cmp.Or(inner.Message, e.message), stringIn(inner.Param)
	if e.code == "" {
		e.code = cmp.Or(stringIn(inner.Code), inner.Type)
		if !isKnown(e.code) && isKnown(inner.Type) {
			e.code = inner.Type
		}
	}
}

// stringIn is the JSON string in raw, or "".
func stringIn(raw json.RawMessage) (text string) {
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// Texts of our own, for failures whose AWS text is about the operator's account.
const (
	textCredentials   = "Amazon Bedrock refused the gateway's own AWS credentials. The operator has to renew or correct them."
	textNoCredentials = "The gateway has no AWS credentials. The operator has to provide them."
	textForbidden     = "The gateway's AWS account may not use this model. The operator has to allow it in IAM or request access to the model."
	textNoCache       = "This model, or the gateway's AWS account, takes no cache points: set cache to \"off\" in custom_fields.configuration, which the operator can do in the deployment's defaults."
	textNotFound      = "Amazon Bedrock does not know this model, or it is not available in the deployment's region. The operator has to check the deployment's model id and region."
	textBroken        = "The connection to Amazon Bedrock broke before the answer was complete."
	textIncomplete    = "The answer of Amazon Bedrock ended before it was complete."
	textUnreadable    = "The answer of Amazon Bedrock could not be understood."
	textUnreachable   = "Amazon Bedrock could not be reached."
	textUntrusted     = "Amazon Bedrock, or what answered in its place, has a certificate that the gateway does not trust. The operator has to name the certificates to trust (AWS_CA_BUNDLE, aws_ca_bundle)."
	textTimeout       = "Amazon Bedrock did not answer in time."
	textUpstream      = "Amazon Bedrock failed to answer."
	textGone          = "The client closed the request."
)

// retryAfter is what we tell a client that Bedrock throttles: Bedrock itself does not say. Its
// quotas refill by the minute, so a few seconds are worth a try; a daily quota is not.
const (
	retryAfter    = 5 * time.Second
	retryAfterDay = time.Hour
)

// isNoCache says that AWS refused a call for its cache points.
func isNoCache(err error) bool {
	e, ok := errors.AsType[*llm.Error](err)
	return ok && e.Message == textNoCache
}

// classify is the one place that turns a failure of AWS into ours.
func classify(e *awsError) error {
	out := &llm.Error{Kind: kindOf(e), Message: scrub(e.message), Err: e}
	switch {
	case isOurCredentials(e):
		out.Kind, out.Message = llm.KindUpstream, textCredentials
	case saysEndOfLife(e.message):
		out.Kind = llm.KindEndOfLife
	case isModelID(e):
		out.Kind, out.Message = llm.KindNotFound, textNotFound+" Bedrock says: "+out.Message
	case out.Kind == llm.KindForbidden && strings.Contains(e.message, "did not allow prompt caching"):
		out.Message = textNoCache
	case out.Kind == llm.KindForbidden:
		out.Message = textForbidden
	case out.Kind == llm.KindRateLimited:
		out.RetryAfter = cmp.Or(e.retry, retryAfter)
		if strings.Contains(e.message, "per day") {
			out.RetryAfter = retryAfterDay
		}
	case out.Kind == llm.KindUnavailable:
		out.RetryAfter = e.retry
	case out.Kind == llm.KindInvalid && strings.Contains(e.message, "contains filtered words"):
		out.Kind = llm.KindContentFilter // what image models say of a prompt
	case out.Kind == llm.KindInvalid && isContextLength(e):
		out.Kind = llm.KindContextLength
	case out.Kind == llm.KindInternal:
		out.Message = textUpstream
	}
	if out.Message == "" {
		out.Message = textUpstream
	}
	return out
}

// kindOf maps a failure by its code; one whose code is not known goes by its status.
func kindOf(e *awsError) llm.Kind {
	if e.code == "SerializationException" {
		return llm.KindInternal // AWS could not read what we wrote
	}
	if kind := kindOfCode(e.code); kind != llm.KindInternal && (kind != llm.KindUpstream || !saysMore(e.status)) {
		return kind
	}
	switch e.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		if e.param != "" || strings.HasSuffix(e.code, "_error") {
			return llm.KindInvalid
		}
		return llm.KindUpstream
	case http.StatusUnauthorized, http.StatusForbidden:
		return llm.KindForbidden
	case http.StatusTooManyRequests:
		return llm.KindRateLimited
	case http.StatusServiceUnavailable, statusOverloaded:
		return llm.KindUnavailable
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return llm.KindTimeout
	default:
		return llm.KindUpstream
	}
}

// statusOverloaded is Anthropic's own for a service without capacity.
// https://docs.claude.com/en/api/errors
const statusOverloaded = 529

// saysMore is true of the statuses of a server's failure that tell it apart: OpenAI's APIs call each a
// server_error.
func saysMore(status int) bool {
	return status == http.StatusServiceUnavailable || status == statusOverloaded || status == http.StatusRequestTimeout || status == http.StatusGatewayTimeout
}

// kindOfCode maps each exception of the runtime, of the signature layer before it, and the types and
// codes of OpenAI's and Anthropic's APIs; KindInternal for a code that is not known.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
// https://platform.openai.com/docs/guides/error-codes
// https://docs.claude.com/en/api/errors
func kindOfCode(code string) llm.Kind {
	switch code {
	case "ValidationException", "ConflictException", "validation_error",
		"invalid_request_error", "invalid_prompt", "invalid_value", "unsupported_parameter", "unsupported_value", "BadRequestError":
		return llm.KindInvalid
	case "context_length_exceeded":
		return llm.KindContextLength
	case "request_too_large":
		return llm.KindTooLarge
	case "content_filter", "content_policy_violation":
		return llm.KindContentFilter
	case "AccessDeniedException", "permission_error", "permission_denied", "access_denied", "PermissionDeniedError",
		"authentication_error", "invalid_api_key", "AuthenticationError", "billing_error":
		return llm.KindForbidden
	case "ResourceNotFoundException", "not_found_error", "model_not_found", "NotFoundError":
		return llm.KindNotFound
	case "ThrottlingException", "ModelNotReadyException", "ServiceQuotaExceededException",
		"rate_limit_error", "rate_limit_exceeded", "insufficient_quota", "too_many_requests", "RateLimitError":
		return llm.KindRateLimited
	case "ModelTimeoutException", "timeout", "timeout_error", "request_timeout":
		return llm.KindTimeout
	case "ModelErrorException", "ModelStreamErrorException", "InternalServerException",
		"server_error", "internal_server_error", "api_error", "internal_error", "InternalServerError":
		return llm.KindUpstream
	case "ServiceUnavailableException", "service_unavailable", "overloaded_error", "overloaded", "engine_overloaded":
		return llm.KindUnavailable
	}
	return llm.KindInternal
}

// isOurCredentials tells a refused credential from a denied permission. A wrong API key comes as
// AccessDeniedException, and only its text differs.
func isOurCredentials(e *awsError) bool {
	return isCredentials(e.code) || strings.HasPrefix(e.message, "Authentication failed")
}

func isKnown(code string) bool {
	return kindOfCode(code) != llm.KindInternal || isCredentials(code)
}

func isCredentials(code string) bool {
	switch code {
	case "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException",
		"IncompleteSignatureException", "MissingAuthenticationTokenException", "InvalidClientTokenId",
		"authentication_error", "invalid_api_key", "AuthenticationError":
		return true
	}
	return false
}

// isContextLength knows the texts with which Bedrock's models say that a prompt is too long; on the
// runtime they have no type of their own.
func isContextLength(e *awsError) bool {
	return e.code == "context_length_exceeded" || saysContextLength(e.message)
}

func saysContextLength(message string) bool {
	for _, text := range []string{
		"prompt is too long", "Input Tokens Exceeded", "Input is too long", "Too many input tokens", "maximum context length",
		"context_length_exceeded", "exceed context limit",
	} {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}

// isModelID knows the errors that blame the model id, which is the operator's, not the client's.
func isModelID(e *awsError) bool {
	return e.code == "model_not_found" || saysModelID(e.message) ||
		// Anthropic's, which has no code of its own for it.
		e.code == "not_found_error" && strings.Contains(e.message, "model") && !saysEndOfLife(e.message)
}

func saysEndOfLife(message string) bool {
	return strings.Contains(message, "reached the end of its life")
}

// saysModelID knows their texts. The last is bedrock-mantle's about a model that is on another of its
// paths, or not on it at all; its apostrophe has been seen in both forms.
func saysModelID(message string) bool {
	return strings.HasPrefix(message, "The provided model identifier is invalid") ||
		strings.Contains(message, "with on-demand throughput isn") ||
		strings.HasSuffix(strings.TrimSuffix(message, "."), "supported on this route")
}

var (
	arnPattern = regexp.MustCompile(`arn:aws[a-z-]*:[^\s'",;]+`)
	// accountPattern is an account's id, also in a path, where an ARN's colons are escaped.
	accountPattern = regexp.MustCompile(`(\b|%3[Aa])\d{12}\b`)
)

// scrub takes the operator's account out of a text of AWS.
func scrub(message string) string {
	message = arnPattern.ReplaceAllString(message, "[ARN]")
	return accountPattern.ReplaceAllString(message, "${1}[account]")
}

// classifyNetwork is classify for failures that have no AWS answer.
func classifyNetwork(err error) error {
	var netErr net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return &llm.Error{Kind: llm.KindCanceled, Message: textGone, Err: err}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return &llm.Error{Kind: llm.KindTimeout, Message: textTimeout, Err: err}
	case isUntrusted(err):
		return &llm.Error{Kind: llm.KindUnavailable, Message: textUntrusted, Err: err}
	default:
		return &llm.Error{Kind: llm.KindUnavailable, Message: textUnreachable, Err: err}
	}
}

// isUntrusted says whether a TLS handshake failed for the other side's certificate.
func isUntrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// ended is the error of a request whose context has ended: whoever ended it may have said why, in an
// *llm.Error for the client.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*llm.Error](cause); ok {
		return e
	}
	return classifyNetwork(cause)
}

// broken is the error of an answer that began and did not end as it should.
func broken(ctx context.Context, message string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return &llm.Error{Kind: llm.KindUpstream, Message: message, Err: err}
}
