package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/fetch"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/openai"
	"outcrop/internal/proxy"
)

// embedFunc is a function that is a model.
type embedFunc func(ctx context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error)

func (f embedFunc) Embed(ctx context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error) {
	return f(ctx, req)
}

// remembering is llmtest.Hash with a memory for one request.
func remembering(last *llm.EmbedRequest) embedFunc {
	return func(ctx context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error) {
		*last = *req
		return llmtest.Hash{}.Embed(ctx, req)
	}
}

// uncalled is a model that must not be asked.
func uncalled(t *testing.T) embedFunc {
	return func(context.Context, *llm.EmbedRequest) (*llm.Embeddings, error) {
		t.Error("the model was called")
		return &llm.Embeddings{}, nil
	}
}

const (
	embedRoute   = "/openai/v1/embeddings"
	embedOfRoute = "/openai/deployments/m/embeddings"
)

// vectorsOf reads a reply.
func vectorsOf(t *testing.T, w *httptest.ResponseRecorder) (vectors [][]float32, list openai.EmbeddingList) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, item := range list.Data {
		vector, err := item.Vector()
		if err != nil {
			t.Fatal(err)
		}
		vectors = append(vectors, vector)
	}
	return vectors, list
}

func TestEmbeddings(t *testing.T) {
	var asked llm.EmbedRequest
	h := gatewayOf(t, &catalog.Deployment{Name: "m", Embed: remembering(&asked)}, nil)
	body := `{"model":"m","custom_input":["c",["d",{"type":"image/png","data":"iVBORw0KGgo="}]],"input":["a","b","a"],"dimensions":4,"user":"u",
		"custom_fields":{"type":"search_query","instruction":"find","configuration":{"truncate":"END"}}}`
	vectors, list := vectorsOf(t, post(t.Context(), t, h, embedRoute, body))
	if len(vectors) != 5 || len(vectors[0]) != 4 || !slices.Equal(vectors[0], vectors[2]) || slices.Equal(vectors[0], vectors[1]) {
		t.Errorf("got %v", vectors)
	}
	if list.Object != "list" || list.Model != "m" || list.Usage.PromptTokens != 5 || list.Usage.TotalTokens != 5 || list.Data[4].Index != 4 {
		t.Errorf("got %+v", list)
	}
	var places []string
	for _, input := range asked.Inputs {
		places = append(places, input.At)
	}
	if want := []string{"input[0]", "input[1]", "input[2]", "custom_input[0]", "custom_input[1]"}; !slices.Equal(places, want) {
		t.Errorf("the model was asked for %q", places)
	}
	asked.Inputs = nil
	want := llm.EmbedRequest{Dimensions: 4, Type: "search_query", Instruction: "find", Config: []byte(`{"truncate":"END"}`), Wish: llm.Wish{Caller: "Keys/p/"}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	encoded := post(t.Context(), t, h, embedOfRoute, strings.Replace(body, `"model":"m"`, `"model":"another","encoding_format":"base64"`, 1))
	if again, _ := vectorsOf(t, encoded); !cmp.Equal(vectors, again) || strings.Contains(encoded.Body.String(), `"embedding":[`) {
		t.Errorf("in base64: %s", encoded.Body)
	}
	if got := encoded.Header().Get("X-Outcrop-Ignored"); got != "user" {
		t.Errorf("ignored %q", got)
	}
}

func TestNoInputsAskNobody(t *testing.T) {
	h := gatewayOf(t, &catalog.Deployment{Name: "m", Embed: uncalled(t)}, nil)
	for _, body := range []string{`{"input":[]}`, `{"input":[],"custom_input":[]}`} {
		if vectors, _ := vectorsOf(t, post(t.Context(), t, h, embedOfRoute, body)); len(vectors) != 0 {
			t.Errorf("%s: %v", body, vectors)
		}
	}
}

func TestDeploymentsDoWhatTheyDo(t *testing.T) {
	chat := &catalog.Deployment{Name: "m", Chat: llmtest.Echo{}}
	embed := &catalog.Deployment{Name: "m", Embed: llmtest.Hash{}}
	tests := []struct {
		d                   *catalog.Deployment
		route, body, remark string
	}{
		{chat, embedRoute, `{"model":"m","input":"a"}`, "The deployment m does not embed. GET /openai/models says which do (capabilities.embeddings)."},
		{embed, chatRoute, `{"model":"m","messages":[{"role":"user","content":"a"}]}`, "The deployment m does not chat."},
		{embed, "/v2/rerank", `{"model":"m","query":"a","documents":["a"]}`, "The deployment m does not rerank. GET /openai/models says which do (capabilities.rerank)."},
		{embed, embedRoute, `{"input":"a"}`, "model must name a deployment. GET /openai/models lists those you may use."},
	}
	for _, tt := range tests {
		w := post(t.Context(), t, gatewayOf(t, tt.d, nil), tt.route, tt.body)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.remark) {
			t.Errorf("%s: %d %s", tt.route, w.Code, w.Body)
		}
	}
	if w := post(t.Context(), t, gatewayOf(t, embed, nil), embedRoute, `{"model":"x","input":"a"}`); w.Code != http.StatusNotFound {
		t.Errorf("an unknown one: %d %s", w.Code, w.Body)
	}
}

func TestDefaultsOfEmbeddings(t *testing.T) {
	var asked llm.EmbedRequest
	d := &catalog.Deployment{Name: "m", Embed: remembering(&asked)}
	d.Info.Defaults = []byte(`{"dimensions":3,"encoding_format":"base64","custom_fields":{"type":"search_document"}}`)
	h := gatewayOf(t, d, nil)
	w := post(t.Context(), t, h, embedOfRoute, `{"input":"a"}`)
	if vectors, _ := vectorsOf(t, w); len(vectors[0]) != 3 || asked.Type != "search_document" || strings.Contains(w.Body.String(), `"embedding":[`) {
		t.Errorf("%+v, %s", asked, w.Body)
	}
	w = post(t.Context(), t, h, embedOfRoute, `{"input":"a","dimensions":5,"encoding_format":"float","custom_fields":{}}`)
	if vectors, _ := vectorsOf(t, w); len(vectors[0]) != 5 || asked.Type != "" || !strings.Contains(w.Body.String(), `"embedding":[`) {
		t.Errorf("%+v, %s", asked, w.Body)
	}
}

func TestDefaultsAreOfWhatADeploymentDoes(t *testing.T) {
	chatOnly, embedOnly := catalog.Deployment{Name: "m", Chat: llmtest.Echo{}}, catalog.Deployment{Name: "m", Embed: llmtest.Hash{}}
	both, neither := catalog.Deployment{Name: "m", Chat: llmtest.Echo{}, Embed: llmtest.Hash{}}, catalog.Deployment{Name: "m"}
	tests := []struct {
		name     string
		d        catalog.Deployment
		defaults string
		log, err string
	}{
		{"chat", chatOnly, `{"temperature":0,"dimensions":5}`, `members=dimensions`, ""},
		{"embeddings", embedOnly, `{"temperature":0,"dimensions":5}`, `members=temperature`, ""},
		{"both", both, `{"temperature":0,"dimensions":5,"x":1}`, `members=x`, ""},
		{"neither", neither, `{"temperature":0}`, `members=all`, ""},
		{"nothing of embeddings", embedOnly, `{"temperature":"hot"}`, `members=temperature`, ""},
		{"wrong", embedOnly, `{"dimensions":"many"}`, "", "deployment m: defaults: dimensions: expected an integer, got a string."},
		{"input", embedOnly, `{"input":"a"}`, "", "deployment m: defaults: input: has no default; only a request can say it."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.d.Info.Defaults = []byte(tt.defaults)
			visible, err := catalog.New([]*catalog.Deployment{&tt.d})
			if err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			_, err = gateway.New(gateway.Options{Deployments: gateway.Fixed(visible), Log: slog.New(slog.NewTextHandler(&log, nil))})
			if got := fmt.Sprint(err); got != tt.err && (err != nil || tt.err != "") {
				t.Errorf("got %s", got)
			}
			if !strings.Contains(log.String(), tt.log) || tt.err != "" && log.Len() > 0 {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}

func TestCheckEmbedDefaults(t *testing.T) {
	if ignored, err := gateway.CheckEmbedDefaults([]byte(`{"dimensions":5,"max_tokens":1}`)); err != nil || !slices.Equal(ignored, []string{"max_tokens"}) {
		t.Errorf("%q, %v", ignored, err)
	}
	if _, err := gateway.CheckEmbedDefaults([]byte(`{"dimensions":0}`)); err == nil {
		t.Error("accepted")
	}
}

func TestFilesOfInputsAreFetched(t *testing.T) {
	var asked llm.EmbedRequest
	var fetched atomic.Int32
	h := gatewayOf(t, &catalog.Deployment{Name: "m", Embed: embedFunc(func(_ context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error) {
		asked = *req
		return &llm.Embeddings{Vectors: make([][]float32, 1)[:0:0]}, llm.Invalid("custom_input[2]", "custom_input[2]: is in S3.")
	})}, fetch.New(memory(t, func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		say(w, r.URL.Path)
	})))
	w := post(t.Context(), t, h, embedOfRoute, `{"custom_input":[{"type":"image/png","url":"http://files.example/a"},["text",{"url":"http://files.example/a","title":"t"}],
		{"url":"s3://bucket/key"}]}`)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"param":"custom_input[2]"`) || fetched.Load() != 1 {
		t.Errorf("%d %s, %d files", w.Code, w.Body, fetched.Load())
	}
	want := []llm.EmbedInput{
		{At: "custom_input[0]", Parts: []llm.Part{llm.Blob{MIME: "image/png", Name: "a", Bytes: []byte("/a"), At: "custom_input[0].url"}}},
		{At: "custom_input[1]", Parts: []llm.Part{llm.Text{Text: "text"}, llm.Blob{MIME: "text/plain", Name: "t", Bytes: []byte("/a"), At: "custom_input[1][1].url"}}},
		{At: "custom_input[2]", Parts: []llm.Part{llm.Link{URL: "s3://bucket/key", At: "custom_input[2].url"}}},
	}
	if diff := cmp.Diff(want, asked.Inputs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFileOfAnInputThatDoesNotComeIsNamed(t *testing.T) {
	missing := fetch.New(memory(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	many := `{"custom_input":[` + strings.TrimSuffix(strings.Repeat(`{"url":"http://files.example/a"},`, 101), ",") + `]}`
	tests := []struct {
		name, body, param string
		fetch             *fetch.Fetcher
	}{
		{"not found", `{"input":["a"],"custom_input":["b",["c",{"url":"http://files.example/a"}]]}`, "custom_input[1][1].url", missing},
		{"no fetcher", `{"custom_input":[{"url":"files/a"}]}`, "custom_input[0].url", nil},
		{"too many", many, "custom_input[100].url", missing},
	}
	for _, tt := range tests {
		w := post(t.Context(), t, gatewayOf(t, &catalog.Deployment{Name: "m", Embed: uncalled(t)}, tt.fetch), embedOfRoute, tt.body)
		got, err := readRefused(w.Body.Bytes())
		if err != nil || w.Code != http.StatusBadRequest || got.Param == nil || *got.Param != tt.param {
			t.Errorf("%s: %d %s, %v", tt.name, w.Code, w.Body, err)
		}
	}
}

// waiting is a model that takes its time, but hears when it is over.
func waiting(ended *atomic.Bool) embedFunc {
	return func(ctx context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error) {
		defer ended.Store(true)
		select {
		case <-time.After(time.Hour):
			return llmtest.Hash{}.Embed(ctx, req)
		case <-ctx.Done():
			return nil, &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: ctx.Err()}
		}
	}
}

func TestVectorsHaveATotalTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		d := &catalog.Deployment{Name: "m", Embed: waiting(&ended), Timeouts: catalog.Timeouts{FirstToken: time.Second, Total: time.Minute}}
		began := time.Now()
		w := post(t.Context(), t, gatewayOf(t, d, nil), embedOfRoute, `{"input":"a"}`)
		if w.Code != http.StatusGatewayTimeout || time.Since(began) != time.Minute || !ended.Load() ||
			!strings.Contains(w.Body.String(), "The answer took longer than 1m0s, the deployment's total timeout.") {
			t.Errorf("after %v: %d %s", time.Since(began), w.Code, w.Body)
		}
	})
}

func TestAClientThatLeavesEndsTheVectors(t *testing.T) {
	for _, total := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var ended atomic.Bool
			d := &catalog.Deployment{Name: "m", Embed: waiting(&ended), Timeouts: catalog.Timeouts{Total: total}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if w := post(ctx, t, gatewayOf(t, d, nil), embedOfRoute, `{"input":"a"}`); w.Code != 499 || !ended.Load() {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestFailuresOfVectors(t *testing.T) {
	one := [][]float32{{1}}
	tests := []struct {
		name string
		out  *llm.Embeddings
		err  error
		code int
		want string
	}{
		{"a rate limit", nil, &llm.Error{Kind: llm.KindRateLimited, Message: "Slow down.", RetryAfter: 3 * time.Second}, http.StatusTooManyRequests, "Slow down."},
		{"an input", nil, llm.Invalid("input[1]", "input[1]: too long."), http.StatusBadRequest, `"param":"input[1]"`},
		{"another error", nil, fmt.Errorf("secret"), http.StatusInternalServerError, "The server failed to process the request."},
		{"too few vectors", &llm.Embeddings{Vectors: one}, nil, http.StatusBadGateway, "one vector for each input"},
		{"an empty vector", &llm.Embeddings{Vectors: append(one, nil)}, nil, http.StatusBadGateway, "one vector for each input"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			model := embedFunc(func(context.Context, *llm.EmbedRequest) (*llm.Embeddings, error) { return tt.out, tt.err })
			w := post(t.Context(), t, gatewayOf(t, &catalog.Deployment{Name: "m", Embed: model}, nil), embedOfRoute, `{"input":["a","b"]}`)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) || (w.Header().Get("Retry-After") == "3") != (tt.code == http.StatusTooManyRequests) {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

// keyed is an Authenticator that knows one key.
func keyed(t *testing.T) gateway.Authenticator {
	t.Helper()
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "team"}}})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestTheAdapterEmbedsByPathAlone(t *testing.T) {
	var asked llm.EmbedRequest
	visible, err := catalog.New([]*catalog.Deployment{{Name: "arn/with/slashes", Embed: remembering(&asked)}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := gateway.NewAdapter(gateway.Options{Auth: keyed(t), Deployments: gateway.Fixed(visible), Log: slog.New(slog.DiscardHandler), Metadata: true})
	if err != nil {
		t.Fatal(err)
	}
	vectorsOf(t, post(t.Context(), t, h, "/openai/deployments/arn/with/slashes/embeddings", `{"input":"a"}`))
	vectorsOf(t, post(t.Context(), t, h, "/openai/deployments/arn%2Fwith%2Fslashes/embeddings", `{"input":"a"}`))
	if want := map[string]string{"project": "team", "deployment": "arn/with/slashes"}; !cmp.Equal(want, asked.Metadata) {
		t.Errorf("metadata %v", asked.Metadata)
	}
	for _, path := range []string{embedRoute, "/v2/rerank"} {
		if w := post(t.Context(), t, h, path, `{"model":"arn/with/slashes","input":"a"}`); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestListingsSayWhatADeploymentDoes(t *testing.T) {
	visible, err := catalog.New([]*catalog.Deployment{
		{Name: "embeds", Embed: llmtest.Hash{}, Info: catalog.Info{EmbeddingDimensions: 8}}, {Name: "reranks", Rerank: lengths{}}, {Name: "chats", Chat: llmtest.Echo{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, gateway.Options{Auth: keyed(t), Deployments: gateway.Fixed(visible), Log: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://gateway/openai/models", nil)
	r.Header.Set("Api-Key", "k")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var list struct {
		Data []struct {
			ID                  string
			Interfaces          []string
			EmbeddingDimensions int            `json:"embedding_dimensions"`
			Capabilities        map[string]any `json:"capabilities"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list.Data {
		got = append(got, fmt.Sprint(d.ID, d.Interfaces, d.EmbeddingDimensions, d.Capabilities["chat_completion"], d.Capabilities["embeddings"], d.Capabilities["rerank"]))
	}
	want := []string{"embeds[openaiEmbeddings] 8 false true <nil>", "reranks[] 0 false false true", "chats[openaiChatCompletions openaiResponses anthropicMessages] 0 true false <nil>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEmbeddingsOfAnotherServer(t *testing.T) {
	for path, body := range map[string]string{
		"/openai/deployments/m/embeddings": `not even {"model":"JSON"}`, embedRoute: `{"input":7,"model":"m"}`,
	} {
		there := newThere(t, `{"whole":1}`, false)
		w := post(t.Context(), t, gatewayOf(t, &catalog.Deployment{Name: "m", Remotes: [catalog.Interfaces]*proxy.Remote{catalog.Embeddings: there.Remote}}, nil), path, body)
		if w.Code != http.StatusOK || w.Body.String() != `{"whole":1}` || there.got != body {
			t.Errorf("%s: %d %s, it got %q", path, w.Code, w.Body, there.got)
		}
	}
}
