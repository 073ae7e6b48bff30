package bedrock

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"path"
	"strings"
	"unicode/utf8"

	"outcrop/internal/llm"
)

// fileClass is which of Converse's blocks carries a file.
type fileClass string

// The classes; classNone is a file that Converse has no block for.
const (
	classNone     fileClass = ""
	classImage    fileClass = "image"
	classDocument fileClass = "document"
	classVideo    fileClass = "video"
	classAudio    fileClass = "audio"
)

// fileType is what a file is, by its bytes.
type fileType struct {
	class         fileClass
	format        string // Converse's name: "jpeg", "docx"
	text          bool   // a document of plain characters
	what          string // for people, of a file that has no class
	width, height int    // of an image, in pixels; 0 when its header does not tell
}

// headLen is how much of a file's beginning decides what it is. A PDF may begin within its first
// 1024 bytes.
const headLen = 1026 // a multiple of three: whole groups of base64

// encoded is a file's bytes, whichever way they came, of which only what is asked for is decoded.
type encoded struct{ llm.Blob }

// size is the file's length in bytes.
func (e encoded) size() int {
	if e.Base64 == "" {
		return len(e.Bytes)
	}
	size := len(e.Base64) / 4 * 3
	switch {
	case strings.HasSuffix(e.Base64, "=="):
		return size - 2
	case strings.HasSuffix(e.Base64, "="):
		return size - 1
	default:
		return size
	}
}

// at returns up to n bytes from an offset; fewer at the end, none when the base64 is broken.
func (e encoded) at(offset, n int) []byte {
	offset, n = max(offset, 0), max(n, 0)
	if e.Base64 == "" {
		start := min(offset, len(e.Bytes))
		return e.Bytes[start:min(start+n, len(e.Bytes))]
	}
	from := min(offset/3*4, len(e.Base64))
	to := min((offset+n+2)/3*4, len(e.Base64))
	data, err := base64.StdEncoding.DecodeString(e.Base64[from:max(from, to)])
	if err != nil {
		return nil
	}
	start := min(offset%3, len(data))
	return data[start:min(start+n, len(data))]
}

// magics are the files that their first bytes tell.
var magics = [...]struct {
	offset int
	magic  string
	kind   fileType
}{
	{0, "\x89PNG\r\n\x1a\n", fileType{class: classImage, format: "png"}},
	{0, "\xff\xd8\xff", fileType{class: classImage, format: "jpeg"}},
	{0, "GIF87a", fileType{class: classImage, format: "gif"}},
	{0, "GIF89a", fileType{class: classImage, format: "gif"}},
	{8, "WEBP", fileType{class: classImage, format: "webp"}}, // after RIFF and a length
	{8, "WAVE", fileType{class: classAudio, format: "wav"}},
	{8, "AVI ", fileType{what: "an AVI video"}},
	{0, "ID3", fileType{class: classAudio, format: "mp3"}},
	{0, "fLaC", fileType{class: classAudio, format: "flac"}},
	{28, "OpusHead", fileType{class: classAudio, format: "opus"}}, // in an Ogg file's first page
	{0, "OggS", fileType{class: classAudio, format: "ogg"}},
	{0, "FLV\x01", fileType{class: classVideo, format: "flv"}},
	{0, "\x00\x00\x01\xba", fileType{class: classVideo, format: "mpeg"}},
	{0, "\x00\x00\x01\xb3", fileType{class: classVideo, format: "mpeg"}},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", fileType{class: classVideo, format: "wmv"}},
	{0, "BM", fileType{what: "a BMP image"}},
	{0, "II*\x00", fileType{what: "a TIFF image"}},
	{0, "MM\x00*", fileType{what: "a TIFF image"}},
	{0, "\x1f\x8b", fileType{what: "a gzip archive"}},
}

// sniff says what a file is. What was declared decides only between kinds that bytes cannot tell
// apart: text formats, and sound or pictures in one container.
func sniff(b llm.Blob) fileType {
	e := encoded{b}
	head := e.at(0, headLen)
	for _, m := range magics {
		if len(head) < m.offset || !bytes.HasPrefix(head[m.offset:], []byte(m.magic)) {
			continue
		}
		riff := m.offset == 8
		if riff && !bytes.HasPrefix(head, []byte("RIFF")) || m.magic == "BM" && e.isText() || m.magic == "OpusHead" && !bytes.HasPrefix(head, []byte("OggS")) {
			continue
		}
		kind := m.kind
		if kind.class == classImage {
			kind.width, kind.height = e.pixels(kind.format, head)
		}
		return kind
	}
	switch {
	case bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-")):
		return fileType{class: classDocument, format: "pdf"}
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return e.archive()
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return e.compound(head)
	case len(head) >= 12 && string(head[4:8]) == "ftyp":
		return e.isoMedia(string(head[8:12]))
	case bytes.HasPrefix(head, []byte("\x1a\x45\xdf\xa3")):
		return e.matroska(head)
	case len(head) >= 2 && head[0] == 0xff && head[1]&0xe0 == 0xe0:
		if kind := mpegAudio(head[1]); kind.class != classNone {
			return kind
		}
	}
	return e.plainText(head)
}

// mpegAudio tells a frame of MP3 from one of AAC by the layer bits after the sync word.
func mpegAudio(second byte) fileType {
	switch {
	case second&0x06 == 0x02: // layer III
		return fileType{class: classAudio, format: "mp3"}
	case second&0xf6 == 0xf0: // ADTS
		return fileType{class: classAudio, format: "aac"}
	default:
		return fileType{}
	}
}

// isoMedia tells the files that begin with ftyp by their major brand.
func (e encoded) isoMedia(brand string) fileType {
	switch {
	case brand == "qt  ":
		return fileType{class: classVideo, format: "mov"}
	case strings.HasPrefix(brand, "3g"):
		return fileType{class: classVideo, format: "three_gp"}
	case strings.HasPrefix(brand, "M4A"), strings.HasPrefix(brand, "M4B"):
		return fileType{class: classAudio, format: "m4a"}
	case strings.HasPrefix(brand, "avi"):
		return fileType{what: "an AVIF image"}
	case strings.HasPrefix(brand, "he"), strings.HasPrefix(brand, "mif1"), strings.HasPrefix(brand, "msf1"):
		return fileType{what: "a HEIC image"}
	case e.declares("audio"):
		return fileType{class: classAudio, format: "mp4"}
	default:
		return fileType{class: classVideo, format: "mp4"}
	}
}

// matroska tells WebM from Matroska by the DocType in the EBML header.
func (e encoded) matroska(head []byte) fileType {
	webm := bytes.Contains(head[:min(len(head), 64)], []byte("webm"))
	switch {
	case webm && e.declares("audio"):
		return fileType{class: classAudio, format: "webm"}
	case webm:
		return fileType{class: classVideo, format: "webm"}
	case e.declares("audio"):
		return fileType{class: classAudio, format: "mka"}
	default:
		return fileType{class: classVideo, format: "mkv"}
	}
}

// declares says whether a file was declared to be of a top-level media type.
func (e encoded) declares(class string) bool {
	return len(e.MIME) > len(class) && strings.EqualFold(e.MIME[:len(class)], class) && e.MIME[len(class)] == '/'
}

// maxDirectory bounds how much of an archive's directory is read.
const maxDirectory = 256 << 10

// archive tells the files that are ZIP archives by the names in the central directory; nothing is
// inflated. PKWARE's APPNOTE describes the records.
func (e encoded) archive() fileType {
	const recordLen, entryLen = 22, 46
	size := e.size()
	tail := e.at(size-1024, 1024)
	if bytes.LastIndex(tail, []byte("PK\x05\x06")) < 0 {
		tail = e.at(size-recordLen-65535, recordLen+65535) // the archive has a comment
	}
	record := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if record < 0 || len(tail) < record+recordLen {
		return fileType{what: "a broken ZIP archive"}
	}
	length := int(binary.LittleEndian.Uint32(tail[record+12:]))
	offset := int(binary.LittleEndian.Uint32(tail[record+16:]))
	for d := e.at(offset, min(length, maxDirectory)); len(d) >= entryLen && string(d[:4]) == "PK\x01\x02"; {
		name := int(binary.LittleEndian.Uint16(d[28:]))
		rest := entryLen + name + int(binary.LittleEndian.Uint16(d[30:])) + int(binary.LittleEndian.Uint16(d[32:]))
		if rest > len(d) {
			break
		}
		switch folder, _, _ := strings.Cut(string(d[entryLen:entryLen+name]), "/"); folder {
		case "word":
			return fileType{class: classDocument, format: "docx"}
		case "xl":
			return fileType{class: classDocument, format: "xlsx"}
		case "ppt":
			return fileType{what: "a PowerPoint presentation"}
		}
		d = d[rest:]
	}
	return fileType{what: "a ZIP archive"}
}

// compound tells the OLE2 files by the names in their directory's first sectors.
// https://learn.microsoft.com/openspecs/windows_protocols/ms-cfb
func (e encoded) compound(head []byte) fileType {
	if len(head) < 52 {
		return fileType{what: "a broken Office document"}
	}
	shift := binary.LittleEndian.Uint16(head[30:])
	sector := int(binary.LittleEndian.Uint32(head[48:]))
	if shift != 9 && shift != 12 {
		return fileType{what: "a broken Office document"}
	}
	directory := e.at((sector+1)<<shift, 8<<10)
	has := func(name string) bool {
		wide := make([]byte, 0, 2*len(name))
		for i := range len(name) {
			wide = append(wide, name[i], 0)
		}
		return bytes.Contains(directory, wide)
	}
	switch extension := strings.ToLower(path.Ext(e.Name)); {
	case has("WordDocument"):
		return fileType{class: classDocument, format: "doc"}
	case has("Workbook"), has("Book\x00"):
		return fileType{class: classDocument, format: "xls"}
	case has("EncryptedPackage"):
		return fileType{what: "an Office document with a password"}
	case has("PowerPoint Document"):
		return fileType{what: "a PowerPoint presentation"}
	case extension == ".doc" || strings.EqualFold(e.MIME, "application/msword"):
		return fileType{class: classDocument, format: "doc"}
	case extension == ".xls" || strings.EqualFold(e.MIME, "application/vnd.ms-excel"):
		return fileType{class: classDocument, format: "xls"}
	default:
		return fileType{what: "an Office document of an unknown kind"}
	}
}

// plainText is for what no magic tells: text, if it reads as text and was not declared as something
// else.
func (e encoded) plainText(head []byte) fileType {
	switch {
	case e.size() == 0:
		return fileType{what: "empty"}
	case len(head) == 0:
		return fileType{what: "not base64"}
	case !e.isText():
		return fileType{what: "binary data of an unknown kind, or text that is not UTF-8"}
	}
	format := textFormat(e.MIME, e.Name, head)
	if format == "" {
		return fileType{what: "text"}
	}
	return fileType{class: classDocument, format: format, text: true}
}

// isText says whether all of a file is UTF-8 without NUL. What is too long for a document is not read.
func (e encoded) isText() bool {
	const window = 48 << 10 // a multiple of three
	size := e.size()
	if size > maxDocument {
		size = headLen
	}
	for offset := 0; offset < size; {
		data := e.at(offset, window)
		whole := data
		if offset+len(data) < e.size() { // a character may be cut
			for cut := 0; cut < 3 && len(whole) > 0 && !utf8.RuneStart(data[len(whole)-1]); cut++ {
				whole = whole[:len(whole)-1]
			}
			whole = whole[:max(0, len(whole)-1)]
		}
		if len(whole) == 0 && len(data) < 4 {
			return utf8.Valid(data)
		}
		if len(whole) == 0 || !utf8.Valid(whole) || bytes.IndexByte(whole, 0) >= 0 {
			return false
		}
		offset += len(whole)
	}
	return true
}
