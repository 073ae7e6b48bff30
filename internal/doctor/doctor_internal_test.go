package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/iam"
	"outcrop/internal/models"
)

func codes(list []Finding) (out []string) {
	for _, f := range list {
		out = append(out, f.Code)
	}
	return out
}

// What a machine of a test cannot show of the network is shown by its parts.
func TestJourneys(t *testing.T) {
	to := &endpoint{url: "https://bedrock-runtime.us-east-1.amazonaws.com", services: []string{"bedrock-runtime"}, needed: true}
	signed := func(by string) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Issuer: pkix.Name{CommonName: "CA 1", Organization: []string{by}}}}}
	}
	for _, tt := range []struct {
		name  string
		peer  net.Addr
		state *tls.ConnectionState
		proxy *url.URL
		want  []string
	}{
		{"as it should be", &net.TCPAddr{IP: net.IPv4(3, 4, 5, 6), Port: 443}, signed("Amazon"), nil, []string{"NET-000"}},
		{"a VPC endpoint", &net.TCPAddr{IP: net.IPv4(10, 4, 5, 6), Port: 443}, signed("Amazon"), nil, []string{"NET-000", "NET-007"}},
		{"a proxy with a private address", &net.TCPAddr{IP: net.IPv4(10, 4, 5, 6), Port: 443}, signed("Amazon"), &url.URL{Host: "proxy:3128"}, []string{"NET-000"}},
		{"a proxy that reads along", &net.TCPAddr{IP: net.IPv4(3, 4, 5, 6), Port: 443}, signed("Example Corp"), nil, []string{"NET-000", "NET-010"}},
	} {
		got := to.reached(&journey{peer: tt.peer, state: tt.state}, tt.proxy, 10*time.Millisecond)
		if diff := cmp.Diff(tt.want, codes(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if f := to.broken(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, nil); f.Code != "NET-001" || f.Severity != Error {
		t.Errorf("a name without address is %+v", f)
	}
	to.needed = false
	if f := to.broken(errors.New("refused"), nil); f.Code != "NET-002" || f.Severity != Warning || !strings.Contains(f.Message, "without it") {
		t.Errorf("an endpoint that nobody needs is %+v", f)
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		want   []string
	}{
		{Limits{}, []string{"LIMIT-000"}},
		{Limits{Files: 65536, Memory: 512 << 20}, []string{"LIMIT-000"}},
		{Limits{Files: 256}, []string{"LIMIT-001"}},
	} {
		e := &Env{Limits: tt.limits}
		if diff := cmp.Diff(tt.want, codes(e.limits(t.Context()))); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.limits, diff)
		}
	}
}

func TestDenialsAreTakenApart(t *testing.T) {
	const user, model = "arn:aws:sts::111122223333:assumed-role/dial/pod", "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-lite-v1:0"
	for text, want := range map[string]denial{
		"User: " + user + " is not authorized to perform: bedrock:InvokeModel on resource: " + model + " because no identity-based policy allows the bedrock:InvokeModel action": {user, "bedrock:InvokeModel", model, false, "identity-based", "because no identity-based policy allows the bedrock:InvokeModel action"},
		"User: " + user + " is not authorized to perform: bedrock:InvokeModel on resource: " + model + " with an explicit deny in a service control policy":                      {user, "bedrock:InvokeModel", model, true, "service control", "with an explicit deny in a service control policy"},
		"User: " + user + " is not authorized to perform: bedrock:InvokeModel on resource: " + model + " because no permissions boundary allows the bedrock:InvokeModel action":  {user, "bedrock:InvokeModel", model, false, "permissions boundary", "because no permissions boundary allows the bedrock:InvokeModel action"},
		"User: " + user + " is not authorized to perform: bedrock:ListFoundationModels because no session policy allows the bedrock:ListFoundationModels action":                 {user, "bedrock:ListFoundationModels", "", false, "session", "because no session policy allows the bedrock:ListFoundationModels action"},
		"User: " + user + " is not authorized to perform: bedrock:InvokeModel on resource: " + model + " with an explicit deny":                                                  {user, "bedrock:InvokeModel", model, true, "", "with an explicit deny"},
		"User: " + user + " is not authorized to perform: bedrock-mantle:CreateInference on resource: \"" + model + "\".":                                                        {user, "bedrock-mantle:CreateInference", model, false, "", ""},
	} {
		got, ok := parseDenial(text)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(denial{})); !ok || diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if _, ok := parseDenial("You don't have access to the model with the specified model ID."); ok {
		t.Error("a text that names nothing is a denial")
	}
}

func TestStatementsAreMerged(t *testing.T) {
	var got []iam.Statement
	for _, region := range []string{"us-east-1", "us-west-2"} {
		for _, action := range invoking() {
			got = merge(got, allow(action, "arn:aws:bedrock:"+region+"::foundation-model/m")[0])
		}
	}
	got = merge(got, allow("bedrock:CountTokens", "*")[0])
	want := []iam.Statement{
		{Effect: iam.Allow, Action: invoking(), Resource: iam.Strings{"arn:aws:bedrock:us-east-1::foundation-model/m", "arn:aws:bedrock:us-west-2::foundation-model/m"}},
		{Effect: iam.Allow, Action: iam.Strings{"bedrock:CountTokens"}, Resource: iam.Strings{"*"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSessionsOfARole(t *testing.T) {
	const session = "arn:aws:sts::111122223333:assumed-role/dial/pod-1"
	for role, want := range map[string]bool{
		"arn:aws:iam::111122223333:role/dial":       true,
		"arn:aws:iam::111122223333:role/teams/dial": true, // a session does not show the path
		"arn:aws:iam::111122223333:role/dial2":      false,
		"arn:aws:iam::444455556666:role/dial":       false,
		"arn:aws:iam::111122223333:user/dial":       false,
	} {
		if isRole(session, role) != want {
			t.Errorf("%s: %t", role, !want)
		}
	}
}

// The checks run side by side, wait for what they need, and one that hangs ends with its time.
func TestRunnerBoundsAndOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, most, order := 0, 0, []string{}
		slow := func(name string) func(context.Context) []Finding {
			return func(context.Context) []Finding {
				running++
				most = max(most, running)
				time.Sleep(time.Second)
				running--
				order = append(order, name)
				return []Finding{{Code: "STS-000", Subject: name}}
			}
		}
		first := &check{class: ClassCredentials, run: slow("first")}
		list := []*check{first, {class: ClassModels, needs: []*check{first}, run: slow("second")}}
		list = append(list, &check{class: ClassNetwork, run: func(context.Context) []Finding { time.Sleep(time.Hour); return nil }})
		for _, c := range list {
			c.done = make(chan struct{})
		}
		begin := time.Now()
		runner{checks: list, timeout: 5 * time.Second}.run(t.Context())
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if diff := cmp.Diff([]string{"first", "second"}, order); diff != "" || most != 1 {
			t.Errorf("%d at once, %s", most, diff)
		}
		if diff := cmp.Diff([]string{"RUN-002"}, codes(list[2].result)); diff != "" {
			t.Error(diff)
		}
		time.Sleep(2 * time.Hour) // the one left behind ends
	})
}

func TestCodesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Codes() {
		if seen[c.ID] || c.Meaning == "" {
			t.Errorf("%s is there twice, or has no meaning", c.ID)
		}
		seen[c.ID] = true
	}
}

func TestTextIsSafeForTerminals(t *testing.T) {
	r := Report{Findings: []Finding{{Code: "MODEL-007", Severity: Error, Class: ClassModels, Subject: "chat", Message: "AWS says \x1b[2J\nhello", Remedy: "none"}}}
	r.count()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "\x1b") || !strings.Contains(b.String(), "1 error, 0 warnings") {
		t.Error(b.String())
	}
}

func TestQuotasNameModelsInTheirOwnWay(t *testing.T) {
	for _, tt := range []struct {
		quota, provider, name string
		same, exact           bool
	}{
		{"Amazon Nova Lite", "amazon", "Nova Lite", true, true},
		{"Anthropic Claude Haiku 4.5", "anthropic", "Claude Haiku 4.5", true, true},
		{"Anthropic Claude Sonnet 4 V1", "anthropic", "Claude Sonnet 4", true, false},
		{"Anthropic Claude Sonnet 4.5", "anthropic", "Claude Sonnet 4", false, false},
		{"Amazon Nova Lite", "amazon", "Nova Pro", false, false},
	} {
		same, exact := sameModel(tt.quota, &models.Model{Provider: tt.provider, Name: tt.name})
		if same != tt.same || exact != tt.exact {
			t.Errorf("%s and %s: %t, %t", tt.quota, tt.name, same, exact)
		}
	}
}

// A trust that wants more than the token, such as an address, is no alarm; one for another issuer is.
func TestTrustsThatWantMore(t *testing.T) {
	const provider = "arn:aws:iam::111122223333:oidc-provider/issuer.example"
	c := claims{Issuer: "https://issuer.example", Subject: "system:serviceaccount:dial:dial", Audience: []string{audience}}
	for condition, want := range map[string]int{
		`"issuer.example:sub":"system:serviceaccount:dial:dial"`:                            0,
		`"issuer.example:sub":"system:serviceaccount:dial:dial","aws:SourceVpc":"vpc-1"`:    0,
		`"issuer.example:sub":"system:serviceaccount:dial:other","sts:RoleSessionName":"x"`: 1,
		`"other.example:sub":"system:serviceaccount:dial:dial"`:                             1,
	} {
		policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{` + condition + `}}}}`
		if got := judgeTrust(tokenFile{role: "arn:aws:iam::111122223333:role/dial"}, provider, c, policy); len(got) != want {
			t.Errorf("%s: %+v", condition, got)
		}
	}
}

// What is to be done about a refused token hangs on why it is refused.
func TestRefusedTokensAreTold(t *testing.T) {
	for _, tt := range []struct{ code, text, remedy string }{
		{"InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://oidc.example.com", "makes the IAM OIDC provider"},
		{"InvalidIdentityToken", "Incorrect token audience", "client id"},
		{"AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "trust policy"},
		{"IDPCommunicationError", "the identity provider could not be reached.", "jwks_uri"},
	} {
		f := refusedToken(Finding{}, tt.code, tt.text)
		if f.Code != "STS-002" || !strings.Contains(f.Message, tt.text) || !strings.Contains(f.Remedy, tt.remedy) {
			t.Errorf("%s: %+v, want a remedy with %q", tt.code, f, tt.remedy)
		}
	}
}
