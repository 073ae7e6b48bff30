package iam_test

import (
	"bytes"
	"testing"

	"outcrop/internal/iam"
)

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, `policy document: is not JSON: it ends too early`},
		{`[]`, `policy document: must be a JSON object: {…}`},
		{`{"Version":"2012-10-17"}`, `policy document: there is no "Statement"; write {"Version": "2012-10-17", "Statement": […]}`},
		{`{"Version":"2026-01-01","Statement":[]}`, `Version is "2026-01-01"; write "2012-10-17"`},
		{`{"Statements":[]}`, `Statements is no member of a policy; write "Statement"`},
		{`{"Statement":[]}`, `Statement is empty; a policy has one statement at least`},
		{`{"Statement":"x"}`, `Statement must be a statement {…} or a list of statements […]`},
		{`{"Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}`, `Statement[0].Effect is "allow"; write "Allow" or "Deny"`},
		{`{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Allow","Resource":"*"}]}`, `Statement[1].Action is missing; write a list such as ["bedrock:InvokeModel"]`},
		{`{"Statement":{"Effect":"Allow","Action":"InvokeModel","Resource":"*"}}`, `Statement.Action has "InvokeModel"; write service:Name, such as bedrock:InvokeModel, or "*"`},
		{`{"Statement":{"Effect":"Allow","Action":[],"Resource":"*"}}`, `Statement.Action is empty; name one at least`},
		{`{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}`, `Statement.NotAction stands beside Action; keep one of them`},
		{`{"Statement":{"Effect":"Allow","Action":"*"}}`, `Statement.Resource is missing; write a list of ARNs or "*" (only a role's trust policy, which has a Principal, has none)`},
		{`{"Statement":{"Effect":"Allow","Action":"*","Resource":"amazon.nova-lite-v1:0"}}`, `Statement.Resource has "amazon.nova-lite-v1:0"; write an ARN, such as arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0, or "*"`},
		{`{"Statement":{"Effect":"Allow","Action":"*","Principal":{"User":"x"}}}`, `Statement.Principal.User is no member of a policy here; there are AWS, Federated, Service`},
		{`{"Statement":{"Effect":"Allow","Action":"*","Principal":{}}}`, `Statement.Principal names nobody; write {"AWS": "<ARN>"}, {"Federated": "<ARN>"} or {"Service": "<name>"}`},
		{`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a":{"b":"c"}}}}}`, `Statement.Condition.StringEquals.a must be a text or a list of texts`},
		{`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a":"1"},"StringEquals":{"b":"2"}}}}`, `Statement.Condition "StringEquals" is there twice; put both together into one`},
		{`{"Statement":[{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"}]}`, `Statement[1].Sid "A" is another statement's, too; give each its own`},
		{`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}} x`, `policy document: there is something after the closing }; take it out`},
	} {
		_, err := iam.Parse([]byte(c.in))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.in, err, c.want)
		}
	}
}

func TestDocumentJSONIsStable(t *testing.T) {
	d := doc(t, `{"Condition":{"StringLike":{"z":"<&>","a":["1","2"]},"ArnLike":{"k":"arn:aws:a:b:c:d"}},"Resource":["*"],"Action":["a:B"],"Effect":"Allow","Sid":"S"}`)
	const want = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "S",
      "Effect": "Allow",
      "Action": "a:B",
      "Resource": "*",
      "Condition": {
        "ArnLike": {
          "k": "arn:aws:a:b:c:d"
        },
        "StringLike": {
          "a": [
            "1",
            "2"
          ],
          "z": "<&>"
        }
      }
    }
  ]
}
`
	if got := string(d.JSON()); got != want {
		t.Error(got)
	}
}

// What Parse takes can be written and read again, and means the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"Version":"2012-10-17","Id":"i","Statement":[{"Sid":"A","Effect":"Allow","Action":["a:B"],"Resource":"*","Condition":{"Bool":{"k":true}}}]}`))
	f.Add([]byte(`{"Statement":{"Effect":"Deny","NotAction":"a:*","NotResource":["*"],"NotPrincipal":{"AWS":"1","Service":["x"]}}}`))
	f.Add([]byte(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"*"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := iam.Parse(data)
		if err != nil {
			return
		}
		again, err := iam.Parse(d.JSON())
		if err != nil {
			t.Fatalf("%v\n%s", err, d.JSON())
		}
		if !bytes.Equal(again.JSON(), d.JSON()) {
			t.Fatalf("%s\n%s", d.JSON(), again.JSON())
		}
	})
}

// A request is answered whatever the policy; a policy with a statement that denies everything denies, and one
// without Allow allows nothing.
func FuzzEvaluate(f *testing.F) {
	f.Add(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:${aws:x}*","Condition":{"ForAnyValue:StringLike":{"k":"?*${k, 'v'}"}}}}`, "bedrock:InvokeModel", nova, "k", "v")
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"1"},"Action":"*","Condition":{"IpAddress":{"k":"::/0"},"DateEquals":{"k":"1"}}}}`, "a:B", "*", "K", "::1")
	f.Fuzz(func(t *testing.T, policy, action, resource, key, value string) {
		d, err := iam.Parse([]byte(policy))
		if err != nil {
			return
		}
		r := iam.Request{Action: action, Resource: resource, Principal: value, Context: map[string][]string{key: {value}}}
		got := iam.Evaluate(r, d)
		if got.Allowed && got.Denied || (got.Allowed || got.Denied) != (got.Statement != nil) {
			t.Fatalf("%+v", got)
		}
		if got.Allowed && got.Statement.Effect != iam.Allow || got.Denied && got.Statement.Effect != iam.Deny {
			t.Fatalf("%+v", got)
		}
		all := iam.Document{Statement: []iam.Statement{{Effect: iam.Deny, Action: iam.Strings{"*"}, Resource: iam.Strings{"*"}}}}
		if iam.Evaluate(r, d, all).Allowed {
			t.Fatal("allowed beside a statement that denies everything")
		}
	})
}
