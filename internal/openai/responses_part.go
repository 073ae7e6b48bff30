package openai

import (
	"strconv"

	"outcrop/internal/llm"
)

const inputPartWords = "input_text, input_image or input_file"

// contentParts reads the text or the parts of a message, or of a function's output. The types of a
// message's parts are those of its role, which may follow: either is taken.
func (d *responsesDecoder) contentParts(m *message, member string) {
	switch d.s.Kind() {
	case '"':
		d.addText(d.s.String())
	case '[':
		for a := d.array(maxParts, "parts"); a.more(); {
			d.inputPart(m, member+"["+strconv.Itoa(a.n-1)+"]")
		}
	default:
		d.wrongType(outputWords)
	}
}

func (d *responsesDecoder) inputPart(m *message, under string) {
	switch kind := d.kindOf(); kind {
	case "input_text", "output_text":
		d.textPart(m, "text", under)
	case "refusal":
		d.textPart(m, "refusal", under)
	case "input_image", "input_file":
		if m.fileAt == 0 {
			m.fileAt = d.s.Offset()
		}
		d.filePart(m, kind, under)
	case "":
		at := d.s.Offset()
		if d.s.Kind() == '{' {
			d.fail(at, "type", "missing; expected "+inputPartWords)
		}
		d.wrongType("an object")
	default:
		d.failKind("not a type of part that this version supports; expected " + inputPartWords)
	}
}

// textPart reads a part whose text is in the member.
func (d *responsesDecoder) textPart(m *message, member, under string) {
	at, given := d.s.Offset(), false
	var mark llm.Part
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case member:
			given = true
			d.addText(d.s.String())
		case "type":
			d.skipText()
		case "cache_control", "prompt_cache_breakpoint":
			mark = d.cachePoint(llm.Place(under + "." + key))
		default:
			d.ignore()
		}
	}
	if !given {
		d.fail(at, member, "missing; expected a string")
	}
	d.mark(m, mark)
}

// mark adds a cache breakpoint behind its part.
func (d *responsesDecoder) mark(m *message, mark llm.Part) {
	if mark != nil {
		m.marked = true
		d.parts = append(d.parts, mark)
	}
}

// filePart reads an image or a file.
func (d *responsesDecoder) filePart(m *message, kind, under string) {
	var mark llm.Part
	f := file{at: d.s.Offset(), under: under}
	idAt := 0
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		own := kind == "input_file"
		switch {
		case key == "type":
			d.skipText()
		case key == "image_url" && !own, key == "file_url" && own:
			f.urlAt, f.url, f.urlMember = o.value, d.s.String(), key
		case key == "file_data" && own:
			f.dataAt, f.data = o.value, d.s.String()
		case key == "filename" && own:
			f.name = d.s.String()
		case key == "file_id":
			idAt = o.value
			d.skipText()
		case key == "cache_control", key == "prompt_cache_breakpoint":
			mark = d.cachePoint(llm.Place(under + "." + key))
		case key == "detail":
			d.ignoreUnless(`"auto"`)
		default:
			d.ignore()
		}
	}
	if d.s.Err() == nil {
		d.addInputFile(kind, &f, idAt)
		d.mark(m, mark)
	}
}

func (d *responsesDecoder) addInputFile(kind string, f *file, idAt int) {
	if d.fileCount++; d.fileCount > maxFiles {
		d.tooMany(f.at, "files", maxFiles)
		return
	}
	switch {
	case idAt != 0 && kind == "input_image":
		d.refuse(idAt, "send the image as image_url, which may be a data URL")
	case idAt != 0:
		d.refuse(idAt, "send the file as file_data or file_url")
	case f.url != "" && f.data != "":
		d.fail(f.at, "", "has both file_data and file_url; expected one of them")
	case f.url != "":
		d.parts = d.addURL(d.parts, f, f.place(f.urlMember))
	case f.data == "" && kind == "input_image":
		d.fail(f.at, "image_url", "missing; expected "+urlWords)
	case f.data == "":
		d.fail(f.at, "file_data", "missing; expected a data URL or base64")
	case isURL(f.data):
		f.url, f.urlAt = f.data, f.dataAt
		d.parts = d.addURL(d.parts, f, f.place("file_data"))
	case !llm.IsBase64(f.data):
		d.fail(f.dataAt, "", base64Words)
	default:
		d.parts = append(d.parts, llm.Blob{Name: f.name, Base64: f.data, At: f.place("file_data")})
	}
}
