package bedrock

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// stabilityWriter writes a chat as a body of one of Stability's services: its last message has the prompt
// and the images, and custom_fields.configuration has whatever else the service takes.
type stabilityWriter struct {
	plan    *converse // what is shared with Converse
	service *imageService
	message *llm.Message // the last
	given   []member     // of the configuration, for the body
	texts   []string
	images  []inputImage // the first, and the second if there is one
	fields  extraFields
}

// inputImage is an image of the request, and the member of the body that it is for.
type inputImage struct {
	llm.Blob
	member string
}

func writeStability(v *view, req *llm.ChatRequest) (*outcall, error) {
	w := &stabilityWriter{plan: &converse{traits: &v.traits, req: req}, service: v.traits.imageService()}
	for _, step := range []func(*llm.ChatRequest) error{w.refuse, w.find, w.read} {
		if err := step(req); err != nil {
			return nil, err
		}
	}
	if err := w.configure(req, v.properties()); err != nil {
		return nil, err
	}
	for _, step := range []func(*llm.ChatRequest) error{w.complete, w.addPrompt, w.addSeed, w.addPicture} {
		if err := step(req); err != nil {
			return nil, err
		}
	}
	w.forget(req)
	header, err := w.plan.invokeHeader(req)
	if err != nil {
		return nil, err
	}
	body, err := w.body()
	return &outcall{plan: w.plan, body: body, header: header, whole: wholeStability}, err
}

// refuse refuses what would make the reply another than the one that is asked for.
func (w *stabilityWriter) refuse(req *llm.ChatRequest) error {
	switch mode := req.ToolChoice.Mode; {
	case mode == llm.ToolRequired || mode == llm.ToolNamed:
		return llm.Invalid("tool_choice", "This model makes images and cannot call tools.")
	case req.Format.Kind != llm.FormatText:
		return llm.Invalid("response_format", "This model makes images: it writes no JSON.")
	}
	return nil
}

// find finds the message that the model gets.
func (w *stabilityWriter) find(req *llm.ChatRequest) error {
	for i := range req.Messages {
		if m := &req.Messages[i]; m.Role != llm.RoleSystem {
			w.message = m
		}
	}
	switch {
	case w.message == nil:
		return llm.Invalid("messages", "No message is the user's: this model needs one with a prompt.")
	case w.message.Role != llm.RoleUser:
		return llm.Invalid(messageField(w.message, "role"), "The last message must be the user's: its text is the prompt, and its images are what is worked on.")
	}
	for i := range req.Messages {
		if m := &req.Messages[i]; m.Index != w.message.Index {
			w.plan.ignore("messages["+strconv.Itoa(m.Index)+"]", "the model gets the last message of the user alone")
		}
	}
	return nil
}

// read takes the message apart.
func (w *stabilityWriter) read(*llm.ChatRequest) error {
	for _, part := range w.message.Parts {
		switch p := part.(type) {
		case llm.Text:
			w.texts = append(w.texts, p.Text)
		case llm.CachePoint:
			w.plan.ignore(pointField(w.message, p), "image models have no prompt cache")
		case llm.Blob:
			if err := w.take(p); err != nil {
				return err
			}
		case llm.Link:
			return llm.Invalid(placeField(w.message, p.At), "This model takes images as bytes, not by an s3: URL.")
		default:
			return llm.Invalid(messageField(w.message, "content"), "This model takes texts and images only.")
		}
	}
	return nil
}

// take finds the place of an image: one whose name begins with "mask" is the mask, one with "style" the
// style; else the first is what is worked on and the second what is left.
func (w *stabilityWriter) take(b llm.Blob) error {
	s := w.service
	taken := func(member string) bool {
		return slices.ContainsFunc(w.images, func(i inputImage) bool { return i.member == member })
	}
	named := s.second != "" && strings.HasPrefix(strings.ToLower(b.Name), strings.TrimSuffix(s.second, "_image"))
	place := placeField(w.message, b.At)
	switch {
	case s.image == needless:
		return llm.Invalid(place, "This model makes images of text alone: it takes no image.")
	case named && !taken(s.second):
		return w.add(inputImage{b, s.second}, place)
	case !taken(s.first):
		return w.add(inputImage{b, s.first}, place)
	case s.second != "" && !taken(s.second):
		return w.add(inputImage{b, s.second}, place)
	default:
		return llm.Invalid(place, "This is one image more than the model takes. "+s.takes())
	}
}

// takes is a sentence about the images of a request.
func (s *imageService) takes() string {
	switch s.second {
	case "":
		return "It takes one."
	case "mask":
		return "It takes one and a mask."
	default:
		return "It takes one and another with the style."
	}
}

func (w *stabilityWriter) add(i inputImage, place string) error {
	kind := sniff(i.Blob)
	if kind.class != classImage || !slices.Contains([]string{"jpeg", "png", "webp"}, kind.format) {
		what := kind.what
		if kind.class != classNone {
			what = kind.describe()
		}
		return llm.Invalid(place, fmt.Sprintf("The file is %s%s. This model takes images (jpeg, png, webp).", what, declaredAs(i.MIME)))
	}
	if i.member != "mask" {
		if wrong := w.service.bounds.check(kind.width, kind.height); wrong != "" {
			return llm.Invalid(place, fmt.Sprintf("The image has %d × %d pixels; this model takes %s.", kind.width, kind.height, wrong))
		}
	}
	w.images = append(w.images, i)
	return nil
}

// check says what an image should have been, or "". An image whose header tells no size passes.
func (b *bounds) check(width, height int) string {
	short, long, area := min(width, height), max(width, height), width*height
	switch {
	case short == 0:
		return ""
	case b.maxSide > 0 && (short < b.minSide || long > b.maxSide):
		return fmt.Sprintf("from %d to %d a side", b.minSide, b.maxSide)
	case short < b.minSide:
		return fmt.Sprintf("at least %d a side", b.minSide)
	case b.maxArea > 0 && area > b.maxArea, area < b.minArea:
		return fmt.Sprintf("from %d to %d together", max(b.minArea, b.minSide*b.minSide), b.maxArea)
	case b.ratio > 0 && float64(long) > b.ratio*float64(short):
		return fmt.Sprintf("images whose longer side is at most %s times the shorter", decimal(b.ratio))
	}
	return ""
}

// configure reads the configuration: what is known is checked, all of it goes on. A null member is one
// that is not there.
func (w *stabilityWriter) configure(req *llm.ChatRequest, known []property) error {
	list := members(req.Config)
	if len(req.Config) > 0 && list == nil {
		return wrongMember(configPath, "must be an object.")
	}
	for i, m := range list {
		at := configPath + "." + m.key
		switch {
		case slices.ContainsFunc(list[:i], func(other member) bool { return other.key == m.key }):
			return wrongMember(at, "is there twice.")
		case w.plan.traits.guardrail != nil && strings.HasPrefix(strings.ToLower(m.key), awsFields):
			return llm.Invalid(at, "This deployment's guardrail is set by the server: what it looks at cannot be changed.")
		case string(m.value) == "null":
			continue
		}
		own, err := w.member(m, known)
		if err != nil {
			return err
		}
		if !own {
			w.given = append(w.given, m)
		}
	}
	return nil
}

// member checks one; own says that it is AWS's and goes into a header.
func (w *stabilityWriter) member(m member, known []property) (own bool, err error) {
	at := configPath + "." + m.key
	i := slices.IndexFunc(known, func(p property) bool { return p.name == m.key })
	if i < 0 {
		return false, nil
	}
	p := &known[i]
	if p.members != nil {
		return true, decodeConfig(&w.plan.config, p.members, m.value, at)
	}
	if wanted := p.read(&w.plan.config, m.value); wanted != "" {
		return false, wrongMember(at, "must be "+wanted+".")
	}
	return m.key == "serviceTier", nil
}

// complete refuses a request that lacks what the service needs. The configuration may have it.
func (w *stabilityWriter) complete(*llm.ChatRequest) error {
	s, content := w.service, messageField(w.message, "content")
	has := func(name string) bool {
		return find(w.given, name) != nil || slices.ContainsFunc(w.images, func(i inputImage) bool { return i.member == name })
	}
	switch {
	case s.image == required && !has(s.first):
		return llm.Invalid(content, "This model works on an image: the request must hold one.")
	case s.secondNeeded && !has(s.second):
		return llm.Invalid(content, "This model needs two images: the one to change, and after it one with the style.")
	}
	for _, p := range s.parameters {
		if p.required && !has(p.name) {
			return wrongMember(configPath+"."+p.name, "is needed: "+p.what)
		}
	}
	more := func(name string) bool { return strings.Trim(string(find(w.given, name)), "0.") != "" }
	if len(s.oneOf) > 0 && !slices.ContainsFunc(s.oneOf, more) {
		return llm.Invalid(configPath+"."+s.oneOf[0], "One of "+strings.Join(s.oneOf, ", ")+" is needed, and more than 0.")
	}
	return nil
}

func (w *stabilityWriter) addPrompt(*llm.ChatRequest) error {
	content := messageField(w.message, "content")
	prompt := strings.TrimSpace(strings.Join(w.texts, " "))
	switch {
	case find(w.given, "prompt") != nil:
		if prompt != "" {
			w.plan.ignore(content, "the configuration has another prompt")
		}
	case w.service.prompt == needless:
		if prompt != "" {
			w.plan.ignore(content, "the model takes no text beside the image")
		}
	case prompt == "" && w.service.prompt == required:
		return llm.Invalid(content, "The request holds no text: this model needs a prompt.")
	case utf8.RuneCountInString(prompt) > longestRun:
		return llm.Invalid(content, fmt.Sprintf("The prompt has more than %d characters, which is the most that this model takes.", longestRun))
	case prompt != "":
		w.fields.add("prompt", jsonscan.AppendString(nil, prompt))
	}
	if !w.service.modes {
		return nil
	}
	w.fields.add("mode", []byte(`"text-to-image"`))
	if len(w.images) > 0 || find(w.given, "image") != nil {
		w.fields.add("mode", []byte(`"image-to-image"`))
		w.fields.add("strength", []byte("0.5"))
	}
	return nil
}

func (w *stabilityWriter) addSeed(req *llm.ChatRequest) error {
	seed := req.Sampling.Seed
	switch {
	case seed == nil:
	case !w.service.has("seed") || find(w.given, "seed") != nil:
		w.plan.ignore("seed", "the model takes none, or the configuration has another")
	case *seed < 0 || *seed > largestSeed:
		return llm.Invalid("seed", fmt.Sprintf("This model takes a seed from 0 to %d.", largestSeed))
	default:
		w.fields.add("seed", strconv.AppendInt(nil, *seed, 10))
	}
	return nil
}

// addPicture writes what the image should look like.
func (w *stabilityWriter) addPicture(req *llm.ChatRequest) error {
	format := "png"
	if p := req.Picture; p != nil {
		if p.Format != "" {
			format = p.Format
		}
		if p.Format != "" && find(w.given, "output_format") != nil {
			w.plan.ignore("output_format", "the configuration has another")
		}
		if p.Width > 0 && p.Height > 0 {
			w.addSize(p)
		}
	}
	w.fields.add("output_format", jsonscan.AppendString(nil, format))
	return nil
}

// addSize writes a size as the nearest aspect ratio.
func (w *stabilityWriter) addSize(p *llm.Picture) {
	switch {
	case !w.service.has("aspect_ratio"), w.service.modes && (len(w.images) > 0 || find(w.given, "image") != nil):
		w.plan.ignore("size", "the size of the image that comes in decides")
	case find(w.given, "aspect_ratio") != nil:
		w.plan.ignore("size", "the configuration has an aspect_ratio")
	default:
		ratio := nearestRatio(p.Width, p.Height)
		w.fields.add("aspect_ratio", jsonscan.AppendString(nil, ratio))
		if p.Width != usualSide || p.Height != usualSide {
			w.plan.change("size", "the model takes an aspect ratio, the nearest of which is "+ratio)
		}
	}
}

// usualSide is that of the images which these models make of an aspect ratio of 1:1, in pixels.
const usualSide = 1024

// nearestRatio is the aspect ratio that a size is nearest to.
func nearestRatio(width, height int) string {
	wanted := math.Log(float64(width) / float64(height))
	best, distance := "", math.Inf(1)
	for _, ratio := range aspectRatios() {
		a, b, _ := strings.Cut(ratio, ":")
		w, _ := strconv.ParseFloat(a, 64) // the list is our own
		h, _ := strconv.ParseFloat(b, 64)
		if d := math.Abs(math.Log(w/h) - wanted); d < distance {
			best, distance = ratio, d
		}
	}
	return best
}

// forget lists what has no effect.
func (w *stabilityWriter) forget(req *llm.ChatRequest) {
	const why = "the model makes images"
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"temperature", req.Sampling.Temperature != nil}, {"top_p", req.Sampling.TopP != nil}, {limitField(req), req.MaxTokens > 0},
		{"stop", len(req.Stop) > 0}, {"tools", len(req.Tools) > 0}, {"reasoning_effort", req.Effort != "" && req.Effort != effortNone},
	} {
		if field.given {
			w.plan.ignore(field.name, why)
		}
	}
}

// body is what we write, over which the configuration goes.
func (w *stabilityWriter) body() ([]byte, error) {
	body, images := []byte{'{'}, 0
	add := func(key string) {
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(jsonscan.AppendString(body, key), ':')
	}
	for _, f := range w.fields {
		if find(w.given, f.key) == nil {
			add(f.key)
			body = append(body, f.value...)
		}
	}
	for _, i := range w.images {
		if find(w.given, i.member) != nil {
			w.plan.ignore(placeField(w.message, i.At), "the configuration has another "+i.member)
			continue
		}
		images++
		add(i.member)
		if i.Base64 != "" {
			body = append(append(append(body, '"'), i.Base64...), '"')
		} else {
			body = append(base64.StdEncoding.AppendEncode(append(body, '"'), i.Bytes), '"')
		}
	}
	for _, m := range w.given {
		add(m.key)
		body = append(body, m.value...)
	}
	if len(body) >= maxInvoke && images > 0 {
		return nil, &llm.Error{
			Kind: llm.KindTooLarge, Param: placeField(w.message, w.images[0].At),
			Message: fmt.Sprintf("The images are %s MB large in base64; Bedrock takes requests of up to %s MB.", megabytes(len(body)), megabytes(maxInvoke)),
		}
	}
	return append(body, '}'), nil
}

// endOfLife is the error of a chat with an image model that AWS does not serve any more.
func endOfLife(m *models.Model) error {
	text := "AWS does not serve this image model any more"
	if m.Lifecycle.EOL != "" {
		text += ", since " + m.Lifecycle.EOL
	}
	return &llm.Error{
		Kind: llm.KindEndOfLife, Message: text + ". The operator has to choose another, such as stability.sd3-5-large-v1:0.", Err: errEndOfLife,
	}
}

var errEndOfLife = errors.New("the image model has reached its end of life")
