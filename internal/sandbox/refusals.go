package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// refusalNames lists what a mood can refuse with, in alphabetical order.
func refusalNames() []string {
	return slices.Sorted(maps.Keys(refusals()))
}

// refusal is the error of that name for this call; false when there is none of
// that name.
func refusal(name string, c *call) (*apiError, bool) {
	if name == "" {
		return nil, false
	}
	r, ok := refusals()[name]
	if !ok {
		return nil, false
	}
	err := r.err
	err.Message = strings.NewReplacer("{caller}", callerARN(c), "{action}", iamAction(c), "{resource}", resourceARN(c)).Replace(err.Message)
	return &err, true
}

// isModelMood says whether the refusal comes from the model, which sees only
// requests that the service has accepted.
func isModelMood(name string) bool { return refusals()[name].model }

// refused is one entry of the table of refusals.
type refused struct {
	err        apiError
	model      bool // the model refuses, after everything else has been checked
	everywhere bool // as a state of the account it meets the control plane and STS too
}

// known is the refusal of that name as AWS words it, for those who refuse for
// cause.
func known(name string) *apiError {
	err := refusals()[name].err
	return &err
}

// knownf is that refusal with a text for the occasion.
func knownf(name, format string, args ...any) *apiError {
	err := known(name)
	err.Message = fmt.Sprintf(format, args...)
	return err
}

// refusals maps names to errors. The texts are AWS's: observed, reported or
// documented ones come with the id of the case in testdata/requests-invalid.json
// or in the table of known messages; the others are AWS's description of the
// type in the API reference.
func refusals() map[string]refused {
	out := accountRefusals()
	maps.Copy(out, modelMoods())
	for _, general := range []map[string]refused{throttles(), authRefusals(), serviceFaults()} {
		for name, r := range general {
			r.everywhere = true
			out[name] = r
		}
	}
	return out
}

func accountRefusals() map[string]refused {
	denied := func(text string) refused {
		return refused{err: apiError{Status: 403, Type: "AccessDeniedException", Message: text}}
	}
	missing := func(text string) refused {
		return refused{err: apiError{Status: 404, Type: "ResourceNotFoundException", Message: text}}
	}
	iam := denied("User: {caller} is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action")
	iam.err.BodyKey = "Message" // r09
	return map[string]refused{
		"no-model-access": denied("You don't have access to the model with the specified model ID."), // r05
		"legacy-idle": missing("Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 15 days. " +
			"Please upgrade to an active model on Amazon Bedrock"), // r06
		"use-case-form": missing("Model use case details have not been submitted for this account. " +
			"Fill out the Anthropic use case details form before using the model. " +
			"If you have already filled out the form, try again in 15 minutes."), // r07
		"marketplace": denied("Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions " +
			"(aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model. " +
			"Refer to the Amazon Bedrock documentation for further details."), // r08
		"iam":             iam,
		"no-prompt-cache": denied(noPromptCache), // r16
		"end-of-life":     missing(endOfLife),
		"unknown-model":   {err: *invalid(invalidModelID)}, // r01
		"quota": {err: apiError{Status: 400, Type: "ServiceQuotaExceededException",
			Message: "Your request exceeds the service quota for your account."}},
		"conflict": {err: apiError{Status: 400, Type: "ConflictException",
			Message: "Error occurred because of a conflict while performing an operation."}},
		"model-not-ready": {err: apiError{Status: 429, Type: "ModelNotReadyException",
			Message: "Model is not ready for inference. Wait and try your request again."}},
		"not-found": missing("The specified resource ARN was not found. Check the ARN and try your request again."),
	}
}

func throttles() map[string]refused {
	throttled := func(what string) refused {
		return refused{err: apiError{Status: 429, Type: "ThrottlingException", Message: "Too many " + what + ", please wait before trying again."}}
	}
	return map[string]refused{
		"throttle-tokens":   throttled("tokens"),         // r13
		"throttle-day":      throttled("tokens per day"), // r14
		"throttle-requests": throttled("requests"),       // r15
	}
}

func authRefusals() map[string]refused {
	coral := func(kind, text string) refused {
		return refused{err: apiError{Status: 403, Type: kind, Message: text, Namespace: authNamespace}}
	}
	return map[string]refused{
		"unknown-key":   coral("UnrecognizedClientException", "The security token included in the request is invalid."), // r10
		"expired-token": coral("ExpiredTokenException", "The security token included in the request is expired"),        // r11
		"bad-api-key": {err: apiError{Status: 403, Type: "AccessDeniedException", BodyKey: "Message",
			Message: "Authentication failed: Please make sure your API Key is valid."}}, // r12
		"bad-signature": coral("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."),
		"incomplete-signature": {err: apiError{Status: 400, Type: "IncompleteSignatureException", Namespace: authNamespace,
			Message: strings.Join(missingParameters(nil), " ")}},
		"no-token": coral("MissingAuthenticationTokenException", "Missing Authentication Token"),
	}
}

func modelMoods() map[string]refused {
	failed := func(status int, kind, text string, extra map[string]any) refused {
		return refused{model: true, err: apiError{Status: status, Type: kind, Message: text, Extra: extra}}
	}
	return map[string]refused{
		"invalid-tool-use": failed(424, "ModelErrorException",
			"Model produced invalid sequence as part of ToolUse. Please refer to the model tool use troubleshooting guide.", nil), // m29
		"no-streaming": {model: true, err: *invalid(noStreaming)},  // m30
		"too-long":     {model: true, err: *invalid(inputTooLong)}, // m27
		"model-error": failed(424, "ModelErrorException", "The system encountered an unexpected error during processing. Try your request again.",
			map[string]any{"originalStatusCode": 500, "resourceName": "sandbox-model"}),
		"model-stream-error": failed(424, "ModelStreamErrorException", "The system encountered an unexpected error during processing. Try your request again.",
			map[string]any{"originalStatusCode": 500, "originalMessage": "The model stopped in the middle of a reply."}),
		"model-timeout": failed(408, "ModelTimeoutException", "Model has timed out in processing the request. Try your request again.", nil),
	}
}

// serviceFaults are the errors of the service and, without a type, those of
// whatever stands in front of it.
func serviceFaults() map[string]refused {
	out := map[string]refused{
		"validation": {err: *invalid("The provided request is not valid")},
		"internal": {err: apiError{Status: 500, Type: "InternalServerException",
			Message: "The system encountered an unexpected error during processing. Try your request again."}},
		"unavailable": {err: apiError{Status: 503, Type: "ServiceUnavailableException",
			Message: "Bedrock is unable to process your request."}},
	}
	for name, status := range map[string]int{"plain-429": 429, "plain-500": 500, "plain-502": 502, "plain-503": 503, "plain-504": 504} {
		out[name] = refused{err: apiError{Status: status, Message: "Try again later."}}
	}
	return out
}

// callerARN is the signer; a call that does not say who made it was made by a
// user of the account that AWS's documentation uses for examples.
func callerARN(c *call) string {
	if c.Caller != "" {
		return c.Caller
	}
	return "arn:aws:iam::123456789012:user/sandbox"
}

// callerAccount is the account number inside the caller's ARN.
func callerAccount(c *call) string {
	if parts := strings.Split(callerARN(c), ":"); len(parts) > 4 {
		return parts[4]
	}
	return ""
}

// iamAction is the permission a call needs: Converse has none of its own
// (docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html).
func iamAction(c *call) string {
	switch {
	case c.Op == opCountTokens:
		return "bedrock:CountTokens"
	case c.streams():
		return "bedrock:InvokeModelWithResponseStream"
	default:
		return "bedrock:InvokeModel"
	}
}

func resourceARN(c *call) string {
	if strings.HasPrefix(c.ModelID, "arn:") {
		return c.ModelID
	}
	region := c.Region
	if region == "" {
		region = "us-east-1"
	}
	if c.Model != nil && c.Model.Geo != "" {
		return "arn:aws:bedrock:" + region + ":" + callerAccount(c) + ":inference-profile/" + c.ModelID
	}
	return "arn:aws:bedrock:" + region + "::foundation-model/" + c.ModelID
}
