package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

const (
	// maxField is the longest text field of a form, in bytes.
	maxField = 1 << 20
	// maxFields is how many a form may have.
	maxFields = 100
)

// DecodeImageForm reads the form of POST /images/edits: the images are its files image, image[] or
// image[0], and mask; its other fields are the members of the JSON body. custom_fields is JSON, or
// custom_fields[configuration][name] is one member of it. r is read up to the end of the form.
func DecodeImageForm(r io.Reader, boundary string) (*llm.ChatRequest, ImageShape, error) {
	f := imageForm{files: imageFiles{form: true}}
	parts := multipart.NewReader(r, boundary)
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) && n > 0 {
			break
		}
		if err == nil {
			err = f.add(part)
		}
		if e, ok := errors.AsType[*llm.Error](err); ok {
			return nil, ImageShape{}, e
		}
		if err != nil {
			return nil, ImageShape{}, &llm.Error{Kind: llm.KindInvalid, Message: "The body is not a whole multipart form.", Err: errForm}
		}
	}
	f.name()
	return decodeImages(f.document(), &f.files)
}

// errForm stands for what the form's reader says, which may quote the form.
var errForm = errors.New("malformed multipart form")

// imageForm is a form whose parts have been read.
type imageForm struct {
	files  imageFiles
	fields []formField
}

type formField struct{ name, text string }

// add reads a part.
func (f *imageForm) add(part *multipart.Part) error {
	name := part.FormName()
	bare, _, _ := strings.Cut(name, "[")
	switch {
	case name == "":
		return llm.Invalid("", "A part of the form has no name.")
	case bare == "image" && len(f.files.images) == maxEditImages:
		return llm.Invalid("image", "image: too many images; at most "+strconv.Itoa(maxEditImages)+" are accepted.")
	case name == maskName && f.files.mask != nil:
		return llm.Invalid(maskName, "mask: given twice.")
	case bare == "image", name == maskName:
		return f.addFile(part, name == maskName)
	case part.FileName() != "":
		return llm.Invalid(cut(name, maxToldPath), cut(name, maxToldPath)+": the form's files are image and mask.")
	case len(f.fields) == maxFields:
		return llm.Invalid("", "The form has too many fields; at most "+strconv.Itoa(maxFields)+" are accepted.")
	}
	text, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if len(text) > maxField {
		return llm.Invalid(cut(name, maxToldPath), cut(name, maxToldPath)+": longer than 1 MiB.")
	}
	f.fields = append(f.fields, formField{name, string(text)})
	return err
}

func (f *imageForm) addFile(part *multipart.Part, mask bool) error {
	data, err := io.ReadAll(part)
	if err != nil {
		return err
	}
	if data == nil {
		data = []byte{}
	}
	blob := llm.Blob{MIME: mediaType(part.Header.Get("Content-Type")), Name: imageName, Bytes: data}
	if mask {
		blob.Name, blob.At = maskName, maskName
		f.files.mask = append(f.files.mask, blob)
		return nil
	}
	f.files.images = append(f.files.images, blob)
	return nil
}

// name says where each image stood.
func (f *imageForm) name() {
	for i, part := range f.files.images {
		blob := part.(llm.Blob) // addFile adds no other
		blob.At = imageName
		if len(f.files.images) > 1 {
			blob.At = llm.Place("image[" + strconv.Itoa(i) + "]")
		}
		f.files.images[i] = blob
	}
}

// document writes the fields as the JSON body that they stand for.
func (f *imageForm) document() []byte {
	doc := []byte{'{'}
	var own []formField // members of custom_fields.configuration
	for _, field := range f.fields {
		if name, ok := strings.CutPrefix(field.name, "custom_fields[configuration]["); ok {
			own = append(own, formField{strings.TrimSuffix(name, "]"), field.text})
			continue
		}
		doc = append(jsonscan.AppendString(comma(doc), field.name), ':')
		doc = append(doc, formValue(field, false)...)
	}
	if len(own) > 0 {
		doc = append(comma(doc), `"custom_fields":{"configuration":{`...)
		for _, field := range own {
			doc = append(jsonscan.AppendString(comma(doc), field.name), ':')
			doc = append(doc, formValue(field, true)...)
		}
		doc = append(doc, "}}"...)
	}
	return append(doc, '}')
}

// formValue is the JSON that the text of a field stands for. What a field takes its name says; a member of
// the configuration is whatever it looks like.
func formValue(f formField, free bool) []byte {
	text := bytes.TrimSpace([]byte(f.text))
	plain := false
	switch f.name {
	case "n", "seed", "partial_images", "output_compression", "stream", "custom_fields":
		plain = true
	}
	if (plain || free) && len(text) > 0 && text[0] != '"' && json.Valid(text) {
		return text
	}
	return jsonscan.AppendString(nil, f.text)
}
