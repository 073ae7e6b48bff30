package openai

import (
	"strconv"

	"outcrop/internal/llm"
)

func (d *decoder) content(m *message) {
	switch d.s.Kind() {
	case '"':
		d.addText(d.s.String())
	case '[':
		for a := d.array(maxParts, "parts"); a.more(); {
			d.part(m, a.n-1)
		}
	default:
		d.wrongType(contentWords)
	}
}

// part is an element of content whose members have been read but not yet judged: type may come
// last.
type part struct {
	at int
	i  int // its place in content

	typeAt, textAt, refusalAt, fileAt int

	kind, text, refusal string

	file  file     // of image_url, video_url, input_audio or file
	cache llm.Part // a CachePoint after the part
}

func (d *decoder) part(m *message, i int) {
	p := part{at: d.s.Offset(), i: i}
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			p.typeAt, p.kind = o.value, d.s.String()
		case "text":
			p.textAt, p.text = o.value, d.s.String()
		case "refusal":
			p.refusalAt, p.refusal = o.value, d.s.String()
		case "image_url", "video_url", "input_audio", "file":
			d.partFile(&p, key)
		case "cache_control", "prompt_cache_breakpoint":
			p.cache = d.cachePoint(partPlace(i, key))
		default:
			d.ignore()
		}
	}
	if d.s.Err() == nil {
		d.addPart(m, &p)
	}
}

// partPlace is where a member of a part is within its message.
func partPlace(i int, member string) llm.Place {
	return llm.Place("content[" + strconv.Itoa(i) + "]." + member)
}

const partWords = "text, image_url, file, input_audio or video_url"

func (d *decoder) addPart(m *message, p *part) {
	own := 0
	switch p.kind {
	case "text":
		own = p.textAt
		d.addText(p.text)
	case "refusal":
		own = p.refusalAt
		d.addText(p.refusal)
	case "image_url", "video_url", "input_audio", "file":
		if p.file.member == p.kind {
			own = p.fileAt
		}
		if m.fileAt == 0 {
			m.fileAt = p.at
		}
	case "":
		d.fail(p.at, "type", "missing; expected "+partWords)
	default:
		d.fail(p.typeAt, "", "unknown type of part; expected "+partWords)
	}
	if own == 0 {
		d.fail(p.at, p.kind, "missing")
		return
	}
	if own == p.fileAt {
		d.parts = d.addFile(d.parts, &p.file)
	}
	for _, at := range []int{p.textAt, p.refusalAt, p.fileAt} {
		if at != 0 && at != own {
			d.ignoreAt(at)
		}
	}
	if p.cache != nil {
		m.marked = true
		d.parts = append(d.parts, p.cache)
	}
}

// partFile reads the member of a part that holds a file. Only one of them can be the part's own; which
// one that is its type says, and that may follow.
func (d *decoder) partFile(p *part, key string) {
	at := d.s.Offset()
	if p.fileAt != 0 && p.kind != key {
		d.ignore()
		return
	}
	if p.fileAt != 0 {
		d.ignoreAt(p.fileAt)
	}
	p.fileAt = at
	p.file = file{member: key, at: at, part: p.i}
	switch key {
	case "image_url", "video_url":
		d.urlFile(&p.file)
	case "input_audio":
		d.audioFile(&p.file)
	default:
		d.inputFile(&p.file)
	}
}
