package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/config"
	"outcrop/internal/gateway"
)

// TestAReloadOnRequest: an administrator gets what is served then, without its secrets, or why it is not; the metrics
// and the health tell the same.
func TestAReloadOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReloading(t, map[string]string{"1.json": model("a", "us-east-1"), "2.json": teamKey})
		began := time.Now().UTC()
		health(t, r, gateway.ConfigHealth{Status: "ok", Generation: 1, LoadedAt: began})
		r.exports("outcrop_config_last_failed_reload_timestamp_seconds 0", "outcrop_config_skipped_entities 0")

		<-time.After(time.Minute)
		r.write(map[string]string{"1.json": model("b", "us-east-1")})
		merged, problems := r.Reload(t.Context())
		text, err := json.Marshal(merged)
		if err != nil || len(problems) > 0 || !strings.Contains(string(text), `"name":"b"`) || strings.Contains(string(text), "a-key-of-a-team") {
			t.Errorf("%s %q %v", text, problems, err)
		}
		if _, ok := merged.(mergedConfig); !ok {
			t.Errorf("%T", merged)
		}
		health(t, r, gateway.ConfigHealth{Status: "ok", Generation: 2, LoadedAt: began.Add(time.Minute)})

		<-time.After(time.Minute)
		r.write(map[string]string{"1.json": `{"models": {"c": {"endpoint": 7}}}`})
		merged, problems = r.Reload(t.Context())
		if merged != nil || len(problems) == 0 || !strings.Contains(problems[0], "1.json:1:") {
			t.Errorf("%v %q", merged, problems)
		}
		if got := r.ConfigHealth(); got.Status != "failed" || got.Generation != 2 || !got.LoadedAt.Equal(began.Add(time.Minute)) || len(got.Problems) == 0 {
			t.Errorf("%+v", got)
		}
		r.exports("outcrop_config_last_reload_successful 0", "outcrop_config_generation 2", "outcrop_config_last_failed_reload_timestamp_seconds 9.4668492e+08")
		if names := r.listed(); len(names) != 1 || names[0] != "b" {
			t.Errorf("served are %q", names)
		}
	})
}

func health(t *testing.T, r *reloading, want gateway.ConfigHealth) {
	t.Helper()
	got := r.ConfigHealth()
	if got.Status != want.Status || got.Generation != want.Generation || !got.LoadedAt.Equal(want.LoadedAt) || len(got.Problems) != 0 || len(got.Skipped) != 0 {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestSkippedEntitiesAreTold by name, with the reason.
func TestSkippedEntitiesAreTold(t *testing.T) {
	r := newReloading(t, map[string]string{"1.json": model("a", "us-east-1")})
	r.current.Load().config.Skipped = []config.Skipped{{ID: "models.x", Reason: "no endpoint"}}
	if got := r.ConfigHealth().Skipped; len(got) != 1 || got[0] != (gateway.SkippedEntity{ID: "models.x", Reason: "no endpoint"}) {
		t.Errorf("%v", got)
	}
	r.note(nil, nil)
	r.exports("outcrop_config_skipped_entities 1")
}

// TestProvidersInTrouble are told to administrators, and to whom the metrics wake.
func TestProvidersInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReloading(t, map[string]string{"1.json": model("a", "us-east-1")})
		if got := r.ConfigHealth().Providers; len(got) != 0 {
			t.Errorf("%+v", got)
		}
		began := time.Now().UTC()
		settings := &config.Settings{Providers: []config.Provider{
			{Name: "down", JWKSURL: "https://login.example.com/keys"}, {Name: "unasked", UserInfoEndpoint: "https://login.example.com/userinfo"},
		}}
		var err error
		if r.parts.tokens, err = tokensOf(t.Context(), settings, noProvider{}, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		want := []gateway.ProviderHealth{
			{Name: "down", Status: "failed", Problem: "its keys cannot be fetched: https://login.example.com/keys: no route to host", Since: began},
			{Name: "unasked", Status: "ok"},
		}
		if got := r.ConfigHealth().Providers; !slices.Equal(got, want) {
			t.Errorf("%+v", got)
		}
		r.exports(`outcrop_identity_provider_up{provider="down"} 0`, `outcrop_identity_provider_up{provider="unasked"} 1`)
	})
}

// noProvider answers nothing.
type noProvider struct{}

func (noProvider) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}

// TestAReloadWithoutFiles: the demonstration's configuration is in the program, and a server that waits for one has
// none yet.
func TestAReloadWithoutFiles(t *testing.T) {
	r := newReloading(t, nil, func(f *serveFlags) { f.configs = nil })
	if merged, problems := r.Reload(t.Context()); merged == nil || len(problems) > 0 || r.ConfigHealth().Status != "ok" {
		t.Errorf("%v %q", merged, problems)
	}
	r = newReloading(t, nil, func(f *serveFlags) { f.wait = true })
	if merged, problems := r.Reload(t.Context()); merged != nil || len(problems) != 1 || !strings.Contains(problems[0], "no file named") {
		t.Errorf("%v %q", merged, problems)
	}
	if got := r.ConfigHealth(); got.Status != "failed" || got.Generation != 0 || !got.LoadedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	r.write(map[string]string{"1.json": model("a", "us-east-1"), "2.json": teamKey})
	if merged, _ := r.Reload(t.Context()); merged == nil || r.ConfigHealth().Generation != 1 {
		t.Error("the configuration that was waited for is not served")
	}
}

// TestManyReloadsAtOnce: administrators, the clock and requests at the same time.
func TestManyReloadsAtOnce(t *testing.T) {
	r := newReloading(t, map[string]string{"1.json": model("a", "us-east-1"), "2.json": teamKey})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				if merged, problems := r.Reload(t.Context()); merged == nil || len(problems) > 0 {
					t.Errorf("%v %q", merged, problems)
				}
				r.reload(t.Context(), false)
				if status, _ := r.get("/openai/models"); status != 200 || r.ConfigHealth().Status != "ok" {
					t.Errorf("%d", status)
				}
			}
		})
	}
	all.Wait()
	if got := r.ConfigHealth().Generation; got != 81 {
		t.Errorf("generation %d", got)
	}
}

// TestADirectoryForDataIsChecked before anything is served.
func TestADirectoryForDataIsChecked(t *testing.T) {
	err := serve(t.Context(), serveFlags{sandbox: true, stores: storeFlags{dataDir: "/dev/null/data"}, listen: "127.0.0.1:0"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Error(err)
	}
}
