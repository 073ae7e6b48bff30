package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"strings"
	"testing"
)

func TestCountTokens(t *testing.T) {
	picture := object(testImage(t, 750, 100)["image"])
	pixels := text(dig(picture, "source", "bytes"))
	block := func(kind, format, data string) string {
		return `{"messages":[{"role":"user","content":[{"` + kind + `":{"format":"` + format + `","name":"d","source":{"bytes":"` + data + `"}}}]}]}`
	}
	for _, tt := range []struct {
		what, body string
		want       int
	}{
		{"nothing", `{}`, 3},
		{"a turn", `{"messages":[{"role":"user","content":[{"text":"12345678"}]}]}`, 3 + 4 + 2},
		{"one more character", `{"messages":[{"role":"user","content":[{"text":"123456789"}]}]}`, 3 + 4 + 3},
		{"system", `{"system":[{"text":"12345678"},{"cachePoint":{"type":"default"}}]}`, 3 + 2},
		{"parameters cost nothing", `{"inferenceConfig":{"maxTokens":5,"stopSequences":["1234567"]}}`, 3},
		{"a tool", `{"toolConfig":{"tools":[{"toolSpec":{"name":"f"}}]}}`, 3 + 12 + 8},
		{"a call", `{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"t1","name":"f","input":{"a":1}}}]}]}`, 3 + 4 + 1 + 2},
		{"a result", `{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[{"text":"1234"},{"json":{}}]}}]}]}`, 3 + 4 + 1 + 1},
		{"an image by its pixels", block("image", "png", pixels), 3 + 4 + 100},
		{"an image in S3", `{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"s3Location":{"uri":"s3://bucket/k"}}}}]}]}`, 3 + 4 + 1600},
		{"a document in S3", `{"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"d","source":{"s3Location":{"uri":"s3://bucket/k"}}}}]}]}`, 3 + 4 + 2000},
		{"a PDF", block("document", "pdf", strings.Repeat("AAAA", 400)), 3 + 4 + 31},
		{"a text document", block("document", "txt", strings.Repeat("AAAA", 400)), 3 + 4 + 301},
		{"a document given as text", `{"messages":[{"role":"user","content":[{"document":{"name":"1234","source":{"text":"12345678"}}}]}]}`, 3 + 4 + 1 + 2},
		{"a video", block("video", "mp4", strings.Repeat("AAAA", 4000)), 3 + 4 + 13},
		{"redacted reasoning", `{"messages":[{"role":"assistant","content":[{"reasoningContent":{"redactedContent":"AAAAAAAA"}}]}]}`, 3 + 4 + 1},
		{"CountTokens, Converse", `{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"12345678"}]}]}}}`, 3 + 4 + 2},
		{"CountTokens, InvokeModel", `{"input":{"invokeModel":{"body":"` + base64.StdEncoding.EncodeToString([]byte(`{"messages":[{"role":"user","content":"12345678"}]}`)) + `"}}}`, 3 + 4 + 2},
		{"CountTokens, damaged", `{"input":{"invokeModel":{"body":"?"}}}`, 3},
		{"Anthropic's image", `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + pixels + `"}}]}]}`, 3 + 4 + 100},
		{"Anthropic's tools", `{"tools":[{"name":"f"}]}`, 3 + 12 + 4},
		{"Titan", `{"inputText":"12345678"}`, 2},
		{"Cohere", `{"texts":["1234","1234"]}`, 3 + 2},
	} {
		if got := countTokens(decodeObject([]byte(tt.body))); got != tt.want {
			t.Errorf("%s: %d tokens, want %d", tt.what, got, tt.want)
		}
	}
}

func TestImageSize(t *testing.T) {
	picture := image.NewPaletted(image.Rect(0, 0, 30, 20), color.Palette{color.Black, color.White})
	var gifFile, jpegFile bytes.Buffer
	if err := gif.Encode(&gifFile, picture, nil); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&jpegFile, picture, nil); err != nil {
		t.Fatal(err)
	}
	webp := func(chunk string, header ...byte) string {
		file := append([]byte("RIFF\x00\x00\x00\x00WEBP"+chunk+"\x00\x00\x00\x00"), header...)
		return string(append(file, make([]byte, 10)...))
	}
	lossless := binary.LittleEndian.AppendUint32([]byte{0x2f}, 29|19<<14)
	pngFile, err := base64.StdEncoding.DecodeString(text(dig(testImage(t, 30, 20), "image", "source", "bytes")))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what, file, format string
		w, h               int
	}{
		{"PNG", string(pngFile), "png", 30, 20},
		{"JPEG", jpegFile.String(), "jpeg", 30, 20},
		{"GIF", gifFile.String(), "gif", 30, 20},
		{"WebP, lossy", webp("VP8 ", 0, 0, 0, 0x9d, 1, 0x2a, 30, 0, 20, 0x40), "webp", 30, 20},
		{"WebP, lossless", webp("VP8L", lossless...), "webp", 30, 20},
		{"WebP, extended", webp("VP8X", 0, 0, 0, 0, 29, 0, 0, 19, 0, 0), "webp", 30, 20},
		{"WebP of an unknown kind", webp("VP9 "), "webp", 0, 0},
		{"a damaged PNG", string(pngFile[:12]) + strings.Repeat("x", 40), "png", 0, 0},
		{"text", "hello", "", 0, 0},
		{"nothing", "", "", 0, 0},
	} {
		size, format := imageSize(base64.StdEncoding.EncodeToString([]byte(tt.file)))
		if size != image.Pt(tt.w, tt.h) || format != tt.format {
			t.Errorf("%s: %v %q, want %d×%d %q", tt.what, size, format, tt.w, tt.h, tt.format)
		}
	}
	if size, format := imageSize("not base64!"); size != (image.Point{}) || format != "" {
		t.Errorf("not base64: %v %q", size, format)
	}
}

func TestImageTokens(t *testing.T) {
	for _, tt := range []struct{ w, h, want int }{
		{1, 1, 1},
		{1000, 750, 1000},
		{1568, 1568, 1600},
		{3136, 10, 11}, // halved to 1568 × 5
		{1600, 1600, 1600},
	} {
		pixels := text(dig(testImage(t, tt.w, tt.h), "image", "source", "bytes"))
		if got := imageTokens(pixels); got != tt.want {
			t.Errorf("%d×%d: %d tokens, want %d", tt.w, tt.h, got, tt.want)
		}
	}
}
