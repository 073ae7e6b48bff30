package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

func TestWriteEmbeddings(t *testing.T) {
	out := &llm.Embeddings{
		Model: "amazon.titan-embed-text-v2:0", Vectors: [][]float32{{1, -0.5, 1e-7}, {3.4028235e38, 0, float32(math.Copysign(0, -1))}},
		Usage: llm.Usage{Input: 7}, Ignored: []string{"dimensions"}, Changed: []string{"custom_fields.type"},
	}
	tests := []struct {
		name   string
		base64 bool
		want   string
	}{
		{"numbers", false, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,-0.5,1e-07]},` +
			`{"object":"embedding","index":1,"embedding":[3.4028235e+38,0,-0]}],"model":"titan","usage":{"prompt_tokens":7,"total_tokens":7}}` + "\n"},
		{"base64", true, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAL+Vv9Yz"},` +
			`{"object":"embedding","index":1,"embedding":"//9/fwAAAAAAAACA"}],"model":"titan","usage":{"prompt_tokens":7,"total_tokens":7}}` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if err := WriteEmbeddings(w, out, EmbedEnvelope{Model: "titan", Base64: tt.base64, Ignored: []string{"user"}}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, w.Body.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			header := [3]string{w.Header().Get("Content-Type"), w.Header().Get(HeaderIgnored), w.Header().Get(HeaderChanged)}
			if header != [3]string{"application/json", "user, dimensions", "custom_fields.type"} || w.Header().Get("Content-Length") == "" {
				t.Errorf("header %v", w.Header())
			}
		})
	}
}

func TestNoVectorsAreAnEmptyList(t *testing.T) {
	w := httptest.NewRecorder()
	err := WriteEmbeddings(w, &llm.Embeddings{}, EmbedEnvelope{Model: "m"})
	if want := `{"object":"list","data":[],"model":"m","usage":{"prompt_tokens":0,"total_tokens":0}}` + "\n"; err != nil || w.Body.String() != want {
		t.Errorf("%v: %s", err, w.Body)
	}
}

// manyVectors is an answer of more than one piece.
func manyVectors() *llm.Embeddings {
	out, random := &llm.Embeddings{Usage: llm.Usage{Input: 1234}}, rand.New(rand.NewPCG(1, 2))
	for range 100 {
		vector := make([]float32, 1024)
		for i := range vector {
			vector[i] = float32(random.NormFloat64()) / 32
		}
		out.Vectors = append(out.Vectors, vector)
	}
	return out
}

// Whatever the form, the client has the very numbers that the model gave.
func TestVectorsArriveAsTheyWere(t *testing.T) {
	out := manyVectors()
	for _, encoded := range []bool{false, true} {
		w := httptest.NewRecorder()
		if err := WriteEmbeddings(w, out, EmbedEnvelope{Base64: encoded}); err != nil {
			t.Fatal(err)
		}
		var list EmbeddingList
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Data) != len(out.Vectors) || list.Usage.PromptTokens != 1234 {
			t.Fatalf("%d vectors, usage %+v", len(list.Data), list.Usage)
		}
		for i, item := range list.Data {
			vector, err := item.Vector()
			if err != nil || item.Index != i || item.Object != "embedding" {
				t.Fatalf("%d: %+v, %v", i, item.Index, err)
			}
			if diff := cmp.Diff(out.Vectors[i], vector); diff != "" {
				t.Fatalf("encoded=%t, vector %d: %s", encoded, i, diff)
			}
		}
	}
}

func TestBase64OfAnyLength(t *testing.T) {
	for n := range 600 {
		vector := manyVectors().Vectors[0][:n]
		want := make([]byte, 4*n)
		for i, f := range vector {
			binary.LittleEndian.PutUint32(want[4*i:], math.Float32bits(f))
		}
		if got := string(appendVector64(nil, vector)); got != base64.StdEncoding.EncodeToString(want) {
			t.Fatalf("%d numbers: %s", n, got)
		}
	}
}

func TestWhatIsNoNumberIsAnError(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		w := httptest.NewRecorder()
		err := WriteEmbeddings(w, &llm.Embeddings{Vectors: [][]float32{{1}, {0, float32(f)}}}, EmbedEnvelope{})
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindUpstream || w.Code != http.StatusBadGateway || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%v: %v, %d %s", f, err, w.Code, w.Body)
		}
	}
}

// leaving is a client that goes away after some bytes.
type leaving struct {
	http.ResponseWriter
	left int
}

func (l *leaving) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errors.New("connection reset")
	}
	return len(b), nil
}

func TestAClientThatLeavesDuringTheVectors(t *testing.T) {
	for _, left := range []int{0, 100_000} {
		err := WriteEmbeddings(&leaving{httptest.NewRecorder(), left}, manyVectors(), EmbedEnvelope{})
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindCanceled {
			t.Errorf("after %d bytes: %v", left, err)
		}
	}
}

// nowhere takes a reply and forgets it.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}

func BenchmarkWriteEmbeddings(b *testing.B) {
	out := manyVectors()
	for name, encoded := range map[string]bool{"100x1024-float": false, "100x1024-base64": true} {
		b.Run(name, func(b *testing.B) {
			w := &nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				if err := WriteEmbeddings(w, out, EmbedEnvelope{Model: "titan", Base64: encoded}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// JSON has no word for what is no number: the client is told, and base64 takes it.
func TestVectorsThatAreNoNumbers(t *testing.T) {
	for _, f := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
		out := &llm.Embeddings{Vectors: [][]float32{{1}, {2, float32(f)}}}
		w := httptest.NewRecorder()
		if err := WriteEmbeddings(w, out, EmbedEnvelope{Model: "m"}); llm.AsError(err).Kind != llm.KindUpstream || w.Code != http.StatusBadGateway || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%v: %v, %d %s", f, err, w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		if err := WriteEmbeddings(w, out, EmbedEnvelope{Model: "m", Base64: true}); err != nil || w.Code != http.StatusOK {
			t.Errorf("%v in base64: %v, %d", f, err, w.Code)
		}
	}
}
