package bedrock

import (
	"encoding/base64"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// Limits of files, in bytes, pixels and pieces.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html
const (
	maxImage      = 3_932_160 // 3.75 MB
	maxSide       = 8000
	maxImages     = 20
	maxManySide   = 2000      // of each image of a request with more than maxImages, on Claude
	maxDocument   = 4_718_592 // 4.5 MB
	maxDocuments  = 5
	megabyte      = 1 << 20
	takesNothing  = "text only"
	imageFormats  = "png, jpeg, gif, webp"
	otherFormats  = "pdf, csv, doc, docx, xls, xlsx, html, txt, md"
	claudeFormats = "pdf, csv, html, txt, md"
	videoFormats  = "mkv, mov, mp4, webm, flv, mpeg, wmv, 3gp"
	audioFormats  = "mp3, wav, flac, ogg, opus, aac, m4a, mp4, webm"
	userMediaOnly = "Bedrock takes files from the user only: move the file to a user message."
)

// files are the files of a request so far.
type files struct {
	images    int
	documents int
	names     []string // of documents
	// titles are the client's names of documents that may be cited, by their names in the request.
	titles map[string]string
	large  string // path of the first image above maxManySide, or ""
}

// file writes an image, document, video or audio block.
func (c *converse) file(p *place, b llm.Blob) error {
	kind := sniff(b)
	if err := c.checkFile(p, b, kind); err != nil {
		return err
	}
	c.openFile(kind)
	if kind.class == classDocument {
		c.body = append(append(append(c.body, `,"name":"`...), c.documentName(b)...), '"')
	}
	c.body = append(c.body, `,"source":{"bytes":"`...)
	if b.Base64 != "" {
		c.body = append(c.body, b.Base64...)
	} else {
		c.body = base64.StdEncoding.AppendEncode(c.body, b.Bytes)
	}
	c.body = append(c.body, `"}`...)
	c.closeFile(kind)
	return nil
}

func (c *converse) openFile(kind fileType) {
	c.body = append(append(append(c.body, `{"`...), kind.class...), `":{"format":"`...)
	c.body = append(append(c.body, kind.format...), '"')
}

func (c *converse) closeFile(kind fileType) {
	if c.citations && kind.class == classDocument {
		c.body = append(c.body, `,"citations":{"enabled":true}`...)
	}
	c.body = append(c.body, `}}`...)
}

// checkFile refuses a file that Bedrock or the model would.
func (c *converse) checkFile(p *place, b llm.Blob, kind fileType) error {
	if p.assistant {
		return llm.Invalid("", userMediaOnly)
	}
	if kind.class == classNone {
		return llm.Invalid("", fmt.Sprintf("The file is %s%s. %s", kind.what, declaredAs(b.MIME), c.traits.takes()))
	}
	if !c.traits.takesFile(kind) {
		return llm.Invalid("", fmt.Sprintf("The file is %s. %s", kind.describe(), c.traits.takes()))
	}
	size := encoded{b}.size()
	switch kind.class {
	case classImage:
		return c.checkImage(p, kind, size)
	case classDocument:
		return c.checkDocument(kind, size)
	default: // the length of the body bounds them
		return nil
	}
}

func (c *converse) checkImage(p *place, kind fileType, size int) error {
	c.files.images++
	switch {
	case size > maxImage:
		return llm.Invalid("", fmt.Sprintf("The image is %s MB large; Bedrock takes up to 3.75 MB.", megabytes(size)))
	case kind.width > maxSide || kind.height > maxSide:
		return llm.Invalid("", fmt.Sprintf("The image has %d × %d pixels; Bedrock takes up to %d a side.", kind.width, kind.height, maxSide))
	case c.files.images > maxImages && !c.traits.claude():
		return llm.Invalid("", fmt.Sprintf("This is image %d of the conversation; Bedrock takes up to %d.", c.files.images, maxImages))
	}
	if (kind.width > maxManySide || kind.height > maxManySide) && c.files.large == "" {
		c.files.large = p.path("")
	}
	return nil
}

// manyImages refuses a large image among many, as Claude does: "exceed max allowed size for many-image
// requests: 2000 pixels".
func (c *converse) manyImages() error {
	if c.files.images <= maxImages || c.files.large == "" {
		return nil
	}
	return llm.Invalid(c.files.large, fmt.Sprintf("In a conversation with more than %d images each may have up to %d pixels a side.", maxImages, maxManySide))
}

func (c *converse) checkDocument(kind fileType, size int) error {
	c.files.documents++
	switch {
	case c.traits.messages != "": // the length of the body bounds them
	case size > maxDocument && !c.traits.longDocument(kind.format):
		return llm.Invalid("", fmt.Sprintf("The document is %s MB large; this model takes up to 4.5 MB.", megabytes(size)))
	case c.files.documents > maxDocuments:
		return llm.Invalid("", fmt.Sprintf("This is document %d of the conversation; Bedrock takes up to %d.", c.files.documents, maxDocuments))
	}
	return nil
}

// longDocument is true where the limit of 4.5 MB does not hold: PDF on Claude 4 and later, PDF and DOCX
// on Nova.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html
func (t *traits) longDocument(format string) bool {
	switch t.family.Name {
	case "Claude":
		for _, old := range []string{"claude-3", "claude-v", "claude-instant"} {
			if strings.Contains(t.model.Base, old) {
				return false
			}
		}
		return format == "pdf"
	case "Nova":
		return format == "pdf" || format == "docx"
	default:
		return false
	}
}

// link writes a file that stays in S3, whose name is all that is known of it.
func (c *converse) link(p *place, l llm.Link) error {
	if p.assistant {
		return llm.Invalid("", userMediaOnly)
	}
	if !strings.HasPrefix(l.URL, "s3://") {
		return &llm.Error{Kind: llm.KindInternal, Message: "The server did not fetch the file.", Err: fmt.Errorf("a link at %s reached the adapter", p.path(""))}
	}
	if c.traits.converse.S3Media != models.Yes {
		return llm.Invalid("", "This model takes no s3: URLs: send the file's bytes as a data URL, or an https: URL.")
	}
	kind := formatOf(l)
	if kind.class == classNone {
		return llm.Invalid("", "What the file is can be told neither by its declared type nor by its extension: give a type such as video/mp4.")
	}
	if !c.traits.takesFile(kind) {
		return llm.Invalid("", fmt.Sprintf("The file is %s. %s", kind.describe(), c.traits.takes()))
	}
	c.openFile(kind)
	if kind.class == classDocument {
		if err := c.checkDocument(kind, 0); err != nil { // S3 knows its size
			return err
		}
		name := llm.Blob{Name: l.Name, Bytes: []byte(l.URL)}
		if name.Name == "" {
			name.Name = path.Base(l.URL)
		}
		c.body = append(append(append(c.body, `,"name":"`...), c.documentName(name)...), '"')
	}
	c.body = append(c.body, `,"source":{"s3Location":{"uri":`...)
	c.body = jsonscan.AppendString(c.body, l.URL)
	c.body = append(c.body, `}}`...)
	c.closeFile(kind)
	return nil
}

// formatOf says what a file is by its declared type, else by its extension.
func formatOf(l llm.Link) fileType {
	_, format, _ := strings.Cut(strings.ToLower(l.MIME), "/")
	extension := strings.TrimPrefix(strings.ToLower(path.Ext(l.URL)), ".")
	for _, word := range []string{format, extension} {
		switch word {
		case "jpg", "jpeg":
			return fileType{class: classImage, format: "jpeg"}
		case "png", "gif", "webp":
			return fileType{class: classImage, format: word}
		case "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md":
			return fileType{class: classDocument, format: word}
		case "plain":
			return fileType{class: classDocument, format: "txt"}
		case "markdown":
			return fileType{class: classDocument, format: "md"}
		case "mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv":
			return fileType{class: classVideo, format: word}
		case "quicktime":
			return fileType{class: classVideo, format: "mov"}
		case "3gp", "3gpp", "three_gp":
			return fileType{class: classVideo, format: "three_gp"}
		}
	}
	return fileType{}
}

// takesFile says whether the model takes such a file, as far as the catalogue knows. Its document types
// are those that the model itself reads; Converse turns the others into text, so that a list that is
// not empty means all of them (Claude's has PDF alone, and it takes plain text).
func (t *traits) takesFile(kind fileType) bool {
	m := &t.model
	switch kind.class {
	case classDocument:
		own := t.messages == "" || kind.text || slices.Contains(strings.Split(claudeFormats, ", "), kind.format)
		return own && (m.DocumentTypes == nil || len(m.DocumentTypes) > 0)
	case classImage:
		return has(m.Input, "image") && has(m.ImageTypes, kind.format)
	case classVideo:
		return has(m.Input, "video") && has(m.VideoTypes, kind.format)
	default:
		return has(m.Input, string(kind.class))
	}
}

// has says whether a list of the catalogue holds a word; a list that is not known may.
func has(list []string, word string) bool { return list == nil || slices.Contains(list, word) }

// takes is a sentence about the files that the model takes.
func (t *traits) takes() string {
	var kinds []string
	documents := otherFormats
	if t.messages != "" {
		documents = claudeFormats
	}
	for _, k := range []struct {
		class         fileClass
		name, formats string
		known         []string
	}{
		{classImage, "images", imageFormats, t.model.ImageTypes},
		{classDocument, "documents", documents, nil},
		{classVideo, "videos", videoFormats, t.model.VideoTypes},
		{classAudio, "audio", audioFormats, nil},
	} {
		if first, _, _ := strings.Cut(k.formats, ","); len(k.known) > 0 {
			k.formats = strings.Join(k.known, ", ")
		} else if !t.takesFile(fileType{class: k.class, format: first}) {
			continue
		}
		kinds = append(kinds, k.name+" ("+k.formats+")")
	}
	if len(kinds) == 0 {
		return "This model takes " + takesNothing + "."
	}
	return "This model takes " + strings.Join(kinds, ", ") + "."
}

func (k fileType) describe() string {
	switch k.class {
	case classImage:
		return "an image (" + k.format + ")"
	case classAudio:
		return "audio (" + k.format + ")"
	default:
		return "a " + string(k.class) + " (" + k.format + ")"
	}
}

// declaredAs tells what a file was said to be, if the word can be shown.
func declaredAs(mime string) string {
	if mime == "" || len(mime) > 100 {
		return ""
	}
	return ", declared as " + strconv.QuoteToASCII(mime)
}

// megabytes writes a size as AWS counts, rounded up so that it never looks like the limit.
func megabytes(size int) string {
	return strconv.FormatFloat(float64((size*100+megabyte-1)/megabyte)/100, 'f', -1, 64)
}
