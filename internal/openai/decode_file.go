package openai

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"outcrop/internal/llm"
)

// file is what a client said of a file: a part of content or an attachment.
type file struct {
	member string // the part's member, "" of an attachment
	at     int    // offset of that member, or of the attachment
	part   int    // the part's or attachment's place in its list
	under  string // the attachment's own path where it is not of a message's list: "custom_input[2]"

	url, data, mime, name string
	urlAt, dataAt         int
	urlMember             string // the member that url was in, "" when the file's member is itself the URL
}

// place is where the file is within its message, or within a request that has none.
func (f *file) place(member string) llm.Place {
	if f.under != "" {
		return llm.Place(f.under + "." + member)
	}
	var buf [64]byte
	place := buf[:0]
	if f.member == "" {
		place = append(place, "custom_content.attachments["...)
	} else {
		place = append(place, "content["...)
	}
	place = append(strconv.AppendInt(place, int64(f.part), 10), ']')
	for _, name := range [...]string{f.member, member} {
		if name != "" {
			place = append(append(place, '.'), name...)
		}
	}
	return llm.Place(place)
}

const (
	dataURLWords = "a data URL (data:image/png;base64,…)"
	urlWords     = "a data URL (data:image/png;base64,…), a URL of http, https or s3, or files/…"
	base64Words  = "the base64 is empty or broken; expected the standard alphabet, padded, without line breaks"
)

// urlFile reads image_url and video_url.
func (d *decoder) urlFile(f *file) {
	switch d.s.Kind() {
	case '"':
		f.urlAt, f.url = d.s.Offset(), d.s.String()
	case '{':
		f.urlMember = "url"
		o := d.object()
		for key, ok := o.next(); ok; key, ok = o.next() {
			switch key {
			case "url":
				f.urlAt, f.url = o.value, d.s.String()
			case "detail":
				d.ignoreUnless(`"auto"`)
			default:
				d.ignore()
			}
		}
	default:
		d.wrongType("a URL or an object with a url")
	}
}

// audioFile reads input_audio. The format is what the client says; the bytes decide.
func (d *decoder) audioFile(f *file) {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "data":
			f.dataAt, f.data = o.value, d.s.String()
		case "format":
			format := d.s.String()
			if !isFormat(format) {
				d.fail(o.value, "", "expected a format such as wav or mp3")
				return
			}
			f.mime = "audio/" + strings.ToLower(format)
		default:
			d.ignore()
		}
	}
}

func isFormat(word string) bool {
	for _, c := range []byte(word) {
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' {
			continue
		}
		return false
	}
	return word != "" && len(word) <= 16
}

// inputFile reads the member file.
func (d *decoder) inputFile(f *file) {
	idAt := 0
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "file_data":
			f.dataAt, f.data = o.value, d.s.String()
		case "filename":
			f.name = d.s.String()
		case "file_id":
			if d.s.String() != "" {
				idAt = o.value
			}
		default:
			d.ignore()
		}
	}
	switch {
	case idAt != 0 && f.data == "":
		d.refuse(idAt, "send the file's bytes as file_data")
	case idAt != 0:
		d.ignoreAt(idAt)
	}
}

// addFile adds a part's file to the parts.
func (d *decoder) addFile(parts []llm.Part, f *file) []llm.Part {
	if d.fileCount++; d.fileCount > maxFiles {
		d.tooMany(f.at, "files", maxFiles)
		return parts
	}
	switch {
	case f.member == "image_url" || f.member == "video_url":
		if f.urlAt == 0 {
			d.fail(f.at, "url", "missing; expected "+urlWords)
			return parts
		}
		return d.addURL(parts, f, f.place(f.urlMember))
	case f.dataAt == 0 && f.member == "file":
		d.fail(f.at, "file_data", "missing; expected a data URL or base64")
		return parts
	case f.dataAt == 0:
		d.fail(f.at, "data", "missing; expected base64")
		return parts
	}
	member := "data"
	if f.member == "file" {
		member = "file_data"
	}
	if isURL(f.data) {
		f.url, f.urlAt = f.data, f.dataAt
		return d.addURL(parts, f, f.place(member))
	}
	if !llm.IsBase64(f.data) {
		d.fail(f.dataAt, "", base64Words)
		return parts
	}
	return append(parts, llm.Blob{MIME: f.mime, Name: f.name, Base64: f.data, At: f.place(member)})
}

// addURL adds the file that a URL holds or names.
func (d *decoder) addURL(parts []llm.Part, f *file, at llm.Place) []llm.Part {
	if _, ok := cutPrefixFold(f.url, "data:"); ok {
		blob, problem := parseDataURL(f.url)
		if problem != "" {
			d.fail(f.urlAt, "", problem)
			return parts
		}
		if f.mime != "" {
			blob.MIME = f.mime
		}
		blob.Name, blob.At = f.name, at
		return append(parts, blob)
	}
	if !isURL(f.url) && !isDIALFile(f.url) {
		d.fail(f.urlAt, "", "expected "+urlWords)
		return parts
	}
	link := llm.Link{URL: f.url, MIME: f.mime, Name: f.name, At: at}
	if rest, ok := cutPrefixFold(f.url, "s3://"); ok {
		link.URL = "s3://" + rest // the one scheme that a model reads
	}
	return append(parts, link)
}

// isURL reports whether s is a URL of a scheme that a file may have.
func isURL(s string) bool {
	for _, scheme := range []string{"data:", "https://", "http://", "s3://"} {
		if rest, ok := cutPrefixFold(s, scheme); ok && rest != "" {
			return true
		}
	}
	return false
}

// isDIALFile reports whether s is a file of DIAL's storage, relative to its API. A path that climbs out
// of the storage would reach the rest of that API with the caller's key.
func isDIALFile(s string) bool {
	path, err := url.PathUnescape(s)
	return err == nil && strings.HasPrefix(s, "files/") && !slices.Contains(strings.FieldsFunc(path, isSlash), "..")
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// parseDataURL reads a data URL (RFC 2397) in base64. The blob aliases it.
func parseDataURL(s string) (blob llm.Blob, problem string) {
	rest, ok := cutPrefixFold(s, "data:")
	if !ok {
		return blob, "expected " + dataURLWords
	}
	head, _, ok := strings.Cut(rest[:min(len(rest), maxDataURLHead)], ",")
	if !ok {
		return blob, "the data URL has no comma; expected " + dataURLWords
	}
	data := rest[len(head)+1:]
	mime, params, _ := strings.Cut(head, ";")
	if encoding := params[strings.LastIndexByte(params, ';')+1:]; !strings.EqualFold(strings.TrimSpace(encoding), "base64") {
		return blob, "the data URL is not in base64; expected " + dataURLWords
	}
	if !llm.IsBase64(data) {
		return blob, "the data URL's base64 is empty or broken; expected the standard alphabet, padded, without line breaks"
	}
	return llm.Blob{MIME: mediaType(mime), Base64: data}, ""
}

// maxDataURLHead is up to where the comma of a data URL is looked for: a media type and its
// parameters.
const maxDataURLHead = 512

// mediaType is a declared media type without its parameters, "" when it says only that there are
// bytes.
func mediaType(declared string) string {
	mime, _, _ := strings.Cut(declared, ";")
	mime = strings.ToLower(strings.TrimSpace(mime))
	if len(mime) > maxMediaType || strings.Contains(mime, "octet-stream") {
		return ""
	}
	return mime
}

// maxMediaType is the longest media type that RFC 6838, section 4.2, allows.
const maxMediaType = 255

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// attachments reads DIAL's files of a message.
func (d *decoder) attachments(m *message) {
	for a := d.array(maxFiles, "attachments"); a.more(); {
		if m.fileAt == 0 {
			m.fileAt = d.s.Offset()
		}
		d.attachment(file{at: d.s.Offset(), part: a.n - 1})
	}
}

// attachment reads one of DIAL's files, of which the place is known, into d.files.
func (d *decoder) attachment(f file) {
	typed := false
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			declared := d.s.String()
			typed, f.mime = declared != "", mediaType(declared)
		case "title":
			f.name = d.s.String()
		case "data":
			f.dataAt, f.data = o.value, d.s.String()
		case "url":
			f.urlAt, f.url = o.value, d.s.String()
		case "index":
			d.index(f.part)
		default:
			d.ignore()
		}
	}
	if d.fileCount++; d.fileCount > maxFiles {
		d.tooMany(f.at, "files", maxFiles)
	}
	switch {
	case d.s.Err() != nil:
	case f.data != "" && f.url != "":
		d.fail(f.at, "", "has both data and url; expected one of them")
	case f.url != "":
		d.files = d.addURL(d.files, &f, f.place("url"))
	case f.data != "":
		d.files = d.addData(d.files, &f, typed)
	default:
		d.fail(f.at, "data", "missing; expected data or url")
	}
}

// addData adds an attachment that is in the request itself. DIAL's adapter reads data as base64 of
// any type (internal/openai/testdata/decode/attachment-*.txtar), while applications write texts as
// they are: of a textual type, what is not base64 of a text is the text. A type that is not given
// is text/markdown, unless the data can only be binary.
func (d *decoder) addData(files []llm.Part, f *file, typed bool) []llm.Part {
	at := f.place("data")
	encoded := llm.IsBase64(f.data)
	textual := isTextual(f.mime) || !typed
	switch {
	case !textual && !encoded:
		d.fail(f.dataAt, "", base64Words)
		return files
	case !textual:
	case encoded && holdsText(f.data):
	case encoded && len(f.data) >= shortestBinary:
		return append(files, llm.Blob{MIME: f.mime, Name: f.name, Base64: f.data, At: at})
	default:
		return append(files, llm.Blob{MIME: orMarkdown(f.mime), Name: f.name, Bytes: []byte(f.data), At: at})
	}
	if textual {
		f.mime = orMarkdown(f.mime)
	}
	return append(files, llm.Blob{MIME: f.mime, Name: f.name, Base64: f.data, At: at})
}

// shortestBinary is from how many characters on a text without a single space or sign is taken for
// base64, although it holds no UTF-8.
const shortestBinary = 64

func orMarkdown(mime string) string {
	if mime == "" {
		return "text/markdown"
	}
	return mime
}

func isTextual(mime string) bool {
	return strings.HasPrefix(mime, "text/") || strings.HasSuffix(mime, "json") || strings.HasSuffix(mime, "xml")
}

// holdsText reports whether s, which is base64, holds text.
func holdsText(s string) bool {
	decoded, err := base64.StdEncoding.DecodeString(s)
	return err == nil && utf8.Valid(decoded) && strings.IndexByte(string(decoded), 0) < 0
}
