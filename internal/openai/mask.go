package openai

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"outcrop/internal/llm"
)

// maxMask is how many pixels a mask may have: as many as the image of any service that takes one. To look
// at it takes a few bytes a pixel.
const maxMask = 9_437_184

// ConvertMask makes of the mask of a request for images the one that models know: OpenAI's is transparent
// where the image is to change (https://platform.openai.com/docs/api-reference/images/createEdit), theirs is
// white there and black elsewhere
// (https://docs.aws.amazon.com/bedrock/latest/userguide/stable-image-services.html). A mask without any
// transparent pixel is taken to be theirs already. An error blames the mask.
func ConvertMask(req *llm.ChatRequest) error {
	for _, m := range req.Messages {
		for i, part := range m.Parts {
			b, ok := part.(llm.Blob)
			if !ok || b.Name != maskName {
				continue
			}
			converted, err := convertMask(b)
			if err != nil {
				return err
			}
			m.Parts[i] = converted
		}
	}
	return nil
}

func convertMask(b llm.Blob) (llm.Blob, error) {
	wrong := func(message string) (llm.Blob, error) { return b, llm.Invalid("messages[0]."+string(b.At), message) }
	data := b.Bytes
	if b.Base64 != "" {
		var err error
		if data, err = base64.StdEncoding.DecodeString(b.Base64); err != nil {
			return wrong("The mask's base64 is broken.")
		}
	}
	if bytes.HasPrefix(data, []byte("\xff\xd8\xff")) {
		return b, nil // a JPEG has no transparent pixels
	}
	config, err := png.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return wrong("The mask must be a PNG that is transparent where the image is to change, or a PNG or JPEG that is white there and black elsewhere.")
	case config.Width*config.Height > maxMask:
		return wrong(fmt.Sprintf("The mask has %d × %d pixels; at most %d together are accepted.", config.Width, config.Height, maxMask))
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return wrong("The mask is a PNG that is broken.")
	}
	if o, ok := picture.(interface{ Opaque() bool }); ok && o.Opaque() {
		return b, nil
	}
	var out bytes.Buffer
	_ = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, transparency(picture)) // into memory, of a size that was read: it cannot fail
	b.MIME, b.Base64, b.Bytes = "image/png", "", out.Bytes()
	return b, nil
}

// transparency is white where a picture is transparent and black where it is not.
func transparency(picture image.Image) *image.Gray {
	bounds := picture.Bounds()
	out := image.NewGray(bounds)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			_, _, _, alpha := picture.At(x, y).RGBA()
			out.SetGray(x, y, color.Gray{Y: 255 - uint8(alpha>>8)})
		}
	}
	return out
}
