package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"outcrop/internal/llm"
)

func TestEmbeddingsFixtures(t *testing.T) {
	forEachFixture(t, "embeddings", 30, func(t *testing.T, f *fixture) {
		req, shape, err := DecodeEmbeddings([]byte(expand(t, f.section("request"))))
		if err != nil {
			f.drop(t, "llm")
			f.expect(t, "error", dumpError(t, err))
			return
		}
		f.drop(t, "error")
		f.expect(t, "llm", dumpEmbed(req, shape))
	})
}

// dumpEmbed writes all of a request that is not zero, one thing a line.
func dumpEmbed(req *llm.EmbedRequest, shape EmbedShape) string {
	var b strings.Builder
	for _, option := range [][2]string{{"model", shape.Model}, {"type", req.Type}, {"instruction", req.Instruction}, {"config", string(req.Config)}} {
		if option[1] != "" {
			fmt.Fprintf(&b, "%s %s\n", option[0], option[1])
		}
	}
	if req.Dimensions != 0 {
		fmt.Fprintf(&b, "dimensions %d\n", req.Dimensions)
	}
	if shape.Base64 {
		b.WriteString("in base64\n")
	}
	for _, input := range req.Inputs {
		fmt.Fprintf(&b, "%s\n", input.At)
		dumpParts(&b, "  ", input.Parts)
	}
	if len(req.Inputs) == 0 {
		b.WriteString("no inputs\n")
	}
	for _, path := range shape.Ignored {
		fmt.Fprintf(&b, "ignored %s\n", path)
	}
	return b.String()
}

// embedExamples are requests by a member that they have.
func embedExamples() map[string]string {
	file := func(members string) string { return `{"custom_input":["a",{` + members + `}]}` }
	return map[string]string{
		"model": `{"model":"m","input":"a"}`, "input": `{"input":"a","custom_input":[]}`, "custom_input": `{"input":"a","custom_input":["b"]}`,
		"dimensions": `{"input":"a","dimensions":5}`, "encoding_format": `{"input":"a","encoding_format":"base64"}`, "user": `{"input":"a","user":"u"}`,
		"custom_fields":               `{"input":"a","custom_fields":{"type":"t"}}`,
		"custom_fields.type":          `{"input":"a","custom_fields":{"type":"t"}}`,
		"custom_fields.instruction":   `{"input":"a","custom_fields":{"instruction":"i"}}`,
		"custom_fields.configuration": `{"input":"a","custom_fields":{"configuration":{"a":1}}}`,
		"custom_input[].type":         file(`"type":"image/png","data":"AAAA"`), "custom_input[].data": file(`"type":"image/png","data":"AAAA"`),
		"custom_input[].title": file(`"title":"t","data":"AAAA"`), "custom_input[].url": file(`"url":"files/a"`),
		"custom_input[].reference_type": file(`"data":"AAAA","reference_type":"r"`), "custom_input[].reference_url": file(`"data":"AAAA","reference_url":"r"`),
		"custom_input[].index": file(`"data":"AAAA","index":7`),
	}
}

// The table says what the decoder does, and has every member that OpenAI and DIAL name.
func TestEmbeddingFields(t *testing.T) {
	examples := embedExamples()
	var got []string
	for _, field := range EmbeddingFields() {
		got = append(got, field.Path)
		t.Run(field.Path, func(t *testing.T) {
			body := examples[field.Path]
			rest, found := without(t, body, field.Path)
			if !found {
				t.Fatalf("the example does not have the member: %s", body)
			}
			req, shape, err := DecodeEmbeddings([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			listed := slices.ContainsFunc(shape.Ignored, func(path string) bool { return general(path) == field.Path })
			if listed != (field.Fate == Ignored) {
				t.Errorf("%s, says the table; ignored are %q", field.Fate, shape.Ignored)
			}
			if field.Fate == Ignored {
				return
			}
			bare, bareShape, err := DecodeEmbeddings(rest)
			shape.Ignored, bareShape.Ignored = nil, nil
			if err == nil && dumpEmbed(req, shape) == dumpEmbed(bare, bareShape) {
				t.Errorf("has no effect: %s", body)
			}
		})
	}
	if diff := cmp.Diff(names(t, "embeddings-request-members.txt"), got); diff != "" {
		t.Errorf("(-the list +EmbeddingFields):\n%s", diff)
	}
}

func TestEmbedDefaults(t *testing.T) {
	defaults, err := ParseEmbedDefaults([]byte(`{"dimensions":256,"encoding_format":"base64","custom_fields":{"type":"search_query","instruction":"i","configuration":{"a":1}},"max_tokens":5}`))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(defaults.Ignored, []string{"max_tokens"}) {
		t.Errorf("ignored %q", defaults.Ignored)
	}
	tests := map[string]string{
		`{"input":"a"}`: "type search_query\ninstruction i\nconfig {\"a\":1}\ndimensions 256\nin base64\ninput\n  text \"a\"\n",
		`{"input":"a","dimensions":512,"encoding_format":"float","custom_fields":{"type":"t"}}`: "type t\ndimensions 512\ninput\n  text \"a\"\n",
		`{"input":"a","dimensions":null,"encoding_format":null,"custom_fields":{}}`:             "input\n  text \"a\"\n",
	}
	for body, want := range tests {
		req, shape, err := DecodeEmbeddings([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		defaults.Apply(req, &shape)
		if diff := cmp.Diff(want, dumpEmbed(req, shape)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
		(*EmbedDefaults)(nil).Apply(req, &shape)
	}
}

func TestEmbedDefaultsAreRefused(t *testing.T) {
	tests := map[string]string{
		`{"input":"a"}`:           "input: has no default; only a request can say it.",
		`{"custom_input":[]}`:     "custom_input: has no default; only a request can say it.",
		`{"model":"m"}`:           "model: has no default; only a request can say it.",
		`{"dimensions":-1}`:       "dimensions: expected an integer from 1 to 65536.",
		`{"encoding_format":"x"}`: "encoding_format: expected float or base64.",
		`[]`:                      "The document of defaults is not an embeddings request: expected an object, got an array.",
		`{`:                       "The document of defaults is not valid JSON: line 1, column 2: unexpected end of input, expected a member name in quotes.",
	}
	for doc, want := range tests {
		_, err := ParseEmbedDefaults([]byte(doc))
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Message != want {
			t.Errorf("%s: got %v, want %q", doc, err, want)
		}
	}
}

func FuzzDecodeEmbeddings(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "embeddings", "*.txtar"))
	if err != nil || len(paths) == 0 {
		f.Fatal("no fixtures: ", err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if request := archive.Files[0].Data; !bytes.Contains(request, []byte("<<")) {
			f.Add(request)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, shape, err := DecodeEmbeddings(body)
		if err != nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindInvalid || e.Message == "" || !utf8.ValidString(e.Message+e.Param) ||
				len(e.Message) > longestMessage || len(e.Param) > longestParam {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is not JSON and was accepted", body)
		}
		if diff := cmp.Diff(oracleInputs(t, body), toldInputs(req, shape)); diff != "" {
			t.Fatalf("%q (-encoding/json +ours):\n%s", body, diff)
		}
		for _, input := range req.Inputs {
			checkParts(t, body, input.Parts, true)
		}
		if len(shape.Ignored) > maxIgnored+1 || slices.Contains(shape.Ignored, "") || req.Config != nil && !json.Valid(req.Config) {
			t.Fatalf("%q: %+v", body, shape)
		}
	})
}

// toldInputs lists a request's options, and of every input its place and its texts.
func toldInputs(req *llm.EmbedRequest, shape EmbedShape) []string {
	told := []string{shape.Model, req.Type, req.Instruction, fmt.Sprint(req.Dimensions, shape.Base64)}
	for _, input := range req.Inputs {
		told = append(told, "at "+input.At)
		for _, part := range input.Parts {
			if text, ok := part.(llm.Text); ok {
				told = append(told, text.Text)
			} else {
				told = append(told, "(a file)")
			}
		}
	}
	return told
}

// oracleInputs is what encoding/json finds of the same.
func oracleInputs(t *testing.T, body []byte) []string {
	t.Helper()
	var doc map[string]any
	numbers := json.NewDecoder(bytes.NewReader(body))
	numbers.UseNumber()
	if err := numbers.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	text := func(v any) string { s, _ := v.(string); return s }
	fields, _ := doc["custom_fields"].(map[string]any)
	dimensions := 0.0
	if n, ok := doc["dimensions"].(json.Number); ok {
		dimensions, _ = n.Float64()
	}
	told := []string{text(doc["model"]), text(fields["type"]), text(fields["instruction"]), fmt.Sprint(int(dimensions), doc["encoding_format"] == "base64")}
	if s, ok := doc["input"].(string); ok {
		told = append(told, "at input", s)
	}
	list, _ := doc["input"].([]any)
	for i, v := range list {
		told = append(told, fmt.Sprintf("at input[%d]", i), v.(string))
	}
	list, _ = doc["custom_input"].([]any)
	for i, v := range list {
		told = append(told, fmt.Sprintf("at custom_input[%d]", i))
		pieces, ok := v.([]any)
		if !ok {
			pieces = []any{v}
		}
		for _, piece := range pieces {
			if s, ok := piece.(string); ok {
				told = append(told, s)
			} else {
				told = append(told, "(a file)")
			}
		}
	}
	return told
}

// TestEmbeddingsTakeLittle: as TestHostileBodiesTakeLittle.
func TestEmbeddingsTakeLittle(t *testing.T) {
	const size = 6 << 20
	tests := map[string]struct {
		body     string
		accepted bool
	}{
		"tokens":           {`{"input":[` + copies(size/2, `1`) + `]}`, false},
		"lists of tokens":  {`{"input":[` + copies(size/4, `[1]`) + `]}`, false},
		"texts":            {`{"input":[` + copies(size/4, `"a"`) + `]}`, false},
		"unknown names":    {`{"input":"a",` + copies(size/12, `"x#":1`) + `}`, false},
		"deep":             {`{"input":` + strings.Repeat("[", size) + `}`, false},
		"deep custom":      {`{"custom_input":` + strings.Repeat("[", size) + `}`, false},
		"many texts":       {`{"input":[` + copies(maxInputs, `"`+strings.Repeat("a", size/maxInputs)+`"`) + `]}`, true},
		"one escaped text": {`{"input":"` + strings.Repeat(`\u0061`, size/6) + `"}`, true},
		"parts":            {`{"custom_input":[` + copies(maxInputs, `[`+copies(maxInputParts, `"`+strings.Repeat("a", 30)+`"`)+`]`) + `]}`, true},
		"files": {`{"custom_input":[` + copies(maxFiles, `{"url":"https://`+strings.Repeat("a", size/maxFiles)+`"}`) +
			`]}`, true},
		"ignored": {`{"custom_input":[` + copies(maxFiles, `{"url":"files/a",`+copies(90, `"x#":1`)+`}`) + `]}`, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body := []byte(tt.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, _, err := DecodeEmbeddings(body)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			spent := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes: %.2f times as much memory, %s", len(body), float64(spent)/float64(len(body)), took)
			if spent > 6*uint64(len(body))+1<<20 || took > 20*time.Second || (err == nil) != tt.accepted {
				t.Errorf("%d bytes: %d bytes allocated in %s, %v", len(body), spent, took, err)
			}
		})
	}
}

func embedBody() []byte {
	return []byte(`{"model":"titan","input":[` + copies(100, `"`+strings.Repeat("The quick brown fox jumps over the lazy dog. ", 12)+`"`) + `],"encoding_format":"base64"}`)
}

func BenchmarkDecodeEmbeddings(b *testing.B) {
	embedded := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("image"), 200_000))
	for name, body := range map[string][]byte{"100-texts": embedBody(), "1MB-image": []byte(`{"custom_input":[{"type":"image/png","data":"` + embedded + `"}]}`)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := DecodeEmbeddings(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
