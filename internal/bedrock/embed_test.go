package bedrock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// vectorPlane is an InvokeModel that answers as a function says and remembers what it was asked.
type vectorPlane struct {
	mu     sync.Mutex
	asked  []string // bodies
	header []http.Header
	answer func(body string) (status int, errorType, text string)
}

func (p *vectorPlane) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.asked = append(p.asked, string(body))
	p.header = append(p.header, r.Header)
	p.mu.Unlock()
	status, errorType, text := p.answer(string(body))
	resp := httpAnswer(status, errorType, text)
	if status == http.StatusOK {
		resp.Header.Set(headerInputTokens, "7")
	}
	return resp, nil
}

func planeOf(t *testing.T, id string, o ModelOptions, answer func(body string) (int, string, string)) (*Model, *vectorPlane) {
	t.Helper()
	p := &vectorPlane{answer: answer}
	m, err := testClient(t, Options{Transport: p}).Model(id, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, p
}

// always is one answer.
func always(body string) func(string) (int, string, string) {
	return func(string) (int, string, string) { return http.StatusOK, "", body }
}

// textsOf is a request of these texts.
func textsOf(texts ...string) *llm.EmbedRequest {
	req := &llm.EmbedRequest{}
	for i, text := range texts {
		req.Inputs = append(req.Inputs, llm.EmbedInput{Parts: []llm.Part{llm.Text{Text: text}}, At: fmt.Sprintf("input[%d]", i)})
	}
	return req
}

// partsOf is a request of one input.
func partsOf(parts ...llm.Part) *llm.EmbedRequest {
	return &llm.EmbedRequest{Inputs: []llm.EmbedInput{{Parts: parts, At: "custom_input[0]"}}}
}

// numbersOf is a JSON array of n ones.
func numbersOf(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }

const (
	titan1     = "amazon.titan-embed-text-v1"
	titan2     = "amazon.titan-embed-text-v2:0"
	titanImage = "amazon.titan-embed-image-v1"
	cohere3    = "cohere.embed-english-v3"
	cohere4    = "cohere.embed-v4:0"
	novaEmbeds = "amazon.nova-2-multimodal-embeddings-v1:0"
	marengo2   = "us.twelvelabs.marengo-embed-2-7-v1:0"
	marengo3   = "twelvelabs.marengo-embed-3-0-v1:0"
)

// but changes a request.
func but(req *llm.EmbedRequest, change func(*llm.EmbedRequest)) *llm.EmbedRequest {
	change(req)
	return req
}

// TestEmbeddingBodies: what each family is asked.
func TestEmbeddingBodies(t *testing.T) {
	png := llm.Blob{MIME: "image/png", Base64: pixel}
	dims := func(n int) func(*llm.EmbedRequest) { return func(r *llm.EmbedRequest) { r.Dimensions = n } }
	config := func(s string) func(*llm.EmbedRequest) { return func(r *llm.EmbedRequest) { r.Config = []byte(s) } }
	of := func(s string) func(*llm.EmbedRequest) { return func(r *llm.EmbedRequest) { r.Type = s } }
	sound := llm.Blob{Bytes: []byte("ID3\x04....")}
	tests := []struct {
		model   string
		req     *llm.EmbedRequest
		want    []string
		changed []string
	}{
		{titan1, textsOf("a \"b\""), []string{`{"inputText":"a \"b\""}`}, nil},
		{titan1, but(textsOf("a"), dims(1536)), []string{`{"inputText":"a"}`}, nil},
		{"amazon.titan-embed-g1-text-02", textsOf("a"), []string{`{"inputText":"a"}`}, nil},
		{titan2, but(but(textsOf("a"), dims(512)), config(`{"normalize":false,"embeddingTypes":["binary"]}`)),
			[]string{`{"inputText":"a","dimensions":512,"normalize":false,"embeddingTypes":["binary"]}`}, nil},
		{"amazon.titan-embed-text-v9:0", but(textsOf("a"), dims(99)), []string{`{"inputText":"a","dimensions":99}`}, nil},
		{titanImage, textsOf("a"), []string{`{"inputText":"a"}`}, nil},
		{titanImage, but(partsOf(png, llm.Text{Text: "a"}), dims(256)),
			[]string{`{"inputImage":"` + pixel + `","inputText":"a","embeddingConfig":{"outputEmbeddingLength":256}}`}, nil},
		{cohere3, but(textsOf("a", "b"), of("search_query")), []string{`{"texts":["a","b"],"input_type":"search_query"}`}, nil},
		{cohere3, but(textsOf("a"), config(`{"truncate":"LEFT"}`)), []string{`{"texts":["a"],"input_type":"search_document","truncate":"START"}`}, []string{typeField}},
		{cohere3, partsOf(png), []string{`{"images":["data:image/png;base64,` + pixel + `"],"input_type":"image"}`}, nil},
		{cohere3, but(partsOf(png), of("clustering")), []string{`{"images":["data:image/png;base64,` + pixel + `"],"input_type":"image"}`}, []string{typeField}},
		{cohere3, but(partsOf(png), of("image")), []string{`{"images":["data:image/png;base64,` + pixel + `"],"input_type":"image"}`}, nil},
		{cohere4, but(but(but(textsOf("a"), of("clustering")), dims(256)), config(`{"truncate":"END","embedding_types":["ubinary"],"max_tokens":100}`)),
			[]string{`{"texts":["a"],"input_type":"clustering","truncate":"RIGHT","embedding_types":["ubinary"],"output_dimension":256,"max_tokens":100}`}, nil},
		{cohere4, but(partsOf(png), of("clustering")), []string{`{"images":["data:image/png;base64,` + pixel + `"],"input_type":"clustering"}`}, nil},
		{cohere4, but(partsOf(llm.Text{Text: "a"}, png), of("clustering")),
			[]string{`{"inputs":[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + pixel + `"}}]}],"input_type":"clustering"}`}, nil},
		{novaEmbeds, but(textsOf("a"), dims(384)),
			[]string{`{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX","embeddingDimension":384,"text":{"truncationMode":"NONE","value":"a"}}}`}, []string{typeField}},
		{novaEmbeds, but(but(partsOf(png), of("IMAGE_RETRIEVAL")), config(`{"detailLevel":"DOCUMENT_IMAGE"}`)),
			[]string{`{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"IMAGE_RETRIEVAL","image":{"format":"png","detailLevel":"DOCUMENT_IMAGE","source":{"bytes":"` + pixel + `"}}}}`}, nil},
		{novaEmbeds, but(partsOf(sound), of("CLUSTERING")),
			[]string{`{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"CLUSTERING","audio":{"format":"mp3","source":{"bytes":"SUQzBC4uLi4="}}}}`}, nil},
		{novaEmbeds, but(partsOf(llm.Link{URL: "s3://b/k", MIME: "audio/mpeg"}), of("CLUSTERING")),
			[]string{`{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"CLUSTERING","audio":{"format":"mp3","source":{"s3Location":{"uri":"s3://b/k"}}}}}`}, nil},
		{novaEmbeds, but(partsOf(llm.Link{URL: "s3://b/k.3gp"}), of("CLUSTERING")),
			[]string{`{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"CLUSTERING","video":{"format":"3gp","embeddingMode":"AUDIO_VIDEO_COMBINED","source":{"s3Location":{"uri":"s3://b/k.3gp"}}}}}`}, nil},
		{marengo2, but(textsOf("a"), dims(1024)), []string{`{"inputType":"text","inputText":"a","textTruncate":"none"}`}, nil},
		{marengo2, but(textsOf("a"), config(`{"truncate":"END"}`)), []string{`{"inputType":"text","inputText":"a","textTruncate":"end"}`}, nil},
		{marengo2, partsOf(png), []string{`{"inputType":"image","mediaSource":{"base64String":"` + pixel + `"}}`}, nil},
		{marengo3, textsOf("a"), []string{`{"inputType":"text","text":{"inputText":"a"}}`}, nil},
		{marengo3, partsOf(llm.Link{URL: "s3://b/k.png"}), []string{`{"inputType":"image","image":{"mediaSource":{"s3Location":{"uri":"s3://b/k.png"}}}}`}, nil},
		{marengo3, partsOf(png, llm.Text{Text: "a"}), []string{`{"inputType":"text_image","text_image":{"inputText":"a","mediaSource":{"base64String":"` + pixel + `"}}}`}, nil},
	}
	for _, tt := range tests {
		p, err := planEmbed(modelTraits(t, tt.model), tt.req)
		if err != nil {
			t.Errorf("%s: %v", tt.model, err)
			continue
		}
		var got []string
		for _, b := range p.batches {
			body := p.family.write(p, b, nil)
			if !json.Valid(body) {
				t.Errorf("%s: not JSON: %s", tt.model, body)
			}
			if len(body) > b.size+bodyMargin {
				t.Errorf("%s: %d bytes, estimated at %d", tt.model, len(body), b.size)
			}
			got = append(got, string(body))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.model, diff)
		}
		if diff := cmp.Diff(tt.changed, p.changed); diff != "" {
			t.Errorf("%s, changed (-want +got):\n%s", tt.model, diff)
		}
	}
}

// TestEmbeddingsThatAreRefused: before any call, each with the field and what would do.
func TestEmbeddingsThatAreRefused(t *testing.T) {
	png, gif := llm.Blob{Base64: pixel}, llm.Blob{Bytes: []byte("GIF89a\x01\x00\x01\x00......")}
	large := llm.Blob{Bytes: append(pngHeader(10, 10), make([]byte, 5*megabyte)...)}
	tests := []struct {
		model       string
		req         *llm.EmbedRequest
		param, text string
	}{
		{titan1, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Dimensions = 256 }), "dimensions", "of the length 1536 only"},
		{titan2, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Dimensions = 300 }), "dimensions", "256, 512, 1024"},
		{cohere3, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Dimensions = 512 }), "dimensions", "of the length 1024 only"},
		{"twelvelabs.marengo-embed-9", but(textsOf("a"), func(r *llm.EmbedRequest) { r.Dimensions = 512 }), "dimensions", "cannot be chosen"},
		{titan2, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Dimensions = -1 }), "dimensions", "256, 512, 1024"},
		{titan1, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Instruction = "x" }), "custom_fields.instruction", "takes no instruction"},
		{titan1, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Type = "search_query" }), "custom_fields.type", "leave the field out"},
		{cohere4, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Type = "query" }), "custom_fields.type", "search_document, search_query"},
		{cohere3, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Type = "image" }), "custom_fields.type", "input[0]"},
		{titan1, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Config = []byte(`{"normalize":true}`) }), configPath + ".normalize", "has no configuration"},
		{titan2, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Config = []byte(`{"embeddingTypes":["float","binary"]}`) }), configPath + ".embeddingTypes", "one vector an input"},
		{cohere3, but(textsOf("a"), func(r *llm.EmbedRequest) { r.Config = []byte(`{"truncate":"MIDDLE"}`) }), configPath + ".truncate", "NONE, START"},
		{titan1, textsOf("a", strings.Repeat("é", 50_001)), "input[1]", "50001 characters; this model takes up to 50000"},
		{cohere3, textsOf("a", strings.Repeat("é", 2049)), "input[1]", "2049 characters"},
		{titan1, textsOf("a", ""), "input[1]", "empty"},
		{titan1, partsOf(), "custom_input[0]", "empty"},
		{titan1, partsOf(png), "custom_input[0]", "This model takes texts only."},
		{titan1, partsOf(llm.Text{Text: "a"}, llm.Text{Text: "b"}), "custom_input[0]", "several parts"},
		{titanImage, partsOf(llm.Text{Text: "a"}, llm.Text{Text: "b"}), "custom_input[0]", "a text with an image as one input"},
		{titanImage, partsOf(llm.Text{Text: "a"}, png, png), "custom_input[0]", "several parts"},
		{titanImage, partsOf(gif), "custom_input[0]", "an image (gif). This model takes texts, images (png, jpeg)"},
		{titanImage, partsOf(llm.Blob{Bytes: []byte("hello"), MIME: "image/png"}), "custom_input[0]", "declared as \"image/png\""},
		{titanImage, partsOf(llm.Link{URL: "s3://b/k.png"}), "custom_input[0]", "no s3: URLs"},
		{cohere3, partsOf(llm.Text{Text: "a"}, png), "custom_input[0]", "several parts"},
		{cohere3, partsOf(large), "custom_input[0]", "this model takes up to 5 MB"},
		{novaEmbeds, partsOf(llm.Text{Text: "a"}, png), "custom_input[0]", "several parts"},
		{novaEmbeds, partsOf(llm.Link{URL: "s3://b/k"}), "custom_input[0]", "declared type"},
		{novaEmbeds, partsOf(llm.Blob{Bytes: append(pngHeader(10, 10), make([]byte, 19_000_000)...)}), "custom_input[0]", "up to 25 MB"},
		{"us.amazon.nova-lite-v1:0", textsOf("a"), "model", "/chat/completions"},
		{"cohere.rerank-v3-5:0", textsOf("a"), "model", "/rerank"},
	}
	for _, tt := range tests {
		_, err := planEmbed(modelTraits(t, tt.model), tt.req)
		e, ok := errors.AsType[*llm.Error](err)
		if !ok || e.Kind != llm.KindInvalid || e.Param != tt.param || !strings.Contains(e.Message, tt.text) {
			t.Errorf("%s: got %v, want %q at %s", tt.model, err, tt.text, tt.param)
		}
	}
	unknown := traits{model: models.Model{Base: "acme.vectors-1", Kind: models.Embedding}}
	if _, err := planEmbed(&unknown, textsOf("a")); err == nil || llm.AsError(err).Param != "model" {
		t.Errorf("an embedding model that nobody knows: %v", err)
	}
}

// TestManyInputsAreDivided: at most 96 a call on Cohere, and no body above AWS's limit.
func TestManyInputsAreDivided(t *testing.T) {
	png := []llm.Part{llm.Blob{Base64: pixel}}
	text := []llm.Part{llm.Text{Text: "x"}}
	long := []llm.Part{llm.Text{Text: strings.Repeat("\x01", 4_000_000)}} // six bytes each in JSON
	repeat := func(parts []llm.Part, n int) (inputs []llm.EmbedInput) {
		for range n {
			inputs = append(inputs, llm.EmbedInput{Parts: parts})
		}
		return inputs
	}
	tests := []struct {
		model  string
		inputs []llm.EmbedInput
		want   []int
	}{
		{cohere3, repeat(text, 200), []int{96, 96, 8}},
		{cohere3, append(repeat(text, 2), append(repeat(png, 2), repeat(text, 3)...)...), []int{2, 1, 1, 3}},
		{cohere4, append(repeat(text, 97), repeat(png, 97)...), []int{96, 1, 96, 1}},
		{cohere4, append(repeat(long, 2), repeat(text, 2)...), []int{1, 3}},
		{titan2, repeat(text, 3), []int{1, 1, 1}},
		{titan2, nil, nil},
	}
	for _, tt := range tests {
		p, err := planEmbed(modelTraits(t, tt.model), &llm.EmbedRequest{Inputs: tt.inputs})
		if err != nil {
			t.Errorf("%s: %v", tt.model, err)
			continue
		}
		var got []int
		next := 0
		for _, b := range p.batches {
			if b.first != next {
				t.Errorf("%s: a batch begins at %d instead of %d", tt.model, b.first, next)
			}
			next += b.n
			got = append(got, b.n)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.model, diff)
		}
	}
}

func TestEmbeddingAnswers(t *testing.T) {
	quiet := func(*llm.EmbedRequest) {}
	tests := []struct {
		name, model, answer string
		change              func(*llm.EmbedRequest)
		want                []float32
		tokens              int
		kind                llm.Kind // of the error, if want is nil
		text                string
	}{
		{"Titan", titan1, `{"embedding":[1,-0.5,2e-3],"inputTextTokenCount":3}`, quiet, []float32{1, -0.5, 0.002}, 3, 0, ""},
		{"Titan without a count", titan1, `{"embedding":[1]}`, quiet, []float32{1}, 7, 0, ""},
		{"Titan with types", titan2, `{"embedding":[1,2],"embeddingsByType":{"float":[1,2]},"inputTextTokenCount":3}`, quiet, []float32{1, 2}, 3, 0, ""},
		{"Titan with types alone", titan2, `{"inputTextTokenCount":3,"embeddingsByType":{"float":[1,2]}}`, quiet, []float32{1, 2}, 3, 0, ""},
		{"Titan's bits", titan2, `{"embedding":[9,9],"embeddingsByType":{"binary":[1,0]},"inputTextTokenCount":3}`,
			func(r *llm.EmbedRequest) { r.Config = []byte(`{"embeddingTypes":["binary"]}`) }, []float32{1, 0}, 3, 0, ""},
		{"Cohere v3", cohere3, `{"embeddings":[[1,2]],"id":"x","response_type":"embeddings_floats","texts":["a"]}`, quiet, []float32{1, 2}, 7, 0, ""},
		{"Cohere v4", cohere4, `{"embeddings":{"float":[[1,2]]},"id":"x"}`, quiet, []float32{1, 2}, 7, 0, ""},
		{"Cohere's bytes", cohere4, `{"embeddings":{"float":[[9]],"int8":[[-128,127]]}}`,
			func(r *llm.EmbedRequest) { r.Config = []byte(`{"embedding_types":["int8"]}`) }, []float32{-128, 127}, 7, 0, ""},
		{"Cohere's bits", cohere4, `{"embeddings":{"ubinary":[` + numbersOf(32) + `]}}`, func(r *llm.EmbedRequest) {
			r.Config, r.Dimensions = []byte(`{"embedding_types":["ubinary"]}`), 256
		}, bytesOf32(32), 7, 0, ""},
		{"Nova", novaEmbeds, `{"embeddings":[{"embeddingType":"TEXT","embedding":[1,2],"truncatedCharLength":null}]}`, quiet, []float32{1, 2}, 7, 0, ""},
		{"Marengo", marengo3, `{"data":[{"embedding":[1,2],"embeddingOption":null,"startSec":null}]}`, quiet, []float32{1, 2}, 7, 0, ""},
		{"Marengo without a list", marengo2, `{"data":{"embedding":[1,2]}}`, quiet, []float32{1, 2}, 7, 0, ""},
		{"cut", titan1, `{"embedding":[1,`, quiet, nil, 0, llm.KindUpstream, textIncomplete},
		{"empty", titan1, ``, quiet, nil, 0, llm.KindUpstream, textIncomplete},
		{"an empty object", titan1, `{}`, quiet, nil, 0, llm.KindUpstream, textIncomplete},
		{"an empty vector", titan1, `{"embedding":[]}`, quiet, nil, 0, llm.KindUpstream, textUnreadable},
		{"a text", titan1, `{"embedding":["1"]}`, quiet, nil, 0, llm.KindUpstream, textUnreadable},
		{"beyond a float32", titan1, `{"embedding":[1e300]}`, quiet, nil, 0, llm.KindUpstream, textUnreadable},
		{"two for one", cohere3, `{"embeddings":[[1,2],[3,4]]}`, quiet, nil, 0, llm.KindUpstream, textUnreadable},
		{"another length", titan2, `{"embedding":[1,2]}`, func(r *llm.EmbedRequest) { r.Dimensions = 256 }, nil, 0, llm.KindUpstream, textUnreadable},
		{"a model that apologises", titanImage, `{"embedding":null,"message":"The image is too small."}`, quiet, nil, 0, llm.KindInvalid, "The image is too small."},
		{"a guardrail", titan1, `{"amazon-bedrock-guardrailAction":"INTERVENED"}`, quiet, nil, 0, llm.KindContentFilter, "guardrail"},
		{"a guardrail that is content", titan1, `{"embedding":[1],"amazon-bedrock-guardrailAction":"NONE"}`, quiet, []float32{1}, 7, 0, ""},
	}
	for _, tt := range tests {
		m, _ := planeOf(t, tt.model, ModelOptions{}, always(tt.answer))
		got, err := m.Embed(t.Context(), but(textsOf("a"), tt.change))
		if tt.want == nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != tt.kind || !strings.Contains(e.Message, tt.text) {
				t.Errorf("%s: got %v, want %s %q", tt.name, err, tt.kind, tt.text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff([][]float32{tt.want}, got.Vectors); diff != "" || got.Usage.Input != tt.tokens || got.ID != "req-1" || got.Model != tt.model {
			t.Errorf("%s: %d tokens, id %q, model %q (-want +got):\n%s", tt.name, got.Usage.Input, got.ID, got.Model, diff)
		}
	}
}

func bytesOf32(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// TestErrorsOfEmbeddingsNameTheInput: the one that AWS blames.
func TestErrorsOfEmbeddingsNameTheInput(t *testing.T) {
	tests := []struct{ model, text, param string }{
		{titan1, "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9875", "input[1]"},
		{cohere3, "Malformed input request: #/texts/1: expected maxLength: 2048, actual: 2049, please reformat your input and try again.", "input[1]"},
		{cohere3, "Malformed input request: #/texts/7: something", ""},
		{cohere3, "Malformed input request: #/input_type: x is not a valid enum value", "custom_fields.type"},
		{titan2, "Malformed input request: #/dimensions: 300 is not a valid enum value", "dimensions"},
	}
	for _, tt := range tests {
		m, _ := planeOf(t, tt.model, ModelOptions{}, func(body string) (int, string, string) {
			if strings.Contains(body, "bad") {
				return 400, "ValidationException", `{"message":"` + tt.text + `"}`
			}
			return 200, "", `{"embedding":[1]}`
		})
		_, err := m.Embed(t.Context(), textsOf("good", "bad"))
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Param != tt.param || e.Message != tt.text {
			t.Errorf("%s: %v, want it at %q", tt.text, err, tt.param)
		}
	}
	m, _ := planeOf(t, titan1, ModelOptions{}, func(string) (int, string, string) {
		return 403, "AccessDeniedException", `{"message":"User: x is not authorized"}`
	})
	if _, err := m.Embed(t.Context(), textsOf("a")); llm.AsError(err).Param != "" || llm.AsError(err).Kind != llm.KindForbidden {
		t.Errorf("an error about the account: %v", err)
	}
}

// TestEmbeddingHeaders: the operator's guardrail and what is for the bill go along with every call.
func TestEmbeddingHeaders(t *testing.T) {
	m, p := planeOf(t, titan1, ModelOptions{Guardrail: &Guardrail{ID: "g1", Version: "2"}}, always(`{"embedding":[1]}`))
	req := textsOf("a", "b")
	req.Metadata = map[string]string{"project": "team-a"}
	if _, err := m.Embed(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	for _, h := range p.header {
		for name, want := range map[string]string{
			headerGuardrail: "g1", headerGuardrailVersion: "2", "X-Amzn-Bedrock-Request-Metadata": `{"project":"team-a"}`,
			"Accept": "application/json", "Content-Type": "application/json",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
	if len(p.header) != 2 {
		t.Errorf("%d calls", len(p.header))
	}
}

func TestImagesAreCounted(t *testing.T) {
	m, _ := planeOf(t, titanImage, ModelOptions{}, always(`{"embedding":[1],"inputTextTokenCount":2}`))
	req := partsOf(llm.Text{Text: "a"}, llm.Blob{Base64: pixel})
	req.Inputs = append(req.Inputs, llm.EmbedInput{Parts: []llm.Part{llm.Blob{Base64: pixel}}}, llm.EmbedInput{Parts: []llm.Part{llm.Text{Text: "b"}}})
	got, err := m.Embed(t.Context(), req)
	if err != nil || got.Usage != (llm.Usage{Input: 6, Images: 2}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAModelDoesWhatItIsFor: a chat is not sent to a model of vectors, nor the other way round, and
// whoever tries is told where to go.
func TestAModelDoesWhatItIsFor(t *testing.T) {
	for _, tt := range []struct {
		id   string
		kind models.Kind
		text string
	}{
		{titan2, models.Embedding, "…/embeddings"},
		{"cohere.embed-v9:0", models.Embedding, "…/embeddings"},
		{"amazon.rerank-v1:0", models.Rerank, "…/rerank"},
		{novaLite, models.Chat, ""},
		{"newcomer.model-1", models.Chat, ""},
	} {
		m, p := planeOf(t, tt.id, ModelOptions{}, always(`{}`))
		if got := m.Kind(); got != tt.kind {
			t.Errorf("%s is for %s", tt.id, got)
		}
		if tt.kind == models.Chat {
			continue
		}
		for _, err := range m.Chat(t.Context(), question("Hi")) {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Param != "model" || !strings.Contains(e.Message, tt.text) {
				t.Errorf("%s: a chat gives %v", tt.id, err)
			}
		}
		if _, err := m.Explain(t.Context(), question("Hi")); err == nil {
			t.Errorf("%s: a chat is explained", tt.id)
		}
		if len(p.asked) != 0 {
			t.Errorf("%s was asked %q", tt.id, p.asked)
		}
		if _, err := testClient(t, Options{}).Model(tt.id, ModelOptions{Surface: SurfaceConverse}); err == nil {
			t.Errorf("%s may be put on Converse", tt.id)
		}
		if schema := m.Configuration(); !json.Valid(schema) {
			t.Errorf("%s: configuration %s", tt.id, schema)
		}
	}
}

// TestAnARNEmbedsOnceAWSSaysWhatItIs: without that the error says what the operator can do.
func TestAnARNEmbedsOnceAWSSaysWhatItIs(t *testing.T) {
	const arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"
	for _, tt := range []struct{ control, text string }{
		{`{"models":[{"modelArn":"arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0"}]}`, ""},
		{`{"models":[]}`, "The operator has to name it."},
	} {
		p := &vectorPlane{answer: always(`{"embedding":[1]}`)}
		m, err := testClient(t, Options{Transport: controlled{p, tt.control}}).Model(arn, ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Embed(t.Context(), textsOf("a"))
		switch {
		case tt.text == "" && (err != nil || len(got.Vectors) != 1 || m.Kind() != models.Embedding):
			t.Errorf("%v, %v, %s", got, err, m.Kind())
		case tt.text != "" && (err == nil || !strings.Contains(err.Error(), tt.text)):
			t.Errorf("without an answer of the control plane: %v", err)
		}
	}
}

// controlled is a transport whose control plane has one answer.
type controlled struct {
	http.RoundTripper
	answer string
}

func (c controlled) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return httpAnswer(http.StatusOK, "", c.answer), nil
	}
	return c.RoundTripper.RoundTrip(r)
}

// TestFanIsBoundedAndEnds: no more than fanWidth at once; the first error is the one, and the rest have
// ended; a panic is the caller's.
func TestFanIsBoundedAndEnds(t *testing.T) {
	var mu sync.Mutex
	running, most, done := 0, 0, 0
	err := fan(t.Context(), 500, func(context.Context, int, *bytes.Buffer) error {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		defer func() {
			mu.Lock()
			running--
			done++
			mu.Unlock()
		}()
		return nil
	})
	if err != nil || most > fanWidth || done != 500 {
		t.Errorf("%v, %d at once, %d done", err, most, done)
	}
	broken := errors.New("broken")
	err = fan(t.Context(), 100, func(ctx context.Context, i int, _ *bytes.Buffer) error {
		if i == 3 {
			return broken
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	left, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fan(left, 100, func(context.Context, int, *bytes.Buffer) error { return errors.New("asked") }); llm.AsError(err).Kind != llm.KindCanceled {
		t.Errorf("a request whose client has gone: %v", err)
	}
	defer func() {
		if p := recover(); p == nil || !strings.HasPrefix(fmt.Sprint(p), "boom\n") {
			t.Errorf("recovered %v", p)
		}
	}()
	_ = fan(t.Context(), 100, func(ctx context.Context, i int, _ *bytes.Buffer) error {
		if i == 5 {
			panic("boom")
		}
		<-ctx.Done()
		return ctx.Err()
	})
}

func FuzzEmbeddings(f *testing.F) {
	for _, seed := range []string{
		`{"embedding":[1,-0.5e-3],"embeddingsByType":{"float":[1,2],"binary":[1]},"inputTextTokenCount":3}`,
		`{"embeddings":[[1,2],[3]],"id":"x"}`, `{"embeddings":{"float":[[1,2]],"int8":[[1]]}}`,
		`{"embeddings":[{"embeddingType":"TEXT","embedding":[1]}],"data":[{"embedding":null}]}`, `{"embedding":[1e39]}`, `{"data":{"embedding":[]}}`,
	} {
		f.Add([]byte(seed), "")
		f.Add([]byte(seed), "int8")
	}
	f.Fuzz(func(t *testing.T, data []byte, kind string) {
		r := embedReader{kind: kind, size: 4, inputs: 2}
		reply, err := r.read(data)
		if err == nil && !json.Valid(data) {
			t.Fatal("read what is not JSON")
		}
		for _, vector := range reply.vectors {
			for _, x := range vector {
				if err == nil && (x != x || x-x != 0) {
					t.Fatalf("%v in a vector", x)
				}
			}
		}
		var oracle struct {
			Embedding []float32 `json:"embedding"`
		}
		if err != nil || kind != "" || bytes.Count(data, []byte("embed")) != 1 || bytes.Contains(data, []byte(`\`)) || bytes.Contains(data, []byte("data")) ||
			json.Unmarshal(data, &oracle) != nil || oracle.Embedding == nil || !bytes.Contains(data, []byte(`"embedding"`)) {
			return
		}
		if len(reply.vectors) != 1 || !cmp.Equal(append([]float32{}, reply.vectors[0]...), oracle.Embedding) {
			t.Fatalf("read %v, encoding/json reads %v", reply.vectors, oracle.Embedding)
		}
	})
}
