package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/memnet"
)

const sd35 = "stability.sd3-5-large-v1:0"

// imageRequest is one of OpenAI's routes for images.
func imageRequest(ctx context.Context, route, contentType string, body io.Reader) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/openai/v1/images/"+route, body)
	r.RequestURI = ""
	r.Header.Set("Api-Key", "key-a")
	r.Header.Set("Content-Type", contentType)
	return r
}

// TestImageFaults: whatever breaks on the way to an image, the client of each door is told, and told right,
// and nothing is left behind.
func TestImageFaults(t *testing.T) {
	aws := matrixSandbox(t)
	list, _ := converse.faults(6, false)
	filtered := failure{http.StatusBadRequest, "invalid_request_error", "content_filter"}
	for wish, want := range map[string]failure{"prompt": filtered, "output": filtered, "input": filtered, "error": upstreamFailed} {
		list = append(list, fault{wish: "filter=" + wish, want: want})
	}
	for _, door := range []string{"chat", "stream", "images"} {
		for _, f := range list {
			t.Run(door+"/"+f.wish, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					rig := newRig(t, aws, setting{model: sd35})
					text, err := json.Marshal(fmt.Sprintf("Case %08x [[sandbox %s]]", crc32.ChecksumIEEE([]byte(t.Name())), f.wish))
					if err != nil {
						t.Fatal(err)
					}
					healthy := answered{finish: "stop", ended: true}
					var request *http.Request
					if door == "images" {
						healthy.finish = ""
						request = imageRequest(t.Context(), "generations", "application/json", strings.NewReader(`{"model":"model","prompt":`+string(text)+`}`))
					} else {
						request = chatRequestWith(t.Context(), "key-a", fmt.Sprintf(`{"model":"model","stream":%t,"messages":[{"role":"user","content":%s}]}`, door == "stream", text))
					}
					checkFault(t, rig.do(request), healthy, f.want, f.whole)
					rig.checkBaseline(t)
				})
			})
		}
	}
}

// TestSandboxDraws: what the sandbox makes of a picture is one, of the type and the proportions that were
// asked for, at every door.
func TestSandboxDraws(t *testing.T) {
	aws := matrixSandbox(t)
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, aws, setting{model: sd35})
		resp, err := rig.client.Do(imageRequest(t.Context(), "generations", "application/json", strings.NewReader(`{"model":"model","prompt":"A fox","size":"1536x1024","n":3,"seed":7}`)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var reply struct {
			Created int
			Raw     []map[string][]byte `json:"data"`
			Format  string              `json:"output_format"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || len(reply.Raw) != 3 || reply.Format != "png" {
			t.Fatalf("%v: %+v", err, reply)
		}
		seen := map[string]bool{}
		for _, one := range reply.Raw {
			picture, err := png.Decode(bytes.NewReader(one["b64_json"]))
			if err != nil || picture.Bounds().Dx() != 64 || picture.Bounds().Dy() != 42 {
				t.Error(err)
			}
			seen[string(one["b64_json"])] = true
		}
		if len(seen) != 3 {
			t.Error("the images are the same: the seed of each choice is to be its own")
		}
	})
}

// seeds is a Bedrock that notes the seeds.
type seeds struct {
	mu   sync.Mutex
	seen []int64
}

func (s *seeds) RoundTrip(r *http.Request) (*http.Response, error) {
	var body struct{ Seed int64 }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, body.Seed)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"seeds":[1],"finish_reasons":[null],"images":["iVBORw0KGgo="]}`)),
	}, nil
}

func TestEveryChoiceHasItsSeed(t *testing.T) {
	aws := &seeds{}
	handler := newGateway(t, aws, io.Discard, setting{model: sd35, remotes: remotes{t: t}})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, chatRequestWith(t.Context(), "key-a", `{"model":"model","n":4,"seed":11,"messages":[{"role":"user","content":"A fox"}]}`))
	slices.Sort(aws.seen)
	if diff := cmp.Diff([]int64{11, 12, 13, 14}, aws.seen); w.Code != http.StatusOK || diff != "" {
		t.Errorf("%d %s: %s", w.Code, w.Body, diff)
	}
}

// form is a multipart body with an image and a mask.
func form(t testing.TB, picture []byte, fields ...string) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("image", "a.png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(picture); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// TestFormsThatDoNotEnd: a form that is too long, announced or not, or that breaks off, is told as what it is.
func TestFormsThatDoNotEnd(t *testing.T) {
	handler := newGateway(t, nobody(t), io.Discard, setting{model: "us.stability.stable-image-inpaint-v1:0", remotes: remotes{t: t}})
	contentType, body := form(t, make([]byte, 65<<20), "model", "model", "prompt", "x")
	for name, tt := range map[string]struct {
		body   io.Reader
		length int64
		want   string
	}{
		"announced": {strings.NewReader(""), int64(len(body)), `413 Request body is too large: it may have 64 MiB.`},
		"long":      {bytes.NewReader(body), -1, `413 Request body is too large: it may have 64 MiB.`},
		"cut":       {io.MultiReader(bytes.NewReader(body[:1000]), broken{}), 5000, `400 The body broke off before its end.`},
	} {
		t.Run(name, func(t *testing.T) {
			r := imageRequest(t.Context(), "edits", contentType, tt.body)
			r.ContentLength = tt.length
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			e, err := readRefused(w.Body.Bytes())
			if got := fmt.Sprint(w.Code, " ", e.Message); err != nil || got != tt.want {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

// broken is a connection that has gone.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// cannedImage is a Bedrock that draws.
type cannedImage struct{ called atomic.Bool } // choices are asked for side by side

func (c *cannedImage) RoundTrip(r *http.Request) (*http.Response, error) {
	c.called.Store(true)
	if body, err := io.ReadAll(r.Body); err != nil || !json.Valid(body) {
		return nil, fmt.Errorf("Bedrock was sent %q, %w", body, err)
	}
	return (&seeds{}).RoundTrip(&http.Request{Body: io.NopCloser(strings.NewReader("{}"))})
}

// FuzzImages: whatever a form or a body is, the gateway does not panic and does not fail by itself.
func FuzzImages(f *testing.F) {
	const picture = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x80\x00\x00\x02\x80\x08\x02\x00\x00\x00"
	encoded := base64.StdEncoding.EncodeToString([]byte(picture))
	for _, rest := range []string{``, `,"n":2`, `,"size":"1024x1536","seed":4`, `,"stream":true`, `,"response_format":"url"`, `,"custom_fields":{"configuration":{"strength":0.4}}`} {
		f.Add("generations", "application/json", []byte(`{"model":"model","prompt":"x"`+rest+`}`))
		f.Add("edits", "application/json", []byte(`{"model":"model","prompt":"x","images":[{"image_url":"data:image/png;base64,`+encoded+`"}],"mask":"http://example.com/m.png"`+rest+`}`))
	}
	for _, fields := range [][]string{
		{"n", "2"}, {"custom_fields", `{"configuration":{"strength":1}}`}, {"custom_fields[configuration][strength]", "0.2"}, {"stream", "true"}, {"mask", "x"}, {"image[]", "y"},
	} {
		contentType, body := form(f, []byte(picture), append(fields, "model", "model", "prompt", "x")...)
		f.Add("edits", contentType, body)
	}
	aws := &cannedImage{}
	handler := newGateway(f, aws, io.Discard, setting{model: sd35, remotes: remotes{t: lenient{f}}})
	f.Fuzz(func(t *testing.T, route, contentType string, body []byte) {
		if route != "edits" {
			route = "generations"
		}
		aws.called.Store(false)
		r := imageRequest(t.Context(), route, "", bytes.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		stream := strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream")
		switch {
		case w.Code >= 400 && w.Code != http.StatusInternalServerError && !aws.called.Load():
			if _, err := readRefused(w.Body.Bytes()); err != nil {
				t.Fatal(err)
			}
		case w.Code != http.StatusOK || !aws.called.Load():
			t.Fatalf("%d %s", w.Code, w.Body)
		case !stream && !json.Valid(w.Body.Bytes()), stream && !strings.HasSuffix(w.Body.String(), "}\n\n"):
			t.Fatalf("%s", w.Body)
		}
	})
}

// TestStoreHearsTheCaller: the storage gets the caller's credentials and nothing else of the request.
func TestStoreHearsTheCaller(t *testing.T) {
	aws := memnet.Serve(t, matrixSandbox(t))
	handler := newGateway(t, aws, io.Discard, setting{model: sd35, Store: "files/x", remotes: remotes{t: t}})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, chatRequestWith(t.Context(), "key-a", `{"model":"model","messages":[{"role":"user","content":"A fox"}]}`))
	if !strings.Contains(w.Body.String(), `"url":"files/x/Image"`) || strings.Contains(w.Body.String(), `"data"`) {
		t.Errorf("%s", w.Body)
	}
}
