package bedrock

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// advise completes an error that blames the model id with the ids that would do. They are the
// catalogue's, so they tell the client nothing of the operator's account.
func (m *Model) advise(e *llm.Error) *llm.Error {
	cause, ok := errors.AsType[*awsError](e.Err)
	if !ok || !isModelID(cause) {
		return e
	}
	hint := m.anotherSurface()
	if hint == "" {
		hint = advice(m.client.catalogue, m.id, m.client.region)
	}
	if hint != "" {
		e.Message = strings.TrimSuffix(e.Message, ".") + ". " + hint
		e.Err = fmt.Errorf("%w (%s)", e.Err, hint)
	}
	return e
}

// anotherSurface says that the operator has chosen a surface on which the id is not served.
func (m *Model) anotherSurface() string {
	if m.client.catalogue == nil {
		return ""
	}
	known, ok := m.client.catalogue.Lookup(m.id)
	if !ok {
		return ""
	}
	used, usual := m.current.Load().surface(), usualSurface(&traits{model: *known})
	if used == usual || len(known.Surfaces) == 0 || used == SurfaceInvoke && usual == SurfaceConverse { // one id serves both
		return ""
	}
	return "The deployment's upstream asks for it on the surface " + used + ", and it is served on " + usual + "."
}

// maxAdvice is how many ids an advice names.
const maxAdvice = 3

// advice names the ids under which AWS serves the model of an id from a region, the nearest first; ""
// when the catalogue knows none but the id itself.
func advice(catalogue *models.Catalogue, id, region string) string {
	base, _ := models.Base(id)
	if catalogue == nil || base == "" {
		return ""
	}
	near := append(geosOf(region), "global", "")
	var found []*models.Model
	for _, m := range catalogue.All() {
		if m.ID != id && stem(m.Base) == stem(base) && (m.Kind == models.Chat || m.Kind == models.Image) && callable(m) && slices.Contains(near, m.Geo) {
			found = append(found, m)
		}
	}
	slices.SortStableFunc(found, func(a, b *models.Model) int {
		return cmp.Compare(slices.Index(near, a.Geo), slices.Index(near, b.Geo))
	})
	var ids []string
	for _, m := range found[:min(len(found), maxAdvice)] {
		name := m.ID
		if word := usualSurface(&traits{model: *m}); word != SurfaceConverse {
			name += " (surface " + word + ")"
		}
		ids = append(ids, name)
	}
	if len(ids) == 0 {
		return ""
	}
	also := ""
	if m, ok := catalogue.Lookup(id); ok && callable(m) && slices.Contains(near, m.Geo) {
		also = "also "
	}
	return "In " + region + " the model is " + also + "served as " + strings.Join(ids, ", ") + "."
}

func callable(m *models.Model) bool {
	return m.Lifecycle.Status != models.EndOfLife && !m.ProfileOnly() && !slices.Equal(m.InferenceTypes, []string{"PROVISIONED"})
}

// versions is what an id on one surface has behind its name and an id on another has not:
// -20251001-v1:0, -1:0, -2026-03-05, -instruct.
var versions = regexp.MustCompile(`(-\d{8}|-\d{4}-\d\d-\d\d)?(-instruct)?(-v?\d+:\d+)?(-v\d+)?$`)

// stem is what the ids of one model have in common on all surfaces: no maker, whose name differs
// (moonshot, moonshotai), and no version.
func stem(base string) string {
	maker, name, ok := strings.Cut(base, ".")
	if !ok {
		return base
	}
	if maker == "deepseek" && name == "v3.1" {
		name = "v3" // deepseek.v3-v1:0 is DeepSeek-V3.1
	}
	return versions.ReplaceAllString(name, "")
}

// geosOf are the geographies whose profiles can be called from a region, the nearest first.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
func geosOf(region string) []string {
	for _, g := range [...]struct {
		prefix string
		geos   []string
	}{
		{"us-gov-", []string{"us-gov"}},
		{"us-", []string{"us"}},
		{"ca-", []string{"ca", "us"}},
		{"eu", []string{"eu"}},
		{"ap-northeast-1", []string{"jp", "apac"}},
		{"ap-northeast-3", []string{"jp", "apac"}},
		{"ap-southeast-2", []string{"au", "apac"}},
		{"ap-southeast-4", []string{"au", "apac"}},
		{"ap-south-", []string{"in", "apac"}},
		{"ap-", []string{"apac"}},
	} {
		if strings.HasPrefix(region, g.prefix) {
			return slices.Clone(g.geos)
		}
	}
	return nil
}
