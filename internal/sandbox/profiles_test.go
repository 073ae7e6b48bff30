package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const demoSonnet = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/sandbox-us-anthropic-claude-sonnet-4-5-20250929-v1-0"

// An ARN of a demo profile behaves as the model it stands for; others stay
// opaque.
func TestDemoProfilesBehaveAsTheirModel(t *testing.T) {
	s := newServer(t, Options{})
	badBudget := `{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1}}}`
	for _, c := range []struct {
		id     string
		status int
	}{
		{demoSonnet, 400},
		{"arn:aws:bedrock:us-east-1:000000000000:provisioned-model/sandbox-anthropic-claude-3-7-sonnet-20250219-v1-0", 400},
		{idApplication, 200},
		{"arn:aws:bedrock:us-east-1:000000000000:custom-model-deployment/sandbox-us-anthropic-claude-sonnet-4-5-20250929-v1-0", 200},
	} {
		if rec := post(t, s, call{Op: opConverse, ModelID: c.id, Raw: []byte(badBudget)}); rec.Code != c.status {
			t.Errorf("%s: %d %s", c.id, rec.Code, rec.Body)
		}
	}
	// a profile makes a model callable that has no on-demand throughput
	id := "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/sandbox-anthropic-claude-opus-5"
	if rec := post(t, s, call{Op: opConverse, ModelID: id, Raw: user("hi")}); rec.Code != 200 || !strings.Contains(rec.Body.String(), "Claude Opus 5") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := post(t, s, call{Op: opCountTokens, ModelID: demoSonnet, Raw: []byte(short(`{"input":{"converse":{$HI}}}`))}); rec.Code != 400 {
		t.Errorf("CountTokens: %d %s", rec.Code, rec.Body)
	}
}

// The control plane tells what is behind a demo, by id and by ARN.
func TestDemoProfilesInTheControlPlane(t *testing.T) {
	srv := serve(t, Options{})
	get := func(path string) raw {
		signed, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed.Header.Set("Authorization", "Bearer sandbox")
		return send(t, srv, signed)
	}
	for _, id := range []string{escapeAll(demoSonnet), "sandbox-us-anthropic-claude-sonnet-4-5-20250929-v1-0"} {
		got := get("/inference-profiles/" + id)
		body := decodeObject(got.body)
		arn := text(dig(first(body["models"]), "modelArn"))
		if got.status != 200 || body["type"] != "APPLICATION" || !strings.HasSuffix(arn, "foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0") {
			t.Errorf("%s: %d %s", id, got.status, got.body)
		}
	}
	got := get("/provisioned-model-throughput/sandbox-amazon-nova-lite-v1-0")
	if arn := text(decodeObject(got.body)["foundationModelArn"]); got.status != 200 || !strings.HasSuffix(arn, "/amazon.nova-lite-v1:0") {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, path := range []string{
		"/inference-profiles/" + escapeAll(idApplication), "/provisioned-model-throughput/abc",
		"/inference-profiles/" + escapeAll(strings.Replace(demoSonnet, "application-inference-profile", "provisioned-model", 1)),
	} {
		if got := get(path); got.status != 404 || !strings.HasPrefix(got.header.Get("X-Amzn-Errortype"), "ResourceNotFoundException") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if list := array(decodeObject(get("/inference-profiles?type=APPLICATION").body)["inferenceProfileSummaries"]); len(list) != 3 {
		t.Errorf("%d application profiles", len(list))
	}
}

// No two models share the id of their demo.
func TestDemoIDsAreUnique(t *testing.T) {
	catalogue := testCatalogue(t)
	if ids, all := demoIDs(catalogue), catalogue.All(); len(ids) != len(all) {
		t.Errorf("%d ids for %d models", len(ids), len(all))
	}
}

// What CountTokens counts is what Converse then charges.
func TestCountTokensIsWhatConverseCharges(t *testing.T) {
	s := newServer(t, Options{})
	const id = "anthropic.claude-sonnet-4-20250514-v1:0"
	for _, body := range []string{
		short(`{$HI}`),
		short(`{$TOOLS,"system":[{"text":"Be kind."}],"messages":[$USER,$CALL,{"role":"user","content":[$RESULT]}]}`),
		`{"messages":[{"role":"user","content":[{"text":"hi [[sandbox tokens=3]]"}]}]}`,
	} {
		counted := decodeObject(post(t, s, call{Op: opCountTokens, ModelID: id, Raw: fmt.Appendf(nil, `{"input":{"converse":%s}}`, body)}).Body.Bytes())
		charged := decodeObject(post(t, s, call{Op: opConverse, ModelID: "us." + id, Raw: []byte(body)}).Body.Bytes())
		if n, m := counted["inputTokens"], dig(charged, "usage", "inputTokens"); n != m || n == json.Number("0") {
			t.Errorf("%s: counted %v, charged %v", body, n, m)
		}
	}
}

// A profile is known in the regions of its geography only.
func TestProfilesAreOfTheirGeography(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ id, region, refusal string }{
		{"us.amazon.nova-2-lite-v1:0", "us-west-2", ""},
		{"us.amazon.nova-2-lite-v1:0", "ca-central-1", ""},
		{"us.amazon.nova-2-lite-v1:0", "eu-west-3", invalidModelID},
		{"eu.amazon.nova-2-lite-v1:0", "eu-west-3", ""},
		{"global.amazon.nova-2-lite-v1:0", "eu-west-3", ""},
		{"amazon.nova-lite-v1:0", "eu-west-3", ""},
	} {
		c := &call{Op: opConverse, ModelID: tt.id, Region: tt.region, Model: s.model(tt.id)}
		got := ""
		if refused := route(c); refused != nil {
			got = refused.Message
		}
		if got != tt.refusal {
			t.Errorf("%s from %s: %q, want %q", tt.id, tt.region, got, tt.refusal)
		}
	}
}
