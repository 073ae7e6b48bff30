package bedrock

import (
	"encoding/json"
	"strconv"
	"strings"
)

// need says how much one of Stability's services wants an input.
type need uint8

const (
	needless need = iota // it has no place for it
	optional
	required
)

// imageService is what one of Stability's services takes. The zero value, of a service that is not listed,
// has room for everything and wants nothing.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/stable-image-services.html
type imageService struct {
	name   string // of the base ids, behind "stability." and before the version
	prompt need
	image  need
	// first and second are the members for the images; second is "" where one is all.
	first, second string
	secondNeeded  bool
	// modes says that the body tells what is asked for: text-to-image or image-to-image.
	modes      bool
	bounds     bounds
	parameters []parameter
	// oneOf are parameters of which one must be there and more than 0.
	oneOf []string
}

// bounds are those of an image that comes in, in pixels; 0 is without bound.
type bounds struct {
	minSide, maxSide int
	minArea, maxArea int
	ratio            float64 // of the longer side to the shorter
}

// parameter is a member of the body beside the prompt and the images, which custom_fields.configuration
// may hold.
type parameter struct {
	name      string
	what      string // for people
	kind      parameterKind
	low, high float64
	words     []string // of a word, those that AWS lists; new ones come without notice
	required  bool
}

type parameterKind uint8

const (
	kindNumber parameterKind = iota
	kindWhole
	kindText
	kindWord
)

// The bounds of most images: https://docs.aws.amazon.com/bedrock/latest/userguide/stable-image-services.html
const (
	megapixel   = 1 << 20
	largestArea = 9_437_184
	longestRun  = 10_000 // characters of a prompt
	largestSeed = 4_294_967_294
)

func number(name, what string, low, high float64) parameter {
	return parameter{name: name, what: what, kind: kindNumber, low: low, high: high}
}

func integer(name, what string, low, high float64) parameter {
	return parameter{name: name, what: what, kind: kindWhole, low: low, high: high}
}

func neededText(name, what string) parameter {
	return parameter{name: name, what: what, kind: kindText, required: true}
}

// imageServices are in order: the first whose name fits is a model's.
func imageServices() []imageService {
	ratio := parameter{name: "aspect_ratio", what: "Of the width to the height.", kind: kindWord, words: aspectRatios()}
	negative := parameter{name: "negative_prompt", what: "What the image must not show.", kind: kindText}
	seed := integer("seed", "The same one gives the same image; 0 is any.", 0, largestSeed)
	format := parameter{name: "output_format", what: "Of the image; png is the default.", kind: kindWord, words: []string{"png", "jpeg", "webp"}}
	style := parameter{name: "style_preset", what: "The style of the image.", kind: kindWord, words: stylePresets()}
	grow := integer("grow_mask", "By how many pixels the mask grows at its edges.", 0, 20)
	control := number("control_strength", "How much the image decides.", 0, 1)
	creativity := func(low, high float64) parameter {
		return number("creativity", "How much is made up.", low, high)
	}
	edit, tall := bounds{minSide: 64, maxArea: largestArea}, bounds{minSide: 64, maxArea: largestArea, ratio: 2.5}
	basic := []parameter{negative, seed, format}
	with := func(more ...parameter) []parameter { return append(more, basic...) }
	return []imageService{
		{
			name: "sd3", prompt: required, image: optional, first: "image", modes: true, bounds: bounds{minSide: 640, maxSide: 1536},
			parameters: with(ratio, number("cfg_scale", "How closely the prompt is followed.", 0, 35), number("strength", "How much of the image is made anew.", 0, 1)),
		},
		{name: "stable-image-core", prompt: required, modes: true, parameters: with(ratio)},
		{name: "stable-image-ultra", prompt: required, modes: true, parameters: with(ratio)},
		{name: "stable-image-inpaint", prompt: required, image: required, first: "image", second: "mask", bounds: edit, parameters: with(style, grow)},
		{
			name: "stable-outpaint", prompt: optional, image: required, first: "image", bounds: tall, oneOf: []string{"left", "right", "up", "down"},
			parameters: []parameter{
				integer("left", "Pixels to add there.", 0, 2000), integer("right", "Pixels to add there.", 0, 2000), integer("up", "Pixels to add there.", 0, 2000),
				integer("down", "Pixels to add there.", 0, 2000), creativity(0.1, 1), style, seed, format,
			},
		},
		{name: "stable-image-erase-object", image: required, first: "image", second: "mask", bounds: edit, parameters: []parameter{grow, seed, format}},
		{
			name: "stable-image-search-replace", prompt: required, image: required, first: "image", bounds: edit,
			parameters: with(neededText("search_prompt", "What is to be replaced, in a few words."), style, grow),
		},
		{
			name: "stable-image-search-recolor", prompt: required, image: required, first: "image", bounds: edit,
			parameters: with(neededText("select_prompt", "What is to be recolored, in a few words."), style, grow),
		},
		{name: "stable-image-remove-background", image: required, first: "image", bounds: edit, parameters: []parameter{format}},
		{name: "stable-image-control-sketch", prompt: required, image: required, first: "image", bounds: tall, parameters: with(control, style)},
		{name: "stable-image-control-structure", prompt: required, image: required, first: "image", bounds: tall, parameters: with(control, style)},
		{
			name: "stable-image-style-guide", prompt: required, image: required, first: "image", bounds: tall,
			parameters: with(ratio, number("fidelity", "How closely the image's style is followed.", 0, 1), style),
		},
		{
			name: "stable-style-transfer", prompt: optional, image: required, first: "init_image", second: "style_image", secondNeeded: true, bounds: tall,
			parameters: with(
				number("composition_fidelity", "How much of the first image's composition stays.", 0, 1),
				number("style_strength", "How much the style of the second image counts.", 0, 1),
				number("change_strength", "How much the first image may change.", 0.1, 1),
			),
		},
		{
			name: "stable-fast-upscale", image: required, first: "image", bounds: bounds{minSide: 32, maxSide: 1536, minArea: 1024, maxArea: megapixel},
			parameters: []parameter{format},
		},
		{
			name: "stable-creative-upscale", prompt: required, image: required, first: "image", bounds: bounds{minSide: 64, minArea: 4096, maxArea: megapixel},
			parameters: with(creativity(0.1, 0.5), style),
		},
		{
			name: "stable-conservative-upscale", prompt: required, image: required, first: "image", bounds: tall,
			parameters: with(creativity(0.1, 0.5)),
		},
		{prompt: optional, image: optional, first: "image", second: "mask", parameters: with(ratio)},
	}
}

// aspectRatios are those that AWS lists.
func aspectRatios() []string {
	return []string{"1:1", "16:9", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"}
}

func stylePresets() []string {
	return []string{
		"3d-model", "analog-film", "anime", "cinematic", "comic-book", "digital-art", "enhance", "fantasy-art", "isometric", "line-art",
		"low-poly", "modeling-compound", "neon-punk", "origami", "photographic", "pixel-art", "tile-texture",
	}
}

// imageService is that of the model.
func (t *traits) imageService() *imageService {
	name := strings.TrimPrefix(t.model.Base, stabilityPrefix)
	all := imageServices()
	for i := range all {
		if strings.HasPrefix(name, all[i].name) {
			return &all[i]
		}
	}
	return nil // the last one's name begins every name
}

func (s *imageService) has(parameter string) bool {
	for i := range s.parameters {
		if s.parameters[i].name == parameter {
			return true
		}
	}
	return false
}

// properties are the parameters as members of custom_fields.configuration. Their values are checked and go
// on as they are.
func (s *imageService) properties() []property {
	list := make([]property, len(s.parameters))
	for i := range s.parameters {
		p := &s.parameters[i]
		list[i] = property{name: p.name, description: p.what, schema: p.schema(), required: p.required, read: p.read}
	}
	return list
}

func (p *parameter) schema() string {
	switch p.kind {
	case kindNumber, kindWhole:
		kind := map[parameterKind]string{kindNumber: "number", kindWhole: "integer"}[p.kind]
		return `"type":"` + kind + `","minimum":` + decimal(p.low) + `,"maximum":` + decimal(p.high)
	case kindWord:
		quoted, _ := json.Marshal(p.words) // strings cannot fail
		return `"type":"string","minLength":1,"examples":` + string(quoted)
	default:
		return `"type":"string","minLength":1,"maxLength":` + strconv.Itoa(longestRun)
	}
}

// read says what a value should have been, or "".
func (p *parameter) read(_ *configuration, v json.RawMessage) string {
	switch p.kind {
	case kindNumber, kindWhole:
		var n float64
		if json.Unmarshal(v, &n) != nil || n < p.low || n > p.high || p.kind == kindWhole && n != float64(int64(n)) {
			what := map[parameterKind]string{kindNumber: "a number", kindWhole: "a whole number"}[p.kind]
			return what + " from " + decimal(p.low) + " to " + decimal(p.high)
		}
	default:
		var text string
		if json.Unmarshal(v, &text) != nil || text == "" {
			return "a string that is not empty"
		}
		if len([]rune(text)) > longestRun {
			return "a string of at most " + strconv.Itoa(longestRun) + " characters"
		}
	}
	return ""
}

func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
