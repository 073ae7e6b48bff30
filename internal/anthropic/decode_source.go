package anthropic

import (
	"net/url"
	"slices"
	"strings"

	"outcrop/internal/llm"
)

// source is what the member of that name says.
type source struct {
	at, kindAt, dataAt, urlAt, contentAt int
	kind, mime, data, url                string
	content                              []llm.Part
}

const sourceWords = "base64, url or, of a document, text or content"

// source reads where a file's bytes are, into the block.
func (d *decoder) source(b *media) {
	f := source{at: d.s.Offset()}
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			f.kindAt, f.kind = o.value, d.s.String()
		case "media_type":
			f.mime = strings.ToLower(d.s.String())
		case "data":
			f.dataAt, f.data = o.value, d.s.String()
		case "url":
			f.urlAt, f.url = o.value, d.s.String()
		case "content":
			f.contentAt = o.value
			f.content = d.inner(b.place + ".source")
		default:
			d.ignore()
		}
	}
	if d.s.Err() == nil {
		b.parts = d.sourced(b, &f)
	}
}

func (d *decoder) sourced(b *media, f *source) []llm.Part {
	document := b.kind == "document"
	switch {
	case f.kind == "base64":
		if problem := base64Problem(f.data); problem != "" {
			d.failData(f, problem)
		}
		return []llm.Part{llm.Blob{MIME: f.mime, Base64: f.data, At: b.place + ".source.data"}}
	case f.kind == "url":
		if !isURL(f.url) {
			d.fail(max(f.urlAt, f.at), missing(f.urlAt, "url"), "expected a URL of http, https or s3, or files/…")
		}
		link := llm.Link{URL: f.url, At: b.place + ".source.url"}
		if document {
			link.MIME = "application/pdf" // as the API says: only such documents have a URL
		}
		return []llm.Part{link}
	case f.kind == "text" && document:
		if f.data == "" {
			d.failData(f, "missing; expected the document's text")
		}
		return []llm.Part{textFile(f.data, b.place+".source.data")}
	case f.kind == "content" && document:
		if len(f.content) == 0 {
			d.fail(max(f.contentAt, f.at), missing(f.contentAt, "content"), "expected "+contentWords)
		}
		return d.custom(b, f.content)
	case f.kind == "file":
		d.fail(f.kindAt, "", "files of Anthropic's Files API are not to be had here; send the file's bytes as base64")
	case f.kind == "":
		d.fail(f.at, "type", "missing; expected "+sourceWords)
	default:
		d.fail(f.kindAt, "", "expected "+sourceWords)
	}
	return nil
}

func (d *decoder) failData(f *source, problem string) {
	d.fail(max(f.dataAt, f.at), missing(f.dataAt, "data"), problem)
}

// missing is the name of a member that is not there.
func missing(at int, name string) string {
	if at == 0 {
		return name
	}
	return ""
}

// textFile is a document of plain text.
func textFile(text string, at llm.Place) llm.Blob {
	return llm.Blob{MIME: "text/plain", Bytes: []byte(text), At: at}
}

// custom is a document that the client has cut into pieces: one text, and the images behind it.
func (d *decoder) custom(b *media, content []llm.Part) (parts []llm.Part) {
	var text []string
	for _, part := range content {
		switch p := part.(type) {
		case llm.Text:
			text = append(text, p.Text)
		case llm.CachePoint:
		default:
			parts = append(parts, part)
		}
	}
	if len(content) > 1 {
		d.changed.add(b.at)
	}
	if len(text) == 0 {
		return parts
	}
	return append([]llm.Part{textFile(strings.Join(text, "\n"), b.place+".source.content")}, parts...)
}

// base64Problem says what is wrong with data that must be what llm.Blob.Base64 promises.
func base64Problem(s string) string {
	if s == "" {
		return "missing; expected base64"
	}
	if !llm.IsBase64(s) {
		return "the base64 is broken; expected the standard alphabet, padded, without line breaks"
	}
	return ""
}

// isURL reports whether s is a URL that a file may have. A path of DIAL's storage that climbs out of it
// would reach the rest of DIAL's API with the caller's key.
func isURL(s string) bool {
	scheme, rest, ok := strings.Cut(s, "://")
	if ok && rest != "" {
		return slices.Contains([]string{"http", "https", "s3"}, strings.ToLower(scheme))
	}
	path, err := url.PathUnescape(s)
	return err == nil && strings.HasPrefix(s, "files/") && !slices.Contains(strings.FieldsFunc(path, isSlash), "..")
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }
