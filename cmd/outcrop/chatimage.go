package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"outcrop/internal/openai"
)

// maxImage is the largest image that is attached, in bytes; base64 makes it a third larger.
const maxImage = 20 << 20

// readImage makes a part of an image file. What it is says its content, not its name.
func readImage(path string) (part openai.Part, note string, err error) {
	if path, err = expandHome(path); err != nil {
		return part, "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return part, "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, maxImage+1))
	if err != nil {
		return part, "", err
	}
	if len(data) > maxImage {
		return part, "", fmt.Errorf("%s is larger than 20 MiB", path)
	}
	mime := http.DetectContentType(data)
	switch mime {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
	default:
		return part, "", fmt.Errorf("%s is not a PNG, JPEG, GIF or WebP image, but %s", path, mime)
	}
	dataURL := "data:" + mime + ";base64," + base64.StdEncoding.EncodeToString(data)
	note = fmt.Sprintf("%s, %d bytes", mime, len(data))
	return openai.Part{Type: "image_url", ImageURL: &openai.ImageURL{URL: dataURL}}, note, nil
}

// expandHome puts the home directory in place of a leading ~/, which no shell does for /image, nor
// bash for --image=~/x.
func expandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%s cannot be found: %w", path, err)
	}
	return filepath.Join(home, rest), nil
}
