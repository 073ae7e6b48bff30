package bedrock

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

func httpAnswer(status int, errorType, body string) *http.Response {
	h := http.Header{"X-Amzn-Requestid": {"req-1"}}
	if errorType != "" {
		h.Set("X-Amzn-Errortype", errorType+":http://internal.amazon.com/coral/com.amazon.bedrock/")
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestEveryExceptionHasItsKind(t *testing.T) {
	tests := []struct {
		status          int
		errorType, text string
		kind            llm.Kind
		message         string
	}{
		{400, "ValidationException", "The text field is blank.", llm.KindInvalid, "The text field is blank."},
		{400, "ValidationException", "The model returned the following errors: prompt is too long: 9 tokens > 8 maximum", llm.KindContextLength, "prompt is too long"},
		{400, "ValidationException", "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.", llm.KindContextLength, ""},
		{400, "ValidationException", "Input is too long for requested model.", llm.KindContextLength, ""},
		{400, "ValidationException", "The provided model identifier is invalid.", llm.KindNotFound, "check the deployment's model id and region"},
		{400, "ValidationException", "Invocation of model ID x with on-demand throughput isn’t supported. Retry", llm.KindNotFound, "inference profile|Retry"},
		{400, "ServiceQuotaExceededException", "q", llm.KindRateLimited, "q"},
		{400, "ConflictException", "c", llm.KindInvalid, "c"},
		{403, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/x is not authorized", llm.KindForbidden, "IAM"},
		{403, "AccessDeniedException", "You invoked an unsupported model or your request did not allow prompt caching. See the documentation", llm.KindForbidden, "takes no cache points"},
		{403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", llm.KindForbidden, "own AWS credentials"},
		{403, "UnrecognizedClientException", "The security token included in the request is invalid.", llm.KindUpstream, "own AWS credentials"},
		{403, "ExpiredTokenException", "x", llm.KindUpstream, "own AWS credentials"},
		{403, "InvalidSignatureException", "x", llm.KindUpstream, "own AWS credentials"},
		{403, "IncompleteSignatureException", "x", llm.KindUpstream, "own AWS credentials"},
		{403, "MissingAuthenticationTokenException", "x", llm.KindUpstream, "own AWS credentials"},
		{404, "ResourceNotFoundException", "Model use case details have not been submitted for this account.", llm.KindNotFound, "use case"},
		{408, "ModelTimeoutException", "t", llm.KindTimeout, "t"},
		{424, "ModelErrorException", "m", llm.KindUpstream, "m"},
		{424, "ModelStreamErrorException", "m", llm.KindUpstream, "m"},
		{429, "ThrottlingException", "Too many tokens, please wait before trying again.", llm.KindRateLimited, "Too many tokens"},
		{429, "ModelNotReadyException", "n", llm.KindRateLimited, "n"},
		{500, "InternalServerException", "i", llm.KindUpstream, "i"},
		{503, "ServiceUnavailableException", "u", llm.KindUnavailable, "u"},
		{400, "SerializationException", "s", llm.KindInternal, textUpstream},
		{429, "", "", llm.KindRateLimited, textUpstream},
		{503, "", "", llm.KindUnavailable, textUpstream},
		{504, "", "", llm.KindTimeout, textUpstream},
		{403, "", "explicit deny in VPC endpoint vpce-0abc", llm.KindForbidden, textForbidden},
		{401, "", "", llm.KindForbidden, textForbidden},
		{418, "TeapotException", "short and stout", llm.KindUpstream, "short and stout"},
	}
	for _, tt := range tests {
		err := llm.AsError(refusal(httpAnswer(tt.status, tt.errorType, `{"message":"`+tt.text+`"}`)))
		want := tt.kind
		if strings.HasPrefix(tt.text, "Authentication failed") {
			want = llm.KindUpstream
		}
		found := false
		for part := range strings.SplitSeq(tt.message, "|") {
			found = found || strings.Contains(err.Message, part)
		}
		if err.Kind != want || !found {
			t.Errorf("%d %s %q: got %v %q", tt.status, tt.errorType, tt.text, err.Kind, err.Message)
		}
		if (err.RetryAfter > 0) != (err.Kind == llm.KindRateLimited) {
			t.Errorf("%d %s: retry after %v", tt.status, tt.errorType, err.RetryAfter)
		}
		if !strings.Contains(err.Err.Error(), "req-1") {
			t.Errorf("the log does not name the request: %v", err.Err)
		}
	}
}

func TestTheBodyMayHoldTheTypeAndACapitalMessage(t *testing.T) {
	err := llm.AsError(refusal(httpAnswer(429, "", `{"__type":"com.amazon#ThrottlingException","Message":"slow down"}`)))
	if err.Kind != llm.KindRateLimited || err.Message != "slow down" {
		t.Errorf("got %v", err)
	}
	for body, kind := range map[string]llm.Kind{
		`<html>bad gateway</html>`:                            llm.KindUpstream,
		`{"__type":"ValidationException"}`:                    llm.KindInvalid,
		`{"code":"ValidationException"}`:                      llm.KindInvalid,
		`{"__type":"a#ModelTimeoutException","message":null}`: llm.KindTimeout,
	} {
		if err := llm.AsError(refusal(httpAnswer(502, "", body))); err.Kind != kind || err.Message != textUpstream {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

func TestADailyQuotaIsNotRetriedSoon(t *testing.T) {
	err := llm.AsError(refusal(httpAnswer(429, "ThrottlingException", `{"message":"Too many tokens per day, please wait before trying again."}`)))
	if err.RetryAfter < time.Hour {
		t.Errorf("retry after %v", err.RetryAfter)
	}
}

// TestWhatTheClientAndTheLogMayKnow: the operator's account does not reach the client, the client's
// text does not reach the log.
func TestWhatTheClientAndTheLogMayKnow(t *testing.T) {
	err := llm.AsError(refusal(httpAnswer(400, "ValidationException",
		`{"message":"1 validation error detected: Value 'my secret plan' at 'messages.1.x' failed for arn:aws:bedrock:us-east-1:123456789012:inference-profile/x in account 123456789012"}`)))
	for _, word := range []string{"123456789012", "arn:aws"} {
		if strings.Contains(err.Message, word) {
			t.Errorf("the client reads %q: %s", word, err.Message)
		}
	}
	for _, code := range []string{"ValidationException", "ModelErrorException", "ModelStreamErrorException", "UnknownError", "AnExceptionOfNextYear", ""} {
		if log := (&awsError{code: code, message: "you said: SECRET PROMPT"}).Error(); strings.Contains(log, "SECRET") || !strings.Contains(log, code) {
			t.Errorf("the log reads: %s", log)
		}
	}
	for _, text := range []string{"prompt is too long: 9 tokens > 8 maximum", "The provided model identifier is invalid."} {
		if log := (&awsError{code: "ValidationException", message: text}).Error(); !strings.Contains(log, text) {
			t.Errorf("the log reads: %s", log)
		}
	}
	long := llm.AsError(refusal(httpAnswer(403, "AccessDeniedException", `{"message":"`+strings.Repeat("é", 4000)+`"}`)))
	if len(long.Err.Error()) > maxLogged+200 {
		t.Errorf("the log gets %d bytes", len(long.Err.Error()))
	}
}

func TestNetworkFailures(t *testing.T) {
	tests := []struct {
		err  error
		kind llm.Kind
	}{
		{context.Canceled, llm.KindCanceled},
		{context.DeadlineExceeded, llm.KindTimeout},
		{errors.New("connection refused"), llm.KindUnavailable},
	}
	for _, tt := range tests {
		if got := llm.AsError(classifyNetwork(tt.err)).Kind; got != tt.kind {
			t.Errorf("%v: got %v", tt.err, got)
		}
	}
}

func TestEveryStopReason(t *testing.T) {
	tests := map[string]llm.FinishReason{
		"end_turn": llm.FinishStop, "stop_sequence": llm.FinishStop, "tool_use": llm.FinishToolCalls, "max_tokens": llm.FinishLength,
		"model_context_window_exceeded": llm.FinishLength, "guardrail_intervened": llm.FinishContentFilter, "content_filtered": llm.FinishContentFilter,
		"malformed_model_output": llm.FinishOther, "malformed_tool_use": llm.FinishOther, "a word of next year": llm.FinishOther,
	}
	for word, want := range tests {
		got, detail := stopReason(word)
		if got != want || (detail == word) != (want == llm.FinishOther) {
			t.Errorf("%s: got %v %q", word, got, detail)
		}
	}
}

// TestAnErrorWithinAStreamOfEvents: the runtime's OpenAI-shaped streams name AWS's exceptions as events.
func TestAnErrorWithinAStreamOfEvents(t *testing.T) {
	for _, tt := range []struct {
		event, data string
		kind        llm.Kind
	}{
		{"throttlingException", `{"message":"Too many tokens"}`, llm.KindRateLimited},
		{"validationException", `{"message":"The text field is blank."}`, llm.KindInvalid},
		{"serviceUnavailableException", `{"message":"busy"}`, llm.KindUnavailable},
		{"error", `{"error":{"message":"busy","type":"overloaded_error"}}`, llm.KindUnavailable},
		{"message", `{"error":{}}`, llm.KindInternal},
	} {
		kind := llm.KindInternal
		if err := streamError(sse.Frame{Event: tt.event, Data: []byte(tt.data)}); err != nil {
			kind = llm.AsError(err).Kind
		}
		if kind != tt.kind {
			t.Errorf("%s: %v", tt.event, kind)
		}
	}
}
