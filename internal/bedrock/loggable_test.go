package bedrock

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"outcrop/internal/llm"
)

// TestWhatTheLogHasOfAWSsTexts: AWS's own words, without accounts; nothing of a text that has any other word.
func TestWhatTheLogHasOfAWSsTexts(t *testing.T) {
	for _, tt := range []struct{ code, text, want string }{
		{"ThrottlingException", "Too many tokens per day, please wait before trying again.", "Too many tokens per day, please wait before trying again."},
		{"AccessDeniedException", "You don't have access to the model with the specified model ID.", "You don't have access to the model with the specified model ID."},
		{"AccessDeniedException", "User: arn:aws:sts::417093658241:assumed-role/r/s is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/m because no identity-based policy allows the bedrock:InvokeModel action",
			"User: arn:aws:sts::[account]:assumed-role/r/s is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/m because no identity-based policy allows the bedrock:InvokeModel action"},
		{"ResourceNotFoundException", "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 15 days. Please upgrade to an active model on Amazon Bedrock",
			"Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 15 days. Please upgrade to an active model on Amazon Bedrock"},
		{"AccessDeniedException", "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model.",
			"Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model."},
		{"ValidationException", "Invocation of model ID anthropic.claude-3-haiku-20240307-v1:0 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
			"Invocation of model ID anthropic.claude-3-haiku-20240307-v1:0 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."},
		{"InvalidSignatureException", "Signature expired: 20261123T085019Z is now earlier than 20261123T090019Z (20261123T090519Z - 5 min.)\nThe Canonical String: hunter2", "Signature expired: 20261123T085019Z is now earlier than 20261123T090019Z (20261123T090519Z - 5 min.)"},
		{"ThrottlingException", "Too many requests by prompt: my password is hunter2", unlogged},
		{"AccessDeniedException", "You asked arn:aws:iam::417093658241:role/x to say swordfish", unlogged},
		{"InternalServerException", "swordfish", unlogged},
		{"ValidationException", "The provided request is not valid: 1234", unlogged},
		{"ValidationException", "prompt is too long: 5 tokens > 4 maximum; it was swordfish", unlogged},
	} {
		if got := (&awsError{code: tt.code, message: tt.text}).loggable(); got != tt.want {
			t.Errorf("%s: %q\n got %q\nwant %q", tt.code, tt.text, got, tt.want)
		}
	}
}

// TestMaskAccounts also where they stand alone, and nothing else.
func TestMaskAccounts(t *testing.T) {
	for text, want := range map[string]string{
		"arn:aws:iam::417093658241:role/x":                                  "arn:aws:iam::[account]:role/x",
		"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A417093658241%3Aprompt":    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A[account]%3Aprompt",
		"account 417093658241, 1234567890123":                               "account [account], 1234567890123",
		"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
	} {
		if got := MaskAccounts(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestARefusalTellsNoCredential although what stands before AWS quotes the whole request, also within a stream.
func TestARefusalTellsNoCredential(t *testing.T) {
	for name, header := range map[string]http.Header{
		"signed":     {"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261123/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0123abcd"}, "X-Amz-Security-Token": {"swordfish"}},
		"an API key": {"Authorization": {"Bearer swordfish"}},
	} {
		var quoted strings.Builder
		if err := header.Write(&quoted); err != nil {
			t.Fatal(err)
		}
		body := `{"message":"cannot read ` + strings.ReplaceAll(quoted.String(), "\r\n", ", ") + `"}`
		asked := &http.Request{Header: header}
		for where, err := range map[string]error{
			"whole": refusal(&http.Response{
				StatusCode: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {"ValidationException"}}, Body: io.NopCloser(strings.NewReader(body)),
				Request: asked,
			}),
			"in a stream": exception(frame{messageType: "exception", exceptionType: "validationException", payload: []byte(body)}, "r", asked),
		} {
			refused, ok := errors.AsType[*llm.Error](err)
			if !ok || !strings.Contains(refused.Message, "[credential]") {
				t.Errorf("%s, %s: %v", name, where, err)
			}
			for _, secret := range []string{"swordfish", "AKIAEXAMPLE", "0123abcd"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s, %s: %v", name, where, err)
				}
			}
		}
	}
}
