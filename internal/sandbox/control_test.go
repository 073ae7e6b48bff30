package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrock/types"
)

func controlClient(t *testing.T, region string, o Options) *bedrock.Client {
	t.Helper()
	cfg := awsConfig(serve(t, o), sandboxKey)
	cfg.Region = region
	return bedrock.NewFromConfig(cfg)
}

func TestListFoundationModels(t *testing.T) {
	client := controlClient(t, "eu-west-1", Options{})
	ids := func(in *bedrock.ListFoundationModelsInput) []string {
		t.Helper()
		out, err := client.ListFoundationModels(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range out.ModelSummaries {
			if *m.ModelArn != "arn:aws:bedrock:eu-west-1::foundation-model/"+*m.ModelId || *m.ModelName == "" || *m.ProviderName == "" ||
				len(m.InputModalities) == 0 || len(m.OutputModalities) == 0 || len(m.InferenceTypesSupported) == 0 || m.ModelLifecycle == nil {
				t.Errorf("%+v", m)
			}
			ids = append(ids, *m.ModelId)
		}
		return ids
	}
	all := ids(nil)
	for _, id := range []string{"anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0", "amazon.titan-embed-text-v2:0"} {
		if !slices.Contains(all, id) {
			t.Errorf("%s is not listed", id)
		}
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) || len(all) < 80 {
		t.Errorf("%d models, sorted %v", len(all), slices.IsSorted(all))
	}
	for _, id := range all {
		if strings.HasPrefix(id, "us.") || strings.HasPrefix(id, "global.") {
			t.Errorf("%s is a profile, not a model", id)
		}
	}
	for name, c := range map[string]struct {
		in   bedrock.ListFoundationModelsInput
		has  string
		hasn string
	}{
		"provider":   {bedrock.ListFoundationModelsInput{ByProvider: aws.String("anthropic")}, "anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0"},
		"embeddings": {bedrock.ListFoundationModelsInput{ByOutputModality: types.ModelModalityEmbedding}, "amazon.titan-embed-text-v2:0", "amazon.nova-lite-v1:0"},
		"on demand":  {bedrock.ListFoundationModelsInput{ByInferenceType: types.InferenceTypeOnDemand}, "amazon.titan-embed-text-v2:0", "anthropic.claude-sonnet-4-5-20250929-v1:0"},
		"fine tuned": {bedrock.ListFoundationModelsInput{ByCustomizationType: types.ModelCustomizationFineTuning}, "", "amazon.nova-lite-v1:0"},
	} {
		got := ids(&c.in)
		if (c.has != "" && !slices.Contains(got, c.has)) || slices.Contains(got, c.hasn) || len(got) == len(all) {
			t.Errorf("%s: %d models", name, len(got))
		}
	}
	if _, err := client.ListFoundationModels(t.Context(), &bedrock.ListFoundationModelsInput{ByOutputModality: "SMELL"}); code(err) != "ValidationException" ||
		!strings.Contains(err.Error(), "Value 'SMELL' at 'byOutputModality' failed to satisfy constraint: Member must satisfy enum value set: [TEXT, IMAGE, EMBEDDING]") {
		t.Errorf("unknown modality: %v", err)
	}
}

func TestGetFoundationModel(t *testing.T) {
	client := controlClient(t, "us-east-1", Options{})
	for _, id := range []string{"amazon.nova-lite-v1:0", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"} {
		out, err := client.GetFoundationModel(t.Context(), &bedrock.GetFoundationModelInput{ModelIdentifier: &id})
		if err != nil {
			t.Fatal(err)
		}
		d := out.ModelDetails
		if *d.ModelId != "amazon.nova-lite-v1:0" || *d.ProviderName != "Amazon" || !*d.ResponseStreamingSupported || d.ModelLifecycle.Status != types.FoundationModelLifecycleStatusActive {
			t.Errorf("%+v", d)
		}
	}
	for _, id := range []string{"amazon.nova-nothing-v1:0", "us.amazon.nova-lite-v1:0"} {
		if _, err := client.GetFoundationModel(t.Context(), &bedrock.GetFoundationModelInput{ModelIdentifier: &id}); code(err) != "ValidationException" {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestInferenceProfiles(t *testing.T) {
	for region, want := range map[string][]string{
		"us-west-2": {"us", "global"}, "eu-central-1": {"eu", "global"}, "ca-central-1": {"us", "ca", "global"},
		"ap-northeast-1": {"apac", "jp", "global"}, "us-gov-west-1": {"us-gov"},
	} {
		client := controlClient(t, region, Options{})
		pages := bedrock.NewListInferenceProfilesPaginator(client, &bedrock.ListInferenceProfilesInput{
			MaxResults: aws.Int32(7), TypeEquals: types.InferenceProfileTypeSystemDefined})
		var ids []string
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.InferenceProfileSummaries); n == 0 || n > 7 {
				t.Errorf("a page of %d", n)
			}
			for _, p := range page.InferenceProfileSummaries {
				geo, _, _ := strings.Cut(*p.InferenceProfileId, ".")
				if !slices.Contains(want, geo) {
					t.Errorf("%s in %s", *p.InferenceProfileId, region)
				}
				// the service model says 5 models at most; AWS lists those of six regions and more (eu, apac)
				if len(*p.InferenceProfileName) > 80 || len(p.Models) == 0 || len(p.Models) > 9 || p.CreatedAt == nil || p.Status != types.InferenceProfileStatusActive {
					t.Errorf("%+v", p)
				}
				ids = append(ids, *p.InferenceProfileId)
			}
		}
		if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(ids) || len(ids) < 5 {
			t.Errorf("%s: %d profiles %v", region, len(ids), ids)
		}
	}
	client := controlClient(t, "us-east-1", Options{Account: "123456789012"})
	demos, err := client.ListInferenceProfiles(t.Context(), &bedrock.ListInferenceProfilesInput{TypeEquals: types.InferenceProfileTypeApplication})
	if err != nil || len(demos.InferenceProfileSummaries) != 3 {
		t.Errorf("application profiles: %v %v", demos, err)
	}
	for _, id := range []string{novaID, "arn:aws:bedrock:us-east-1:123456789012:inference-profile/" + novaID} {
		out, err := client.GetInferenceProfile(t.Context(), &bedrock.GetInferenceProfileInput{InferenceProfileIdentifier: &id})
		if err != nil {
			t.Fatal(err)
		}
		if *out.InferenceProfileArn != "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"+novaID ||
			*out.Models[0].ModelArn != "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0" {
			t.Errorf("%+v", out)
		}
	}
	if _, err := client.GetInferenceProfile(t.Context(), &bedrock.GetInferenceProfileInput{InferenceProfileIdentifier: aws.String("us.no.such")}); code(err) != "ResourceNotFoundException" {
		t.Error(err)
	}
	for _, in := range []bedrock.ListInferenceProfilesInput{{MaxResults: aws.Int32(1001)}, {NextToken: aws.String("never")}, {TypeEquals: "ODD"}} {
		if _, err := client.ListInferenceProfiles(t.Context(), &in); code(err) != "ValidationException" {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

// A state of the account, of its credentials or of the service meets all three
// services, each in its own words; a state of a model stays with the runtime.
func TestMoodsReachEveryService(t *testing.T) {
	const identity, web = "Action=GetCallerIdentity", "Action=AssumeRoleWithWebIdentity&RoleSessionName=me&RoleArn=" + roleARN
	xml := func(status int, code, fault string) string {
		return fmt.Sprintf("%d <Type>%s</Type><Code>%s</Code>", status, fault, code)
	}
	for _, c := range []struct{ mood, runtime, control, sts, unsigned string }{
		{"", "200", "200", "200", xml(400, "ValidationError", "Sender")},
		{"unknown-key", "403 UnrecognizedClientException", "403 UnrecognizedClientException", xml(403, "InvalidClientTokenId", "Sender"), xml(400, "ValidationError", "Sender")},
		{"expired-token", "403 ExpiredTokenException", "403 ExpiredTokenException", xml(403, "ExpiredToken", "Sender"), xml(400, "ValidationError", "Sender")},
		{"bad-api-key", "403 AccessDeniedException", "403 AccessDeniedException", "200", xml(400, "ValidationError", "Sender")},
		{"throttle-requests", "429 ThrottlingException", "429 ThrottlingException", xml(400, "Throttling", "Sender"), xml(400, "Throttling", "Sender")},
		{"internal", "500 InternalServerException", "500 InternalServerException", xml(500, "InternalFailure", "Receiver"), xml(500, "InternalFailure", "Receiver")},
		{"unavailable", "503 ServiceUnavailableException", "503 ServiceUnavailableException", xml(503, "ServiceUnavailable", "Receiver"), xml(503, "ServiceUnavailable", "Receiver")},
		{"plain-503", "503", "503", "503", "503"},
		{"iam", "403 AccessDeniedException", "200", "200", xml(400, "ValidationError", "Sender")},
		{"legacy-idle", "404 ResourceNotFoundException", "200", "200", xml(400, "ValidationError", "Sender")},
		{"model-not-ready", "429 ModelNotReadyException", "200", "200", xml(400, "ValidationError", "Sender")},
		{"model-error", "424 ModelErrorException", "200", "200", xml(400, "ValidationError", "Sender")},
	} {
		srv := serve(t, Options{Mood: c.mood})
		answer := func(service, path, body string) string {
			r := wire{srv, sandboxKey, service}.request(t, path, []byte(body))
			if body == "" { // a GET, which an API key spares signing again
				r.Method, r.Body = http.MethodGet, http.NoBody
				r.Header.Set("Authorization", "Bearer sandbox")
			}
			got := send(t, srv, r)
			kind, _, _ := strings.Cut(got.header.Get("X-Amzn-Errortype"), ":")
			if _, from, found := strings.Cut(string(got.body), "<Error>"); found {
				kind, _, _ = strings.Cut(from, "<Message>")
			}
			return strings.TrimSpace(fmt.Sprint(got.status, " ", kind))
		}
		for what, pair := range map[string][2]string{
			"runtime":       {answer("bedrock", novaPath, helloBody), c.runtime},
			"control plane": {answer("bedrock", "/foundation-models", ""), c.control},
			"STS":           {answer("sts", "/", identity), c.sts},
			"STS, unsigned": {answer("sts", "/", web), c.unsigned},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%q, %s: %s, want %s", c.mood, what, pair[0], pair[1])
			}
		}
	}
}

func TestAvailability(t *testing.T) {
	id := "amazon.nova-lite-v1:0"
	for state, want := range map[string][2]string{
		"": {"AVAILABLE", "AUTHORIZED"}, "use-case-form": {"NOT_AVAILABLE", "AUTHORIZED"}, "no-model-access": {"AVAILABLE", "NOT_AUTHORIZED"},
	} {
		out, err := controlClient(t, "us-east-1", Options{Mood: state}).GetFoundationModelAvailability(t.Context(), &bedrock.GetFoundationModelAvailabilityInput{ModelId: &id})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{string(out.AgreementAvailability.Status), string(out.AuthorizationStatus)}; got != want || *out.ModelId != id {
			t.Errorf("%s: %v, want %v", state, got, want)
		}
	}
}

// What the sandbox does not have is refused by name, and so are odd bodies.
func TestOddRequests(t *testing.T) {
	srv := serve(t, Options{})
	for _, c := range []struct {
		method, path, body string
		status             int
		kind               string
	}{
		{"POST", "/model/x/y/z", "{}", 404, "UnknownOperationException"},
		{"GET", "/guardrails", "", 404, "UnknownOperationException"},
		{"PUT", "/foundation-models", "", 404, "UnknownOperationException"},
		{"GET", novaPath, "", 404, "UnknownOperationException"},
		{"POST", "/model//converse", "{}", 404, "UnknownOperationException"},
		{"POST", novaPath, "{", 400, "SerializationException"},
		{"POST", novaPath, "[]", 400, "SerializationException"},
		{"POST", novaPath, "null", 400, "SerializationException"},
		{"POST", novaPath, "{} {}", 400, "SerializationException"},
		{"POST", novaPath, `{"messages":"hi"}`, 400, "SerializationException"},
		{"POST", novaPath, "", 400, "ValidationException"},
		{"POST", novaPath, strings.Repeat(" ", maxBody+1), 400, "ValidationException"},
		{"POST", opPath(opInvoke, claudeID, escapeAll), strings.Repeat(" ", maxBody+1), 400, "ValidationException"},
		{"POST", "/foundation-models", strings.Repeat(" ", maxBody+1), 413, "RequestEntityTooLargeException"},
		{"POST", opPath(opInvoke, "meta.llama3-8b-instruct-v1:0", escapeAll), `{"prompt":"hi"}`, 400, "ValidationException"},
	} {
		r := wire{srv, sandboxKey, "bedrock"}.request(t, c.path, []byte(c.body))
		r.Method = c.method
		if c.method == http.MethodGet {
			r.Body = http.NoBody
		}
		got := send(t, srv, r)
		kind, _, _ := strings.Cut(got.header.Get("X-Amzn-Errortype"), ":")
		if got.status != c.status || kind != c.kind || text(decodeObject(got.body)["message"]) == "" {
			t.Errorf("%s %s %.20s: %d %s %s, want %d %s", c.method, c.path, c.body, got.status, kind, got.body, c.status, c.kind)
		}
	}
}

// A body that is too long is refused by validate, in each operation's words.
func TestTooLongBodies(t *testing.T) {
	s := newServer(t, Options{})
	for op, want := range map[string]string{
		opConverse: inputTooLong, opConverseStream: inputTooLong, opCountTokens: inputTooLong,
		opInvoke: "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less than or equal to 25000000",
	} {
		for _, size := range []int{maxBody + 1, maxBody + 1000} {
			rec := post(t, s, call{Op: op, ModelID: claudeID, Raw: make([]byte, size)})
			if got := text(decodeObject(rec.Body.Bytes())["message"]); rec.Code != 400 || got != want {
				t.Errorf("%s: %d %s, want %s", op, rec.Code, got, want)
			}
		}
	}
}

func TestNewRefusesBadOptions(t *testing.T) {
	for _, o := range []Options{
		{Account: "12"}, {Mood: "angry"}, {Credentials: []Credential{{AccessKeyID: "x"}}}, {APIKeys: []string{""}},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "sandbox: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
