package bedrock

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"outcrop/internal/llm"
)

// embedItem is what an input comes to.
type embedItem struct {
	shape embedShape
	size  int // bytes in a body, about
}

// itemMargin is more than any body has around one part, in bytes.
const itemMargin = 96

// check refuses an input that the model or AWS would refuse.
func (p *embedPlan) check(in *llm.EmbedInput) (item embedItem, err error) {
	texts, files := 0, 0
	for _, part := range in.Parts {
		size := 0
		switch x := part.(type) {
		case llm.Text:
			texts++
			size, err = p.checkText(in, x.Text)
		case llm.Blob:
			files++
			size, err = p.checkBlob(in, x)
		case llm.Link:
			files++
			size, err = p.checkLink(in, x)
		default:
			err = llm.Invalid(in.At, p.family.takes())
		}
		if err != nil {
			return item, err
		}
		item.size += size + itemMargin
	}
	switch f := p.family; {
	case texts+files == 0:
		return item, llm.Invalid(in.At, "The input is empty.")
	case texts+files == 1 && files == 1:
		item.shape = shapeFile
	case texts+files == 1:
		item.shape = shapeText
	case f.many || f.pair && texts == 1 && files == 1:
		item.shape = shapeMixed
	default:
		return item, llm.Invalid(in.At, "The input has several parts, of which this model makes no single vector. "+f.takes())
	}
	if item.size+bodyMargin > maxInvoke {
		return item, llm.Invalid(in.At, fmt.Sprintf("The input takes %s MB of the request; Bedrock takes up to 25 MB.", megabytes(item.size)))
	}
	return item, nil
}

// checkText gives the bytes that a text takes in JSON.
func (p *embedPlan) checkText(in *llm.EmbedInput, text string) (int, error) {
	if text == "" {
		return 0, llm.Invalid(in.At, "The text is empty.")
	}
	if most := p.model.MaxCharsPerText; most > 0 && len(text) > most {
		if n := utf8.RuneCountInString(text); n > most {
			return 0, llm.Invalid(in.At, fmt.Sprintf("The text has %d characters; this model takes up to %d.", n, most))
		}
	}
	size := len(text)
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			size++
		case c < 0x20:
			size += 5
		}
	}
	return size, nil
}

func (p *embedPlan) checkBlob(in *llm.EmbedInput, b llm.Blob) (int, error) {
	at := cmp.Or(string(b.At), in.At)
	kind := sniff(b)
	size := encoded{b}.size()
	switch f := p.family; {
	case kind.class == classNone:
		return 0, llm.Invalid(at, fmt.Sprintf("The file is %s%s. %s", kind.what, declaredAs(b.MIME), f.takes()))
	case !f.takesFile(kind):
		return 0, llm.Invalid(at, fmt.Sprintf("The file is %s. %s", kind.describe(), f.takes()))
	case kind.class == classImage && f.maxImage > 0 && size > f.maxImage:
		return 0, llm.Invalid(at, fmt.Sprintf("The image is %s MB large; this model takes up to %s MB.", megabytes(size), megabytes(f.maxImage)))
	}
	p.count(kind)
	return (size + 2) / 3 * 4, nil
}

func (p *embedPlan) checkLink(in *llm.EmbedInput, l llm.Link) (int, error) {
	at := cmp.Or(string(l.At), in.At)
	if !strings.HasPrefix(l.URL, "s3://") {
		return 0, &llm.Error{Kind: llm.KindInternal, Message: "The server did not fetch the file.", Err: fmt.Errorf("a link at %s reached the adapter", at)}
	}
	kind := soundOf(l)
	switch f := p.family; {
	case !f.s3:
		return 0, llm.Invalid(at, "This model takes no s3: URLs: send the file's bytes as a data URL, or an https: URL.")
	case kind.class == classNone:
		return 0, llm.Invalid(at, "What the file is can be told neither by its declared type nor by its extension: give a type such as image/png.")
	case !f.takesFile(kind):
		return 0, llm.Invalid(at, fmt.Sprintf("The file is %s. %s", kind.describe(), f.takes()))
	}
	p.count(kind)
	return 2 * len(l.URL), nil
}

func (p *embedPlan) count(kind fileType) {
	if kind.class == classImage {
		p.images++
	}
}

// soundOf is formatOf, for sound too.
func soundOf(l llm.Link) fileType {
	class, format, _ := strings.Cut(strings.ToLower(l.MIME), "/")
	extension := strings.TrimPrefix(strings.ToLower(path.Ext(l.URL)), ".")
	if class != "audio" {
		if kind := formatOf(l); kind.class != classNone {
			return kind
		}
		format = ""
	}
	for _, word := range []string{format, extension} {
		switch word {
		case "mp3", "wav", "ogg":
			return fileType{class: classAudio, format: word}
		case "mpeg":
			return fileType{class: classAudio, format: "mp3"}
		case "x-wav", "wave", "vnd.wave":
			return fileType{class: classAudio, format: "wav"}
		}
	}
	return fileType{}
}
