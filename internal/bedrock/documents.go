package bedrock

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/llm"
)

// textFormat names the format of a text by its declared type, its file name, or its beginning; ""
// means that it was declared as something that is no text.
func textFormat(declared, name string, head []byte) string {
	media, _, err := mime.ParseMediaType(declared)
	if err != nil {
		media = strings.ToLower(strings.TrimSpace(declared))
	}
	switch media {
	case "text/csv", "application/csv":
		return "csv"
	case "text/html", "application/xhtml+xml":
		return "html"
	case "text/markdown", "text/x-markdown":
		return "md"
	case "", "text/plain", "application/octet-stream", "binary/octet-stream", "application/vnd.ms-excel":
		// Windows registers .csv as vnd.ms-excel, and many senders know no better type than these.
		return extensionFormat(name, media, head)
	}
	if strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml") && !strings.HasPrefix(media, "image/") {
		return "txt"
	}
	switch strings.TrimPrefix(strings.TrimPrefix(media, "application/"), "x-") {
	case "json", "xml", "yaml", "toml", "javascript", "typescript", "python", "python-code", "sh", "sql", "ndjson", "jsonl", "json-lines", "graphql", "rtf":
		return "txt"
	}
	return ""
}

// extensionFormat is the format of a text by its file name, else by its beginning.
func extensionFormat(name, media string, head []byte) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		return "csv"
	case ".html", ".htm", ".xhtml":
		return "html"
	case ".md", ".markdown":
		return "md"
	}
	begin := bytes.ToLower(bytes.TrimLeft(head[:min(len(head), 64)], " \t\r\n\ufeff"))
	if media != "text/plain" && (bytes.HasPrefix(begin, []byte("<!doctype html")) || bytes.HasPrefix(begin, []byte("<html"))) {
		return "html"
	}
	return "txt"
}

// maxDocumentName is in characters.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
const maxDocumentName = 200

// documentName makes a name that Bedrock takes, that no other document of the request has, and that is
// the same in every request, or the prompt cache would miss: the file's own name without its
// extension, and where that says nothing or is taken, a hash of the content.
func (c *converse) documentName(b llm.Blob) string {
	name := legalName(strings.TrimSuffix(b.Name, path.Ext(b.Name)))
	if name == "" {
		name = "document " + contentHash(b)
	} else if slices.Contains(c.files.names, name) {
		name = strings.TrimRight(name[:min(len(name), maxDocumentName-2*hashLen)], " ") + " " + contentHash(b)
	}
	base := name
	for n := 2; slices.Contains(c.files.names, name); n++ { // the same file again
		name = base + " (" + strconv.Itoa(n) + ")"
	}
	c.files.names = append(c.files.names, name)
	if c.citations && b.Name != "" && b.Name != name {
		if c.files.titles == nil {
			c.files.titles = map[string]string{}
		}
		c.files.titles[name] = strings.Clone(b.Name) // which outlives the request
	}
	return name
}

// legalName keeps "alphanumeric characters, whitespace characters, hyphens, parentheses, and square
// brackets", and never two spaces in a row. A name of which nothing is left that could be read is "".
func legalName(name string) string {
	out := make([]byte, 0, min(len(name), maxDocumentName))
	readable := false
	for _, r := range name {
		next := byte('-')
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			next, readable = byte(r), true
		case strings.ContainsRune("()[]", r):
			next = byte(r)
		case r == ' ' || r == '\t' || r == '\u3000' || r == '\u00a0':
			next = ' '
		}
		if last := len(out) - 1; (next == ' ' || next == '-') && (last < 0 || out[last] == next) {
			continue // no run of them, and none at the beginning
		}
		if out = append(out, next); len(out) == maxDocumentName {
			break
		}
	}
	if !readable {
		return ""
	}
	return strings.TrimRight(string(out), " -")
}

// contentHash tells documents apart that have no name of their own.
func contentHash(b llm.Blob) string {
	h := sha256.New()
	if b.Base64 != "" {
		var chunk [4096]byte
		for rest := b.Base64; rest != ""; {
			n := copy(chunk[:], rest)
			h.Write(chunk[:n])
			rest = rest[n:]
		}
	} else {
		h.Write(b.Bytes)
	}
	return hex.EncodeToString(h.Sum(nil))[:hashLen]
}
