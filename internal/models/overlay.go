package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// overlay lays the models of a file over those that are known.
func overlay(known []Model, file []byte) ([]Model, error) {
	entries, err := entriesOf(file)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, e := range entries {
		id, err := e.id()
		if err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, e.wrong(0, fmt.Sprintf("the id %q appears twice in the file", id))
		}
		seen[id] = true
		at := slices.IndexFunc(known, func(m Model) bool { return m.ID == id })
		if at < 0 {
			at = len(known)
			known = append(known, newModel(id))
		}
		if err := e.over(&known[at]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(known, func(a, b Model) int { return strings.Compare(a.ID, b.ID) })
	return known, nil
}

// newModel is what the id alone tells of a model.
func newModel(id string) Model {
	base, geo := Base(id)
	provider, name, _ := strings.Cut(base, ".")
	return Model{ID: id, Base: base, Geo: geo, Provider: provider, Name: name, Kind: Chat, Lifecycle: Lifecycle{Status: Active}}
}

// entry is one model of an operator's file.
type entry struct {
	raw  json.RawMessage
	file []byte
	at   int // offset of raw in the file
}

// entriesOf finds the models of a file and where they stand.
func entriesOf(file []byte) ([]entry, error) {
	whole := entry{raw: file, file: file}
	if !json.Valid(file) {
		var value json.RawMessage
		return nil, whole.wrongAt(json.Unmarshal(file, &value))
	}
	d := json.NewDecoder(bytes.NewReader(file))
	for _, want := range []json.Token{json.Delim('{'), "models", json.Delim('[')} {
		if got, err := d.Token(); err != nil || got != want {
			return nil, whole.wrong(int(d.InputOffset()), `expected {"models": [ … ]}`)
		}
	}
	var out []entry
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, whole.wrongAt(err)
		}
		out = append(out, entry{raw: raw, file: file, at: int(d.InputOffset()) - len(raw)})
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if got, err := d.Token(); err != nil || got != want {
			return nil, whole.wrong(int(d.InputOffset()), "expected nothing beside models")
		}
	}
	return out, nil
}

func (e entry) id() (string, error) {
	var named struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(e.raw, &named); err != nil {
		return "", e.wrongAt(err)
	}
	if named.ID == "" {
		return "", e.wrong(0, "a model needs an id, as in the request path")
	}
	return named.ID, nil
}

// over replaces the members of m that the entry states.
func (e entry) over(m *Model) error {
	own := m.clone()
	d := json.NewDecoder(bytes.NewReader(e.raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&own); err != nil {
		return e.wrongAt(err)
	}
	if mistake := own.mistake(); mistake != "" {
		return e.wrong(0, mistake)
	}
	*m = own
	return nil
}

// clone copies what encoding/json would write into.
func (m *Model) clone() Model {
	own := *m
	for _, list := range []*[]string{
		&own.Surfaces, &own.Input, &own.Output, &own.InferenceTypes, &own.DocumentTypes, &own.ImageTypes, &own.VideoTypes,
	} {
		*list = slices.Clone(*list)
	}
	own.VectorSizes = slices.Clone(own.VectorSizes)
	if m.Prices != nil {
		prices := *m.Prices
		own.Prices = &prices
	}
	if m.PromptCache != nil {
		cache := *m.PromptCache
		cache.Places = slices.Clone(cache.Places)
		own.PromptCache = &cache
	}
	if m.Converse != nil {
		converse := *m.Converse
		converse.ToolChoice = slices.Clone(converse.ToolChoice)
		converse.ToolResultMedia = slices.Clone(converse.ToolResultMedia)
		own.Converse = &converse
	}
	return own
}

// mistake is a word that the catalogue does not use, which would pass for "not known".
func (m *Model) mistake() string {
	type choice struct {
		member, value string
		words         []string
	}
	choices := []choice{
		{"kind", string(m.Kind), []string{string(Chat), string(Embedding), string(Image), string(Video), string(Speech), string(Rerank)}},
		{"lifecycle.status", m.Lifecycle.Status, []string{Active, Legacy, EndOfLife}},
	}
	if c := m.Converse; c != nil {
		choices = append(choices,
			choice{"converse.thinking", c.Thinking, []string{
				ThinkingNone, ThinkingBudget, ThinkingAdaptive, ThinkingEither, ThinkingNova, ThinkingEffort, ThinkingLevel, ThinkingConfig, ThinkingAlways,
			}},
			choice{"converse.sampling", c.Sampling, []string{SamplingBoth, SamplingOne, SamplingNone}})
	}
	for _, c := range choices {
		if c.value != "" && !slices.Contains(c.words, c.value) {
			return fmt.Sprintf("%s is %.40q; expected one of %s", c.member, c.value, strings.Join(c.words, ", "))
		}
	}
	return ""
}

// wrong is a mistake at an offset of the entry, told with its line in the file.
func (e entry) wrong(offset int, message string) error {
	at := min(e.at+offset, len(e.file))
	line := 1 + bytes.Count(e.file[:at], []byte("\n"))
	return fmt.Errorf("line %d: %s", line, message)
}

// wrongAt is wrong for an error of encoding/json.
func (e entry) wrongAt(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return e.wrong(int(syntax.Offset), "not JSON: "+syntax.Error())
	}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return e.wrong(int(mismatch.Offset), fmt.Sprintf("%s cannot be a %s", mismatch.Field, mismatch.Value))
	}
	return e.wrong(0, strings.TrimPrefix(err.Error(), "json: "))
}
