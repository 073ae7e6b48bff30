package adapter

import "testing"

// FuzzSessionTags: AWS_SESSION_TAGS is read or refused, and no more comes of it than STS takes.
func FuzzSessionTags(f *testing.F) {
	f.Add(`{"model":"Bedrock.modelId","project":"UserInfo.project","employee":"*UserInfo.userClaims.email"}`)
	f.Add(`{"a":"UserInfo."}`)
	f.Fuzz(func(t *testing.T, spec string) {
		if tags, _, err := ParseSessionTags(spec); len(tags) > maxTags || err != nil && tags != nil {
			t.Fatalf("%q: %v, %v", spec, tags, err)
		}
	})
}
