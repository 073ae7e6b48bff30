package openai

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
)

func TestDecodeFixtures(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	forEachFixture(t, "decode", 45, func(t *testing.T, f *fixture) {
		req, shape, err := DecodeChatAt([]byte(expand(t, f.section("request"))), now)
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
	if p := req.Sampling.Seed; p != nil {
		line("seed %d", *p)
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
		line("tool %q %q %s%s%s", tool.Name, tool.Description, tool.Schema, when(tool.Strict, " strict"), dumpCache(tool.Cache))
	}
	dumpOptions(line, req, &shape)
	if c := req.ToolChoice; c.Mode != llm.ToolAuto {
		line("tool choice %s", strings.TrimSpace([]string{"auto", "none", "required", "named"}[c.Mode]+" "+c.Name))
	}
	for _, path := range shape.Ignored {
		line("ignored %s", path)
	}
	for _, path := range shape.Changed {
		line("changed %s", path)
	}
	return b.String()
}

// dumpOptions writes what a request asks beside its messages, tools and sampling.
func dumpOptions(line func(string, ...any), req *llm.ChatRequest, shape *Shape) {
	if req.OneTool {
		line("one tool")
	}
	if f := req.Format; f.Kind != llm.FormatText {
		line("format %s %q %q %s%s", []string{"text", "json", "schema"}[f.Kind], f.Name, f.Description, f.Schema, when(f.Strict, " strict"))
	}
	for _, option := range [][2]string{{"effort", req.Effort}, {"tier", req.Tier}, {"config", string(req.Config)}} {
		if option[1] != "" {
			line("%s %s", option[0], option[1])
		}
	}
	if req.NoAutoCache {
		line("no automatic cache points")
	}
	if shape.N != 1 {
		line("n %d", shape.N)
	}
	if shape.MaxPromptTokens != 0 {
		line("max_prompt_tokens %d", shape.MaxPromptTokens)
	}
	if shape.Functions {
		line("functions")
	}
}

func when(set bool, word string) string {
	if set {
		return word
	}
	return ""
}

func dumpCache(p *llm.CachePoint) string {
	if p == nil {
		return ""
	}
	text := " cache"
	if p.TTL != 0 {
		text += " " + p.TTL.String()
	}
	if p.At != "" {
		text += " at " + string(p.At)
	}
	return text
}

func dumpParts(b *strings.Builder, indent string, parts []llm.Part) {
	for _, part := range parts {
		switch p := part.(type) {
		case llm.Text:
			fmt.Fprintf(b, "%stext %q\n", indent, p.Text)
		case llm.Blob:
			fmt.Fprintf(b, "%sblob %q", indent, p.MIME)
			if p.Bytes != nil {
				fmt.Fprintf(b, " bytes %q", p.Bytes)
			} else {
				fmt.Fprintf(b, " base64 %s", p.Base64)
			}
			fmt.Fprintf(b, "%s at %s\n", when(p.Name != "", fmt.Sprintf(" name %q", p.Name)), p.At)
		case llm.Link:
			fmt.Fprintf(b, "%slink %q %s%s at %s\n", indent, p.MIME, p.URL, when(p.Name != "", fmt.Sprintf(" name %q", p.Name)), p.At)
		case llm.CachePoint:
			fmt.Fprintf(b, "%s%s\n", indent, strings.TrimSpace(dumpCache(&p)))
		case llm.Reasoning:
			fmt.Fprintf(b, "%sreasoning %q signature %q redacted %q\n", indent, p.Text, p.Signature, p.Redacted)
		case llm.ToolCall:
			fmt.Fprintf(b, "%scall %s %s %s\n", indent, p.ID, p.Name, p.Args)
		case llm.ToolResult:
			fmt.Fprintf(b, "%sresult %s%s\n", indent, p.ID, when(p.Failed, " failed"))
			dumpParts(b, indent+"  ", p.Parts)
		default:
			fmt.Fprintf(b, "%sUNEXPECTED %T\n", indent, part)
		}
	}
}
