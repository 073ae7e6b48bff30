package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// dotGIF and dotPNG are images of one pixel.
const (
	dotGIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
	dotPNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

// The models, by short names.
const (
	idTitan1     = "amazon.titan-embed-text-v1"
	idTitan2     = "amazon.titan-embed-text-v2:0"
	idTitanImage = "amazon.titan-embed-image-v1"
	idCohere3    = "cohere.embed-multilingual-v3"
	idCohere4    = "us.cohere.embed-v4:0"
	idNovaEmbed  = "amazon.nova-2-multimodal-embeddings-v1:0"
	idMarengo2   = "twelvelabs.marengo-embed-2-7-v1:0"
	idMarengo3   = "twelvelabs.marengo-embed-3-0-v1:0"
	idRerank     = "cohere.rerank-v3-5:0"
	idRerankAWS  = "amazon.rerank-v1:0"
)

func TestEmbeddingBodies(t *testing.T) {
	novaText := `{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX",$}}`
	nova := func(rest string) string { return strings.Replace(novaText, "$", rest, 1) }
	for _, tt := range []struct{ what, id, body, want string }{
		{"an empty text", idTitan1, `{"inputText":""}`, "#/inputText: expected minLength: 1, actual: 0"},
		{"a list of texts", idTitan1, `{"inputText":["x"]}`, "#/inputText: expected type: String, found: JSONArray"},
		{"a long text", idTitan1, `{"inputText":"` + strings.Repeat("é", 50_001) + `"}`, "expected maxLength: 50000, actual: 50001"},
		{"normalize in words", idTitan2, `{"inputText":"x","normalize":"yes"}`, "#/normalize: expected type: Boolean, found: String"},
		{"an unknown type", idTitan2, `{"inputText":"x","embeddingTypes":["int8"]}`, "#/embeddingTypes/0: int8 is not a valid enum value"},
		{"v2 in full", idTitan2, `{"inputText":"x","dimensions":512,"normalize":false,"embeddingTypes":["binary"]}`, ""},
		{"neither text nor image", idTitanImage, `{}`, "#: at least one of [inputText, inputImage] is required"},
		{"both", idTitanImage, `{"inputText":"x","inputImage":"` + dotPNG + `","embeddingConfig":{"outputEmbeddingLength":256}}`, ""},
		{"a GIF", idTitanImage, `{"inputImage":"` + dotGIF + `"}`, "#/inputImage: the image is not one of [png, jpeg]"},
		{"a length", idTitanImage, `{"inputText":"x","embeddingConfig":{"outputEmbeddingLength":512}}`, "#/embeddingConfig/outputEmbeddingLength: 512 is not a valid enum value"},
		{"no input_type", idCohere3, `{"texts":["x"]}`, "#: required key [input_type] not found"},
		{"no texts", idCohere3, `{"texts":[],"input_type":"clustering"}`, "#/texts: expected minimum item count: 1, found: 0"},
		{"an empty text among others", idCohere3, `{"texts":["x",""],"input_type":"clustering"}`, "#/texts/1: expected minLength: 1, actual: 0"},
		{"a number among texts", idCohere3, `{"texts":["x",5],"input_type":"clustering"}`, "#/texts/1: expected type: String, found: Integer"},
		{"a long second text", idCohere3, `{"texts":["x","` + strings.Repeat("é", 2049) + `"],"input_type":"clustering"}`, "#/texts/1: expected maxLength: 2048, actual: 2049"},
		{"an image on v3", idCohere3, `{"images":["data:image/png;base64,` + dotPNG + `"],"input_type":"image"}`, ""},
		{"two", idCohere3, `{"images":["data:image/png;base64,` + dotPNG + `","x"],"input_type":"image"}`, "#/images: expected maximum item count: 1, found: 2"},
		{"as a document", idCohere3, `{"images":["data:image/png;base64,` + dotPNG + `"],"input_type":"search_document"}`, "#/input_type: image goes with images"},
		{"mere base64", idCohere4, `{"images":["` + dotPNG + `"],"input_type":"search_document"}`, "#/images/0: the image is not a data URI"},
		{"texts and images", idCohere4, `{"texts":["x"],"images":["data:image/png;base64,` + dotPNG + `"],"input_type":"search_document"}`, "#: only one of [texts, images] is permitted"},
		{"v4's word on v3", idCohere3, `{"texts":["x"],"input_type":"clustering","truncate":"RIGHT"}`, "#/truncate: RIGHT is not a valid enum value"},
		{"two types", idCohere4, `{"texts":["x"],"input_type":"clustering","embedding_types":["float","ubinary"]}`, ""},
		{"a type that is none", idCohere4, `{"texts":["x"],"input_type":"clustering","embedding_types":["bits"]}`, "#/embedding_types/0: bits is not a valid enum value"},
		{"a part of no kind", idCohere4, `{"inputs":[{"content":[{"type":"video"}]}],"input_type":"clustering"}`, "#/inputs/0/content/0/type: video is not a valid enum value"},
		{"no purpose", idNovaEmbed, `{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"text":{"truncationMode":"END","value":"x"}}}`, "required key [embeddingPurpose] not found"},
		{"no truncation mode", idNovaEmbed, nova(`"text":{"value":"x"}`), "#/singleEmbeddingParams/text: required key [truncationMode] not found"},
		{"text and image", idNovaEmbed, nova(`"text":{"truncationMode":"END","value":"x"},"image":{}`), "2 subschemas matched instead of one"},
		{"a size", idNovaEmbed, nova(`"embeddingDimension":512,"text":{"truncationMode":"END","value":"x"}`), "#/singleEmbeddingParams/embeddingDimension: 512 is not"},
		{"an image", idNovaEmbed, nova(`"image":{"format":"png","source":{"bytes":"` + dotPNG + `"}}`), ""},
		{"that is another", idNovaEmbed, nova(`"image":{"format":"jpeg","source":{"bytes":"` + dotPNG + `"}}`), "the image is not one of [jpeg]"},
		{"a video without a mode", idNovaEmbed, nova(`"video":{"format":"mp4","source":{"s3Location":{"uri":"s3://b/a.mp4"}}}`), "required key [embeddingMode] not found"},
		{"audio from nowhere", idNovaEmbed, nova(`"audio":{"format":"mp3","source":{}}`), "expected one of [bytes, s3Location]"},
		{"Marengo 2.7's text", idMarengo2, `{"inputType":"text","inputText":"x","textTruncate":"none"}`, ""},
		{"3.0's way", idMarengo2, `{"inputType":"text","text":{"inputText":"x"}}`, "extraneous key [text] is not permitted"},
		{"2.7's way", idMarengo3, `{"inputType":"text","inputText":"x"}`, "extraneous key [inputText] is not permitted"},
		{"Marengo 3.0's both", idMarengo3, `{"inputType":"text_image","text_image":{"inputText":"x","mediaSource":{"base64String":"` + dotPNG + `"}}}`, ""},
		{"without an image", idMarengo3, `{"inputType":"image","image":{}}`, "#/image/mediaSource: expected one of [base64String, s3Location]"},
		{"a video at once", idMarengo3, `{"inputType":"video"}`, "#/inputType: video is not a valid enum value"},
		{"a ranking", idRerank, `{"query":"q","documents":["a"],"api_version":2}`, ""},
		{"of no version", idRerank, `{"query":"q","documents":["a"]}`, "#: required key [api_version] not found"},
		{"Amazon's has none", idRerankAWS, `{"query":"q","documents":["a"],"api_version":2}`, "#: extraneous key [api_version] is not permitted"},
		{"no documents", idRerankAWS, `{"query":"q","documents":[]}`, "#/documents: expected minimum item count: 1, found: 0"},
		{"1001 documents", idRerankAWS, `{"query":"q","documents":["x"` + strings.Repeat(`,"x"`, 1000) + `]}`, "#/documents: expected maximum item count: 1000, found: 1001"},
		{"an empty document", idRerankAWS, `{"query":"q","documents":["a",""]}`, "#/documents/1: expected minLength: 1, actual: 0"},
		{"the best none", idRerankAWS, `{"query":"q","documents":["a"],"top_n":0}`, "#/top_n: 0 is not greater or equal to 1"},
	} {
		got := refusalOf(t, opInvoke, tt.id, tt.body)
		if got == "" && tt.want != "" || got != "" && tt.want == "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %.300s, want %s", tt.what, got, tt.want)
		}
	}
}

// TestEmbeddingReplies: each model answers in its own form, with as many numbers as were asked for, and
// counts in the body or the header as it does in fact.
func TestEmbeddingReplies(t *testing.T) {
	srv := serve(t, Options{})
	png := "data:image/png;base64," + dotPNG
	for _, tt := range []struct {
		what, id, body string
		path           []any
		size           int
		header         bool // the tokens are in the header
	}{
		{"Titan g1", "amazon.titan-embed-g1-text-02", `{"inputText":"x"}`, []any{"embedding"}, 1536, true},
		{"Titan image", idTitanImage, `{"inputImage":"` + dotPNG + `","embeddingConfig":{"outputEmbeddingLength":384}}`, []any{"embedding"}, 384, true},
		{"Titan bits", idTitan2, `{"inputText":"x","embeddingTypes":["binary"]}`, []any{"embeddingsByType", "binary"}, 1024, true},
		{"Cohere image", idCohere3, `{"images":["` + png + `"],"input_type":"image"}`, []any{"embeddings", 0}, 1024, true},
		{"Cohere mixed", idCohere4, `{"inputs":[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"` + png + `"}}]}],"input_type":"search_document","output_dimension":256}`,
			[]any{"embeddings", "float", 0}, 256, true},
		{"Cohere bits", idCohere4, `{"texts":["a"],"input_type":"search_document","embedding_types":["ubinary"]}`, []any{"embeddings", "ubinary", 0}, 192, true},
		{"Cohere bytes", idCohere4, `{"texts":["a"],"input_type":"search_document","embedding_types":["int8"]}`, []any{"embeddings", "int8", 0}, 1536, true},
		{"Nova image", idNovaEmbed, `{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX","image":{"format":"png","source":{"bytes":"` + dotPNG + `"}}}}`,
			[]any{"embeddings", 0, "embedding"}, 3072, true},
		{"Marengo 2.7", idMarengo2, `{"inputType":"text","inputText":"x"}`, []any{"data", 0, "embedding"}, 1024, false},
		{"Marengo 3.0", idMarengo3, `{"inputType":"image","image":{"mediaSource":{"base64String":"` + dotPNG + `"}}}`, []any{"data", 0, "embedding"}, 512, false},
	} {
		got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opInvoke, tt.id, escapeAll), []byte(tt.body)))
		var found any = decodeObject(got.body)
		for _, step := range tt.path {
			switch step := step.(type) {
			case string:
				found = dig(found, step)
			case int:
				if list := array(found); step < len(list) {
					found = list[step]
				}
			}
		}
		if n := len(array(found)); got.status != http.StatusOK || n != tt.size {
			t.Errorf("%s: status %d, %d numbers, want %d: %.200s", tt.what, got.status, n, tt.size, got.body)
		}
		if has := got.header.Get("X-Amzn-Bedrock-Input-Token-Count") != ""; has != tt.header {
			t.Errorf("%s: tokens in the header: %v", tt.what, has)
		}
	}
}

func TestRanking(t *testing.T) {
	srv := serve(t, Options{})
	for _, id := range []string{idRerank, idRerankAWS} {
		version := ""
		if id == idRerank {
			version = `,"api_version":2`
		}
		got := native(t, srv, id, `{"query":"capital of France","documents":["Berlin is in Germany.","Paris is the capital of France.","France has a capital."],"top_n":2`+version+`}`)
		var order []int
		last := 1.0
		for _, r := range array(got["results"]) {
			order = append(order, int(number(dig(r, "index"))))
			if score := number(dig(r, "relevance_score")); score > last || score <= 0 {
				t.Errorf("%s: score %v after %v", id, score, last)
			} else {
				last = score
			}
		}
		if !slices.Equal(order, []int{1, 2}) {
			t.Errorf("%s: order %v", id, order)
		}
	}
}

// TestDirectivesOfNativeTexts: wherever a body without messages has its text.
func TestDirectivesOfNativeTexts(t *testing.T) {
	srv := serve(t, Options{})
	const wish = "[[sandbox error=ThrottlingException]]"
	for _, tt := range [][2]string{
		{idCohere3, `{"texts":["a","b ` + wish + `"],"input_type":"clustering"}`},
		{idCohere4, `{"inputs":[{"content":[{"type":"text","text":"` + wish + `"}]}],"input_type":"clustering"}`},
		{idNovaEmbed, `{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"CLUSTERING","text":{"truncationMode":"END","value":"` + wish + `"}}}`},
		{idMarengo3, `{"inputType":"text","text":{"inputText":"` + wish + `"}}`},
		{idRerankAWS, `{"query":"` + wish + `","documents":["a"]}`},
		{idRerankAWS, `{"query":"a","documents":["a","` + wish + `"]}`},
	} {
		if got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opInvoke, tt[0], escapeAll), []byte(tt[1]))); got.status != 429 {
			t.Errorf("%s: status %d", tt[1], got.status)
		}
	}
	got := native(t, srv, idCohere3, `{"texts":["a [[sandbox unknown-event]]"],"input_type":"clustering"}`)
	if list := array(got["texts"]); len(list) != 1 || list[0] != "a" || got["sandboxUnknownMember"] == nil {
		t.Errorf("the directive stays in the text: %v", list)
	}
}
