package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"runtime/debug"
	"strings"
)

// document is a CycloneDX document. https://cyclonedx.org/docs/1.6/json/
type document struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
	Depends    []depends   `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	URL        string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Licences   []licence  `json:"licenses,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type licence struct {
	Licence struct {
		ID string `json:"id"`
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type depends struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

func newDocument(binary string, info *debug.BuildInfo) (*document, error) {
	text, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	program := component{Type: "application", Ref: "outcrop", Name: "outcrop", Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}}, Licences: licencesOf("Apache-2.0")}
	if v := info.Main.Version; v != "(devel)" {
		program.Version = v
	}
	for _, s := range info.Settings {
		program.Properties = append(program.Properties, property{"go:build:" + s.Key, s.Value})
	}
	version := strings.TrimPrefix(info.GoVersion, "go")
	standard := component{Type: "library", Ref: "pkg:golang/std@" + version, Name: "std", Version: version, URL: "pkg:golang/std@" + version, Licences: licencesOf("BSD-3-Clause")}
	return &document{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{program}, Components: []component{standard},
		Depends: []depends{{"outcrop", []string{standard.Ref}}},
	}, nil
}

// add adds a module, with the sum by which go.sum knows it.
func (d *document) add(m *debug.Module, ids []string) {
	url := "pkg:golang/" + m.Path + "@" + m.Version
	d.Components = append(d.Components, component{
		Type: "library", Ref: url, Name: m.Path, Version: m.Version, URL: url, Licences: licencesOf(ids...), Properties: []property{{"go:sum", m.Sum}},
	})
	d.Depends[0].On = append(d.Depends[0].On, url)
}

func licencesOf(ids ...string) (all []licence) {
	for _, id := range ids {
		var l licence
		l.Licence.ID = id
		all = append(all, l)
	}
	return all
}
