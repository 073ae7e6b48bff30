package main

import (
	"archive/tar"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// sample is a build whose program is this test.
func sample(t *testing.T) (build, v1.Platform, string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := build{
		source: filepath.Join("..", ".."), out: t.TempDir(), version: "1.2.3", reference: "localhost/outcrop",
		created: time.Unix(1_700_000_000, 0).UTC(), revision: "abc",
	}
	return b, v1.Platform{OS: "linux", Architecture: "arm64"}, program
}

func sampleImage(t *testing.T) v1.Image {
	t.Helper()
	b, platform, program := sample(t)
	image, err := b.image(platform, program)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// Who builds the same commit gets the same image.
func TestReproducible(t *testing.T) {
	first, err := sampleImage(t).Digest()
	if err != nil {
		t.Fatal(err)
	}
	second, err := sampleImage(t).Digest()
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Errorf("two builds have the digests %s and %s", first, second)
	}
}

func TestConfiguration(t *testing.T) {
	file, err := sampleImage(t).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Config.User != "65532:65532" {
		t.Errorf("the user is %q: the kubelet takes only a number for one that is not root", file.Config.User)
	}
	if !slices.Equal(file.Config.Entrypoint, []string{"/outcrop"}) || file.Architecture != "arm64" || file.OS != "linux" {
		t.Errorf("entrypoint %q on %s/%s", file.Config.Entrypoint, file.OS, file.Architecture)
	}
	if got := file.Config.Labels["org.opencontainers.image.version"]; got != "1.2.3" {
		t.Errorf("the label of the version is %q", got)
	}
	if !file.Created.Equal(time.Unix(1_700_000_000, 0)) {
		t.Errorf("made at %s, not at the commit's time", file.Created)
	}
}

func TestFiles(t *testing.T) {
	files := map[string]string{}
	reader := mutate.Extract(sampleImage(t))
	defer reader.Close()
	for r := tar.NewReader(reader); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(header.Name, "/")] = string(content)
		if header.Name == "outcrop" && header.Mode != 0o755 {
			t.Errorf("outcrop has the mode %o", header.Mode)
		}
	}
	want := []string{"LICENSE", "etc", "etc/group", "etc/passwd", "etc/ssl", "etc/ssl/certs", "etc/ssl/certs/ca-certificates.crt", "outcrop", "tmp"}
	var got []string
	for name := range files {
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the image has %q, want %q: no shell, nothing else", got, want)
	}
	if !strings.Contains(files["etc/passwd"], ":65532:65532:") {
		t.Errorf("/etc/passwd does not name the user: %s", files["etc/passwd"])
	}
}

// AWS's endpoints must be trusted.
func TestRoots(t *testing.T) {
	var names []string
	for rest := roots(); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, certificate.Subject.CommonName)
	}
	for _, want := range []string{"Amazon Root CA 1", "Amazon Root CA 3", "ISRG Root X1"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among the %d roots", want, len(names))
		}
	}
}

func TestDocument(t *testing.T) {
	b, platform, program := sample(t)
	image, err := b.image(platform, program)
	if err != nil {
		t.Fatal(err)
	}
	artifact, err := b.document(platform, program, image)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := artifact.(v1.Image).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	subject, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Subject == nil || manifest.Subject.Digest != subject {
		t.Errorf("the subject is %v, want the image %s", manifest.Subject, subject)
	}
	content, err := os.ReadFile(filepath.Join(b.out, "outcrop-arm64.spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document spdx
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	var locators []string
	for _, p := range document.Packages {
		for _, r := range p.References {
			locators = append(locators, r.Locator)
		}
	}
	if !slices.ContainsFunc(locators, func(l string) bool {
		return strings.HasPrefix(l, "pkg:golang/github.com/google/go-containerregistry@v")
	}) {
		t.Errorf("the module that this test is built with is not among %q", locators)
	}
	if len(document.Relationships) != len(document.Packages) || document.Relationships[0].Type != "DESCRIBES" {
		t.Errorf("%d packages, relationships %v", len(document.Packages), document.Relationships)
	}
}
