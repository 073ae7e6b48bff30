package sandbox

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
)

// Claude's limits on images.
// https://docs.claude.com/en/docs/build-with-claude/vision#evaluate-image-size
const (
	maxImageSide     = 8000 // pixels
	maxManyImageSide = 2000 // pixels, when there are more than manyImages
	manyImages       = 20
	maxImageText     = 5_242_880 // bytes of base64
)

func claudeImages(v *conversation) *apiError {
	count := 0
	for _, b := range v.blocks {
		count += len(imagesOf(b))
	}
	for at, b := range v.blocks {
		for _, img := range imagesOf(b) {
			if err := claudeImage(at.place().in("image", "source", "base64"), img, count); err != nil {
				return err
			}
		}
	}
	return nil
}

func claudeImage(at place, img map[string]any, count int) *apiError {
	data := text(dig(img, "source", "bytes"))
	if len(data) > maxImageText {
		return modelSays("%s: image exceeds 5 MB maximum: %d bytes > %d bytes", at, len(data), maxImageText)
	}
	size, format := imageSize(data)
	if data != "" && format == "" { // Anthropic's text
		return modelSays("%s.data: Could not process image", at)
	}
	if declared := text(img["format"]); format != "" && format != declared {
		return modelSays("%s.data: The image was specified using the image/%s media type, but the image appears to be a image/%s image", at, declared, format)
	}
	side := max(size.X, size.Y)
	switch {
	case side > maxImageSide:
		return modelSays("%s.data: At least one of the image dimensions exceed max allowed size: %d pixels", at, maxImageSide)
	case count > manyImages && side > maxManyImageSide: // m28
		return modelSays("%s.data: At least one of the image dimensions exceed max allowed size for many-image requests: %d pixels", at, maxManyImageSide)
	}
	return nil
}

// imagesOf lists the images of a block: itself, or inside a tool result.
func imagesOf(b map[string]any) []map[string]any {
	var out []map[string]any
	if img := object(b["image"]); img != nil {
		out = append(out, img)
	}
	for _, part := range array(dig(b, "toolResult", "content")) {
		if img := object(dig(part, "image")); img != nil {
			out = append(out, img)
		}
	}
	return out
}

// imageSize reads width, height and format (png, jpeg, gif or webp) out of the
// header of a base64 image. Zeros and "" when it is none of these.
func imageSize(data string) (image.Point, string) {
	r := bufio.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(data)))
	head, _ := r.Peek(30) // an image shorter than that has no size
	var config image.Config
	var err error
	format := ""
	switch {
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		format = "png"
		config, err = png.DecodeConfig(r)
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		format = "jpeg"
		config, err = jpeg.DecodeConfig(r)
	case bytes.HasPrefix(head, []byte("GIF8")):
		format = "gif"
		config, err = gif.DecodeConfig(r)
	case len(head) == 30 && bytes.HasPrefix(head, []byte("RIFF")) && string(head[8:12]) == "WEBP":
		return webpSize(head), "webp"
	default:
		return image.Point{}, ""
	}
	if err != nil {
		// a damaged header: the format is known, the size is not
		return image.Point{}, format
	}
	return image.Pt(config.Width, config.Height), format
}

// webpSize reads the first chunk of a WebP file.
// https://developers.google.com/speed/webp/docs/riff_container
func webpSize(head []byte) image.Point {
	switch string(head[12:16]) {
	case "VP8 ": // lossy: 14 bits each after the start code
		return image.Pt(int(binary.LittleEndian.Uint16(head[26:])&0x3fff), int(binary.LittleEndian.Uint16(head[28:])&0x3fff))
	case "VP8L": // lossless: 14 bits each, less one
		bits := binary.LittleEndian.Uint32(head[21:])
		return image.Pt(int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1)
	case "VP8X": // extended: 24 bits each, less one
		w := uint32(head[24]) | uint32(head[25])<<8 | uint32(head[26])<<16
		h := uint32(head[27]) | uint32(head[28])<<8 | uint32(head[29])<<16
		return image.Pt(int(w)+1, int(h)+1)
	}
	return image.Point{}
}
