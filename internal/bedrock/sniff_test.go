package bedrock

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"outcrop/internal/llm"
)

// pngHeader is the header of a PNG of that size.
func pngHeader(width, height uint32) []byte {
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(out[16:], width)
	binary.BigEndian.PutUint32(out[20:], height)
	return out
}

// jpegHeader is a JPEG whose frame header comes after profiles of that many bytes.
func jpegHeader(width, height uint16, profiles int) []byte {
	out := []byte{0xff, 0xd8}
	for profiles > 0 {
		n := min(profiles, 65533)
		out = append(out, 0xff, 0xe2)
		out = binary.BigEndian.AppendUint16(out, uint16(n+2))
		out = append(out, bytes.Repeat([]byte{0xff}, n)...)
		profiles -= n
	}
	out = append(out, 0xff, 0xff, 0xc2, 0, 11, 8) // a fill byte before the marker
	out = binary.BigEndian.AppendUint16(out, height)
	return append(binary.BigEndian.AppendUint16(out, width), 1, 1, 0x11, 0, 0xff, 0xda)
}

// zipOf is an archive of empty files.
func zipOf(t testing.TB, comment string, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.SetComment(comment); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// compoundOf is an OLE2 file whose directory, in sector 2, has such an entry.
func compoundOf(entry string) []byte {
	out := make([]byte, 4096)
	copy(out, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	binary.LittleEndian.PutUint16(out[30:], 9)
	binary.LittleEndian.PutUint32(out[48:], 2)
	for i := range len(entry) {
		out[3*512+2*i] = entry[i]
	}
	return out
}

func TestFilesAreWhatTheirBytesSay(t *testing.T) {
	ftyp := func(brand string) []byte { return []byte("\x00\x00\x00\x18ftyp" + brand + "\x00\x00\x00\x00isom") }
	tests := []struct {
		name string
		blob llm.Blob
		want string // class, format and size; or what it is
	}{
		{"png", llm.Blob{Bytes: pngHeader(640, 480)}, "image png 640x480"},
		{"png that lies", llm.Blob{MIME: "application/pdf", Name: "a.pdf", Bytes: pngHeader(1, 2)}, "image png 1x2"},
		{"png cut", llm.Blob{Bytes: pngHeader(640, 480)[:12]}, "image png 0x0"},
		{"jpeg", llm.Blob{Bytes: jpegHeader(640, 480, 0)}, "image jpeg 640x480"},
		{"jpeg with a profile", llm.Blob{Bytes: jpegHeader(9000, 480, 200_000)}, "image jpeg 9000x480"},
		{"jpeg of nothing but fill", llm.Blob{Bytes: bytes.Repeat([]byte{0xff, 0xd8, 0xff}, 9)}, "image jpeg 0x0"},
		{"gif", llm.Blob{Bytes: []byte("GIF89a\x10\x00\x20\x00")}, "image gif 16x32"},
		{"webp lossy", llm.Blob{Bytes: []byte("RIFF\x00\x00\x00\x00WEBPVP8 \x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\x10\x00\x20\x00")}, "image webp 16x32"},
		{"webp lossless", llm.Blob{Bytes: []byte("RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f\x0f\xc0\x07\x00\x00\x00\x00\x00\x00")}, "image webp 16x32"},
		{"webp extended", llm.Blob{Bytes: []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x00\x00\x00\x00\x00\x00\x00\x00\x0f\x00\x00\x1f\x00\x00")}, "image webp 16x32"},
		{"avif", llm.Blob{Bytes: ftyp("avif")}, "an AVIF image"},
		{"heic", llm.Blob{Bytes: ftyp("heic")}, "a HEIC image"},
		{"bmp", llm.Blob{Bytes: []byte("BM\x00\x00\x00\x00")}, "a BMP image"},
		{"text that begins like a bmp", llm.Blob{MIME: "text/plain", Bytes: []byte("BMW")}, "document txt"},
		{"pdf", llm.Blob{Bytes: []byte("junk\n%PDF-1.7")}, "document pdf"},
		{"docx", llm.Blob{Bytes: zipOf(t, "", "[Content_Types].xml", "word/document.xml")}, "document docx"},
		{"docx with a long comment", llm.Blob{Bytes: zipOf(t, strings.Repeat("c", 60_000), "word/document.xml")}, "document docx"},
		{"xlsx", llm.Blob{MIME: "application/pdf", Bytes: zipOf(t, "", "xl/workbook.xml")}, "document xlsx"},
		{"pptx", llm.Blob{Bytes: zipOf(t, "", "ppt/presentation.xml")}, "a PowerPoint presentation"},
		{"zip", llm.Blob{Bytes: zipOf(t, "", "a.txt")}, "a ZIP archive"},
		{"empty zip", llm.Blob{Bytes: zipOf(t, "")}, "a ZIP archive"},
		{"zip cut", llm.Blob{Bytes: zipOf(t, "", "word/document.xml")[:40]}, "a broken ZIP archive"},
		{"doc", llm.Blob{Bytes: compoundOf("WordDocument")}, "document doc"},
		{"xls", llm.Blob{Bytes: compoundOf("Workbook")}, "document xls"},
		{"ppt", llm.Blob{Bytes: compoundOf("PowerPoint Document")}, "a PowerPoint presentation"},
		{"encrypted", llm.Blob{Bytes: compoundOf("EncryptedPackage")}, "an Office document with a password"},
		{"old office by its name", llm.Blob{Name: "a.XLS", Bytes: compoundOf("?")}, "document xls"},
		{"old office of no kind", llm.Blob{Bytes: compoundOf("?")}, "an Office document of an unknown kind"},
		{"old office cut", llm.Blob{Bytes: compoundOf("?")[:40]}, "a broken Office document"},
		{"mp4", llm.Blob{Bytes: ftyp("isom")}, "video mp4"},
		{"mp4 sound", llm.Blob{MIME: "audio/mp4", Bytes: ftyp("isom")}, "audio mp4"},
		{"m4a", llm.Blob{MIME: "video/mp4", Bytes: ftyp("M4A ")}, "audio m4a"},
		{"mov", llm.Blob{Bytes: ftyp("qt  ")}, "video mov"},
		{"3gp", llm.Blob{Bytes: ftyp("3gp5")}, "video three_gp"},
		{"webm", llm.Blob{Bytes: []byte("\x1a\x45\xdf\xa3\x93\x42\x82\x84webm")}, "video webm"},
		{"webm sound", llm.Blob{MIME: "audio/webm", Bytes: []byte("\x1a\x45\xdf\xa3\x93\x42\x82\x84webm")}, "audio webm"},
		{"mkv", llm.Blob{Bytes: []byte("\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska")}, "video mkv"},
		{"mka", llm.Blob{MIME: "Audio/x-matroska", Bytes: []byte("\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska")}, "audio mka"},
		{"flv", llm.Blob{Bytes: []byte("FLV\x01\x05")}, "video flv"},
		{"mpeg", llm.Blob{Bytes: []byte("\x00\x00\x01\xba\x44")}, "video mpeg"},
		{"wmv", llm.Blob{Bytes: []byte("\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6")}, "video wmv"},
		{"avi", llm.Blob{Bytes: []byte("RIFF\x00\x00\x00\x00AVI LIST")}, "an AVI video"},
		{"mp3 with tags", llm.Blob{Bytes: []byte("ID3\x04")}, "audio mp3"},
		{"mp3 bare", llm.Blob{Bytes: []byte("\xff\xfb\x90\x00")}, "audio mp3"},
		{"aac", llm.Blob{Bytes: []byte("\xff\xf1\x50\x80")}, "audio aac"},
		{"wav", llm.Blob{Bytes: []byte("RIFF\x00\x00\x00\x00WAVEfmt ")}, "audio wav"},
		{"flac", llm.Blob{Bytes: []byte("fLaC\x00")}, "audio flac"},
		{"ogg", llm.Blob{Bytes: append([]byte("OggS"), make([]byte, 40)...)}, "audio ogg"},
		{"opus", llm.Blob{Bytes: append(append([]byte("OggS"), make([]byte, 24)...), "OpusHead"...)}, "audio opus"},
		{"csv", llm.Blob{MIME: "text/csv; charset=utf-8", Bytes: []byte("a,b")}, "document csv"},
		{"csv from Windows", llm.Blob{MIME: "application/vnd.ms-excel", Name: "a.csv", Bytes: []byte("a;b")}, "document csv"},
		{"html without a type", llm.Blob{Bytes: []byte("\n<!DOCTYPE html><p>")}, "document html"},
		{"markdown by its name", llm.Blob{MIME: "text/plain", Name: "README.md", Bytes: []byte("# a")}, "document md"},
		{"code", llm.Blob{MIME: "text/x-python", Bytes: []byte("print()")}, "document txt"},
		{"json", llm.Blob{MIME: "application/ld+json", Bytes: []byte("{}")}, "document txt"},
		{"text", llm.Blob{Bytes: []byte("Grüße")}, "document txt"},
		{"text declared as an image", llm.Blob{MIME: "image/svg+xml", Bytes: []byte("<svg/>")}, "text"},
		{"latin 1", llm.Blob{MIME: "text/plain", Bytes: []byte("Gr\xfc\xdfe")}, "binary data of an unknown kind, or text that is not UTF-8"},
		{"utf-16", llm.Blob{MIME: "text/plain", Bytes: []byte("\xff\xfea\x00")}, "binary data of an unknown kind, or text that is not UTF-8"},
		{"nul", llm.Blob{MIME: "text/plain", Bytes: []byte("a\x00b")}, "binary data of an unknown kind, or text that is not UTF-8"},
		{"long text", llm.Blob{MIME: "text/plain", Bytes: []byte(strings.Repeat("aä日𝄞", 30_000))}, "document txt"},
		{"long text that breaks late", llm.Blob{MIME: "text/plain", Bytes: []byte(strings.Repeat("aä日𝄞", 30_000) + "\xff")}, "binary data of an unknown kind, or text that is not UTF-8"},
		{"text cut in a character", llm.Blob{MIME: "text/plain", Bytes: []byte("a𝄞")[:4]}, "binary data of an unknown kind, or text that is not UTF-8"},
		{"empty", llm.Blob{MIME: "text/plain"}, "empty"},
	}
	for _, test := range tests {
		inBase64 := test.blob
		inBase64.Bytes, inBase64.Base64 = nil, base64.StdEncoding.EncodeToString(test.blob.Bytes)
		for how, blob := range map[string]llm.Blob{"bytes": test.blob, "base64": inBase64} {
			kind := sniff(blob)
			got := kind.what
			if kind.class != classNone {
				got = string(kind.class) + " " + kind.format
			}
			if kind.class == classImage {
				got += " " + dimensions(kind)
			}
			if got != test.want {
				t.Errorf("%s as %s: got %q, want %q", test.name, how, got, test.want)
			}
			if size := (encoded{blob}).size(); size != len(test.blob.Bytes) {
				t.Errorf("%s as %s: size %d, want %d", test.name, how, size, len(test.blob.Bytes))
			}
		}
	}
	if kind := sniff(llm.Blob{Base64: "????"}); kind.what != "not base64" {
		t.Errorf("broken base64: %+v", kind)
	}
}

func dimensions(kind fileType) string { return fmt.Sprintf("%dx%d", kind.width, kind.height) }

// FuzzSniff: no file of a stranger makes the sniffer panic, read far, or tell base64 from bytes.
func FuzzSniff(f *testing.F) {
	for _, seed := range [][]byte{
		pngHeader(1, 1), jpegHeader(1, 1, 9), zipOf(f, "x", "word/document.xml"), compoundOf("Workbook"), []byte("OggS"), []byte("a,b"),
		[]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x00\x00\x00\x00"),
	} {
		f.Add(seed, "text/plain", "a.csv")
	}
	f.Fuzz(func(t *testing.T, data []byte, declared, name string) {
		raw := sniff(llm.Blob{MIME: declared, Name: name, Bytes: data})
		text := sniff(llm.Blob{MIME: declared, Name: name, Base64: base64.StdEncoding.EncodeToString(data)})
		if raw != text {
			t.Errorf("bytes: %+v, base64: %+v", raw, text)
		}
		if (raw.class == classNone) == (raw.what == "") || raw.width < 0 || raw.height < 0 {
			t.Errorf("%+v", raw)
		}
	})
}

// TestAnImageIsNotDecoded: its header is, whatever its length.
func TestAnImageIsNotDecoded(t *testing.T) {
	image := llm.Blob{Base64: pixel[:64] + strings.Repeat("iVBORw0K", 1<<20/8)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		sniff(image)
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / 100; n > 8<<10 {
		t.Errorf("%d bytes of memory for an image of a megabyte", n)
	}
}
