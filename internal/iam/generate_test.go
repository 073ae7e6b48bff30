package iam_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"outcrop/internal/iam"
)

const (
	account = "111122223333"
	claude  = "anthropic.claude-sonnet-4-5-20250929-v1:0"
)

func profile(region, id string, regions ...string) iam.Profile {
	_, base, _ := strings.Cut(id, ".")
	p := iam.Profile{ARN: "arn:" + iam.Partition(region) + ":bedrock:" + region + ":" + account + ":inference-profile/" + id}
	for _, r := range regions {
		p.Models = append(p.Models, iam.Model{Region: r, ID: base})
	}
	return p
}

func documents(t *testing.T, u iam.Use, target iam.Target) []iam.Document {
	t.Helper()
	policies, err := iam.Generate(u, "p", target)
	if err != nil {
		t.Fatal(err)
	}
	var out []iam.Document
	for _, p := range policies {
		if _, err := iam.Parse(p.Document.JSON()); err != nil {
			t.Fatalf("%v\n%s", err, p.Document.JSON())
		}
		if size := p.Document.Size(); size > target.Limit() {
			t.Fatalf("%s has %d characters, more than %d", p.Name, size, target.Limit())
		}
		if len(p.Why) != len(p.Document.Statement) {
			t.Fatalf("%d reasons of %d statements", len(p.Why), len(p.Document.Statement))
		}
		for i, r := range p.Why {
			if r.Sid != p.Document.Statement[i].Sid || r.Why == "" || strings.Trim(r.Sid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
				t.Fatalf("%+v of %s", r, p.Document.Statement[i].Sid)
			}
		}
		out = append(out, p.Document)
	}
	return out
}

// call is one request to a foundation model, through a profile or not.
func call(region, model, through string) iam.Request {
	r := iam.Request{Action: "bedrock:InvokeModel", Resource: iam.Model{Region: region, ID: model}.ARN(), Context: map[string][]string{"aws:RequestedRegion": {region}}}
	if region == "" {
		r.Context["aws:RequestedRegion"] = []string{"unspecified"}
	}
	if through != "" {
		r.Context["bedrock:InferenceProfileArn"] = []string{through}
	}
	return r
}

// TestTrap07DestinationRegions: a geographic profile works until Bedrock sends a call to a region whose model
// the policy does not name.
func TestTrap07DestinationRegions(t *testing.T) {
	eu := profile("eu-west-1", "eu."+claude, "eu-central-1", "eu-north-1", "eu-west-1")
	good := documents(t, iam.Use{Profiles: []iam.Profile{eu}}, iam.Managed)
	for _, region := range []string{"eu-central-1", "eu-north-1", "eu-west-1"} {
		if !iam.Evaluate(call(region, claude, eu.ARN), good...).Allowed {
			t.Errorf("a call that goes to %s is not allowed", region)
		}
		if iam.Evaluate(call(region, claude, ""), good...).Allowed {
			t.Errorf("the model can be called in %s without the profile", region)
		}
	}
	// what an operator writes who names the source region only
	short := documents(t, iam.Use{Profiles: []iam.Profile{profile("eu-west-1", "eu."+claude, "eu-west-1")}}, iam.Managed)
	v := iam.Judge(iam.Use{Profiles: []iam.Profile{eu}}, short...)
	if v.Serves || len(v.Off) != 1 || len(v.Off[0].Missing.Statement) != 1 {
		t.Fatalf("%+v", v)
	}
	missing := string(v.Off[0].Missing.JSON())
	for _, region := range []string{"eu-central-1", "eu-north-1"} {
		if !strings.Contains(missing, region+"::foundation-model/"+claude) {
			t.Errorf("%s is not named:\n%s", region, missing)
		}
	}
	if strings.Contains(missing, "eu-west-1::") {
		t.Errorf("the source region is there already:\n%s", missing)
	}
	if !iam.Judge(iam.Use{Profiles: []iam.Profile{eu}}, append(short, v.Off[0].Missing)...).Serves {
		t.Error("what is to be added is not enough")
	}
}

// TestTrap08GlobalProfileNeedsThreeGrants: the ARN without a region, judged with aws:RequestedRegion
// "unspecified", is the one that is forgotten.
func TestTrap08GlobalProfileNeedsThreeGrants(t *testing.T) {
	global := profile("eu-west-1", "global."+claude, "eu-west-1", "")
	use := iam.Use{Profiles: []iam.Profile{global}}
	good := documents(t, use, iam.Managed)
	calls := []iam.Request{
		{Action: "bedrock:InvokeModelWithResponseStream", Resource: global.ARN},
		call("eu-west-1", claude, global.ARN),
		call("", claude, global.ARN),
	}
	for i, r := range calls {
		if !iam.Evaluate(r, good...).Allowed {
			t.Errorf("%+v is not allowed", r)
		}
		less := good[0]
		less.Statement = append(append([]iam.Statement{}, less.Statement[:i]...), less.Statement[i+1:]...)
		if v := iam.Judge(use, less); v.Serves || len(v.Off[0].Missing.Statement) != 1 || v.Off[0].Missing.Statement[0].Sid != good[0].Statement[i].Sid {
			t.Errorf("without statement %d: %+v", i, v)
		}
	}
	for _, r := range []iam.Request{call("", claude, ""), call("", "other", global.ARN), call("us-east-1", claude, global.ARN)} {
		if iam.Evaluate(r, good...).Allowed {
			t.Errorf("%+v is allowed", r)
		}
	}
	named := call("", claude, global.ARN)
	named.Context["aws:RequestedRegion"] = []string{"eu-west-1"}
	if iam.Evaluate(named, good...).Allowed {
		t.Error("the ARN without a region is allowed in a region")
	}
	// an SCP that keeps to regions denies the third of the three
	scp := doc(t, `{"Sid":"EUOnly","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1","eu-central-1"]}}}`)
	v := iam.Judge(use, append(good, scp)...)
	if v.Serves || len(v.Denied) != 1 || v.Denied[0] != "EUOnly" {
		t.Errorf("%+v", v)
	}
}

// TestTrap09CountTokensKnowsModelsOnly: CountTokens refuses ids of profiles, so the grant is on the model.
func TestTrap09CountTokensKnowsModelsOnly(t *testing.T) {
	eu := profile("eu-west-1", "eu."+claude, "eu-west-1", "eu-central-1")
	docs := documents(t, iam.Use{Profiles: []iam.Profile{eu}, Count: []iam.Model{{Region: "eu-west-1", ID: claude}}}, iam.Managed)
	for resource, want := range map[string]bool{
		iam.Model{Region: "eu-west-1", ID: claude}.ARN():    true,
		iam.Model{Region: "eu-central-1", ID: claude}.ARN(): false,
		eu.ARN: false,
	} {
		if got := iam.Evaluate(iam.Request{Action: "bedrock:CountTokens", Resource: resource}, docs...).Allowed; got != want {
			t.Errorf("%s: %t", resource, got)
		}
	}
}

// Whatever is used: every call that it makes is allowed, and no call next to those.
func TestGeneratedPoliciesAreEnoughAndNoMore(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 60 {
		u, calls, neighbours := randomUse(r)
		docs := documents(t, u, iam.Managed)
		for _, c := range calls {
			if !iam.Evaluate(c, docs...).Allowed {
				t.Fatalf("seed %d: %+v is needed and not allowed by\n%s", seed, c, docs[0].JSON())
			}
		}
		for _, c := range neighbours {
			if d := iam.Evaluate(c, docs...); d.Allowed {
				t.Fatalf("seed %d: %+v is not needed and allowed by %s", seed, c, d.Statement.Sid)
			}
		}
		if v := iam.Judge(u, docs...); !v.Serves || len(v.Off) > 0 {
			t.Fatalf("seed %d: %+v", seed, v)
		}
	}
}

// randomUse makes a use, the calls that it means, and others that it does not. Regions and models that a use
// has are told from those it has not by their numbers.
func randomUse(r *rand.Rand) (u iam.Use, calls, neighbours []iam.Request) {
	region := []string{"us-east-1", "us-gov-west-1", "cn-north-1", "eu-west-1"}[r.IntN(4)]
	add := func(c iam.Request) { calls = append(calls, c) }
	never := func(c iam.Request) { neighbours = append(neighbours, c) }
	for i := range r.IntN(6) {
		m := iam.Model{Region: region, ID: fmt.Sprintf("vendor.direct-%d-v1:0", i), Whole: r.IntN(2) == 0}
		u.OnDemand = append(u.OnDemand, m)
		add(call(region, m.ID, ""))
		stream := call(region, m.ID, "")
		stream.Action = "bedrock:InvokeModelWithResponseStream"
		if m.Whole {
			never(stream)
		} else {
			add(stream)
		}
		never(call(region, m.ID+"x", ""))
		never(call("ap-south-2", m.ID, ""))
		count := call(region, m.ID, "")
		count.Action = "bedrock:CountTokens"
		if r.IntN(2) == 0 {
			u.Count = append(u.Count, m)
			add(count)
		} else {
			never(count)
		}
	}
	for i := range r.IntN(6) {
		base := fmt.Sprintf("vendor.behind-%d-v1:0", i)
		regions := []string{region, "us-west-2", "eu-north-1", ""}[:1+r.IntN(4)]
		p := profile(region, "geo."+base, regions...)
		u.Profiles = append(u.Profiles, p)
		own := iam.Request{Action: "bedrock:InvokeModelWithResponseStream", Resource: p.ARN}
		add(own)
		own.Resource = strings.Replace(p.ARN, account, "444455556666", 1)
		never(own)
		own.Resource = strings.Replace(p.ARN, ":bedrock:"+region, ":bedrock:sa-east-1", 1)
		never(own)
		for _, to := range regions {
			add(call(to, base, p.ARN))
			never(call(to, base, ""))
			never(call(to, base, p.ARN+"x"))
			never(call(to, base+"x", p.ARN))
		}
		never(call("ap-south-2", base, p.ARN))
	}
	if r.IntN(2) == 0 {
		u.Mantle = append(u.Mantle, iam.Project{Region: region, Account: account})
		project := iam.Request{Action: "bedrock-mantle:CreateInference", Resource: "arn:" + iam.Partition(region) + ":bedrock-mantle:" + region + ":" + account + ":project/default"}
		add(project)
		project.Action = "bedrock-mantle:DeleteProject"
		never(project)
		project.Action, project.Resource = "bedrock-mantle:CreateInference", strings.Replace(project.Resource, account, "444455556666", 1)
		never(project)
	}
	role := iam.Request{Action: "sts:AssumeRole", Resource: "arn:aws:iam::444455556666:role/r"}
	if r.IntN(2) == 0 {
		u.Assume = []string{role.Resource}
		add(role)
		role.Resource += "x"
	}
	never(role)
	never(iam.Request{Action: "aws-marketplace:Subscribe", Resource: "*", Context: map[string][]string{"aws:CalledViaLast": {"bedrock.amazonaws.com"}}})
	never(iam.Request{Action: "bedrock:CallWithBearerToken", Resource: "*"})
	never(iam.Request{Action: "bedrock:ListFoundationModels", Resource: "*"})
	return u, calls, neighbours
}

// Two hundred models behind profiles of six regions need many managed policies; every one fits.
func TestPoliciesOfManyModelsFit(t *testing.T) {
	var u iam.Use
	for i := range 200 {
		id := fmt.Sprintf("anthropic.claude-with-a-long-name-%03d-20250929-v1:0", i)
		u.OnDemand = append(u.OnDemand, iam.Model{Region: "eu-west-1", ID: "direct." + id})
		u.Profiles = append(u.Profiles, profile("eu-west-1", "eu."+id, "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"))
		u.Count = append(u.Count, iam.Model{Region: "eu-west-1", ID: id})
	}
	docs := documents(t, u, iam.Managed)
	for _, n := range u.Needs() {
		if !iam.Evaluate(n.Request, docs...).Allowed {
			t.Fatalf("%+v", n)
		}
	}
	total := 0
	for _, d := range docs {
		total += d.Size()
	}
	if len(docs) > total/(iam.Managed.Limit()*3/4) {
		t.Errorf("%d policies for %d characters", len(docs), total)
	}
	for _, target := range []iam.Target{iam.Role, iam.User} {
		if _, err := iam.Generate(u, "p", target); err == nil || !strings.Contains(err.Error(), "--for managed") {
			t.Errorf("%s: %v", target, err)
		}
	}
	again, err := iam.Generate(u, "p", iam.Managed)
	if err != nil || string(again[3].Document.JSON()) != string(docs[3].JSON()) || again[3].Name != "p-4" {
		t.Errorf("not the same: %v", err)
	}
}

// guide is what AI DIAL's guide tells to allow.
const guide = `{"Effect":"Allow","Action":["bedrock:GetFoundationModel","bedrock:ListFoundationModels","bedrock:InvokeModel","bedrock:InvokeModelWithResponseStream"],"Resource":"*"}`

// everything uses all that there is.
func everything() iam.Use {
	return iam.Use{
		OnDemand: []iam.Model{{Region: "us-east-1", ID: "amazon.nova-lite-v1:0"}},
		Profiles: []iam.Profile{profile("us-east-1", "us."+claude, "us-east-1", "us-west-2"), profile("us-east-1", "global."+claude, "us-east-1", "")},
		Count:    []iam.Model{{Region: "us-east-1", ID: claude}},
		LookUp:   []string{"arn:aws:bedrock:us-east-1:" + account + ":application-inference-profile/abcdefghijkl"},
		Mantle:   []iam.Project{{Region: "us-east-1", Account: account}},
	}
}

func offs(v iam.Verdict) string {
	var out []string
	for _, off := range v.Off {
		out = append(out, string(off.Feature))
	}
	return strings.Join(out, ", ")
}

// The guide's policy and AmazonBedrockFullAccess are enough to serve, and what is off with them has a name.
func TestTheGuidesPoliciesServe(t *testing.T) {
	full := `{"Sid":"BedrockAll","Effect":"Allow","Action":["bedrock:*"],"Resource":"*"},{"Sid":"DescribeKey","Effect":"Allow","Action":["kms:DescribeKey"],"Resource":"arn:*:kms:*:::*"}`
	for _, c := range []struct{ name, statements, off string }{
		{"guide", guide, "mantle, token counting, profile look-ups"},
		{"AmazonBedrockFullAccess", full, "mantle"},
		{"nothing of Bedrock", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, "serving, mantle, token counting, profile look-ups"},
	} {
		v := iam.Judge(everything(), doc(t, c.statements))
		if v.Serves != (c.name != "nothing of Bedrock") || offs(v) != c.off {
			t.Errorf("%s: serves %t, off: %s", c.name, v.Serves, offs(v))
		}
		add := []iam.Document{doc(t, c.statements)}
		for _, off := range v.Off {
			if off.Means == "" {
				t.Errorf("%s: nothing is said of %s", c.name, off.Feature)
			}
			add = append(add, off.Missing)
		}
		if v := iam.Judge(everything(), add...); !v.Serves || len(v.Off) > 0 {
			t.Errorf("%s, with what was missing: %+v", c.name, v)
		}
	}
}

func TestTooWide(t *testing.T) {
	for statement, want := range map[string]int{
		guide: 1,
		`{"Effect":"Allow","Action":"bedrock:*","Resource":"*"}`:                                                                              2,
		`{"Effect":"Allow","Action":"*","Resource":"*"}`:                                                                                      2,
		`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`:                                                                               1,
		`{"Effect":"Allow","Action":"bedrock:List*","Resource":"*"}`:                                                                          0,
		`{"Effect":"Allow","Action":"bedrock:CallWithBearerToken","Resource":"*"}`:                                                            0,
		`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`:                                                                                   0,
		`{"Effect":"Deny","Action":"bedrock:*","Resource":"*"}`:                                                                               0,
		`{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"*","Condition":{"StringLike":{"bedrock:InferenceProfileArn":"arn:*"}}}`: 0,
	} {
		if got := iam.TooWide(doc(t, statement)); len(got) != want {
			t.Errorf("%s: %+v, want %d", statement, got, want)
		}
	}
	if iam.WideManaged("arn:aws:iam::aws:policy/AmazonBedrockFullAccess") == "" || iam.WideManaged("arn:aws:iam::111122223333:policy/mine") != "" {
		t.Error("AWS's own policies are told by their names")
	}
}

func TestTrusts(t *testing.T) {
	const (
		provider = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/E"
		issuer   = "oidc.eks.eu-west-1.amazonaws.com/id/E"
		caller   = "arn:aws:iam::111122223333:role/pod"
		session  = "arn:aws:sts::111122223333:assumed-role/pod/s"
		cluster  = "arn:aws:eks:eu-west-1:111122223333:cluster/dial"
	)
	web := func(aud, sub string) iam.Request {
		return iam.Request{Principal: provider, Action: "sts:AssumeRoleWithWebIdentity", Context: map[string][]string{issuer + ":aud": {aud}, issuer + ":sub": {sub}}}
	}
	pod := func(namespace, cluster string) iam.Request {
		return iam.Request{Principal: "pods.eks.amazonaws.com", Action: "sts:TagSession", Context: map[string][]string{
			"aws:RequestTag/kubernetes-namespace": {namespace}, "aws:RequestTag/kubernetes-service-account": {"dial-bedrock"},
			"aws:SourceAccount": {"111122223333"}, "aws:RequestTag/eks-cluster-arn": {cluster},
		}}
	}
	role := func(action, who string, id ...string) iam.Request {
		return iam.Request{Principal: who, Action: action, Context: map[string][]string{"sts:ExternalId": id}}
	}
	irsa := iam.IRSATrust(provider, "https://"+issuer+"/", "dial", "dial-bedrock")
	pods := iam.PodIdentityTrust(iam.PodIdentity{Namespace: "dial", ServiceAccount: "dial-bedrock", Account: "111122223333", Cluster: cluster})
	open := iam.PodIdentityTrust(iam.PodIdentity{Namespace: "dial", ServiceAccount: "dial-bedrock"})
	external := iam.RoleTrust(caller, "ex-1")
	for i, c := range []struct {
		trust iam.Document
		r     iam.Request
		want  bool
	}{
		{irsa, web("sts.amazonaws.com", "system:serviceaccount:dial:dial-bedrock"), true},
		{irsa, web("sts.amazonaws.com", "system:serviceaccount:dial:default"), false},
		{irsa, web("https://kubernetes.default.svc", "system:serviceaccount:dial:dial-bedrock"), false},
		{pods, pod("dial", cluster), true},
		{pods, pod("other", cluster), false},
		{pods, pod("dial", cluster+"2"), false},
		{open, pod("dial", cluster+"2"), true},
		{iam.RoleTrust(caller, ""), role("sts:AssumeRole", session), true},
		{iam.RoleTrust(caller, ""), role("sts:TagSession", session), true},
		{iam.RoleTrust(caller, ""), role("sts:AssumeRole", "arn:aws:sts::111122223333:assumed-role/other/s"), false},
		{external, role("sts:AssumeRole", session, "ex-1"), true},
		{external, role("sts:AssumeRole", session), false},
		{external, role("sts:AssumeRole", session, "ex-2"), false},
		{external, role("sts:TagSession", session), true},
	} {
		if got := iam.Evaluate(c.r, c.trust).Allowed; got != c.want {
			t.Errorf("%d: %t, want %t: %+v\n%s", i, got, c.want, c.r, c.trust.JSON())
		}
		if _, err := iam.Parse(c.trust.JSON()); err != nil {
			t.Error(err)
		}
	}
}
