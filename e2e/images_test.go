//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

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
	models := make([]string, 0, len(imageModels))
	for name, id := range imageModels {
		models = append(models, `"`+name+`":{"type":"chat","endpoint":"bedrock:`+id+`","upstreams":[{"extraData":{"region":"us-east-1"}}]}`)
	}
	path := filepath.Join(t.TempDir(), "aidial.config.json")
	writeFile(t, path, `{"models":{`+strings.Join(models, ",")+`},"keys":{"a-key-of-tests":{"project":"p","roles":["default"]}},"roles":{"default":{}}}`)
	s := start(t, configReady, []string{"AWS_ENDPOINT_URL=" + serveAWS(t).url, "AWS_ACCESS_KEY_ID=sandbox", "AWS_SECRET_ACCESS_KEY=sandbox"},
		"serve", "--config", path, "--listen", "127.0.0.1:0")
	pytest(t, "test_images.py", "OUTCROP_URL="+s.url, "OUTCROP_KEY=a-key-of-tests")
}
