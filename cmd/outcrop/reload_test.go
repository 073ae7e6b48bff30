package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/bedrock"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
)

// reloading is a server whose configuration changes, without its listeners.
type reloading struct {
	*live
	t    *testing.T
	dir  string
	log  output
	made atomic.Int32 // clients
}

func newReloading(t *testing.T, files map[string]string, change ...func(*serveFlags)) *reloading {
	t.Helper()
	r := &reloading{t: t, dir: t.TempDir()}
	r.write(files)
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	f := serveFlags{configs: []string{r.dir}, metrics: "somewhere"}
	for _, c := range change {
		c(&f)
	}
	create := inMemory(t).make
	r.live = newLive(f, catalogue, func(s bedrock.Settings) (*bedrock.Client, error) {
		r.made.Add(1)
		return create(s)
	}, slog.New(slog.NewTextHandler(&r.log, nil)))
	if err := r.begin(f, io.Discard); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reloading) write(files map[string]string) {
	r.t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// get returns the status and the body.
func (r *reloading) get(path string) (int, string) {
	req := httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, path, nil)
	req.Header.Set("Api-Key", "a-key-of-a-team")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

// listed are the names of the listing.
func (r *reloading) listed() (names []string) {
	r.t.Helper()
	_, body := r.get("/openai/models")
	var list struct{ Data []struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		r.t.Fatalf("%v in %s", err, body)
	}
	for _, m := range list.Data {
		names = append(names, m.ID)
	}
	return names
}

func (r *reloading) scrape() string {
	w := httptest.NewRecorder()
	r.metrics.Handler().ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func (r *reloading) exports(lines ...string) {
	r.t.Helper()
	all := strings.Split(r.scrape(), "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			r.t.Errorf("the metrics have no line %q", line)
		}
	}
}

// model is a configuration of one model in a region.
func model(name, region string) string {
	return fmt.Sprintf(`{"models": {%q: {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"region": %q}}]}}}`, name, region)
}

const teamKey = `{"keys": {"a-key-of-a-team": {"project": "team", "role": "default"}}, "roles": {"default": {}}}`

// TestADirectoryIsAConfiguration of the files that are meant, by their names.
func TestADirectoryIsAConfiguration(t *testing.T) {
	r := newReloading(t, map[string]string{
		"20-keys.yaml": "keys: {a-key-of-a-team: {project: team, role: default}}\nroles: {default: {}}\n", "10-models.json": model("b", "us-east-1"), "30.yml": "models: {a: {type: chat, endpoint: 'bedrock:us.amazon.nova-lite-v1:0'}}",
		".hidden.json": "{", "..2024.json": "{", "notes.txt": "{", "backup.json~": "{",
	})
	if err := os.Mkdir(filepath.Join(r.dir, "dir.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "a"}, r.listed()); diff != "" {
		t.Error(diff)
	}
	files, err := r.source.files()
	if want := []string{"10-models.json", "20-keys.yaml", "30.yml"}; err != nil || len(files) != 3 || filepath.Base(files[0]) != want[0] || filepath.Base(files[2]) != want[2] {
		t.Errorf("%q, %v", files, err)
	}
}

// mount makes a version of a volume as the kubelet does: a directory, a link to it, and links through that.
func mount(t *testing.T, dir, version string, files map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, ".."+version), 0o700))
	for name, text := range files {
		must(os.WriteFile(filepath.Join(dir, ".."+version, name), []byte(text), 0o600))
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			must(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	must(os.Symlink(".."+version, filepath.Join(dir, "..data_tmp")))
	must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}

// TestTrap11AMountedDirectoryReloads: the kubelet swaps a link, and no file's time of change is new.
func TestTrap11AMountedDirectoryReloads(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "2024_10_25_1", map[string]string{"models.json": model("old", "us-east-1"), "keys.json": teamKey})
	r := newReloading(t, nil, func(f *serveFlags) { f.configs = []string{dir} })
	if diff := cmp.Diff([]string{"old"}, r.listed()); diff != "" {
		t.Error(diff)
	}
	mount(t, dir, "2024_10_25_2", map[string]string{"models.json": model("new", "us-east-1"), "keys.json": teamKey})
	r.reload(t.Context(), false)
	if diff := cmp.Diff([]string{"new"}, r.listed()); diff != "" {
		t.Error(diff)
	}
	r.exports("outcrop_config_generation 2", "outcrop_config_last_reload_successful 1")
}

// TestABadFileKeepsTheLastGood and is told once, until it changes.
func TestABadFileKeepsTheLastGood(t *testing.T) {
	r := newReloading(t, map[string]string{"models.json": model("good", "us-east-1"), "keys.json": teamKey})
	for i, bad := range []string{"{\n \"models\": {,}\n}", `{"models": {"good": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"region": "nowhere"}}]}}}`} {
		r.write(map[string]string{"models.json": bad})
		for range 3 {
			r.reload(t.Context(), false)
		}
		if n := strings.Count(r.log.String(), "the last good one is still served"); n != i+1 {
			t.Errorf("it was said %d times:\n%s", n, &r.log)
		}
		if diff := cmp.Diff([]string{"good"}, r.listed()); diff != "" {
			t.Error(diff)
		}
		r.exports("outcrop_config_generation 1", "outcrop_config_last_reload_successful 0", "outcrop_ready 1")
	}
	if !strings.Contains(r.log.String(), "models.json:2:13: error") {
		t.Errorf("the log does not say where:\n%s", &r.log)
	}
	r.reload(t.Context(), true)
	if n := strings.Count(r.log.String(), "the last good one is still served"); n != 3 {
		t.Errorf("a signal does not have it said again: %d", n)
	}
	r.write(map[string]string{"models.json": model("better", "us-east-1")})
	r.reload(t.Context(), false)
	if diff := cmp.Diff([]string{"better"}, r.listed()); diff != "" {
		t.Error(diff)
	}
	r.exports("outcrop_config_generation 2", "outcrop_config_last_reload_successful 1")
}

// TestAConfigurationThatCannotBeBuiltKeepsTheLastGood, and lets go of what it took.
func TestAConfigurationThatCannotBeBuiltKeepsTheLastGood(t *testing.T) {
	r := newReloading(t, map[string]string{"models.json": model("good", "us-east-1"), "keys.json": teamKey})
	r.pool.make = func(bedrock.Settings) (*bedrock.Client, error) { return nil, io.ErrUnexpectedEOF }
	r.write(map[string]string{"models.json": model("other", "us-west-2")})
	r.reload(t.Context(), false)
	if diff := cmp.Diff([]string{"good"}, r.listed()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(r.log.String(), "models.other: unexpected EOF") || len(r.pool.clients) != 1 {
		t.Errorf("%d clients, %s", len(r.pool.clients), &r.log)
	}
}

// TestWhatAConfigurationNamesMayComeLater: it is tried again as it is, and told once.
func TestWhatAConfigurationNamesMayComeLater(t *testing.T) {
	r := newReloading(t, map[string]string{"models.json": model("good", "us-east-1"), "keys.json": teamKey})
	create := r.pool.make
	r.pool.make = func(bedrock.Settings) (*bedrock.Client, error) { return nil, os.ErrNotExist }
	r.write(map[string]string{"models.json": model("other", "us-west-2")})
	for range 3 {
		r.reload(t.Context(), false)
	}
	if n := strings.Count(r.log.String(), "the last good one is still served"); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, &r.log)
	}
	r.pool.make = create
	r.reload(t.Context(), false)
	if diff := cmp.Diff([]string{"other"}, r.listed()); diff != "" {
		t.Error(diff)
	}
	r.exports("outcrop_config_generation 2", "outcrop_config_last_reload_successful 1")
}

// TestWaitForConfig: without a good configuration the server is alive and not ready.
func TestWaitForConfig(t *testing.T) {
	r := newReloading(t, nil, func(f *serveFlags) { f.wait = true })
	if status, body := r.get("/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "no good configuration yet") {
		t.Errorf("ready: %d %s", status, body)
	}
	if status, _ := r.get("/health"); status != http.StatusOK {
		t.Errorf("health: %d", status)
	}
	if status, body := r.get("/openai/models"); status != http.StatusServiceUnavailable || !strings.Contains(body, "no configuration yet") {
		t.Errorf("models: %d %s", status, body)
	}
	r.exports("outcrop_config_generation 0", "outcrop_config_last_reload_successful 0", "outcrop_ready 0")
	if !strings.Contains(r.log.String(), "has no file named") {
		t.Errorf("the log: %s", &r.log)
	}
	r.write(map[string]string{"all.json": "{"})
	r.reload(t.Context(), false)
	if status, _ := r.get("/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("ready with a bad file: %d", status)
	}
	r.write(map[string]string{"all.json": model("m", "us-east-1"), "keys.json": teamKey})
	r.reload(t.Context(), false)
	if status, body := r.get("/ready"); status != http.StatusOK {
		t.Errorf("ready at last: %d %s", status, body)
	}
	r.exports("outcrop_config_generation 1", "outcrop_config_last_reload_successful 1", "outcrop_ready 1")
}

// TestUpstreamsThatStayAreKept: their clients are made once, and closed when nothing uses them any more.
func TestUpstreamsThatStayAreKept(t *testing.T) {
	r := newReloading(t, map[string]string{"a.json": model("a", "us-east-1"), "b.json": model("b", "us-west-2"), "keys.json": teamKey})
	before := r.pool.clients[bedrock.Settings{Region: "us-east-1"}.Key()]
	base, client := r.listen()
	resp := begin(t, client, base, "b")
	r.write(map[string]string{"b.json": model("c", "eu-west-1")})
	r.reload(t.Context(), false)
	if r.made.Load() != 3 || r.pool.clients[bedrock.Settings{Region: "us-east-1"}.Key()] != before {
		t.Errorf("%d clients were made", r.made.Load())
	}
	if len(r.pool.clients) != 3 {
		t.Errorf("the client of a running request is gone: %d", len(r.pool.clients))
	}
	r.exports(`outcrop_upstream_throttles_total{deployment="b",region="us-east-1"} 0`)
	text, err := io.ReadAll(resp.Body)
	if _ = resp.Body.Close(); err != nil || !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
		t.Errorf("a request that ran through a reload: %v, %q", err, text)
	}
	wait(t, func() bool {
		r.pool.mu.Lock()
		defer r.pool.mu.Unlock()
		return len(r.pool.clients) == 2
	})
	if strings.Contains(r.scrape(), `deployment="b"`) {
		t.Error("the metrics still know the deployment")
	}
}

// wait looks until it is so.
func wait(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !so() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it did not come to be")
		}
	}
}

// listen serves over connections.
func (r *reloading) listen() (base string, client *http.Client) {
	return "http://gateway", &http.Client{Transport: memnet.Serve(r.t, r)}
}

// begin starts a stream and returns when it has begun.
func begin(t *testing.T, client *http.Client, base, deployment string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/openai/deployments/"+deployment+"/chat/completions",
		strings.NewReader(`{"stream":true,"messages":[{"role":"user","content":"[[sandbox drip=5ms tokens=20]]"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", "a-key-of-a-team")
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestReloadsBesideRequests: each request has one configuration from its beginning to its end, and nothing
// is left over.
func TestReloadsBesideRequests(t *testing.T) {
	r := newReloading(t, map[string]string{"a.json": model("a", "us-east-1"), "b.json": model("b0", "us-west-2"), "keys.json": teamKey})
	base, client := r.listen()
	stop, all := make(chan struct{}), sync.WaitGroup{}
	var answered atomic.Int64
	for range 50 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp := begin(t, client, base, "a")
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
					t.Errorf("status %d, %v, %q", resp.StatusCode, err, text)
					return
				}
				answered.Add(1)
			}
		})
	}
	const reloads = 100
	for i := range reloads {
		r.write(map[string]string{"b.json": model(fmt.Sprintf("b%d", i+1), []string{"us-west-2", "eu-west-1"}[i%2])})
		r.reload(t.Context(), false)
		if diff := cmp.Diff([]string{"a", fmt.Sprintf("b%d", i+1)}, r.listed()); diff != "" {
			t.Fatal(diff)
		}
	}
	close(stop)
	all.Wait()
	wait(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.served) == 1 && len(r.pool.clients) == 2
	})
	if answered.Load() == 0 {
		t.Error("no request was answered")
	}
	r.exports(fmt.Sprintf("outcrop_config_generation %d", reloads+1), "outcrop_config_last_reload_successful 1")
}

// TestContentsTellVersionsApart: files that are added, changed and written in part, but not those that are the
// same.
func TestContentsTellVersionsApart(t *testing.T) {
	dir := t.TempDir()
	s := source{paths: []string{dir}}
	seen := map[contents]string{}
	for _, step := range []struct{ name, file, text string }{
		{"empty", "", ""}, {"one", "a.json", "{}"}, {"changed", "a.json", "{ }"}, {"two", "b.json", ""}, {"moved", "b.json", "x"},
	} {
		if step.file != "" {
			if err := os.WriteFile(filepath.Join(dir, step.file), []byte(step.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := s.contents()
		if other, known := seen[c]; known || c != s.contents() {
			t.Errorf("%s looks like %q", step.name, other)
		}
		seen[c] = step.name
	}
}

// TestModelsNearTheirEnd: the log and a metric tell of them, those of a reload too.
func TestModelsNearTheirEnd(t *testing.T) {
	catalogue, err := models.LoadWith([]byte(fmt.Sprintf(`{"models": [
		{"id": "us.amazon.nova-lite-v1:0", "lifecycle": {"status": "LEGACY", "eol": %q}},
		{"id": "us.amazon.nova-pro-v1:0", "lifecycle": {"status": "LEGACY", "eol": %q}}]}`,
		time.Now().AddDate(0, 0, 30).Format(time.DateOnly), time.Now().AddDate(1, 0, 0).Format(time.DateOnly))))
	if err != nil {
		t.Fatal(err)
	}
	r := newReloading(t, map[string]string{"a.json": `{"models": {"far": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-pro-v1:0"}}}`, "keys.json": teamKey})
	r.catalogue = catalogue
	r.write(map[string]string{"b.json": model("near", "us-east-1")})
	r.reload(t.Context(), false)
	log := r.log.String()
	if strings.Count(log, "near its end of life") != 1 || !strings.Contains(log, "deployment=near model=us.amazon.nova-lite-v1:0") {
		t.Errorf("the log: %s", log)
	}
	for _, line := range []string{`outcrop_model_end_of_life_timestamp_seconds{deployment="near",model="us.amazon.nova-lite-v1:0"}`, `outcrop_model_end_of_life_timestamp_seconds{deployment="far",model="us.amazon.nova-pro-v1:0"}`} {
		if !strings.Contains(r.scrape(), line) {
			t.Errorf("the metrics have no %s", line)
		}
	}
}

// TestConfigFlagsAreChecked names what to type.
func TestConfigFlagsAreChecked(t *testing.T) {
	clearAWS(t)
	empty := t.TempDir()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--config", empty}, "has no file named *.json, *.yaml or *.yml"},
		{[]string{"--sandbox", "--wait-for-config"}, "give --config DIRECTORY"},
		{[]string{"--sandbox", "--config-poll=-1s"}, "--config-poll is negative"},
		{[]string{"--sandbox", "--metrics-listen", "nowhere"}, "--metrics-listen wants HOST:PORT"},
	} {
		var stderr output
		if code := run(t.Context(), append([]string{"serve", "--listen", "127.0.0.1:0"}, tt.args...), strings.NewReader(""), io.Discard, &stderr); code != 1 || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%q: exit status %d, %s", tt.args, code, &stderr)
		}
	}
}

// TestADirectoryIsCheckedAsItIsServed, by the commands that read the same configuration.
func TestADirectoryIsCheckedAsItIsServed(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "1", map[string]string{"models.json": model("m", "us-east-1"), "keys.json": teamKey, "notes.txt": "{"})
	for _, args := range [][]string{{"config", "check", dir}, {"explain", "m", "-f", "-", "--config", dir}} {
		var stdout, stderr output
		if code := run(t.Context(), args, strings.NewReader(hello), &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "m") {
			t.Errorf("%q: exit status %d, %s%s", args, code, &stdout, &stderr)
		}
		args[slices.Index(args, dir)] = t.TempDir()
		if code := run(t.Context(), args, strings.NewReader(hello), io.Discard, &stderr); code != 1 || !strings.Contains(stderr.String(), "has no file named") {
			t.Errorf("%q: exit status %d, %s", args, code, &stderr)
		}
	}
}
