package sandbox

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the fixtures in testdata/model")

// Each fixture is one promise about the model: a request (the model id and the
// body of Converse), the plain reply, and the stream as one line per event.
func TestModel(t *testing.T) {
	files, err := filepath.Glob("testdata/model/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			id, body, _ := strings.Cut(string(archive.Files[0].Data), "\n")
			plain, stream := say(t, id, []byte(body))
			want := txtar.Format(archive)
			archive.Files = []txtar.File{archive.Files[0], {Name: "reply", Data: plain}, {Name: "stream", Data: stream}}
			got := txtar.Format(archive)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got; -update rewrites)\n%s", diff)
			}
		})
	}
}

// say asks the model twice, on sandboxes of their own, and puts both replies
// into a form for people.
func say(t *testing.T, id string, body []byte) (plain, stream []byte) {
	t.Helper()
	srv := serve(t, Options{})
	got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opConverse, id, escapeAll), body))
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, got.body, "", "  "); err != nil {
		t.Fatal(err)
	}
	srv = serve(t, Options{})
	got = send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opConverseStream, id, escapeAll), body))
	messages, err := decodeStream(t, bytes.NewReader(got.body))
	if err != nil || got.status != 200 {
		t.Fatalf("%d %v %s", got.status, err, got.body)
	}
	return append(indented.Bytes(), '\n'), lines(messages)
}

// lines writes a stream for people: an event a line, and the pieces of one block
// in one line with bars between them.
func lines(messages []message) []byte {
	var b bytes.Buffer
	before := ""
	for i, kind := range kinds(messages) {
		piece := messages[i].Payload
		delta := object(piece["delta"])
		for _, inner := range []string{"reasoningContent", "toolUse"} {
			if m := object(delta[inner]); m != nil {
				delta = m
			}
		}
		switch {
		case delta == nil:
			fmt.Fprintf(&b, "\n%s %s", messages[i].Type, encode(piece))
		case kind == before:
			fmt.Fprintf(&b, "|%s", escapeLine(delta[onlyKey(delta)]))
		default:
			fmt.Fprintf(&b, "\n%s %s", kind, escapeLine(delta[onlyKey(delta)]))
		}
		before = kind
	}
	return append(bytes.TrimPrefix(b.Bytes(), []byte("\n")), '\n')
}

func escapeLine(v any) string {
	if v == nil || v == "" {
		return `""`
	}
	if _, ok := v.(string); !ok {
		return string(encode(v))
	}
	return strings.ReplaceAll(text(v), "\n", `\n`)
}
