package gateway_test

import (
	"flag"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/auth"
	"outcrop/internal/bedrock"
	"outcrop/internal/catalog"
	"outcrop/internal/fixturetest"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
)

var update = flag.Bool("update", false, "rewrite the fixtures' upstream requests and replies")

// deployments of every fixture: name → model id and who may use it. A fixture may have one more, named
// "model", whose model id is its section "model", with the surface behind it when that is not the usual one.
var deployments = []deploymentOf{
	{"claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", nil, ""},
	{"llama", "us.meta.llama3-3-70b-instruct-v1:0", nil, ""},
	{"profile", "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123", nil, ""},
	{"for-power", "us.amazon.nova-lite-v1:0", []string{"power"}, ""},
	{"for-nobody", "us.amazon.nova-lite-v1:0", []string{}, ""},
}

type deploymentOf struct {
	name, id string
	roles    []string
	surface  string
}

// catalogueOnce reads the catalogue for all gateways of these tests.
var catalogueOnce = sync.OnceValues(models.Load)

// TestFixtures: a request, what Bedrock is asked, what it answers, what the client gets. One file is
// one promise.
func TestFixtures(t *testing.T) {
	fixturetest.Run(t, *update, func(t *testing.T, a *fixturetest.Archive) {
		upstream := newUpstream(t)
		upstream.Profile = a.Section("profile")
		var log fixturetest.Log
		a.Play(t, newGateway(t, memnet.Serve(t, upstream), &log, newSetting(t, a)), upstream, &log)
	})
}

// newUpstream is a Bedrock that wants to be called with the credentials of newGateway.
func newUpstream(t testing.TB) *fixturetest.Upstream {
	t.Helper()
	return &fixturetest.Upstream{T: t, Place: func(r *http.Request) string {
		service, host := "bedrock", ""
		if r.Host == "mantle" {
			service, host = "bedrock-mantle", "mantle"
		}
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20000101/us-east-1/"+service+"/aws4_request") {
			t.Errorf("not signed: %q", r.Header.Get("Authorization"))
		}
		return host
	}}
}

func newGateway(t testing.TB, transport http.RoundTripper, log io.Writer, s setting) http.Handler {
	t.Helper()
	catalogue, err := catalogueOnce()
	if err != nil {
		t.Fatal(err)
	}
	client, err := bedrock.New(bedrock.Options{
		Region: "us-east-1", Endpoint: "http://bedrock", MantleEndpoint: "http://mantle", Transport: transport, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "hunter2", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	served := deployments
	if s.model != "" {
		id, surface, _ := strings.Cut(s.model, " ")
		served = append(slices.Clip(served), deploymentOf{name: "model", id: id, surface: surface})
	}
	var list []*catalog.Deployment
	for _, d := range served {
		chat, err := client.Model(d.id, bedrock.ModelOptions{Surface: d.surface})
		if err != nil {
			t.Fatal(err)
		}
		deployment := &catalog.Deployment{Name: d.name, Roles: d.roles, Chat: chat}
		able(deployment, chat)
		if d.name == "model" {
			s.apply(deployment, chat)
		}
		list = append(list, deployment)
	}
	visible, err := catalog.New(list)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{
		{Digest: auth.Digest("key-a"), Project: "team-a", Roles: []string{"default"}},
		{Digest: auth.Digest("key-p"), Project: "team-p", Roles: []string{"power"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(t, gateway.Options{
		Auth: keys, Deployments: gateway.Fixed(visible), Version: "test", Log: slog.New(slog.NewTextHandler(log, nil)),
		Fetch: s.remotes.fetcher(), Store: s.store(), Load: s.load(), Metadata: s.Metadata,
	})
}

// able gives a deployment what its model is for.
func able(d *catalog.Deployment, model *bedrock.Model) {
	switch model.Kind() {
	case models.Embedding:
		d.Chat, d.Embed = nil, model
		return
	case models.Rerank:
		d.Chat, d.Rerank = nil, model
		return
	}
	if m, ok := any(model).(interface{ Native() llm.MessagesModel }); ok {
		d.Messages = m.Native
	}
}
