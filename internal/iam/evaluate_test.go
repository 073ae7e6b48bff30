package iam_test

import (
	"slices"
	"strings"
	"testing"

	"outcrop/internal/iam"
)

// doc reads a policy of a test: its statements, one JSON object each.
func doc(t *testing.T, statements ...string) iam.Document {
	t.Helper()
	d, err := iam.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const nova = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0"

func TestEvaluateActionsAndResources(t *testing.T) {
	for _, c := range []struct{ name, statement, action, resource, want string }{
		{"exact", `"Allow","Action":"bedrock:InvokeModel","Resource":"` + nova + `"`, "bedrock:InvokeModel", nova, "allowed"},
		{"action in another case", `"Allow","Action":"BEDROCK:invokemodel","Resource":"*"`, "bedrock:InvokeModel", nova, "allowed"},
		{"another action", `"Allow","Action":"bedrock:InvokeModel","Resource":"*"`, "bedrock:InvokeModelWithResponseStream", nova, "nothing"},
		{"star in an action", `"Allow","Action":"bedrock:InvokeModel*","Resource":"*"`, "bedrock:InvokeModelWithResponseStream", nova, "allowed"},
		{"question mark", `"Allow","Action":"iam:Get?ser","Resource":"*"`, "iam:GetUser", "*", "allowed"},
		{"question mark is one character", `"Allow","Action":"iam:GetUser?","Resource":"*"`, "iam:GetUser", "*", "nothing"},
		{"star for all", `"Allow","Action":"*","Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", "allowed"},
		{"resource in another case", `"Allow","Action":"*","Resource":"` + strings.ToUpper(nova) + `"`, "bedrock:InvokeModel", nova, "nothing"},
		{"region by star", `"Allow","Action":"*","Resource":"arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0"`, "bedrock:InvokeModel", nova, "allowed"},
		{"star beyond a colon", `"Allow","Action":"*","Resource":"arn:aws:bedrock:*::foundation-model/amazon.*"`, "bedrock:InvokeModel", nova, "allowed"},
		{"NotAction", `"Allow","NotAction":"iam:*","Resource":"*"`, "bedrock:InvokeModel", nova, "allowed"},
		{"NotAction names it", `"Allow","NotAction":["iam:*","bedrock:*"],"Resource":"*"`, "bedrock:InvokeModel", nova, "nothing"},
		{"NotResource", `"Deny","Action":"*","NotResource":"arn:aws:s3:::*"`, "bedrock:InvokeModel", nova, "denied"},
		{"NotResource names it", `"Allow","Action":"*","NotResource":"arn:aws:bedrock:*"`, "bedrock:InvokeModel", nova, "nothing"},
	} {
		d := doc(t, `{"Effect":`+c.statement+`}`)
		if got := answer(iam.Evaluate(iam.Request{Action: c.action, Resource: c.resource}, d)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func answer(d iam.Decision) string {
	switch {
	case d.Allowed:
		return "allowed"
	case d.Denied:
		return "denied"
	}
	return "nothing"
}

func TestDenyWinsOverAllow(t *testing.T) {
	allow := doc(t, `{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}`)
	deny := doc(t, `{"Sid":"NoModel","Effect":"Deny","Action":"bedrock:InvokeModel*","Resource":"*"}`)
	for _, all := range [][]iam.Document{{allow, deny}, {deny, allow}} {
		d := iam.Evaluate(iam.Request{Action: "bedrock:InvokeModel", Resource: nova}, all...)
		if d.Allowed || !d.Denied || d.Statement.Sid != "NoModel" {
			t.Errorf("%+v", d)
		}
	}
	if d := iam.Evaluate(iam.Request{Action: "bedrock:CountTokens", Resource: nova}, deny, allow); !d.Allowed || d.Statement.Sid != "All" {
		t.Errorf("%+v", d)
	}
}

// The tables of AWS's "Multivalued context keys" and "Condition operators" pages, and what they say of keys
// that are absent.
func TestEvaluateConditions(t *testing.T) {
	context := map[string][]string{
		"aws:RequestedRegion": {"eu-west-1"}, "aws:username": {"ann"}, "aws:PrincipalTag/team": {"red*"},
		"aws:TagKeys": {"env", "cost"}, "aws:SourceIp": {"203.0.113.7"}, "aws:CurrentTime": {"2026-11-22T10:00:00Z"},
		"aws:MultiFactorAuthAge": {"300"}, "aws:SecureTransport": {"true"}, "aws:ResourceTag/team": {"red*"},
		"aws:SourceArn": {"arn:aws:eks:eu-west-1:111122223333:cluster/dial"},
	}
	for _, c := range []struct {
		condition string
		want      bool
	}{
		{`"StringEquals":{"aws:requestedregion":"eu-west-1"}`, true},
		{`"StringEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]}`, true},
		{`"StringEquals":{"aws:RequestedRegion":"EU-WEST-1"}`, false},
		{`"StringEqualsIgnoreCase":{"aws:RequestedRegion":"EU-WEST-1"}`, true},
		{`"StringNotEqualsIgnoreCase":{"aws:RequestedRegion":"EU-WEST-1"}`, false},
		{`"StringEquals":{"aws:RequestedRegion":"eu-*"}`, false},
		{`"StringLike":{"aws:RequestedRegion":"eu-*"}`, true},
		{`"StringNotLike":{"aws:RequestedRegion":["us-*","eu-*"]}`, false},
		{`"StringNotEquals":{"aws:RequestedRegion":["us-east-1","us-west-2"]}`, true},
		{`"StringEquals":{"aws:RequestedRegion":"eu-west-1","aws:username":"bob"}`, false},
		{`"StringEquals":{"aws:RequestedRegion":"eu-west-1"},"StringLike":{"aws:username":"a?n"}`, true},
		// absent keys
		{`"StringEquals":{"sts:ExternalId":"x"}`, false},
		{`"StringNotEquals":{"sts:ExternalId":"x"}`, true},
		{`"StringEqualsIfExists":{"sts:ExternalId":"x"}`, true},
		{`"StringEqualsIfExists":{"aws:username":"bob"}`, false},
		{`"Null":{"sts:ExternalId":"true"}`, true},
		{`"Null":{"sts:ExternalId":false}`, false},
		{`"Null":{"aws:username":"false"}`, true},
		// many values
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["env","cost","owner"]}`, true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["env"]}`, false},
		{`"ForAllValues:StringEquals":{"absent":["env"]}`, true},
		{`"ForAllValues:StringNotEquals":{"aws:TagKeys":["owner"]}`, true},
		{`"ForAllValues:StringNotEquals":{"aws:TagKeys":["owner","env"]}`, false},
		{`"ForAnyValue:StringEquals":{"aws:TagKeys":["env","owner"]}`, true},
		{`"ForAnyValue:StringEquals":{"aws:TagKeys":["owner"]}`, false},
		{`"ForAnyValue:StringEquals":{"absent":["env"]}`, false},
		{`"ForAnyValue:StringNotEquals":{"aws:TagKeys":["env"]}`, true},
		{`"ForAnyValue:StringNotEquals":{"aws:TagKeys":["env","cost"]}`, false},
		// variables: their values are no patterns
		{`"StringLike":{"aws:username":"${aws:username}"}`, true},
		{`"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}`, true},
		{`"StringLike":{"aws:username":"${aws:PrincipalTag/team}"}`, false},
		{`"StringEquals":{"aws:ResourceTag/team":"red${*}"}`, true},
		{`"StringEquals":{"aws:username":"${absent}"}`, false},
		{`"StringNotEquals":{"aws:username":"${absent}"}`, true},
		{`"StringEquals":{"aws:username":"${absent, 'ann'}"}`, true},
		{`"StringEquals":{"aws:username":"${aws:TagKeys}"}`, false},
		// others
		{`"Bool":{"aws:SecureTransport":true}`, true},
		{`"Bool":{"aws:MultiFactorAuthPresent":"false"}`, false},
		{`"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`, true},
		{`"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}`, true},
		{`"NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":"301"}`, false},
		{`"NumericNotEquals":{"aws:MultiFactorAuthAge":300.0}`, false},
		{`"DateGreaterThan":{"aws:CurrentTime":"2026-11-22T09:59:59Z"},"DateLessThan":{"aws:CurrentTime":"2026-12-01T00:00:00Z"}`, true},
		{`"DateLessThanEquals":{"aws:CurrentTime":"2026-11-22"}`, false},
		{`"IpAddress":{"aws:SourceIp":["198.51.100.0/24","203.0.113.0/24"]}`, true},
		{`"NotIpAddress":{"aws:SourceIp":"203.0.113.7"}`, false},
		{`"ArnLike":{"aws:SourceArn":"arn:aws:eks:*:111122223333:cluster/*"}`, true},
		{`"ArnEquals":{"aws:SourceArn":"arn:aws:eks:*"}`, false},
		{`"ArnLike":{"aws:SourceArn":"arn:*:cluster/dial"}`, false},
		{`"ArnNotLike":{"aws:SourceArn":"arn:aws:eks:*:444455556666:cluster/*"}`, true},
	} {
		d := doc(t, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{`+c.condition+`}}`)
		got := iam.Evaluate(iam.Request{Action: "bedrock:InvokeModel", Resource: nova, Context: context}, d)
		if got.Allowed != c.want || got.Unknown != nil {
			t.Errorf("%s: %+v, want %t", c.condition, got, c.want)
		}
	}
}

func TestVariablesNeedTheVersion(t *testing.T) {
	old := doc(t, `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}/*"}`)
	request := iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::ann/k", Context: map[string][]string{"aws:username": {"ann"}}}
	if !iam.Evaluate(request, old).Allowed {
		t.Error("2012-10-17 has variables")
	}
	old.Version = ""
	if iam.Evaluate(request, old).Allowed {
		t.Error("without a version there are none")
	}
	request.Context = map[string][]string{"aws:username": {"*"}}
	old.Version = iam.PolicyVersion
	if iam.Evaluate(request, old).Allowed {
		t.Error("a user named * is not everybody")
	}
}

// An operator that nobody here knows neither opens a door nor leaves one open, and is told.
func TestUnknownOperators(t *testing.T) {
	request := iam.Request{Action: "bedrock:InvokeModel", Resource: nova, Context: map[string][]string{"aws:username": {"ann"}}}
	all := `{"Effect":"Allow","Action":"*","Resource":"*"}`
	for _, c := range []struct {
		statements []string
		want       string
		unknown    string
	}{
		{[]string{`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"GeoNear":{"a":"b"}}}`}, "nothing", "GeoNear"},
		{[]string{all, `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"GeoNear":{"a":"b"}}}`}, "denied", "GeoNear"},
		{[]string{all, `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"GeoNear":{"a":"b"},"StringEquals":{"aws:username":"bob"}}}`}, "allowed", ""},
		{[]string{all, `{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"GeoNear":{"a":"b"}}}`}, "allowed", ""},
		{[]string{all, `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NullIfExists":{"a":"true"},"NumericNear":{"a":"1"}}}`}, "denied", "NullIfExists NumericNear"},
	} {
		d := iam.Evaluate(request, doc(t, c.statements...))
		if answer(d) != c.want || strings.Join(d.Unknown, " ") != c.unknown {
			t.Errorf("%s: %s %q, want %s %q", c.statements, answer(d), d.Unknown, c.want, c.unknown)
		}
	}
}

func TestPrincipals(t *testing.T) {
	const (
		session  = "arn:aws:sts::111122223333:assumed-role/dial/pod-1"
		user     = "arn:aws:iam::111122223333:user/ann"
		provider = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/E"
		pods     = "pods.eks.amazonaws.com"
	)
	everyone := []string{session, user, provider, pods}
	for _, c := range []struct {
		principal string
		want      []string
	}{
		{`"Principal":"*"`, everyone},
		{`"Principal":{"AWS":"*"}`, []string{session, user}},
		{`"Principal":{"AWS":"111122223333"}`, []string{session, user}},
		{`"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`, []string{session, user}},
		{`"Principal":{"AWS":"arn:aws:iam::444455556666:root"}`, nil},
		{`"Principal":{"AWS":"arn:aws:iam::111122223333:role/team/dial"}`, []string{session}},
		{`"Principal":{"AWS":"arn:aws:iam::111122223333:role/dia"}`, nil},
		{`"Principal":{"AWS":["arn:aws:iam::111122223333:user/bob","` + user + `"]}`, []string{user}},
		{`"Principal":{"AWS":"arn:aws:iam::111122223333:user/*"}`, nil}, // no patterns in principals
		{`"Principal":{"Federated":"` + provider + `"}`, []string{provider}},
		{`"Principal":{"Service":"pods.eks.amazonaws.com"}`, []string{pods}},
		{`"NotPrincipal":{"AWS":"` + user + `"}`, []string{session, provider, pods}},
	} {
		d := doc(t, `{"Effect":"Allow","Action":"sts:AssumeRole",`+c.principal+`}`)
		var got []string
		for _, who := range everyone {
			if iam.Evaluate(iam.Request{Principal: who, Action: "sts:AssumeRole", Resource: "arn:aws:iam::111122223333:role/x"}, d).Allowed {
				got = append(got, who)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.principal, got, c.want)
		}
	}
}
