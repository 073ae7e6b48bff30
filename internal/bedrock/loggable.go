package bedrock

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// unlogged stands in the log for a text of AWS that may hold what a log must not have.
const unlogged = "(AWS's text may quote the request and is not logged)"

// maxLogged is how much of AWS's text the log gets, in bytes.
const maxLogged = 500

// loggable is what the log gets of AWS's text: its first line, without account ids, if all of its words are AWS's own.
// A text about the request or the reply may quote either, and what answers in AWS's place may quote anything in any
// exception, so no exception's text is trusted as such. The client reads the whole.
func (e *awsError) loggable() string {
	message := firstLine(e.message)
	if !e.isAboutUs() {
		return unlogged
	}
	for word := range strings.FieldsSeq(message) {
		if !isPlain(word) {
			return unlogged
		}
	}
	message = MaskAccounts(message)
	if len(message) > maxLogged {
		message = strings.ToValidUTF8(message[:maxLogged], "") + "…"
	}
	return message
}

// isAboutUs says whether the text should be about the account, the service or the model, and not about the request.
func (e *awsError) isAboutUs() bool {
	switch e.code {
	case "AccessDeniedException", "ResourceNotFoundException", "ThrottlingException", "ModelNotReadyException",
		"ServiceQuotaExceededException", "ModelTimeoutException", "InternalServerException", "ServiceUnavailableException":
		return true
	}
	return isOurCredentials(e) || saysContextLength(e.message) || saysModelID(e.message) || strings.Contains(e.message, "is not authorized to perform")
}

// firstLine is what may be logged of AWS's text: when a signature is wrong, the lines after it hold the
// whole signed request, the session token among its headers.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// accountOfARN is an account id where an ARN has it.
var accountOfARN = regexp.MustCompile(`(arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:)\d{12}\b`)

// MaskAccounts is a text without the ids of AWS accounts: [account] stands for each.
func MaskAccounts(text string) string {
	if strings.Contains(text, "arn:aws") {
		text = accountOfARN.ReplaceAllString(text, "${1}[account]")
	}
	return accountPattern.ReplaceAllString(text, "${1}[account]")
}

// awsTexts are texts of AWS that quote nothing: about the account, the service, the model, the length of a prompt. What
// is made of their words may be logged; an exception that says something else is told by its name and request id, and
// outcrop doctor shows its text.
const awsTexts = `
You don't have access to the model with the specified model ID. You do not have access to this model. Your account is not authorized to
perform this action. The model is not enabled for your account. Operation not allowed. Access denied. Access to this operation is denied.
This Model is marked by provider as Legacy and you have not been actively using the model in the last days. Please upgrade to an active model
on Amazon Bedrock. This model version has reached the end of its life. Please refer to the AWS documentation for more details.
Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model. If you
have already filled out the form, try again in minutes. Model access is denied due to IAM user or service role is not authorized to perform the
required AWS Marketplace actions to enable access to this model. Refer to the Amazon Bedrock documentation for further details. Your AWS
Marketplace subscription for this model cannot be completed at this time. If you recently fixed this issue, try again after.
User: is not authorized to perform on resource because no identity-based policy, resource-based policy, session policy, permissions boundary,
VPC endpoint policy, service control policy or resource control policy allows the action with an explicit deny in an. Not authorized.
You are not authorized to invoke the model, did not allow prompt caching. Your account does not have an agreement to this model.
Your request exceeds the service quota for your account. You have exceeded the maximum number. Too many tokens per day, per minute, please wait
before trying again. Too many requests, concurrent connections. Your request rate is too high. Rate exceeded. Request was throttled. Throttling.
Reached output limits. Reduce your request rate and retry. We're currently experiencing high demand. Slow down.
Model is not ready for inference. Wait and try your request again. The specified resource ARN was not found. Check the ARN and try your request
again. Could not resolve the foundation model from the provided model identifier. The provided model identifier is invalid. The inference
profile, provisioned throughput, custom model, imported model, guardrail, prompt router was not found, does not exist, could not be found in
region. Invocation of model ID with on-demand throughput isn’t supported. isn't. Retry your request with the ID or ARN of an inference profile
that contains this model. The model is also served as one on this route (In the model). does not support. Resource not found.
The system encountered an unexpected error during processing. Try your request again. Model has timed out in processing the request.
The request processing has failed because of an unknown, internal server error, exception or failure. Bedrock is unable to process your request.
The service is temporarily unavailable, overloaded. The server is currently unable to handle the request due to capacity. Try again later. Service Unavailable.
Authentication failed: Please make sure your API Key is valid. Bearer Token has expired. The API key you provided is invalid, incorrect or missing. invalid x-api-key.
The security token included in the request is invalid or expired. Missing Authentication Token. The request signature we calculated does not
match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.
Authorization header requires Credential, Signature, SignedHeaders parameter and existence of either a X-Amz-Date or a Date header.
Signature expired: is now earlier than later than min. Signature not yet current.
prompt is too long: tokens > maximum. Input is too long for requested model. Input Tokens Exceeded: Number of input tokens exceeds maximum length.
This model's maximum context length is tokens. However, you requested tokens, your messages resulted in tokens. Please reduce the length of the
messages, the prompt or completion. Too many input tokens. Max input tokens request input token count. Bad Request. exceed context limit:
input length and max_tokens exceed context limit, decrease and. context_length_exceeded. The request is not valid: the provided request.
`

var awsWords = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{"": true}
	for word := range strings.FieldsSeq(awsTexts) {
		words[bare(word)] = true
	}
	return words
})

// bare is a word without what surrounds it, in small letters.
func bare(word string) string {
	return strings.ToLower(strings.Trim(word, ".,;:!?()[]-\"'`“”‘’…+*="))
}

// plainPattern is what of AWS's texts is no word: numbers and times, regions, actions of AWS, ARNs, ids of models.
var plainPattern = regexp.MustCompile(`^(\d{1,12}|\d{8}T\d{6}Z|\d+\s*<=?|[<>]=?|[a-z]{2}(-[a-z]{2,12}){1,3}-\d` +
	`|(bedrock|bedrock-mantle|aws-marketplace|sts|iam|kms|sagemaker):[A-Za-z]{1,60}` +
	`|arn:aws[a-z-]{0,10}:(bedrock|bedrock-mantle|sts|iam|kms|sagemaker):[^\s"']{0,300}` +
	`|([a-z-]{2,6}\.)?(ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|stability|twelvelabs|writer|zai)\.[a-z0-9.:-]{1,80})$`)

// isPlain says whether a word is AWS's own.
func isPlain(word string) bool {
	return awsWords()[bare(word)] || plainPattern.MatchString(strings.Trim(word, ".,;()[]\"'`“”‘’"))
}

// credentialPattern are the parts of an Authorization header that let somebody in, or name who is.
var credentialPattern = regexp.MustCompile(`(?:Bearer |Credential=|Signature=)([^\s,/]+)`)

// concealed is a text of an answer without the credentials that the call was made with: some proxies quote what they
// refuse, headers and all.
func concealed(text string, asked *http.Request) string {
	if asked == nil {
		return text
	}
	h := asked.Header
	found := credentialPattern.FindAllStringSubmatch(h.Get("Authorization"), -1)
	for _, credential := range found {
		text = strings.ReplaceAll(text, credential[1], "[credential]")
	}
	for _, name := range []string{"X-Amz-Security-Token", "X-Api-Key"} {
		if token := h.Get(name); token != "" {
			text = strings.ReplaceAll(text, token, "[credential]")
		}
	}
	return text
}
