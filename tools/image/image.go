package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is numeric, since the kubelet cannot tell that a name is not root.
const user = "65532:65532"

// entry is a file or folder of a layer.
type entry struct {
	name    string
	mode    int64
	content []byte // nil for a folder
}

// image is the program in an image that has nothing else but what a static Go program asks a system for.
func (b *build) image(platform v1.Platform, binary string) (v1.Image, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile(filepath.Join(b.source, "LICENSE"))
	if err != nil {
		return nil, err
	}
	base := []entry{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, content: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{name: "etc/passwd", mode: 0o644, content: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: roots()},
		{name: "tmp/", mode: 0o1777},
	}
	top := []entry{{name: "LICENSE", mode: 0o644, content: license}, {name: "outcrop", mode: 0o755, content: program}}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, part := range []struct {
		what    string
		entries []entry
	}{{"users, roots of trust, /tmp", base}, {"outcrop", top}} {
		layer, err := b.layer(part.entries)
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{
			Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: b.created}, CreatedBy: "outcrop/tools/image", Comment: part.what},
		})
		if err != nil {
			return nil, err
		}
	}
	return b.configured(image, platform)
}

// configured says how the image runs.
func (b *build) configured(image v1.Image, platform v1.Platform) (v1.Image, error) {
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = platform.OS, platform.Architecture, platform.Variant
	file.Created = v1.Time{Time: b.created}
	file.Config = v1.Config{
		User: user, WorkingDir: "/", Entrypoint: []string{"/outcrop"}, Cmd: []string{"help"},
		Env:          []string{"PATH=/", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "5000/tcp": {}, "9464/tcp": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "outcrop",
			"org.opencontainers.image.description": "Amazon Bedrock behind AI DIAL",
			"org.opencontainers.image.version":     b.version,
			"org.opencontainers.image.revision":    b.revision,
			"org.opencontainers.image.created":     b.created.Format(time.RFC3339),
			"org.opencontainers.image.licenses":    "Apache-2.0",
		},
	}
	return mutate.ConfigFile(image, file)
}

// layer is a tar of the entries, owned by root, with the commit's time.
func (b *build) layer(entries []entry) (v1.Layer, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), ModTime: b.created, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if e.content == nil {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	content := buffer.Bytes()
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer))
}

// roots are Mozilla's certificate authorities as PEM. Those that Mozilla trusts for some names only are
// left out, since PEM cannot say so.
func roots() []byte {
	var buffer bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&buffer, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a bytes.Buffer takes everything
		}
	}
	return buffer.Bytes()
}
