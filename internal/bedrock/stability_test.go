package bedrock

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

func TestNearestRatio(t *testing.T) {
	for size, want := range map[[2]int]string{
		{1024, 1024}: "1:1", {1, 1}: "1:1", {1536, 1024}: "3:2", {1024, 1536}: "2:3", {1792, 1024}: "16:9", {1024, 1792}: "9:16",
		{1280, 1024}: "5:4", {99999, 1}: "21:9", {1, 99999}: "9:21", {256, 250}: "1:1",
	} {
		if got := nearestRatio(size[0], size[1]); got != want {
			t.Errorf("%v: got %s, want %s", size, got, want)
		}
	}
}

// Every image model of the catalogue that AWS serves has a service of its own in the table, whose inputs are
// those that the catalogue tells.
func TestEveryImageModelHasItsService(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, m := range catalogue.All() {
		if m.Kind != models.Image || m.Lifecycle.Status == models.EndOfLife {
			continue
		}
		tr := traitsOf(catalogue, m.ID, "")
		s := tr.imageService()
		if s.name == "" || !strings.HasPrefix(m.Base, stabilityPrefix+s.name) {
			t.Errorf("%s has no service", m.ID)
		}
		if takes := has(m.Input, "image"); takes != (s.image != needless) {
			t.Errorf("%s takes images: %t, says the catalogue", m.ID, takes)
		}
		served[s.name] = true
	}
	for _, s := range imageServices() {
		if s.name != "" && !served[s.name] {
			t.Errorf("%s is no service of the catalogue's", s.name)
		}
		for _, p := range append(s.properties(), property{schema: `"type":"string"`}) {
			if !json.Valid([]byte("{" + p.schema + "}")) {
				t.Errorf("%s.%s: %s", s.name, p.name, p.schema)
			}
		}
	}
}

func TestParameters(t *testing.T) {
	for _, tt := range []struct {
		p     parameter
		value string
		want  string
	}{
		{number("a", "", 0.1, 1), "0.1", ""}, {number("a", "", 0.1, 1), "1", ""}, {number("a", "", 0.1, 1), "0.05", "a number from 0.1 to 1"},
		{number("a", "", 0, 1), `"1"`, "a number from 0 to 1"}, {integer("a", "", 0, 20), "20", ""}, {integer("a", "", 0, 20), "1.5", "a whole number from 0 to 20"},
		{integer("a", "", 0, 20), "-1", "a whole number from 0 to 20"}, {integer("a", "", 0, largestSeed), "4294967294", ""}, {integer("a", "", 0, 9), "1e99", "a whole number from 0 to 9"},
		{neededText("a", ""), `"x"`, ""}, {neededText("a", ""), `""`, "a string that is not empty"}, {neededText("a", ""), "[]", "a string that is not empty"},
		{neededText("a", ""), `"` + strings.Repeat("é", longestRun) + `"`, ""},
		{neededText("a", ""), `"` + strings.Repeat("é", longestRun+1) + `"`, "a string of at most 10000 characters"},
	} {
		if got := tt.p.read(nil, json.RawMessage(tt.value)); got != tt.want {
			t.Errorf("%.20s: got %q, want %q", tt.value, got, tt.want)
		}
	}
}

// picture is a request for an image with images of so many bytes.
func pictures(sizes ...int) *llm.ChatRequest {
	req := question("A fox")
	for _, size := range sizes {
		data := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, size)...)
		req.Messages[0].Parts = append(req.Messages[0].Parts, llm.Blob{Bytes: data, At: "content[1].image_url.url"})
	}
	return req
}

// An image that Bedrock would not take for its length is refused before it is sent, and never tried again.
func TestAnImageMayBeTooLarge(t *testing.T) {
	c := testClient(t, Options{Transport: respond(func(*http.Request) (*http.Response, error) {
		t.Error("AWS was called")
		return nil, io.ErrUnexpectedEOF
	})})
	m, err := c.Model("us.stability.stable-image-inpaint-v1:0", ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = llm.Collect(m.Chat(t.Context(), pictures(10<<20, 9<<20)))
	e := llm.AsError(err)
	if e.Kind != llm.KindTooLarge || e.Param != "messages[0].content[1].image_url.url" || !strings.Contains(e.Message, "25") {
		t.Errorf("got %+v", e)
	}
}

// A model that makes no images refuses a request for one on every surface, and the operator's guardrail holds
// for those that do.
func TestPicturesAreForImageModels(t *testing.T) {
	req := question("A fox")
	req.Picture = &llm.Picture{}
	for _, id := range []string{"us.amazon.nova-lite-v1:0", "qwen.qwen3-32b", "openai.gpt-5.4-2026-03-05", "us.twelvelabs.pegasus-1-2-v1:0"} {
		m, err := testClient(t, Options{}).Model(id, ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = llm.Collect(m.Chat(t.Context(), req))
		if e := llm.AsError(err); e.Kind != llm.KindInvalid || e.Param != "model" {
			t.Errorf("%s: %v", id, err)
		}
	}
	m, err := testClient(t, Options{}).Model("stability.sd3-5-large-v1:0", ModelOptions{Guardrail: &Guardrail{ID: "g", Version: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	for config, param := range map[string]string{
		`{"guardrailConfig":{"guardrailIdentifier":"mine","guardrailVersion":"1"}}`: configPath + ".guardrailConfig",
		`{"amazon-bedrock-guardrailConfig":{"tagSuffix":"x"}}`:                      configPath + ".amazon-bedrock-guardrailConfig",
		`{"seed":1,"seed":2}`: configPath + ".seed",
		`[]`:                  configPath,
	} {
		own := question("A fox")
		own.Config = []byte(config)
		_, err := m.Explain(t.Context(), own)
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindInvalid || e.Param != param {
			t.Errorf("%s: %v", config, err)
		}
	}
	e, err := m.Explain(t.Context(), question("A fox"))
	if err != nil || e.Surface != SurfaceInvoke || !strings.HasSuffix(e.URL, "/invoke") || !e.Whole || e.Header.Get(headerGuardrail) != "g" {
		t.Errorf("%+v, %v", e, err)
	}
}

// Whatever the answer is, it is an image, a filter or a failure.
func TestStabilityAnswers(t *testing.T) {
	usage := llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Images: 2}}
	jpeg := llm.BlobOut{Blob: llm.Blob{MIME: "image/jpeg", Name: "Image", Base64: "/9j/4AAQ"}}
	unknown := llm.BlobOut{Blob: llm.Blob{MIME: "image/png", Name: "Image", Base64: "AAAA"}}
	events, err := wholeStability([]byte(`{"images":["/9j/4AAQ",null,"AAAA"],"finish_reasons":["SUCCESS",null],"new":{}}`), nil)
	if diff := cmp.Diff([]llm.Event{jpeg, unknown, usage}, events); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for body, want := range map[string]llm.Kind{
		`{"images":["AAAA"],"finish_reasons":[null,"Filter reason: output image"]}`: llm.KindContentFilter,
		`{"images":[],"finish_reasons":["Filter reason: moon"]}`:                    llm.KindContentFilter,
		`{"images":[],"finish_reasons":["Inference error"]}`:                        llm.KindUpstream,
		`{"images":["AAAA"],"amazon-bedrock-guardrailAction":"INTERVENED"}`:         llm.KindContentFilter,
		`{"images":["AAAA"],"amazon-bedrock-guardrailAction":"NONE"}`:               llm.KindInternal, // none
		`{"images":[]}`:      llm.KindInternal,
		`{"images":["AAAA"]`: llm.KindInternal,
		`{"images":"AAAA"}`:  llm.KindInternal,
		``:                   llm.KindInternal,
	} {
		events, err := wholeStability([]byte(body), nil)
		switch e, ok := errors.AsType[*llm.Error](err); {
		case strings.Contains(body, "NONE"):
			if err != nil || len(events) != 2 {
				t.Errorf("%s: %v", body, err)
			}
		case err == nil, want != llm.KindInternal && (!ok || e.Kind != want || e.Message == ""), want == llm.KindInternal && ok:
			t.Errorf("%s: %v", body, err)
		}
	}
	if e := llm.AsError(noImage("Filter reason: the client's secret")); strings.Contains(e.Error(), "secret") {
		t.Errorf("the log would quote the answer: %v", e)
	}
}
