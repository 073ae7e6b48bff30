package sandbox

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	brtypes "github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// whoami is what the sandbox's model knows of its caller.
func whoami(t *testing.T, srv *httptest.Server, key Credential) string {
	t.Helper()
	out, err := bedrockruntime.NewFromConfig(awsConfig(srv, key)).Converse(t.Context(),
		&bedrockruntime.ConverseInput{ModelId: aws.String(novaID), Messages: sdkUser("[[sandbox whoami]]")})
	if err != nil {
		t.Fatal(err)
	}
	message, ok := out.Output.(*brtypes.ConverseOutputMemberMessage)
	if !ok {
		t.Fatalf("the output is %T", out.Output)
	}
	text, ok := message.Value.Content[0].(*brtypes.ContentBlockMemberText)
	if !ok {
		t.Fatalf("the content is %T", message.Value.Content[0])
	}
	return text.Value
}

// A session remembers its tags; those that are transitive go on to the next one.
func TestSessionTags(t *testing.T) {
	srv := serve(t, Options{})
	if got := whoami(t, srv, sandboxKey); got != "arn:aws:iam::000000000000:user/sandbox" {
		t.Errorf("a user is %q", got)
	}
	first, err := stsClient(srv, sandboxKey).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("me"), ExternalId: aws.String("ex-1"), DurationSeconds: aws.Int32(1800),
		Tags: []types.Tag{
			{Key: aws.String("project"), Value: aws.String("Überblick 1")}, {Key: aws.String("team"), Value: aws.String("")},
		},
		TransitiveTagKeys: []string{"project"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if size := first.PackedPolicySize; size == nil || *size != 1 { //nolint:staticcheck // what has replaced it is not in the service model yet that the sandbox follows
		t.Errorf("the packed size is %v", size)
	}
	const arn = "arn:aws:sts::123456789012:assumed-role/Caller/me"
	want := arn + "\nexternal id ex-1\nsession of 30m0s\ntag project=Überblick 1 (transitive)\ntag team="
	if got := whoami(t, srv, credential(first.Credentials)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	client := stsClient(srv, credential(first.Credentials))
	second, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("me"), Tags: []types.Tag{{Key: aws.String("own"), Value: aws.String("x")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := whoami(t, srv, credential(second.Credentials)), arn+"\nsession of 1h0m0s\ntag own=x\ntag project=Überblick 1 (transitive)"; got != want {
		t.Errorf("chained: got %q, want %q", got, want)
	}
	_, err = client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("me"), Tags: []types.Tag{{Key: aws.String("Project"), Value: aws.String("x")}},
	})
	if code(err) != "InvalidParameterValue" || !strings.Contains(err.Error(), "transitive") {
		t.Errorf("a transitive tag was replaced: %v", err)
	}
}

func TestSessionTagRefusals(t *testing.T) {
	srv := serve(t, Options{})
	many, long := url.Values{}, url.Values{}
	for i := range 51 {
		many.Set(memberName("Tags", i+1, ".Key"), fmt.Sprint("k", i))
		many.Set(memberName("Tags", i+1, ".Value"), "v")
	}
	for i := range 50 {
		long.Set(memberName("Tags", i+1, ".Key"), fmt.Sprint("k", i))
		long.Set(memberName("Tags", i+1, ".Value"), strings.Repeat("v", 256))
	}
	for _, c := range []struct{ form, code, message string }{
		{"Tags.member.1.Value=v", "ValidationError", "'tags.1.member.key'"},
		{"Tags.member.1.Value=v&Tags.member.1.Key=" + strings.Repeat("k", 129), "ValidationError", "less than or equal to 128"},
		{"Tags.member.1.Key=k&Tags.member.1.Value=" + strings.Repeat("v", 257), "ValidationError", "less than or equal to 256"},
		{"Tags.member.1.Key=k&Tags.member.1.Value=a%7Eb", "ValidationError", "regular expression"},
		{"Tags.member.1.Key=a%21&Tags.member.1.Value=b", "ValidationError", "regular expression"},
		{"Tags.member.1.Key=k&Tags.member.1.Value=a&Tags.member.2.Key=K&Tags.member.2.Value=b", "InvalidParameterValue", "Duplicate tag keys"},
		{"Tags.member.1.Key=k&Tags.member.1.Value=a&TransitiveTagKeys.member.1=other", "InvalidParameterValue", "must be included"},
		{many.Encode(), "ValidationError", "less than or equal to 50"},
		{long.Encode(), "PackedPolicyTooLarge", "% of allotted space"},
	} {
		form := "Action=AssumeRole&RoleSessionName=me&RoleArn=" + roleARN + "&" + c.form
		got := send(t, srv, wire{srv, sandboxKey, "sts"}.request(t, "/", []byte(form)))
		if got.status != 400 || !strings.Contains(string(got.body), "<Code>"+c.code+"</Code>") || !strings.Contains(unescapeXML(got.body), c.message) {
			t.Errorf("%.200s: %d %s", c.form, got.status, got.body)
		}
	}
}

// TestManyTagsAreRefusedAtOnce: how many there are is known before each is held against all others.
func TestManyTagsAreRefusedAtOnce(t *testing.T) {
	form := url.Values{}
	for i := range 60_000 {
		form.Set(memberName("Tags", i+1, ".Key"), fmt.Sprint("k", i))
	}
	start := time.Now()
	_, _, refused := stsCall{form: form}.tags()
	if took := time.Since(start); refused == nil || !strings.Contains(refused.Message, "less than or equal to 50") || took > 2*time.Second {
		t.Errorf("%+v after %v", refused, took)
	}
}
