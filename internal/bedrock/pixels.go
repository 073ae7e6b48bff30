package bedrock

import (
	"bytes"
	"encoding/binary"
)

// pixels reads an image's size from its header, 0 × 0 when it is not there. No image is decoded.
func (e encoded) pixels(format string, head []byte) (width, height int) {
	switch {
	case format == "png" && len(head) >= 24: // IHDR is the first chunk
		return int(binary.BigEndian.Uint32(head[16:])), int(binary.BigEndian.Uint32(head[20:]))
	case format == "gif" && len(head) >= 10:
		return int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:]))
	case format == "webp" && len(head) >= 30:
		return webpPixels(head[12:])
	case format == "jpeg":
		return e.jpegPixels()
	default:
		return 0, 0
	}
}

// webpPixels reads a WebP's first chunk. https://developers.google.com/speed/webp/docs/riff_container
func webpPixels(chunk []byte) (width, height int) {
	switch {
	case bytes.HasPrefix(chunk, []byte("VP8 ")):
		return int(binary.LittleEndian.Uint16(chunk[14:]) & 0x3fff), int(binary.LittleEndian.Uint16(chunk[16:]) & 0x3fff)
	case bytes.HasPrefix(chunk, []byte("VP8L")):
		bits := binary.LittleEndian.Uint32(chunk[9:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1
	case bytes.HasPrefix(chunk, []byte("VP8X")):
		wide := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
		return wide(chunk[12:]) + 1, wide(chunk[15:]) + 1
	default:
		return 0, 0
	}
}

// maxSegments is how many segments of a JPEG are passed on the way to its size.
const maxSegments = 512

// jpegPixels walks from segment to segment to the frame header, past EXIF data and colour profiles.
func (e encoded) jpegPixels() (width, height int) {
	for offset, n := 2, 0; n < maxSegments; n++ {
		s := e.at(offset, 9)
		if len(s) < 9 || s[0] != 0xff {
			return 0, 0
		}
		switch marker := s[1]; {
		case marker == 0xff: // padding
			offset++
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			return int(binary.BigEndian.Uint16(s[7:])), int(binary.BigEndian.Uint16(s[5:]))
		case marker == 0xda || marker == 0xd9: // the picture itself, without a frame header
			return 0, 0
		default:
			offset += 2 + int(binary.BigEndian.Uint16(s[2:]))
		}
	}
	return 0, 0
}
