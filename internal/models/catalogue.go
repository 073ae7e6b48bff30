package models

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed catalogue.json
var catalogueJSON []byte

// Catalogue holds the models by id. It is immutable and may be shared.
type Catalogue struct {
	models []Model
	byID   map[string]*Model
}

// Load reads the embedded catalogue (a few milliseconds; call it once and pass
// the result on). It fails only if the file in the binary is damaged.
func Load() (*Catalogue, error) {
	return parse(catalogueJSON)
}

// LoadWith is Load, changed by an operator's file of the same form:
// {"models": [{"id": …, …}]}. What a model of the file says replaces what the
// embedded one says, member by member; a list is replaced whole, null makes a
// member unknown. An id that is new is added: its base, geo and provider come
// from the id unless they are stated, its kind is chat. The error names the
// line and what is wrong there.
func LoadWith(override []byte) (*Catalogue, error) {
	models, err := decode(catalogueJSON)
	if err != nil {
		return nil, err
	}
	if models, err = overlay(models, override); err != nil {
		return nil, err
	}
	return index(models)
}

func parse(data []byte) (*Catalogue, error) {
	models, err := decode(data)
	if err != nil {
		return nil, err
	}
	return index(models)
}

func decode(data []byte) ([]Model, error) {
	var file struct {
		Models []Model `json:"models"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("model catalogue: %w", err)
	}
	return file.Models, nil
}

func index(models []Model) (*Catalogue, error) {
	c := &Catalogue{models: models, byID: make(map[string]*Model, len(models))}
	for i := range c.models {
		m := &c.models[i]
		if m.Base == "" {
			m.Base = m.ID
		}
		if c.byID[m.ID] != nil {
			return nil, fmt.Errorf("model catalogue: id %q appears twice", m.ID)
		}
		c.byID[m.ID] = m
	}
	return c, nil
}

// Lookup finds the model of an id, or of a foundation-model or system-defined
// inference-profile ARN. An id with a geo prefix that the catalogue does not
// list is not found, even when its base is known: prices would be wrong.
func (c *Catalogue) Lookup(id string) (*Model, bool) {
	m, ok := c.byID[id]
	if !ok {
		m, ok = c.byID[arnModel(id)]
	}
	return m, ok
}

// Family finds a model of the same base id, whatever its geo prefix: limits and
// features are equal among them, prices are not.
func (c *Catalogue) Family(id string) (*Model, bool) {
	if m, ok := c.Lookup(id); ok {
		return m, true
	}
	base, _ := Base(id)
	if m, ok := c.byID[base]; ok {
		return m, true
	}
	for geo := range strings.SplitSeq(geoPrefixes, " ") {
		if m, ok := c.byID[geo+"."+base]; ok && base != "" {
			return m, true
		}
	}
	return nil, false
}

// All lists every model, ordered by id. The slice is a fresh one, the models
// are shared.
func (c *Catalogue) All() []*Model {
	out := make([]*Model, len(c.models))
	for i := range c.models {
		out[i] = &c.models[i]
	}
	return out
}
