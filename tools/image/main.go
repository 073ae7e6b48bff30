// Command image builds Outcrop's container image without Docker: an OCI image layout for linux/amd64 and
// linux/arm64 with an SPDX document per platform, and one archive per platform for `podman load`.
//
// Equal sources give equal digests: times are the commit's, the roots of trust come from a module whose
// version is in go.mod, and the Go command is told to leave the machine's paths out.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// build is what the flags say.
type build struct {
	source, out, version, reference string
	pgo                             string // a profile's file, or off
	platforms                       []v1.Platform
	created                         time.Time
	revision                        string
}

func main() {
	var b build
	var platforms string
	flag.StringVar(&b.source, "source", ".", "root of the module outcrop")
	flag.StringVar(&b.out, "out", "bin/image", "folder for the layout, the archives and the SPDX documents; it is replaced")
	flag.StringVar(&b.pgo, "pgo", "off", "profile for the compiler, or off")
	flag.StringVar(&b.version, "version", "dev", "version of the image")
	flag.StringVar(&b.reference, "reference", "localhost/outcrop", "repository that the archives name")
	flag.StringVar(&platforms, "platforms", "linux/amd64,linux/arm64", "platforms, separated by commas")
	flag.Parse()
	if err := b.run(context.Background(), platforms, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func (b *build) run(ctx context.Context, platforms string, stdout *os.File) error {
	for text := range strings.SplitSeq(platforms, ",") {
		platform, err := v1.ParsePlatform(text)
		if err != nil || platform.OS != "linux" || platform.Architecture == "" {
			return fmt.Errorf("-platforms: %q is not linux/<architecture>", text)
		}
		b.platforms = append(b.platforms, *platform)
	}
	var err error
	if b.revision, b.created, err = commit(ctx, b.source); err != nil {
		// A source archive has no commit: its images are alike too, but do not say what they are made of.
		fmt.Fprintln(os.Stderr, "image: no revision, and 1970 as its time:", err)
		b.revision, b.created = "", time.Unix(0, 0).UTC()
	}
	if err := os.RemoveAll(b.out); err != nil {
		return err
	}
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	index, err := b.index(ctx)
	if err != nil {
		return err
	}
	if _, err := layout.Write(filepath.Join(b.out, "oci"), index); err != nil {
		return err
	}
	image, err := imageIndex(index)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s:%s %s (%s)\n", b.reference, b.version, image, filepath.Join(b.out, "oci"))
	return err
}

// commit is the commit of the sources and its time, which is the image's.
func commit(ctx context.Context, source string) (revision string, created time.Time, err error) {
	out, err := exec.CommandContext(ctx, "git", "-C", source, "show", "-s", "--format=%H %ct", "HEAD").Output()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("asking git for the commit of %s: %w", source, err)
	}
	revision, seconds, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("git gave no time of the commit: %w", err)
	}
	return revision, time.Unix(n, 0).UTC(), nil
}

// index holds the image for every platform, and beside it each platform's SPDX document as an artifact
// that names the image as its subject.
// https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
func (b *build) index(ctx context.Context) (v1.ImageIndex, error) {
	images := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var documents []mutate.IndexAddendum
	for _, platform := range b.platforms {
		binary := filepath.Join(b.out, "outcrop-"+platform.Architecture)
		if err := b.compile(ctx, platform, binary); err != nil {
			return nil, err
		}
		image, err := b.image(platform, binary)
		if err != nil {
			return nil, err
		}
		document, err := b.document(platform, binary, image)
		if err != nil {
			return nil, err
		}
		documents = append(documents, mutate.IndexAddendum{Add: document})
		images = mutate.AppendManifests(images, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
		if err := b.archive(platform, image); err != nil {
			return nil, err
		}
		if err := os.Remove(binary); err != nil {
			return nil, err
		}
	}
	named := mutate.IndexAddendum{Add: images, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": b.version},
	}}
	whole := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	return mutate.AppendManifests(whole, append([]mutate.IndexAddendum{named}, documents...)...), nil
}

// compile builds the program for a platform.
func (b *build) compile(ctx context.Context, platform v1.Platform, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-pgo="+b.pgo, "-buildvcs="+strconv.FormatBool(b.revision != ""), "-ldflags", "-s -w -buildid=", "-o", out, "./cmd/outcrop")
	cmd.Dir = b.source
	// What a machine or a shell prefers would give another image.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture, "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building for %s: %w", platform.String(), err)
	}
	return nil
}

// archive writes the image as `podman load` and `docker load` read it.
func (b *build) archive(platform v1.Platform, image v1.Image) error {
	tag, err := name.NewTag(b.reference + ":" + b.version)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(filepath.Join(b.out, "outcrop-"+platform.Architecture+".tar"), tag, image)
}

// imageIndex is the digest of the image for all platforms, the first of the layout.
func imageIndex(whole v1.ImageIndex) (v1.Hash, error) {
	manifest, err := whole.IndexManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	return manifest.Manifests[0].Digest, nil
}
