package openai

import (
	"strconv"
	"strings"

	"outcrop/internal/llm"
)

// ImageShape is how a client of the Images API wants the reply, and which deployment it named.
type ImageShape struct {
	Shape
	URL  bool // response_format is url: the reply says where each image is
	Edit bool // the images are made of others
}

// The limits of the Images API: https://platform.openai.com/docs/api-reference/images
const (
	maxPictures   = 10 // n
	maxEditImages = 16 // images to edit
	maxSize       = 5  // digits of a width or height
)

// DecodeImages reads the body of POST /images/generations
// (https://platform.openai.com/docs/api-reference/images/create), with custom_fields.configuration and seed,
// which are DIAL's. The values alias body. An error is as DecodeChat's.
//
// The request is a chat of one message, whose text is the prompt: an image model is a chat model that
// answers with files. Paths that an error, Start.Ignored or Start.Changed names are those of a chat;
// WriteImages and WriteImageError write them as members of this request.
func DecodeImages(body []byte) (*llm.ChatRequest, ImageShape, error) { return decodeImages(body, nil) }

// DecodeImageEdit reads the JSON body of POST /images/edits, with images and mask by their URLs
// (https://platform.openai.com/docs/api-reference/images/createEdit).
func DecodeImageEdit(body []byte) (*llm.ChatRequest, ImageShape, error) {
	return decodeImages(body, &imageFiles{})
}

// imageFiles are the images that a request is about.
type imageFiles struct {
	form   bool // they came in a form
	images []llm.Part
	mask   []llm.Part
}

// The names by which a model knows the mask from the images, whatever their files are called.
const (
	maskName  = "mask"
	imageName = "image"
)

// imageDecoder reads a request of the Images API. files is nil for a request that has none.
type imageDecoder struct {
	decoder
	files   *imageFiles
	picture llm.Picture
	prompt  string
	url     bool
	urlAt   int
}

func decodeImages(body []byte, files *imageFiles) (*llm.ChatRequest, ImageShape, error) {
	d := imageDecoder{decoder: newDecoder(body), files: files}
	d.request()
	d.s.End()
	d.complete()
	if err := d.err(); err != nil {
		e := llm.AsError(err)
		e.Message = strings.Replace(e.Message, "is not a chat request", "is not a request for images", 1)
		return nil, ImageShape{}, e
	}
	shape := ImageShape{Shape: d.shape, URL: d.url && !d.shape.Stream, Edit: files != nil}
	shape.Ignored = d.ignored.paths(body)
	return d.req, shape, nil
}

// request reads the members.
func (d *imageDecoder) request() {
	o := d.object()
	o.given = &d.shape.given
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "prompt":
			d.prompt = d.s.String()
		case "model":
			d.shape.Model = d.s.String()
		case "n":
			d.shape.N = d.count(maxPictures)
		case "size":
			d.size()
		case "output_format":
			d.picture.Format = d.word("png", "jpeg", "webp")
		case "response_format":
			d.urlAt = o.value
			d.url = d.word("b64_json", "url") == "url"
		case "stream":
			d.shape.Stream = d.s.Bool()
		case "seed":
			d.req.Sampling.Seed = new(d.s.Int())
		case "custom_fields":
			d.customFields()
		default:
			d.rest(key)
		}
	}
}

// rest reads the members that no image model of Bedrock has, and those of an edit.
func (d *imageDecoder) rest(key string) {
	switch {
	case d.files != nil && !d.files.form && (key == "images" || key == "image"):
		d.inputs(key)
	case d.files != nil && !d.files.form && key == maskName:
		d.files.mask = d.input(nil, maskName)
	case key == "quality", key == "background", key == "moderation":
		d.ignoreUnless(`"auto"`)
	case key == "partial_images": // 0: the whole image alone
		d.ignoreUnless("0")
	case key == "output_compression":
		d.ignoreUnless("100")
	default: // style, user, input_fidelity, and what nobody knows
		d.ignore()
	}
}

// word reads one of some words.
func (d *imageDecoder) word(words ...string) string {
	at, got := d.s.Offset(), d.s.String()
	for _, word := range words {
		if got == word {
			return word
		}
	}
	if got != "" {
		d.fail(at, "", "expected "+strings.Join(words, " or "))
	}
	return ""
}

// size reads auto or a width and a height.
func (d *imageDecoder) size() {
	at, text := d.s.Offset(), d.s.String()
	if text == "auto" || text == "" {
		return
	}
	wide, high, _ := strings.Cut(text, "x")
	if d.picture.Width, d.picture.Height = pixels(wide), pixels(high); d.picture.Width == 0 || d.picture.Height == 0 {
		d.fail(at, "", "expected auto or a width and a height, such as 1024x1024")
	}
}

// pixels reads a side, 0 for what is none.
func pixels(text string) int {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || len(text) > maxSize {
		return 0
	}
	return int(n)
}

// inputs reads the images to edit: a list, or one.
func (d *imageDecoder) inputs(key string) {
	if d.s.Kind() != '[' {
		d.files.images = d.input(d.files.images, key)
		return
	}
	for a := d.array(maxEditImages, "images"); a.more(); {
		d.files.images = d.input(d.files.images, key+"["+strconv.Itoa(a.n-1)+"]")
	}
}

// input reads an image: its URL, or an object with it.
func (d *imageDecoder) input(parts []llm.Part, path string) []llm.Part {
	f := file{at: d.s.Offset()}
	switch d.s.Kind() {
	case '"':
		f.urlAt, f.url = d.s.Offset(), d.s.String()
	case '{':
		o := d.object()
		for key, ok := o.next(); ok; key, ok = o.next() {
			switch key {
			case "image_url":
				f.urlAt, f.url = o.value, d.s.String()
				path += ".image_url"
			case "file_id":
				d.refuse(o.value, "send the image as image_url, a data: URL or one that can be fetched")
			default:
				d.ignore()
			}
		}
		if f.urlAt == 0 {
			d.fail(f.at, "image_url", "missing; expected "+urlWords)
		}
	default:
		d.wrongType("a URL or an object with image_url")
	}
	if d.s.Err() != nil {
		return parts
	}
	f.name = imageName
	if path == maskName || path == maskName+".image_url" {
		f.name = maskName
	}
	return d.addURL(parts, &f, llm.Place(path))
}

// complete makes a chat of the request.
func (d *imageDecoder) complete() {
	switch {
	case d.s.Err() != nil:
		return
	case d.prompt == "" && d.files == nil:
		d.fail(0, "prompt", "missing; expected what the image should show")
		return
	case d.files != nil && len(d.files.images) == 0:
		member := "images"
		if d.files.form {
			member = "image"
		}
		d.fail(0, member, "missing; expected the image to edit")
		return
	}
	if d.url && d.shape.Stream {
		d.ignoreAt(d.urlAt) // its events have no place for one
	}
	var parts []llm.Part
	if d.prompt != "" {
		parts = append(parts, llm.Text{Text: d.prompt})
	}
	if d.files != nil {
		parts = append(append(parts, d.files.images...), d.files.mask...)
	}
	d.req.Messages = []llm.Message{{Role: llm.RoleUser, Parts: parts}}
	d.req.Picture, d.req.Whole = &d.picture, !d.shape.Stream
}

// imagePath is a path within the chat as a member of the request for images.
func imagePath(path string) string {
	rest, ok := strings.CutPrefix(path, "messages[0]")
	switch {
	case !ok && path != "messages":
		return path
	case rest == "" || rest == ".content" || path == "messages":
		return "prompt"
	default:
		return strings.TrimPrefix(rest, ".")
	}
}
