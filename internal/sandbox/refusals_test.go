package sandbox

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryRefusal(t *testing.T) {
	c := &call{Op: opConverse, ModelID: idSonnet45, Body: decodeObject([]byte(short(`{$HI}`)))}
	c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
	types := map[string]int{}
	for _, name := range refusalNames() {
		err := validate(c, &mood{Refuse: name})
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if err.Status < 400 || err.Message == "" || strings.ContainsAny(err.Message, "{}") {
			t.Errorf("%s: %+v", name, err)
		}
		if plain := strings.HasPrefix(name, "plain-"); plain != (err.Type == "") || plain != (err.header() == "") {
			t.Errorf("%s: type %q, header %q", name, err.Type, err.header())
		}
		types[err.Type] = err.Status
	}
	for kind, status := range map[string]int{
		"ValidationException": 400, "ServiceQuotaExceededException": 400, "ConflictException": 400, "AccessDeniedException": 403,
		"ResourceNotFoundException": 404, "ModelTimeoutException": 408, "ModelErrorException": 424, "ModelStreamErrorException": 424,
		"ThrottlingException": 429, "ModelNotReadyException": 429, "InternalServerException": 500, "ServiceUnavailableException": 503,
		"UnrecognizedClientException": 403, "ExpiredTokenException": 403, "InvalidSignatureException": 403,
		"IncompleteSignatureException": 400, "MissingAuthenticationTokenException": 403,
	} {
		if types[kind] != status {
			t.Errorf("no refusal with %d %s (%d)", status, kind, types[kind])
		}
	}
	if _, ok := refusal("no-such-thing", c); ok {
		t.Error("refusal knows no-such-thing")
	}
	if !slices.IsSorted(refusalNames()) {
		t.Error("names are not sorted")
	}
}

func TestModelMoodsComeLast(t *testing.T) {
	c := &call{Op: opConverse, ModelID: idSonnet45, Body: decodeObject([]byte(`{"messages":[]}`))}
	c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
	if err := validate(c, &mood{Refuse: "invalid-tool-use"}); err == nil || err.Message != mustStartWithUser {
		t.Errorf("the model answered a request that the service refuses: %v", err)
	}
	if err := validate(c, &mood{Refuse: "throttle-tokens"}); err == nil || err.Status != 429 {
		t.Errorf("the service looked at a request of a throttled account: %v", err)
	}
}

func TestErrorBody(t *testing.T) {
	c := &call{Op: opConverseStream, ModelID: "amazon.nova-pro-v1:0", Region: "eu-west-1", Caller: "arn:aws:sts::999999999999:assumed-role/r/s"}
	c.Model, _ = testCatalogue(t).Lookup(c.ModelID)
	denied, _ := refusal("iam", c)
	want := "User: arn:aws:sts::999999999999:assumed-role/r/s is not authorized to perform: bedrock:InvokeModelWithResponseStream on resource: " +
		"arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0 because no identity-based policy allows the bedrock:InvokeModelWithResponseStream action"
	if denied.Message != want || denied.body()["Message"] != want {
		t.Errorf("iam: %s", denied.Message)
	}
	failed, _ := refusal("model-error", c)
	if body := failed.body(); body["originalStatusCode"] != 500 || body["resourceName"] == nil || body["message"] != failed.Message {
		t.Errorf("model-error: %v", body)
	}
	if got := failed.header(); got != "ModelErrorException:http://internal.amazon.com/coral/com.amazon.bedrock/" {
		t.Errorf("x-amzn-errortype %s", got)
	}
	if got := failed.Error(); got != "424 ModelErrorException: "+failed.Message {
		t.Errorf("Error() = %s", got)
	}
}
