//go:build e2e

package e2e

import "testing"

// imageModels make images of a text, of an image, and of an image and a mask.
var imageModels = map[string]string{
	"core":       "stability.stable-image-core-v1:1",
	"sd35":       "stability.sd3-5-large-v1:0",
	"inpaint":    "us.stability.stable-image-inpaint-v1:0",
	"replace":    "us.stability.stable-image-search-replace-v1:0",
	"background": "us.stability.stable-image-remove-background-v1:0",
}

// OpenAI's SDK for Python draws, in both flavours.
func TestImagesPython(t *testing.T) {
	pytest(t, "test_images.py", "OUTCROP_URL="+serveChats(t, imageModels).url, "OUTCROP_KEY="+testKey)
}
