package openai

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"outcrop/internal/llm"
)

func TestDecodeFixtures(t *testing.T) {
	forEachFixture(t, "decode", 45, func(t *testing.T, f *fixture) {
		req, shape, err := DecodeChat([]byte(expand(t, f.section("request"))))
		if err != nil {
			f.drop(t, "llm")
			f.expect(t, "error", dumpError(t, err))
			return
		}
		f.drop(t, "error")
		f.expect(t, "llm", dumpRequest(req, shape))
	})
}

// expand writes out what a fixture only counts: <<3 * "x#":1>> is "x0":1,"x1":1,"x2":1.
func expand(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	for {
		before, rest, _ := strings.Cut(text, "<<")
		b.WriteString(before)
		if rest == "" {
			return b.String()
		}
		count, rest, _ := strings.Cut(rest, " * ")
		thing, after, ok := strings.Cut(rest, ">>")
		n, err := strconv.Atoi(count)
		if err != nil || !ok {
			t.Fatalf("not a repetition: <<%s", rest)
		}
		b.WriteString(copies(n, thing))
		text = after
	}
}

func dumpError(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*llm.Error](err)
	if !ok || e.Kind != llm.KindInvalid {
		t.Fatalf("not an invalid-request error: %v", err)
	}
	if len(e.Message) > longestMessage || len(e.Param) > longestParam {
		t.Errorf("a message of %d bytes, a param of %d", len(e.Message), len(e.Param))
	}
	return fmt.Sprintf("param %s\n%s\n", e.Param, e.Message)
}

// dumpRequest writes all of a request that is not zero, one thing a line.
func dumpRequest(req *llm.ChatRequest, shape Shape) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if shape.Model != "" {
		line("model %q", shape.Model)
	}
	line("stream=%t include_usage=%t whole=%t", shape.Stream, shape.IncludeUsage, req.Whole)
	if p := req.Sampling.Temperature; p != nil {
		line("temperature %g", *p)
	}
	if p := req.Sampling.TopP; p != nil {
		line("top_p %g", *p)
	}
	if req.MaxTokens != 0 {
		line("max_tokens %d", req.MaxTokens)
	}
	if len(req.Stop) > 0 {
		line("stop %q", req.Stop)
	}
	for _, m := range req.Messages {
		line("[%d] %s", m.Index, m.Role)
		dumpParts(&b, "  ", m.Parts)
	}
	for _, tool := range req.Tools {
		line("tool %q %q %s", tool.Name, tool.Description, tool.Schema)
	}
	if c := req.ToolChoice; c.Mode != llm.ToolAuto {
		line("tool choice %s", strings.TrimSpace([]string{"auto", "none", "required", "named"}[c.Mode]+" "+c.Name))
	}
	for _, path := range shape.Ignored {
		line("ignored %s", path)
	}
	return b.String()
}

func dumpParts(b *strings.Builder, indent string, parts []llm.Part) {
	for _, part := range parts {
		switch p := part.(type) {
		case llm.Text:
			fmt.Fprintf(b, "%stext %q\n", indent, p.Text)
		case llm.Blob:
			fmt.Fprintf(b, "%sblob %s base64 %s\n", indent, p.MIME, p.Base64)
		case llm.ToolCall:
			fmt.Fprintf(b, "%scall %s %s %s\n", indent, p.ID, p.Name, p.Args)
		case llm.ToolResult:
			fmt.Fprintf(b, "%sresult %s\n", indent, p.ID)
			dumpParts(b, indent+"  ", p.Parts)
		default:
			fmt.Fprintf(b, "%sUNEXPECTED %T\n", indent, part)
		}
	}
}
