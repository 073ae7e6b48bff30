package openai

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"iter"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

// yields is a sequence of events that ends with an error, if there is one.
func yields(err error, events ...llm.Event) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for _, event := range events {
			if !yield(event, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func TestWriteImages(t *testing.T) {
	picture := llm.BlobOut{Blob: llm.Blob{MIME: "image/webp", Base64: "AAAA"}}
	raw := llm.BlobOut{Blob: llm.Blob{MIME: "text/x", Bytes: []byte("hi")}}
	stored := llm.BlobOut{URL: "files/a", Blob: llm.Blob{MIME: "image/png"}}
	stop := llm.Finish{Reason: llm.FinishStop}
	filtered := &llm.Error{Kind: llm.KindContentFilter, Message: "No.", Param: "messages[0].content"}
	const noImages = `502 {"error":{"message":"The model answered without an image.","type":"api_error","param":null,"code":"upstream_error"}}` + "\n"
	const no = `{"message":"No.","type":"invalid_request_error","param":"prompt","code":"content_filter","display_message":"No."}}`
	event := func(kind, rest string) string {
		return "event: " + kind + "\ndata: {\"type\":\"" + kind + `",` + rest + "}\n\n"
	}
	const auto = `"size":"auto","quality":"auto","background":"auto",`
	for _, tt := range []struct {
		name        string
		seq         iter.Seq2[llm.Event, error]
		env         ImageEnvelope
		want, steam string
	}{
		{
			"two of one choice", yields(nil, llm.Start{}, picture, raw, stop), ImageEnvelope{},
			`200 {"created":5,"data":[{"b64_json":"AAAA"},{"b64_json":"aGk="}],"output_format":"webp"}` + "\n",
			"200 " + event("image_generation.completed", `"created_at":5,"output_format":"webp",`+auto+`"b64_json":"AAAA"`) +
				event("image_generation.completed", `"created_at":5,"output_format":"unknown",`+auto+`"b64_json":"aGk="`),
		},
		{
			"where it is", yields(nil, llm.Start{}, stored, stop), ImageEnvelope{URL: true, Edit: true},
			`200 {"created":5,"data":[{"url":"files/a"}],"output_format":"png"}` + "\n",
			"200 " + event("image_edit.completed", `"created_at":5,"output_format":"png",`+auto+`"url":"files/a"`),
		},
		{"words alone", yields(nil, llm.Start{}, &llm.TextDelta{Text: "No."}, stop), ImageEnvelope{}, noImages, noImages},
		{
			"a choice that does not come", yields(nil, llm.Start{}, picture, stop), ImageEnvelope{Envelope: Envelope{Choices: 2}},
			`500 {"error":{"message":"The reply ended without a finish.","type":"server_error","param":null,"code":null}}` + "\n",
			"200 " + event("image_generation.completed", `"created_at":5,"output_format":"webp",`+auto+`"b64_json":"AAAA"`) +
				event("error", `"error":{"message":"The reply ended without a finish.","type":"server_error","param":null,"code":null}`),
		},
		{"an error at once", yields(filtered), ImageEnvelope{}, `400 {"error":` + no + "\n", `400 {"error":` + no + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.env.Created = time.Unix(5, 0)
			w := httptest.NewRecorder()
			_ = WriteImages(w, tt.seq, tt.env)
			if diff := cmp.Diff(tt.want, fmt.Sprint(w.Code, " ", w.Body)); diff != "" {
				t.Error(diff)
			}
			w = httptest.NewRecorder()
			_ = WriteImageStream(w, tt.seq, tt.env)
			if diff := cmp.Diff(tt.steam, fmt.Sprint(w.Code, " ", w.Body)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A stream of images tells of an error in the midst of it, and leaves a client that has gone.
func TestImageStreamEnds(t *testing.T) {
	picture := llm.BlobOut{Blob: llm.Blob{MIME: "image/png", Base64: "AAAA"}}
	w := httptest.NewRecorder()
	failed := errors.New("secret")
	if err := WriteImageStream(w, yields(failed, llm.Start{Changed: []string{"size"}}, picture), ImageEnvelope{}); !errors.Is(err, failed) {
		t.Error(err)
	}
	if body := w.Body.String(); strings.Contains(body, "secret") || !strings.Contains(body, "event: error\ndata: {\"type\":\"error\",\"error\":{") || w.Header().Get(HeaderChanged) != "size" {
		t.Errorf("%s, %v", body, w.Header())
	}
	for _, write := range []func(w *brokenPipe) error{
		func(w *brokenPipe) error {
			return WriteImageStream(w, yields(nil, picture, llm.Finish{}), ImageEnvelope{})
		},
		func(w *brokenPipe) error { return WriteImages(w, yields(nil, picture, llm.Finish{}), ImageEnvelope{}) },
	} {
		if err := write(&brokenPipe{httptest.NewRecorder()}); llm.AsError(err).Kind != llm.KindCanceled {
			t.Error(err)
		}
	}
}

// brokenPipe is a client that has gone.
type brokenPipe struct{ *httptest.ResponseRecorder }

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func encodePNG(t *testing.T, picture image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// masked is a request whose mask is that blob.
func masked(b llm.Blob) *llm.ChatRequest {
	b.Name, b.At = maskName, "mask"
	return &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "x"}, llm.Blob{Name: imageName}, b}}}}
}

func TestConvertMask(t *testing.T) {
	seeThrough := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	seeThrough.SetNRGBA(0, 0, color.NRGBA{200, 0, 0, 255})
	seeThrough.SetNRGBA(1, 0, color.NRGBA{200, 0, 0, 100})
	palette := image.NewPaletted(image.Rect(0, 0, 2, 1), color.Palette{color.NRGBA{9, 9, 9, 255}, color.NRGBA{}})
	palette.SetColorIndex(1, 0, 1)
	deep := image.NewNRGBA64(image.Rect(0, 0, 2, 1))
	deep.SetNRGBA64(0, 0, color.NRGBA64{A: 0xffff})
	for _, tt := range []struct {
		name string
		mask image.Image
		want []byte
	}{{"half and half", seeThrough, []byte{0, 155, 255}}, {"a palette", palette, []byte{0, 255}}, {"16 bits", deep, []byte{0, 255}}} {
		t.Run(tt.name, func(t *testing.T) {
			for _, blob := range []llm.Blob{{Bytes: encodePNG(t, tt.mask)}, {Base64: base64.StdEncoding.EncodeToString(encodePNG(t, tt.mask))}} {
				req := masked(blob)
				if err := ConvertMask(req); err != nil {
					t.Fatal(err)
				}
				got := req.Messages[0].Parts[2].(llm.Blob)
				picture, err := png.Decode(bytes.NewReader(got.Bytes))
				if err != nil || got.Base64 != "" || got.MIME != "image/png" {
					t.Fatalf("%v: %+v", err, got)
				}
				if gray := picture.(*image.Gray); !bytes.Equal(gray.Pix, tt.want) {
					t.Errorf("got %v, want %v", gray.Pix, tt.want)
				}
			}
		})
	}
	opaque := encodePNG(t, image.NewGray(image.Rect(0, 0, 2, 2)))
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 2, 2)), nil); err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{opaque, photo.Bytes()} {
		req := masked(llm.Blob{Bytes: data})
		if err := ConvertMask(req); err != nil || !bytes.Equal(req.Messages[0].Parts[2].(llm.Blob).Bytes, data) {
			t.Errorf("a mask that is the model's own already: %v", err)
		}
	}
}

func TestMasksThatAreNone(t *testing.T) {
	large := encodePNG(t, image.NewGray(image.Rect(0, 0, 3073, 3072)))
	small := encodePNG(t, image.NewNRGBA(image.Rect(0, 0, 20, 20)))
	for want, blob := range map[string]llm.Blob{
		"The mask has 3073 × 3072 pixels; at most 9437184 together are accepted.": {Bytes: large},
		"The mask is a PNG that is broken.":                                       {Bytes: small[:len(small)-20]},
		"The mask's base64 is broken.":                                            {Base64: "A"},
		"The mask must be a PNG that is transparent where the image is to change, or a PNG or JPEG that is white there and black elsewhere.": {Bytes: []byte("GIF89a")},
	} {
		e := llm.AsError(ConvertMask(masked(blob)))
		if e.Message != want || imagePath(e.Param) != "mask" || e.Kind != llm.KindInvalid {
			t.Errorf("got %+v, want %s", e, want)
		}
	}
}

func TestImagePath(t *testing.T) {
	for path, want := range map[string]string{
		"messages[0].content": "prompt", "messages[0]": "prompt", "messages": "prompt", "messages[0].image[1]": "image[1]", "messages[0].mask": "mask",
		"size": "size", "": "", "custom_fields.configuration.seed": "custom_fields.configuration.seed",
	} {
		if got := imagePath(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// TestImagesOfAForm: a form holds as many images as the JSON body, and no more.
func TestImagesOfAForm(t *testing.T) {
	form := func(n int) string {
		return strings.Repeat("--XX\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a\"\r\n\r\nb\r\n", n) + "--XX--\r\n"
	}
	req, _, err := DecodeImageForm(strings.NewReader(form(maxEditImages)), "XX")
	if err != nil || len(req.Messages[0].Parts) != maxEditImages {
		t.Errorf("%d images: %+v, %v", maxEditImages, req, err)
	}
	_, _, err = DecodeImageForm(strings.NewReader(form(maxEditImages+1)), "XX")
	if e := llm.AsError(err); e.Param != "image" || e.Message != "image: too many images; at most 16 are accepted." {
		t.Errorf("one more: %+v", e)
	}
}

// FuzzImageForm: whatever comes as a form is a request or the client's mistake.
func FuzzImageForm(f *testing.F) {
	for _, seed := range []string{
		"--XX\nContent-Disposition: form-data; name=\"prompt\"\n\na\n--XX\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\n\nb\n--XX--",
		"--XX\r\nContent-Disposition: form-data; name=\"image[]\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=4\r\n--XX\r\n\r\n\r\n--XX--\r\n",
		"--XX\nContent-Disposition: form-data; name=\"custom_fields[configuration][a]\"\n\n{\n--XX\nContent-Disposition: form-data; name=\"custom_fields\"\n\n{}\n--XX--", "", "--XX",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, shape, err := DecodeImageForm(bytes.NewReader(body), "XX")
		if err != nil {
			if e := llm.AsError(err); e.Kind != llm.KindInvalid || e.Message == "" {
				t.Fatalf("%+v", e)
			}
			return
		}
		if len(req.Messages) != 1 || len(req.Messages[0].Parts) == 0 || req.Picture == nil || !shape.Edit || shape.N < 1 {
			t.Fatalf("%+v %+v", req, shape)
		}
	})
}
