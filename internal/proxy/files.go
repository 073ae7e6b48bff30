package proxy

import (
	"bytes"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
)

// FirstFile finds the first file of DIAL's storage that a request names: at is its field, "" and "" when there is
// none. What is no JSON has none; whoever answers will say so.
func FirstFile(body []byte) (at, url string) {
	for _, member := range [...]string{`"attachments"`, `"image_url"`, `"custom_input"`, `"skills"`} {
		if bytes.Contains(body, []byte(member)) {
			f := files{s: jsonscan.New(body)}
			f.object(f.request)
			return f.at, f.url
		}
	}
	return "", ""
}

// files looks for the first.
type files struct {
	s       jsonscan.Scanner
	at, url string
}

// object hands each member of an object to take, which says whether it read it.
func (f *files) object(take func(name string) bool) {
	if f.s.Kind() != '{' {
		f.s.Skip()
		return
	}
	f.s.Object()
	for name, ok := f.s.Member(); ok; name, ok = f.s.Member() {
		if f.url != "" || !take(name) {
			f.s.Skip()
		}
	}
}

// array hands each element of an array to take, with its place.
func (f *files) array(place string, take func(place string)) bool {
	if f.s.Kind() != '[' {
		return false
	}
	f.s.Array()
	for i := 0; f.s.Element(); i++ {
		if f.url != "" {
			f.s.Skip()
			continue
		}
		take(place + "[" + strconv.Itoa(i) + "]")
	}
	return true
}

func (f *files) request(name string) bool {
	switch name {
	case "messages":
		return f.array(name, f.message)
	case "custom_input":
		return f.array(name, f.input)
	case "custom_fields":
		f.object(func(name string) bool { return name == "skills" && f.array("custom_fields.skills", f.attachment) })
		return true
	default:
		return false
	}
}

func (f *files) message(place string) {
	f.object(func(name string) bool {
		switch name {
		case "content":
			return f.array(place+".content", f.part)
		case "custom_content":
			f.object(f.custom(place + ".custom_content"))
			return true
		default:
			return false
		}
	})
}

// custom reads the attachments of a message, and those of its stages.
func (f *files) custom(place string) func(name string) bool {
	return func(name string) bool {
		switch name {
		case "attachments":
			return f.array(place+".attachments", f.attachment)
		case "stages":
			return f.array(place+".stages", func(place string) { f.object(f.custom(place)) })
		default:
			return false
		}
	}
}

func (f *files) attachment(place string) {
	f.object(func(name string) bool { return name == "url" && f.take(place+".url") })
}

func (f *files) part(place string) {
	f.object(func(name string) bool {
		if name != "image_url" {
			return false
		}
		f.attachment(place + ".image_url")
		return true
	})
}

// input is one of an embedding: a text, an attachment, or a list of them.
func (f *files) input(place string) {
	if !f.array(place, f.attachment) {
		f.attachment(place)
	}
}

// take reads a URL.
func (f *files) take(place string) bool {
	if f.s.Kind() != '"' {
		return false
	}
	if url := f.s.String(); isFile(url) {
		f.at, f.url = place, strings.ToValidUTF8(url[:min(len(url), maxQuoted)], "")
	}
	return true
}

// maxQuoted is how much of a URL an error says, in bytes.
const maxQuoted = 200

// isFile says whether a URL is relative to DIAL's storage: it has no scheme.
func isFile(url string) bool {
	head, _, _ := strings.Cut(url, "/")
	return url != "" && !strings.Contains(head, ":")
}
