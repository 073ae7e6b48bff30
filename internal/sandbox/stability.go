package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"strings"
)

// stabilityService is what one of Stability's image services demands of its body.
type stabilityService struct {
	name             string // of the base id, without "stability." and version
	required         string // members
	optional         string
	atLeastOne       string  // members one of which must be more than 0
	pictures         string  // members that are images in base64
	minSide, maxSide int     // of the image, in pixels
	minArea, maxArea int     //
	creativity       float64 // the most
}

// stabilityServices are in order: the first whose name fits is a model's.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/stable-image-services.html
func stabilityServices() []stabilityService {
	const usual = "negative_prompt seed output_format"
	const most = 9_437_184
	return []stabilityService{
		{name: "sd3", required: "prompt", optional: usual + " mode aspect_ratio cfg_scale image strength", pictures: "image", minSide: 640, maxSide: 1536},
		{name: "stable-image-core", required: "prompt", optional: usual + " mode aspect_ratio"},
		{name: "stable-image-ultra", required: "prompt", optional: usual + " mode aspect_ratio"},
		{name: "stable-image-inpaint", required: "prompt image", optional: usual + " mask grow_mask style_preset", pictures: "image mask", minSide: 64, maxArea: most},
		{
			name: "stable-outpaint", required: "image", optional: "prompt seed output_format style_preset creativity left right up down",
			atLeastOne: "left right up down", pictures: "image", minSide: 64, maxArea: most, creativity: 1,
		},
		{name: "stable-image-erase-object", required: "image", optional: "mask grow_mask seed output_format", pictures: "image mask", minSide: 64, maxArea: most},
		{name: "stable-image-search-replace", required: "prompt image search_prompt", optional: usual + " grow_mask style_preset", pictures: "image", minSide: 64, maxArea: most},
		{name: "stable-image-search-recolor", required: "prompt image select_prompt", optional: usual + " grow_mask style_preset", pictures: "image", minSide: 64, maxArea: most},
		{name: "stable-image-remove-background", required: "image", optional: "output_format", pictures: "image", minSide: 64, maxArea: most},
		{name: "stable-image-control-", required: "prompt image", optional: usual + " control_strength style_preset", pictures: "image", minSide: 64, maxArea: most},
		{name: "stable-image-style-guide", required: "prompt image", optional: usual + " aspect_ratio fidelity style_preset", pictures: "image", minSide: 64, maxArea: most},
		{
			name: "stable-style-transfer", required: "init_image style_image", optional: usual + " prompt composition_fidelity style_strength change_strength",
			pictures: "init_image style_image", minSide: 64, maxArea: most,
		},
		{name: "stable-fast-upscale", required: "image", optional: "output_format", pictures: "image", minSide: 32, maxSide: 1536, minArea: 1024, maxArea: 1 << 20},
		{
			name: "stable-creative-upscale", required: "prompt image", optional: usual + " creativity style_preset", pictures: "image",
			minSide: 64, minArea: 4096, maxArea: 1 << 20, creativity: 0.5,
		},
		{name: "stable-conservative-upscale", required: "prompt image", optional: usual + " creativity", pictures: "image", minSide: 64, maxArea: most, creativity: 0.5},
	}
}

// stabilityOf is the service that a call is for, nil for a call of another model.
func stabilityOf(c *call) *stabilityService {
	name, ok := strings.CutPrefix(baseOf(c), "stability.")
	if !ok || c.Model == nil {
		return nil
	}
	all := stabilityServices()
	for i := range all {
		if strings.HasPrefix(name, all[i].name) {
			return &all[i]
		}
	}
	return nil
}

// stabilityNative: what a service's JSON schema demands, and what it says of images.
func stabilityNative(c *call, s *stabilityService) *apiError {
	schema := nativeSchema{
		required: strings.Fields(s.required), optional: strings.Fields(s.optional),
		texts: map[string][]string{
			"output_format": {"png", "jpeg", "webp"}, "mode": {"text-to-image", "image-to-image"},
			"aspect_ratio": {"16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"},
		},
	}
	found := schema.findings(c.Body)
	for _, name := range []string{"prompt", "negative_prompt", "search_prompt", "select_prompt"} {
		value, given := c.Body[name]
		switch said, isText := value.(string); {
		case !given:
		case !isText:
			found = append(found, "#/"+name+": expected type: String")
		case said == "" && name != "negative_prompt":
			found = append(found, "#/"+name+": expected minLength: 1, actual: 0")
		case len([]rune(said)) > 10_000:
			found = append(found, fmt.Sprintf("#/%s: expected maxLength: 10000, actual: %d", name, len([]rune(said))))
		}
	}
	found = append(found, s.ranges(c.Body)...)
	if len(found) > 0 {
		return invalid("%s", malformed(found...))
	}
	if isImage := c.Body["image"] != nil; strings.Contains(s.optional, "mode") && isImage != (c.Body["mode"] == "image-to-image") {
		return invalid("image and mode contradict each other: image-to-image needs an image, and text-to-image takes none")
	}
	for _, name := range strings.Fields(s.pictures) {
		if refused := s.picture(c.Body, name); refused != nil {
			return refused
		}
	}
	return nil
}

// ranges: the numbers.
func (s *stabilityService) ranges(body map[string]any) (found []string) {
	for _, r := range []span{
		{"seed", 0, 4_294_967_294, true}, {"grow_mask", 0, 20, true}, {"control_strength", 0, 1, false}, {"strength", 0, 1, false},
		{"fidelity", 0, 1, false}, {"creativity", 0.1, s.creativity, false}, {"left", 0, 2000, true}, {"right", 0, 2000, true}, {"up", 0, 2000, true},
		{"down", 0, 2000, true}, {"composition_fidelity", 0, 1, false}, {"style_strength", 0, 1, false}, {"change_strength", 0.1, 1, false}, {"cfg_scale", 0, 35, false},
	} {
		value, given := body[r.name]
		_, isNumber := value.(json.Number)
		n := number(value)
		switch {
		case !given:
		case !isNumber, r.whole && n != math.Trunc(n):
			found = append(found, "#/"+r.name+": expected a number")
		case n < r.low || n > r.high:
			found = append(found, fmt.Sprintf("#/%s: %v is not between %v and %v", r.name, value, r.low, r.high))
		}
	}
	sum := 0.0
	for _, name := range strings.Fields(s.atLeastOne) {
		sum += number(body[name])
	}
	if s.atLeastOne != "" && sum == 0 {
		found = append(found, "#: at least one of ["+s.atLeastOne+"] must be greater than 0")
	}
	return found
}

// picture: an image that comes in.
func (s *stabilityService) picture(body map[string]any, name string) *apiError {
	value, given := body[name]
	if !given {
		return nil
	}
	size, format := imageSize(text(value))
	short, long, area := min(size.X, size.Y), max(size.X, size.Y), size.X*size.Y
	switch {
	case format != "png" && format != "jpeg" && format != "webp":
		return invalid("%s", malformed("#/"+name+": not a base64 image of type jpeg, png or webp"))
	case name == "mask" || short == 0:
	case short < s.minSide, s.maxSide > 0 && long > s.maxSide, area < s.minArea, s.maxArea > 0 && area > s.maxArea:
		return invalid("%s of %d x %d pixels is outside of what the model takes", name, size.X, size.Y)
	}
	return nil
}

// stability answers with a small image that is another one for every request.
func stability(e *exchange, s *stabilityService) {
	body := e.call.Body
	if e.wish.filter != "" {
		e.reply(map[string]any{"seeds": []any{}, "finish_reasons": []any{filterReason(e.wish.filter)}, "images": []any{}}, 0)
		return
	}
	hash := sha256.Sum256(e.call.Raw)
	seed := uint32(number(body["seed"]))
	if seed == 0 {
		seed = binary.BigEndian.Uint32(hash[:])
	}
	format := text(body["output_format"])
	if format == "" {
		format = "png"
	}
	picture := painting(s.canvas(body), hash, format)
	e.reply(map[string]any{
		"seeds": []any{seed}, "finish_reasons": []any{nil}, "images": []any{base64.StdEncoding.EncodeToString(picture)},
	}, 0)
}

// filterWishes are the values of the directive filter.
func filterWishes() []string { return []string{"prompt", "output", "input", "error"} }

func filterReason(wish string) string {
	return map[string]string{
		"prompt": "Filter reason: prompt", "output": "Filter reason: output image", "input": "Filter reason: input image", "error": "Inference error",
	}[wish]
}

// canvas is the size of the answer: small, in the proportions that were asked for.
func (s *stabilityService) canvas(body map[string]any) image.Point {
	const side = 64
	width, height := 1, 1
	names := strings.Fields(s.pictures)
	if _, err := fmt.Sscanf(text(body["aspect_ratio"]), "%d:%d", &width, &height); err != nil && len(names) > 0 {
		if size, _ := imageSize(text(body[names[0]])); size.X > 0 && size.Y > 0 {
			width = size.X + int(number(body["left"])) + int(number(body["right"]))
			height = size.Y + int(number(body["up"])) + int(number(body["down"]))
		}
	}
	long := max(width, height)
	return image.Pt(max(1, width*side/long), max(1, height*side/long))
}
