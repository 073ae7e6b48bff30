package openai

import (
	"strings"

	"outcrop/internal/llm"
)

func (d *decoder) content(m *message) {
	switch d.s.Kind() {
	case '"':
		d.addText(d.s.String())
	case '[':
		for a := d.array(maxParts, "parts"); a.more(); {
			d.part(m)
		}
	default:
		d.wrongType(contentWords)
	}
}

// part is an element of content whose members have been read but not yet judged: type may come
// last.
type part struct {
	at int

	typeAt, textAt, refusalAt, imageAt, urlAt int

	kind, text, refusal, url string
}

func (d *decoder) part(m *message) {
	p := part{at: d.s.Offset()}
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			p.typeAt, p.kind = o.value, d.s.String()
		case "text":
			p.textAt, p.text = o.value, d.s.String()
		case "refusal":
			p.refusalAt, p.refusal = o.value, d.s.String()
		case "image_url":
			p.imageAt = o.value
			d.imageURL(&p)
		default:
			d.ignore()
		}
	}
	if d.s.Err() == nil {
		d.addPart(m, &p)
	}
}

func (d *decoder) addPart(m *message, p *part) {
	own := 0
	switch p.kind {
	case "text":
		own = p.textAt
		d.addText(p.text)
	case "refusal":
		own = p.refusalAt
		d.addText(p.refusal)
	case "image_url":
		own = p.imageAt
		m.imageAt = p.at
	case "":
		d.fail(p.at, "type", "missing; expected text or image_url")
	case "input_audio", "file":
		d.refuse(p.typeAt, "use text and image_url parts")
	default:
		d.fail(p.typeAt, "", "unknown type of part; expected text or image_url")
	}
	if own == 0 {
		d.fail(p.at, p.kind, "missing")
	}
	if p.kind == "image_url" {
		d.addImage(p)
	}
	for _, at := range []int{p.textAt, p.refusalAt, p.imageAt} {
		if at != 0 && at != own {
			d.ignoreAt(at)
		}
	}
}

func (d *decoder) imageURL(p *part) {
	switch d.s.Kind() {
	case '"':
		p.urlAt, p.url = d.s.Offset(), d.s.String()
	case '{':
		o := d.object()
		for key, ok := o.next(); ok; key, ok = o.next() {
			if key == "url" {
				p.urlAt, p.url = o.value, d.s.String()
			} else {
				d.ignore()
			}
		}
	default:
		d.wrongType("a URL or an object with a url")
	}
}

const dataURLWords = "a data URL (data:image/png;base64,…)"

func (d *decoder) addImage(p *part) {
	if p.urlAt == 0 {
		d.fail(p.imageAt, "url", "missing; expected "+dataURLWords)
		return
	}
	blob, problem := parseDataURL(p.url)
	if problem != "" {
		d.fail(p.urlAt, "", problem)
		return
	}
	d.parts = append(d.parts, blob)
}

// parseDataURL reads a data URL (RFC 2397) that holds an image in base64. The blob aliases it.
func parseDataURL(url string) (blob llm.Blob, problem string) {
	rest, ok := cutPrefixFold(url, "data:")
	if !ok {
		if isRemote(url) {
			return blob, "a remote image is not supported by this version; send its bytes as " + dataURLWords
		}
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
	mime = strings.ToLower(strings.TrimSpace(mime))
	if !strings.HasPrefix(mime, "image/") {
		return blob, "the data URL does not hold an image; expected " + dataURLWords
	}
	if !isBase64(data) {
		return blob, "the data URL's base64 is empty or broken; expected the standard alphabet, padded, without line breaks"
	}
	return llm.Blob{MIME: mime, Base64: data}, ""
}

// maxDataURLHead is up to where the comma of a data URL is looked for: a media type and its
// parameters.
const maxDataURLHead = 512

func isRemote(url string) bool {
	_, plain := cutPrefixFold(url, "http:")
	_, secure := cutPrefixFold(url, "https:")
	return plain || secure
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// isBase64 reports whether s is what llm.Blob.Base64 promises, and not empty. It looks at eight
// bytes at a time, since s is most of a large body.
func isBase64(s string) bool {
	if s == "" || len(s)%4 != 0 {
		return false
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	for len(s) >= 8 {
		if !inAlphabet(word(s)) {
			return false
		}
		s = s[8:]
	}
	return inAlphabet(word(s + "AAAAAAAA"))
}

// word is the first eight bytes of s; the compiler makes one load of it.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// inAlphabet reports whether all eight bytes of x are A-Z, a-z, 0-9, + or /.
func inAlphabet(x uint64) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	if x&highs != 0 {
		return false
	}
	// x + (0x80-c)*ones has a byte's high bit set where that byte is at least c.
	lower := x | 0x20*ones
	letters := (lower + (0x80-'a')*ones) &^ (lower + (0x80-'z'-1)*ones)
	digits := (x + (0x80-'/')*ones) &^ (x + (0x80-'9'-1)*ones) // '/' comes just before '0'
	plus := (x + (0x80-'+')*ones) &^ (x + (0x80-'+'-1)*ones)
	return (letters|digits|plus)&highs == highs
}
