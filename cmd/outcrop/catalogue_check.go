package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"outcrop/internal/config"
	"outcrop/internal/models"
)

// catalogueProblems compares the model ids of the configuration with the catalogue. All it finds
// are warnings: the catalogue is as old as the program, and a model that came later must work.
func catalogueProblems(cfg *config.Config, catalogue *models.Catalogue) []config.Problem {
	return catalogueCheck{catalogue, time.Now().UTC().Format(time.DateOnly)}.problems(cfg)
}

type catalogueCheck struct {
	*models.Catalogue
	today string // YYYY-MM-DD
}

func (c catalogueCheck) problems(cfg *config.Config) []config.Problem {
	var out []config.Problem
	for _, at := range cfg.ModelIDs() {
		message, remedy := c.mistake(at.ID, at.Type)
		switch {
		case at.Base:
			message, remedy = c.baseMistake(at.ID)
		case message == "":
			message, remedy = c.farMistake(at.ID, at.Region)
		}
		if message != "" {
			out = append(out, config.Problem{
				Severity: config.Warning, File: at.File, Line: at.Line, Col: at.Col, Path: at.Path,
				Message: message, Remedy: remedy,
			})
		}
	}
	return out
}

// mistake says why AWS will probably not answer for the id, "" if nothing is known against it.
// It quotes ids of the catalogue, never the one of the file.
func (c catalogueCheck) mistake(id, kind string) (message, remedy string) {
	if base, _ := models.Base(id); base == "" {
		return "", "" // an ARN that names no model
	}
	m, known := c.Lookup(id)
	switch {
	case !known:
		return "the built-in catalogue does not know this model id: requests fail if AWS does not know it either", c.nearest(id)
	case c.ended(m):
		return "AWS no longer serves this model: " + ending(m), "choose another one"
	case typeOf(m) == "":
		return fmt.Sprintf("this model is of the kind %s, which is not served", m.Kind), "choose another one"
	case typeOf(m) != kind:
		return fmt.Sprintf("this model is of the kind %s", m.Kind), fmt.Sprintf(`its type is "%s"`, typeOf(m))
	case !askable(m):
		return "AWS does not serve this model id through an API that this version asks", "choose another one"
	case m.ProfileOnly():
		return "AWS serves this model through inference profiles only and refuses its bare id", c.profiles(m)
	case provisionedOnly(m):
		return "AWS serves this model id with provisioned throughput only", "use the ARN of the provisioned model"
	}
	return "", ""
}

// farMistake says that the profile of an id cannot be called from the region.
func (c catalogueCheck) farMistake(id, region string) (message, remedy string) {
	base, geo := models.Base(id)
	if geo == "" || region == "" || models.Reaches(geo, region) {
		return "", ""
	}
	var near []string
	for _, other := range c.serving(base) {
		if _, geo := models.Base(other); geo == "" || models.Reaches(geo, region) {
			near = append(near, other)
		}
	}
	message = fmt.Sprintf("profiles of the geography %s cannot be called from %s: AWS calls the model identifier invalid there", geo, region)
	if len(near) == 0 {
		return message, "call it from a region of the geography"
	}
	return message, "use " + strings.Join(near, ", ") + ", or another region"
}

// baseMistake says why nothing is known of the model behind an ARN.
func (c catalogueCheck) baseMistake(id string) (message, remedy string) {
	if _, known := c.Family(id); known {
		return "", ""
	}
	return "the catalogue does not know this model id: the ARN is served with the rules of its family, or as plain Converse", c.nearest(id)
}

// profiles names the ids under which the model of a bare id is served.
func (c catalogueCheck) profiles(m *models.Model) string {
	ids := c.serving(m.Base)
	if len(ids) == 0 {
		return "use an inference profile of the model"
	}
	return "use " + strings.Join(ids, ", ")
}

// nearest proposes ids that are served, of the base id that is spelt most like this one.
func (c catalogueCheck) nearest(id string) string {
	const otherwise = "if the model is newer than this program, all is well"
	base, geo := models.Base(id)
	near := config.Nearest(base, func(yield func(string) bool) {
		for _, m := range c.All() {
			if c.serves(m) && !yield(m.Base) {
				return
			}
		}
	})
	if near == "" {
		return otherwise
	}
	ids, same := c.serving(near), strings.TrimPrefix(geo+"."+near, ".")
	if slices.Contains(ids, same) {
		ids = []string{same}
	}
	return "the nearest it knows: " + strings.Join(ids, ", ") + "; " + otherwise
}

// serving lists the ids of one base id that can be asked, in the catalogue's order.
func (c catalogueCheck) serving(base string) []string {
	var ids []string
	for _, m := range c.All() {
		if m.Base == base && c.serves(m) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func (c catalogueCheck) serves(m *models.Model) bool {
	return typeOf(m) != "" && !c.ended(m) && askable(m) && !m.ProfileOnly() && !provisionedOnly(m)
}

// ended reports whether the model was past its end when the catalogue was made, or is by now.
func (c catalogueCheck) ended(m *models.Model) bool {
	end := m.Lifecycle.EOL
	return m.Lifecycle.Status == models.EndOfLife || end != "" && end <= c.today
}

func ending(m *models.Model) string {
	if m.Lifecycle.EOL == "" {
		return "it is past its end of life (EOL)"
	}
	return "its end of life (EOL) was " + m.Lifecycle.EOL
}

// typeOf is the type that a model has in a configuration; "" for a kind that is not served.
func typeOf(m *models.Model) string {
	switch m.Kind {
	case models.Chat, models.Image:
		return config.TypeChat
	case models.Embedding:
		return config.TypeEmbedding
	case models.Rerank:
		return config.TypeRerank
	default:
		return ""
	}
}

// askable says whether a model is served through Converse, InvokeModel or one of the APIs of others; it is
// true also where no source tells.
func askable(m *models.Model) bool {
	return len(m.Surfaces) == 0 || slices.ContainsFunc(m.Surfaces, func(s string) bool {
		return s == "converse" || s == "invoke" || strings.HasPrefix(s, "runtime:") || strings.HasPrefix(s, "mantle")
	})
}

func provisionedOnly(m *models.Model) bool {
	return slices.Equal(m.InferenceTypes, []string{"PROVISIONED"})
}
