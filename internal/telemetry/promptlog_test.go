package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

func talking() usage.Entry {
	return usage.Entry{
		Project: "EPM", User: "hash", Deployment: "model", Status: 200, Began: time.Date(2026, 8, 1, 12, 0, 0, 123_000_000, time.FixedZone("", 7200)),
		Finished: 1500 * time.Millisecond, Trace: "t", Span: "s", Parent: "p",
		Usage: llm.Usage{Input: 19, Output: 33, CacheRead: 4, Reasoning: 2}, Cost: 552_000_000, Priced: true,
		Talk: &usage.Talk{
			Protocol: "HTTP/1.1", Method: "POST", URI: "/openai/deployments/model/chat/completions", Conversation: "conv-1", Title: "Manager",
			Parent: "app", Path: []string{"EPM", "app", "model"}, UpstreamURI: "http://up", Request: []byte("{\"a\":\"\x01\b\u2028é\"}"),
			Response: []byte(`{"id":"1"}`), PerModel: []usage.ModelUsage{{Model: "model", Usage: llm.Usage{Input: 19, Output: 33}, Cost: 552_000_000, Priced: true}},
		},
	}
}

// TestLineIsDIALs: its fields, in its order, and every character escaped that must be.
func TestLineIsDIALs(t *testing.T) {
	const want = `{"apiType":"DialOpenAI","chat":{"id":"conv-1"},"project":{"id":"EPM"},"user":{"id":"hash","title":"Manager"},` +
		`"token_usage":{"completion_tokens":33,"prompt_tokens":23,"total_tokens":56,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":2},"deployment_price":0.000552,"price":0.000552},` +
		`"usage_per_model":[{"model":"model","completion_tokens":33,"prompt_tokens":19,"total_tokens":52,"cost":0.000552}],` +
		`"deployment":"model","parent_deployment":"app","execution_path":["EPM","app","model"],"operation_duration_ms":1500,"assembled_response":"{\"id\":\"1\"}",` +
		`"trace":{"trace_id":"t","core_span_id":"s","core_parent_span_id":"p"},` +
		`"request":{"protocol":"HTTP/1.1","method":"POST","uri":"/openai/deployments/model/chat/completions","time":"2026-08-01T10:00:00.123","body":"{\"a\":\"\u0001\u0008` + "\u2028é" + `\"}"},` +
		`"response":{"status":"200","upstream_uri":"http://up","body":"{\"id\":\"1\"}"}}` + "\n"
	e := talking()
	got := headerFilter{}.line(nil, &e)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if !json.Valid(got) {
		t.Error("it is not JSON")
	}
}

func lineOf(t *testing.T, f headerFilter, e usage.Entry) map[string]any {
	t.Helper()
	line := f.line(nil, &e)
	var o map[string]any
	if err := json.Unmarshal(line, &o); err != nil {
		t.Fatalf("%v: %.200s", err, line)
	}
	if bytes.Count(line, []byte("\n")) != 1 {
		t.Error("it is not one line")
	}
	return o
}

// TestSecuredLinesHaveNoBodies, whatever the Talk has.
func TestSecuredLinesHaveNoBodies(t *testing.T) {
	e := talking()
	e.Talk.Secured = true
	line := string(headerFilter{}.line(nil, &e))
	for _, said := range []string{`"body"`, "assembled", `\"a\"`} {
		if strings.Contains(line, said) {
			t.Errorf("%s is in %s", said, line)
		}
	}
}

// TestPricesAreThereWhenKnown: the price is that of the whole tree, and nothing is not 0.
func TestPricesAreThereWhenKnown(t *testing.T) {
	e := talking()
	e.Priced, e.Cost = false, 0
	got := lineOf(t, headerFilter{}, e)["token_usage"].(map[string]any)
	if _, own := got["deployment_price"]; own || got["price"] != 0.000552 {
		t.Errorf("of an application: %v", got)
	}
	e.Talk.PerModel = nil
	got = lineOf(t, headerFilter{}, e)["token_usage"].(map[string]any)
	if _, own := got["price"]; own {
		t.Errorf("without a price: %v", got)
	}
	e.Usage = llm.Usage{}
	if got := lineOf(t, headerFilter{}, e)["token_usage"]; got != nil {
		t.Errorf("without use: %v", got)
	}
}

func TestHeaders(t *testing.T) {
	headers := map[string][]string{
		"User-Agent": {"curl"}, "X-Long": {strings.Repeat("é", 5000)}, "X-Secret-Thing": {"s"}, "X-Empty": {},
	}
	for name, test := range map[string]struct {
		block, allow []string
		want         string
	}{
		"all":      {nil, nil, "User-Agent X-Long X-Secret-Thing"},
		"blocked":  {[]string{"x-secret.*"}, nil, "User-Agent X-Long"},
		"whole":    {[]string{"secret"}, nil, "User-Agent X-Long X-Secret-Thing"},
		"allowed":  {[]string{"x-secret.*"}, []string{"x-.*"}, "X-Long"},
		"none":     {nil, []string{}, ""},
		"or whole": {[]string{"user|agent"}, []string{"USER-AGENT"}, "User-Agent"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := newHeaderFilter(test.block, test.allow)
			if err != nil {
				t.Fatal(err)
			}
			e := talking()
			e.Talk.Headers, e.Talk.Claims = headers, map[string][]string{"user_id": {"u"}, "roles": {"r"}}
			line := lineOf(t, f, e)
			var names []string
			got := line["headers"].(map[string]any)
			for _, n := range []string{"User-Agent", "X-Long", "X-Secret-Thing", "X-Empty"} {
				if got[n] != nil {
					names = append(names, n)
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(names, " ")); diff != "" {
				t.Error(diff)
			}
			if long, ok := got["X-Long"].(string); ok && long != strings.Repeat("é", 4096)+">>" {
				t.Errorf("a long value has %d bytes", len(long))
			}
			if diff := cmp.Diff(map[string]any{"user_id": "u", "roles": []any{"r"}}, line["claims"]); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := newHeaderFilter([]string{"("}, nil); err == nil {
		t.Error("a pattern that is none is taken")
	}
}

// TestLongEntriesGoWithoutTheirBodies, and a body that is cut is not cut within a character.
func TestLongEntriesGoWithoutTheirBodies(t *testing.T) {
	e := talking()
	e.Talk.Request = []byte(strings.Repeat("\x01", 4<<20))
	if line := (headerFilter{}).line(nil, &e); len(line) > maxLine || bytes.Contains(line, []byte(`"body"`)) || !json.Valid(line) {
		t.Errorf("%d bytes", len(line))
	}
	for _, body := range []string{"aé", "a€", "a\U0001F600"} {
		for cut := 2; cut < len(body); cut++ {
			if got := string(wholeRunes([]byte(body)[:cut])); got != "a" {
				t.Errorf("%q cut at %d is %q", body, cut, got)
			}
		}
		if got := string(wholeRunes([]byte(body))); got != body {
			t.Errorf("%q is %q", body, got)
		}
	}
}

// lines are those of a file.
func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func opened(t *testing.T, o PromptLogOptions) *PromptLog {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p, err := OpenPromptLog(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.WithoutCancel(t.Context())) })
	return p
}

// TestCloseWritesWhatWaits, of many goroutines, and nobody else reads it.
func TestCloseWritesWhatWaits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prompts.log")
	p := opened(t, PromptLogOptions{File: file})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				p.Record(talking())
			}
		})
	}
	all.Wait()
	p.Record(usage.Entry{}) // that says nothing
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Record(talking())
	got := lines(t, file)
	if len(got) != 400 {
		t.Errorf("%d lines", len(got))
	}
	for _, line := range got {
		if !json.Valid([]byte(line)) {
			t.Fatalf("torn: %s", line)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if s := p.Stats(); s.Written != 400 || s.Dropped != 1 || s.Waiting != 0 || int64(s.Bytes) != info.Size() {
		t.Errorf("%+v", s)
	}
}

// TestADiskThatFailsDropsAndTells once a minute; requests do not wait.
func TestADiskThatFailsDropsAndTells(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	var minutes atomic.Int64
	p := opened(t, PromptLogOptions{
		File: filepath.Join(dir, "p"), Log: slog.New(slog.NewTextHandler(&log, nil)),
		now: func() time.Time { return time.Unix(minutes.Load()*60, 0) },
	})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		p.Record(talking())
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Written != 0 || s.Dropped+s.Failed != 10 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	if got := strings.Count(log.String(), "entries of the prompt log are lost"); got != 1 {
		t.Errorf("told %d times: %s", got, &log)
	}
	if strings.Contains(log.String(), "Manager") {
		t.Error("what was said is in the log")
	}
	minutes.Store(1)
	p.Record(talking())
	if got := strings.Count(log.String(), "entries of the prompt log are lost"); got != 2 {
		t.Errorf("told %d times after a minute: %s", got, &log)
	}
}

// TestAFullQueueDrops.
func TestAFullQueueDrops(t *testing.T) {
	p := opened(t, PromptLogOptions{File: filepath.Join(t.TempDir(), "p"), Queue: 1})
	p.Record(talking())
	if s := p.Stats(); s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
}

// daily is a file whose clock stands at a day.
func daily(t *testing.T, now *time.Time) *promptFile {
	t.Helper()
	f := &promptFile{name: filepath.Join(t.TempDir(), "p.log"), most: 10, keep: 2, now: func() time.Time { return *now }}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.close() })
	return f
}

func writeAll(t *testing.T, f *promptFile, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := f.write([]byte(text + "\n")); err != nil {
			t.Fatal(err)
		}
	}
}

func contents(t *testing.T, f *promptFile) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(filepath.Dir(f.name)), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all[path] = strings.Join(lines(t, filepath.Join(filepath.Dir(f.name), path)), " ")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFilesRotate by day and size, and the oldest go.
func TestFilesRotate(t *testing.T) {
	now := time.Date(2026, 8, 1, 23, 0, 0, 0, time.UTC)
	f := daily(t, &now)
	writeAll(t, f, "1234", "5678", "9")
	want := map[string]string{"p.log.2026-08-01.1": "1234 5678", "p.log": "9"}
	if diff := cmp.Diff(want, contents(t, f)); diff != "" {
		t.Error(diff)
	}
	now = now.Add(2 * time.Hour)
	writeAll(t, f, "a")
	now = now.Add(24 * time.Hour)
	writeAll(t, f, "b")
	want = map[string]string{"p.log.2026-08-01.2": "9", "p.log.2026-08-02.1": "a", "p.log": "b"}
	if diff := cmp.Diff(want, contents(t, f)); diff != "" {
		t.Error(diff)
	}
}

// TestARenamedFileIsBegunAnew, as logrotate wants.
func TestARenamedFileIsBegunAnew(t *testing.T) {
	now := time.Date(2026, 8, 1, 1, 0, 0, 0, time.UTC)
	f := daily(t, &now)
	writeAll(t, f, "1")
	if err := os.Rename(f.name, f.name+".old"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	writeAll(t, f, "2")
	if diff := cmp.Diff(map[string]string{"p.log.old": "1", "p.log": "2"}, contents(t, f)); diff != "" {
		t.Error(diff)
	}
}

// TestATornLineStaysAlone: of a process that was killed.
func TestATornLineStaysAlone(t *testing.T) {
	now := time.Now()
	f := daily(t, &now)
	if err := os.WriteFile(f.name, []byte("to"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	writeAll(t, f, "1", "2")
	if diff := cmp.Diff(map[string]string{"p.log": "to 1 2"}, contents(t, f)); diff != "" {
		t.Error(diff)
	}
}

// TestAPlaceThatCannotBeWritten is told at the start.
func TestAPlaceThatCannotBeWritten(t *testing.T) {
	if _, err := OpenPromptLog(PromptLogOptions{File: t.TempDir()}); err == nil {
		t.Error("a directory is opened")
	}
}

func BenchmarkPromptLine(b *testing.B) {
	e := talking()
	e.Talk.Response = nil
	e.Talk.Request = bytes.Repeat([]byte(`{"role":"user","content":"hello\nworld"},`), 250)
	var line []byte
	b.SetBytes(int64(len(e.Talk.Request)))
	b.ReportAllocs()
	for b.Loop() {
		line = headerFilter{}.line(line[:0], &e)
	}
}
