package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
)

// painting is an image of one colour, which the hash decides.
func painting(size image.Point, hash [sha256.Size]byte, format string) []byte {
	paint := color.RGBA{hash[0], hash[1], hash[2], 255}
	if format == "webp" {
		return webp(size, paint)
	}
	canvas := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(canvas, canvas.Bounds(), image.NewUniform(paint), image.Point{}, draw.Src)
	var b bytes.Buffer
	if format == "jpeg" {
		_ = jpeg.Encode(&b, canvas, nil) // into memory, of a small image: neither can fail
	} else {
		_ = png.Encode(&b, canvas)
	}
	return b.Bytes()
}

// webp writes an image of one colour as a lossless WebP, for which the standard library has no encoder:
// five prefix codes of one symbol each, after which a pixel takes no bits.
// https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification
func webp(size image.Point, paint color.RGBA) []byte {
	bits := bitWriter{out: []byte{0x2f}}
	bits.add(uint32(size.X-1), 14)
	bits.add(uint32(size.Y-1), 14)
	bits.add(0, 1+3)   // no alpha, version 0
	bits.add(0, 1+1+1) // no transform, no colour cache, one group of codes
	for _, symbol := range []byte{paint.G, paint.R, paint.B, paint.A} {
		bits.add(0b101, 3) // a simple code of one symbol of 8 bits
		bits.add(uint32(symbol), 8)
	}
	bits.add(0b0001, 4) // of distances: a simple code of the symbol 0
	data := bits.end()
	if len(data)%2 == 1 {
		data = append(data, 0)
	}
	out := append([]byte("RIFF"), 0, 0, 0, 0)
	out = append(out, "WEBPVP8L"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	out = append(out, data...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// bitWriter writes numbers of some bits each, the lowest first.
type bitWriter struct {
	out  []byte
	held uint32
	n    int // bits that are held
}

func (w *bitWriter) add(value uint32, bits int) {
	for i := range bits {
		w.held |= (value >> i & 1) << w.n
		if w.n++; w.n == 8 {
			w.out, w.held, w.n = append(w.out, byte(w.held)), 0, 0
		}
	}
}

func (w *bitWriter) end() []byte {
	if w.n > 0 {
		w.out = append(w.out, byte(w.held))
	}
	return w.out
}
