package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// mediaSPDX is the type of the document and of the artifact that holds it.
const mediaSPDX = types.MediaType("application/spdx+json")

// spdx is an SPDX 2.3 document. https://spdx.github.io/spdx-spec/v2.3/
type spdx struct {
	Version       string             `json:"spdxVersion"`
	DataLicense   string             `json:"dataLicense"`
	ID            string             `json:"SPDXID"`
	Name          string             `json:"name"`
	Namespace     string             `json:"documentNamespace"`
	Creation      spdxCreation       `json:"creationInfo"`
	Packages      []spdxPackage      `json:"packages"`
	Relationships []spdxRelationship `json:"relationships"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Version       string         `json:"versionInfo"`
	Download      string         `json:"downloadLocation"`
	FilesAnalyzed bool           `json:"filesAnalyzed"`
	License       string         `json:"licenseConcluded"`
	Declared      string         `json:"licenseDeclared"`
	Copyright     string         `json:"copyrightText"`
	Checksums     []spdxChecksum `json:"checksums,omitempty"`
	References    []spdxRef      `json:"externalRefs,omitempty"`
	Comment       string         `json:"comment,omitempty"`
}

type spdxChecksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type spdxRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxRelationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

// describe reads the modules that the Go command wrote into the program.
func (b *build) describe(platform v1.Platform, binary string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(program)
	d := spdx{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: "outcrop-" + b.version + "-" + platform.Architecture,
		Namespace: "https://outcrop.invalid/spdx/" + hex.EncodeToString(sum[:]),
		Creation:  spdxCreation{Created: b.created.Format(time.RFC3339), Creators: []string{"Tool: outcrop-tools-image"}},
	}
	main := newPackage("SPDXRef-outcrop", "outcrop", b.version)
	main.License, main.Declared = "Apache-2.0", "Apache-2.0"
	main.Checksums = []spdxChecksum{{"SHA256", hex.EncodeToString(sum[:])}}
	d.add(main, "SPDXRef-DOCUMENT", "DESCRIBES")
	standard := newPackage("SPDXRef-stdlib", "stdlib", strings.TrimPrefix(info.GoVersion, "go"))
	standard.References = []spdxRef{{"PACKAGE-MANAGER", "purl", "pkg:golang/stdlib@" + standard.Version}}
	d.add(standard, main.ID, "DEPENDS_ON")
	for i, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		p := newPackage(fmt.Sprintf("SPDXRef-module-%d", i+1), module.Path, module.Version)
		p.Download = "https://proxy.golang.org/" + module.Path + "/@v/" + module.Version + ".zip"
		p.References = []spdxRef{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + module.Path + "@" + module.Version}}
		p.Comment = "go.sum " + module.Sum // of the module's tree, not of one file, so it is no checksum here
		d.add(p, main.ID, "DEPENDS_ON")
	}
	return json.MarshalIndent(d, "", "  ")
}

func newPackage(id, name, version string) spdxPackage {
	return spdxPackage{ID: id, Name: name, Version: version, Download: "NOASSERTION", License: "NOASSERTION", Declared: "NOASSERTION", Copyright: "NOASSERTION"}
}

func (d *spdx) add(p spdxPackage, from, relation string) {
	d.Packages = append(d.Packages, p)
	d.Relationships = append(d.Relationships, spdxRelationship{from, relation, p.ID})
}

// document writes the SPDX document beside the layout and returns it as an artifact about the image.
func (b *build) document(platform v1.Platform, binary string, image v1.Image) (mutate.Appendable, error) {
	content, err := b.describe(platform, binary)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(b.out, "outcrop-"+platform.Architecture+".spdx.json"), content, 0o644); err != nil {
		return nil, err
	}
	subject, err := partial.Descriptor(image)
	if err != nil {
		return nil, err
	}
	artifact := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mediaSPDX)
	artifact, err = mutate.AppendLayers(artifact, static.NewLayer(content, mediaSPDX))
	if err != nil {
		return nil, err
	}
	return mutate.Subject(artifact, *subject).(v1.Image), nil
}
