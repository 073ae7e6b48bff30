package anthropic

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"outcrop/internal/llm"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// forEachFixture runs fn for every archive of the directory; what it returns are the sections that follow the
// input.
func forEachFixture(t *testing.T, dir string, fn func(t *testing.T, input []byte) []txtar.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures in %s (%v)", dir, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(strings.TrimSpace(string(archive.Comment)), ".") {
				t.Error("the fixture does not begin with a sentence")
			}
			input := archive.Files[0]
			got := &txtar.Archive{Comment: archive.Comment, Files: append([]txtar.File{input}, fn(t, input.Data)...)}
			if *update {
				if err := os.WriteFile(path, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecode: a request, and what is made of it.
func TestDecode(t *testing.T) {
	forEachFixture(t, "decode", func(t *testing.T, body []byte) []txtar.File {
		body = bytes.TrimSpace(body)
		kept := bytes.Clone(body)
		req, shape, err := Decode(body)
		if !bytes.Equal(body, kept) {
			t.Error("the body was changed")
		}
		if err != nil {
			return []txtar.File{{Name: "error", Data: fmt.Appendf(nil, "%s: %s\n", llm.AsError(err).Param, llm.AsError(err).Message)}}
		}
		return []txtar.File{{Name: "decoded", Data: []byte(dump(req, shape))}}
	})
}

// dump writes a request, a line for each thing that it says.
func dump(req *llm.ChatRequest, shape Shape) string {
	var b strings.Builder
	for _, m := range req.Messages {
		fmt.Fprintf(&b, "%s %d\n", m.Role, m.Index)
		for _, part := range m.Parts {
			fmt.Fprintf(&b, "  %s\n", dumpPart(part))
		}
	}
	for _, tool := range req.Tools {
		fmt.Fprintf(&b, "tool %d %q %q %s strict=%v static=%s cache=%v\n", tool.Index, tool.Name, tool.Description, tool.Schema, tool.Strict, tool.Static, tool.Cache)
	}
	rest := *req
	rest.Messages, rest.Tools, rest.Config = nil, nil, nil
	for _, line := range [][]byte{dumpJSON(rest), dumpJSON(shape)} {
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func dumpPart(part llm.Part) string {
	switch p := part.(type) {
	case llm.Text:
		return fmt.Sprintf("text %q", p.Text)
	case llm.Reasoning:
		return fmt.Sprintf("reasoning %q signature=%q redacted=%q", p.Text, p.Signature, p.Redacted)
	case llm.Blob:
		return fmt.Sprintf("blob %s %q base64=%s bytes=%q at %s", p.MIME, p.Name, p.Base64, p.Bytes, p.At)
	case llm.Link:
		return fmt.Sprintf("link %s %s %q at %s", p.URL, p.MIME, p.Name, p.At)
	case llm.ToolCall:
		return fmt.Sprintf("call %s %s %s", p.ID, p.Name, p.Args)
	case llm.ToolResult:
		lines := []string{fmt.Sprintf("result %s failed=%v", p.ID, p.Failed)}
		for _, inner := range p.Parts {
			lines = append(lines, "    "+dumpPart(inner))
		}
		return strings.Join(lines, "\n")
	case llm.CachePoint:
		return fmt.Sprintf("cache %v at %s", p.TTL, p.At)
	}
	return "?"
}

// dumpJSON is a value's members that say something.
func dumpJSON(v any) []byte {
	doc, err := json.Marshal(v)
	if err != nil {
		return []byte(err.Error())
	}
	var all map[string]any
	if err := json.Unmarshal(doc, &all); err != nil {
		return []byte(err.Error())
	}
	prune(all)
	doc, _ = json.Marshal(all)
	return doc
}

func prune(object map[string]any) {
	for name, value := range object {
		if inner, ok := value.(map[string]any); ok {
			prune(inner)
		}
		switch fmt.Sprint(value) {
		case "map[]", "[]", "", "0", "false", "<nil>":
			delete(object, name)
		}
	}
}

// TestDecodeIsBounded: many of something small are refused where they are too many.
func TestDecodeIsBounded(t *testing.T) {
	copies := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	for want, body := range map[string]string{
		"messages: too many messages":                                  bodyOf(copies(maxMessages+1, hi), ""),
		"messages[0].content: too many blocks":                         bodyOf(`{"role":"user","content":[`+copies(maxBlocks+1, `{"type":"text","text":"a"}`)+`]}`, ""),
		"system: too many blocks":                                      bodyOf(hi, `,"system":[`+copies(maxBlocks+1, `{"type":"text","text":"a"}`)+`]`),
		"tools: too many tools":                                        bodyOf(hi, `,"tools":[`+copies(maxTools+1, `{"name":"f"}`)+`]`),
		"stop_sequences: too many strings":                             bodyOf(hi, `,"stop_sequences":[`+copies(maxStops+1, `"a"`)+`]`),
		"messages[0].content[0].content: too many blocks":              bodyOf(`{"role":"user","content":[{"type":"tool_result","content":[`+copies(maxBlocks+1, `{"type":"text","text":"a"}`)+`]}]}`, ""),
		"messages[0].content[0].source.content: too many blocks":       bodyOf(`{"role":"user","content":[{"type":"document","source":{"type":"content","content":[`+copies(maxBlocks+1, `{"type":"text","text":"a"}`)+`]}}]}`, ""),
		"x63: too many members in its object; at most 64 are accepted": `{"messages":[],` + numbered(100) + `}`,
		"messages[0].x63: too many members in its object":              `{"messages":[{"role":"user",` + numbered(100) + `}]}`,
	} {
		_, _, err := Decode([]byte(body))
		if e := llm.AsError(err); err == nil || !strings.HasPrefix(e.Message, want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	many := bodyOf(copies(1+maxFiles/maxBlocks, `{"role":"user","content":[`+copies(maxBlocks, `{"type":"image","source":{"type":"url","url":"https://a/b"}}`)+`]}`), "")
	if _, _, err := Decode([]byte(many)); err == nil || !strings.Contains(err.Error(), "too many files") {
		t.Errorf("files: got %v", err)
	}
}

func numbered(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"x%d":1`, i)
	}
	return strings.Join(members, ",")
}

// FuzzDecode: nothing that a stranger sends ends the process, a body is read and not changed, what is not
// JSON is refused, and Peek agrees about what is.
func FuzzDecode(f *testing.F) {
	paths, _ := filepath.Glob("testdata/decode/*.txtar")
	for _, path := range paths {
		if archive, err := txtar.ParseFile(path); err == nil {
			f.Add(bytes.TrimSpace(archive.Files[0].Data))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := bytes.Clone(body)
		req, shape, err := Decode(body)
		if !bytes.Equal(body, kept) {
			t.Fatal("the body was changed")
		}
		head, peekErr := Peek(body)
		if err != nil {
			if e := llm.AsError(err); e.Kind != llm.KindInvalid || e.Message == "" {
				t.Fatalf("not an error for a client: %v", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("what is not JSON was accepted")
		}
		if peekErr != nil || head.Model != shape.Model || head.Stream != shape.Stream {
			t.Fatalf("Peek has %+v, %v; Decode has %+v", head, peekErr, shape)
		}
		for _, m := range req.Messages {
			if m.Role < llm.RoleSystem || m.Role > llm.RoleTool {
				t.Fatalf("a role %d", m.Role)
			}
			if slices.Contains(m.Parts, nil) {
				t.Fatal("a part that is nil")
			}
		}
	})
}

// agentBody is 50 KB: 20 tools, 8 turns of tool use, as an agent sends it.
func agentBody() []byte {
	var b strings.Builder
	b.WriteString(`{"model":"m","max_tokens":32000,"stream":true,"system":[{"type":"text","text":"You are an agent.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"Go on."}`)
	for i := range 8 {
		fmt.Fprintf(&b, `,{"role":"assistant","content":[{"type":"text","text":"I look."},{"type":"tool_use","id":"toolu_%d","name":"tool_%d","input":{"path":"/src/%d","text":"%s"}}]}`,
			i, i, i, strings.Repeat(`line of code();\n`, 60))
		fmt.Fprintf(&b, `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_%d","content":[{"type":"text","text":"%s"}]}]}`, i, strings.Repeat(`result of the tool\n`, 130))
	}
	b.WriteString(`],"tools":[`)
	for i := range 20 {
		var properties strings.Builder
		for j := range 9 {
			fmt.Fprintf(&properties, `,"p%d":{"type":"string","description":"What the parameter of this number is meant for, at length."}`, j)
		}
		fmt.Fprintf(&b, `%s{"name":"tool_%d","description":"Does what it says.","input_schema":{"type":"object","properties":{%s},"required":["p0"]}}`,
			[]string{"", ","}[min(i, 1)], i, properties.String()[1:])
	}
	b.WriteString("]}")
	return []byte(b.String())
}

func BenchmarkDecode(b *testing.B) {
	image := fmt.Appendf(nil, `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%s"}}]}]}`, strings.Repeat("iVBORw0K", 1<<17))
	for name, body := range map[string][]byte{"50KB-tools": agentBody(), "1MB-image": image} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("peek-"+name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Peek(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
