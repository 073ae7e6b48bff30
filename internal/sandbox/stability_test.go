package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"strings"
	"testing"
)

// pictureOf is a black PNG of a size.
func pictureOf(width, height int) string {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black})) // into memory
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestStabilityIsStrict(t *testing.T) {
	p, small := pictureOf(64, 64), pictureOf(8, 8)
	const sd3, core = "stability.sd3-5-large-v1:0", "stability.stable-image-core-v1:1"
	us := func(name string) string { return "us.stability." + name + "-v1:0" }
	for _, tt := range []struct{ model, body, want string }{
		{core, `{"prompt":"x","mode":"text-to-image","output_format":"png","seed":4294967294,"aspect_ratio":"21:9"}`, ""},
		{core, `{}`, "#: required key [prompt] not found"},
		{core, `{"prompt":""}`, "#/prompt: expected minLength: 1"},
		{core, `{"prompt":1}`, "#/prompt: expected type: String"},
		{core, `{"prompt":"` + strings.Repeat("x", 10_001) + `"}`, "#/prompt: expected maxLength: 10000, actual: 10001"},
		{core, `{"prompt":"x","image":"` + p + `"}`, "extraneous key [image]"},
		{core, `{"prompt":"x","seed":4294967295}`, "#/seed"},
		{core, `{"prompt":"x","seed":1.5}`, "#/seed: expected a number"},
		{core, `{"prompt":"x","seed":"1"}`, "#/seed: expected a number"},
		{core, `{"prompt":"x","aspect_ratio":"7:1"}`, "#/aspect_ratio: 7:1 is not a valid enum value"},
		{core, `{"prompt":"x","output_format":"gif"}`, "#/output_format"},
		{sd3, `{"prompt":"x","mode":"image-to-image"}`, "contradict"},
		{sd3, `{"prompt":"x","image":"` + pictureOf(640, 640) + `"}`, "contradict"},
		{sd3, `{"prompt":"x","mode":"image-to-image","strength":0.5,"image":"` + pictureOf(640, 640) + `"}`, ""},
		{sd3, `{"prompt":"x","mode":"image-to-image","image":"` + p + `"}`, "image of 64 x 64 pixels"},
		{sd3, `{"prompt":"x","mode":"image-to-image","image":"aGVsbG8="}`, "#/image: not a base64 image"},
		{us("stable-image-inpaint"), `{"prompt":"x","image":"` + p + `","mask":"` + small + `","grow_mask":20}`, ""},
		{us("stable-image-inpaint"), `{"prompt":"x","image":"` + p + `","grow_mask":21}`, "#/grow_mask"},
		{us("stable-image-inpaint"), `{"prompt":"x","image":"` + small + `"}`, "image of 8 x 8 pixels"},
		{us("stable-outpaint"), `{"image":"` + p + `","left":1}`, ""},
		{us("stable-outpaint"), `{"image":"` + p + `"}`, "at least one of [left right up down]"},
		{us("stable-image-erase-object"), `{"image":"` + p + `","prompt":"x"}`, "extraneous key [prompt]"},
		{us("stable-image-search-replace"), `{"image":"` + p + `","prompt":"x"}`, "required key [search_prompt]"},
		{us("stable-image-search-recolor"), `{"image":"` + p + `","prompt":"x","select_prompt":"y"}`, ""},
		{us("stable-image-remove-background"), `{"image":"` + p + `"}`, ""},
		{us("stable-image-control-sketch"), `{"image":"` + p + `","prompt":"x","control_strength":2}`, "#/control_strength"},
		{us("stable-image-control-structure"), `{"image":"` + p + `","prompt":"x","control_strength":1}`, ""},
		{us("stable-image-style-guide"), `{"image":"` + p + `","prompt":"x","fidelity":0}`, ""},
		{us("stable-style-transfer"), `{"init_image":"` + p + `"}`, "required key [style_image]"},
		{us("stable-style-transfer"), `{"init_image":"` + p + `","style_image":"` + p + `","change_strength":0}`, "#/change_strength"},
		{us("stable-fast-upscale"), `{"image":"` + pictureOf(32, 32) + `"}`, ""},
		{us("stable-fast-upscale"), `{"image":"` + pictureOf(1500, 1000) + `"}`, "1500 x 1000"},
		{us("stable-creative-upscale"), `{"image":"` + p + `","prompt":"x","creativity":0.6}`, "#/creativity"},
		{us("stable-conservative-upscale"), `{"image":"` + p + `","prompt":"x","creativity":0.5}`, ""},
	} {
		got := refusalOf(t, opInvoke, tt.model, tt.body)
		if got == "" && tt.want != "" || got != "" && tt.want == "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s %.80s: got %q, want %q", tt.model, tt.body, got, tt.want)
		}
	}
}

// drawn is an answer of the sandbox.
type drawn struct {
	Seeds   []uint32  `json:"seeds"`
	Reasons []*string `json:"finish_reasons"`
	Images  [][]byte  `json:"images"`
}

func paint(t *testing.T, model, body string) (d drawn) {
	t.Helper()
	rec := post(t, newServer(t, Options{}), call{Op: opInvoke, ModelID: model, Raw: []byte(body)})
	if err := json.Unmarshal(rec.Body.Bytes(), &d); rec.Code != http.StatusOK || err != nil {
		t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	return d
}

func TestStabilityDraws(t *testing.T) {
	const core = "stability.stable-image-core-v1:1"
	one := paint(t, core, `{"prompt":"A fox","aspect_ratio":"16:9"}`)
	picture, err := png.Decode(bytes.NewReader(one.Images[0]))
	if err != nil || picture.Bounds() != image.Rect(0, 0, 64, 36) || len(one.Seeds) != 1 || len(one.Reasons) != 1 || one.Reasons[0] != nil {
		t.Errorf("%v %+v", err, one)
	}
	if again, other := paint(t, core, `{"prompt":"A fox","aspect_ratio":"16:9"}`), paint(t, core, `{"prompt":"A wolf","aspect_ratio":"16:9"}`); !bytes.Equal(again.Images[0], one.Images[0]) || bytes.Equal(other.Images[0], one.Images[0]) {
		t.Error("the same prompt gives the same image, and another another")
	}
	if d := paint(t, core, `{"prompt":"A fox","output_format":"jpeg","seed":9}`); d.Seeds[0] != 9 {
		t.Errorf("%+v", d)
	} else if _, err := jpeg.Decode(bytes.NewReader(d.Images[0])); err != nil {
		t.Error(err)
	}
	wide := paint(t, "us.stability.stable-outpaint-v1:0", `{"image":"`+pictureOf(64, 64)+`","left":32,"right":32,"output_format":"webp"}`)
	size, format := imageSize(base64.StdEncoding.EncodeToString(wide.Images[0]))
	if size != image.Pt(64, 32) || format != "webp" {
		t.Errorf("%v %s", size, format)
	}
}

func TestStabilityFilters(t *testing.T) {
	for wish, want := range map[string]string{
		"prompt": "Filter reason: prompt", "output": "Filter reason: output image", "input": "Filter reason: input image", "error": "Inference error",
	} {
		d := paint(t, "stability.sd3-5-large-v1:0", fmt.Sprintf(`{"prompt":"A fox [[sandbox filter=%s]]"}`, wish))
		if len(d.Reasons) != 1 || d.Reasons[0] == nil || *d.Reasons[0] != want || len(d.Images) != 0 {
			t.Errorf("%s: %+v", wish, d)
		}
	}
}
