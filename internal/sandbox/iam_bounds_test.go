package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// act runs one action of IAM as serveIAM does, without a request.
func act(t *testing.T, st *iamStore, pairs ...string) *apiError {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	_, refused := st.actions()[form.Get("Action")](iamCall{form: form, now: time.Now()})
	return refused
}

// A client that makes one thing after the other meets a limit before the machine does.
func TestIAMIsBounded(t *testing.T) {
	st, err := newIAMStore(testAccount)
	if err != nil {
		t.Fatal(err)
	}
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}`
	for name, make := range map[string]func(i int) *apiError{
		"UsersPerAccount": func(i int) *apiError { return act(t, st, "Action", "CreateUser", "UserName", fmt.Sprint("u", i)) },
		"RolesPerAccount": func(i int) *apiError {
			return act(t, st, "Action", "CreateRole", "RoleName", fmt.Sprint("r", i), "AssumeRolePolicyDocument", trust)
		},
		"PoliciesPerAccount": func(i int) *apiError {
			return act(t, st, "Action", "CreatePolicy", "PolicyName", fmt.Sprint("p", i), "PolicyDocument", guidesPolicy)
		},
		"OpenIdConnectProvidersPerAccount": func(i int) *apiError {
			return act(t, st, "Action", "CreateOpenIDConnectProvider", "Url", fmt.Sprintf("https://idp%d.example.com", i))
		},
	} {
		var refused *apiError
		for i := 0; refused == nil && i <= maxEntities; i++ {
			refused = make(i)
		}
		if refused == nil || refused.Type != "LimitExceeded" || !strings.Contains(refused.Message, name) {
			t.Errorf("%s: %v", name, refused)
		}
	}
	attach := func(i int) *apiError {
		return act(t, st, "Action", "AttachUserPolicy", "UserName", "u0", "PolicyArn", fmt.Sprintf("arn:aws:iam::%s:policy/p%d", testAccount, i))
	}
	for i := range maxAttached {
		if refused := attach(i); refused != nil {
			t.Fatal(refused)
		}
	}
	if refused := attach(maxAttached); refused == nil || refused.Message != "Cannot exceed quota for PoliciesPerUser: 10" {
		t.Errorf("%v", refused)
	}
	spaced := strings.Replace(guidesPolicy, "{", "{"+strings.Repeat(" ", maxUserInline*whiteSpaceAllowed), 1)
	if refused := act(t, st, "Action", "PutUserPolicy", "UserName", "u0", "PolicyName", "p", "PolicyDocument", spaced); refused == nil || refused.Type != "LimitExceeded" {
		t.Errorf("a document of blanks: %v", refused)
	}
	for i := range 5 { // many small documents together are one large one
		refused := act(t, st, "Action", "PutUserPolicy", "UserName", "u0", "PolicyName", fmt.Sprint("p", i), "PolicyDocument", longPolicy(500))
		if i == 4 && (refused == nil || !strings.HasPrefix(refused.Message, "Maximum policy size of 2048 bytes exceeded for user u0")) || i < 4 && refused != nil {
			t.Errorf("inline policy %d: %v", i, refused)
		}
	}
}

// Calls, changes and judgements at the same time.
func TestIAMConcurrently(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(s)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	guide := newUser(t, srv, "guide", guidesPolicy)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 20 {
				if err := converse(t.Context(), srv, guide); err != nil {
					t.Error(err)
				}
				name := fmt.Sprintf("u%d-%d", i, n)
				for _, refused := range []*apiError{
					act(t, s.iam, "Action", "CreateUser", "UserName", name), act(t, s.iam, "Action", "CreateAccessKey", "UserName", name),
					act(t, s.iam, "Action", "PutUserPolicy", "UserName", "guide", "PolicyName", "p", "PolicyDocument", guidesPolicy),
					act(t, s.iam, "Action", "TagUser", "UserName", "guide", "Tags.member.1.Key", "k", "Tags.member.1.Value", name),
				} {
					if refused != nil {
						t.Error(refused)
					}
				}
			}
		})
	}
	all.Wait()
}

// Whatever stands in a form, IAM answers in XML and never with a secret.
func FuzzIAM(f *testing.F) {
	for _, seed := range []string{
		"Action=CreateUser&UserName=a", "Action=CreateRole&RoleName=r&AssumeRolePolicyDocument={}", "Action=GetUser", "Action=ListUsers&MaxItems=0&Marker=x",
		"Action=SimulateCustomPolicy&PolicyInputList.member.1=" + url.QueryEscape(guidesPolicy) + "&ActionNames.member.1=bedrock:InvokeModel",
		"Action=CreateOpenIDConnectProvider&Url=https://x&ThumbprintList.member.1=00", "Action=PutUserPolicy&UserName=a&PolicyName=p&PolicyDocument=" + url.QueryEscape(guidesPolicy),
		"Action=TagRole&RoleName=r&Tags.member.1.Key=k", "Action=AttachUserPolicy&UserName=a&PolicyArn=arn:aws:iam::aws:policy/AmazonBedrockFullAccess",
	} {
		f.Add(seed)
	}
	st, err := newIAMStore(testAccount)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		action, ok := st.actions()[form.Get("Action")]
		c := iamCall{form: form, who: identity{Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":user/sandbox", UserID: "AIDA"}, now: time.Now()}
		if st.resource(c) == "" || !ok {
			return
		}
		_, refused := action(c)
		if refused != nil && (refused.Status < http.StatusBadRequest || refused.Type == "" || refused.Message == "") {
			t.Errorf("%+v", refused)
		}
	})
}
