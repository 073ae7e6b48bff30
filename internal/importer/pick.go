package importer

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"outcrop/internal/models"
)

var regionForm = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-[1-9]\d?$`)

// variantForm is the id of a model with a length of context of its own, or a modality. AWS has those for provisioned
// throughput (https://docs.aws.amazon.com/bedrock/latest/userguide/prov-throughput.html), also where the
// catalogue does not know.
var variantForm = regexp.MustCompile(`:\d+:(\d+k?|mm)$`)

func isRegion(s string) bool { return regionForm.MatchString(s) }

// geosOf are the geographies whose inference profiles can be called from a region, the narrowest first;
// global is not among them.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
func geosOf(region string) []string {
	narrow := map[string][]string{
		"ap-northeast-1": {"jp", "apac"}, "ap-northeast-3": {"jp", "apac"}, "ap-southeast-2": {"au", "apac"}, "ap-southeast-4": {"au", "apac"},
		"ap-south-1": {"in", "apac"}, "ap-south-2": {"in", "apac"}, "ca-central-1": {"ca", "us"}, "ca-west-1": {"ca", "us"},
	}
	if geos := narrow[region]; geos != nil {
		return geos
	}
	for _, of := range []struct{ prefix, geo string }{{"us-gov-", "us-gov"}, {"us-", "us"}, {"eu-", "eu"}, {"ap-", "apac"}} {
		if strings.HasPrefix(region, of.prefix) {
			return []string{of.geo}
		}
	}
	return nil
}

// Available says what one region offers. Ids of inference profiles stand for themselves.
type Available map[string]bool

// An importPlan chooses models and words them.
type importPlan struct {
	Options
	// offers is what each region offers: of the account, or nil where only the catalogue is asked.
	offers  map[string]Available
	changes []Change
}

// usable says why nothing of this program calls the id, "" if it can.
func (p *importPlan) usable(m *models.Model) string {
	switch {
	case m.Lifecycle.Status == models.EndOfLife, m.Lifecycle.EOL != "" && m.Lifecycle.EOL <= p.Today:
		return ended(m)
	case importType(m) == "":
		return "it is of the kind " + string(m.Kind) + ", which is not served"
	case slices.Equal(m.InferenceTypes, []string{"PROVISIONED"}), p.offers == nil && len(m.InferenceTypes) == 0 && variantForm.MatchString(m.Base):
		return "AWS serves it with provisioned throughput only: write its ARN by hand"
	case len(m.Surfaces) > 0 && !slices.ContainsFunc(m.Surfaces, func(s string) bool {
		return s == "converse" || s == "invoke" || strings.HasPrefix(s, "runtime:") || strings.HasPrefix(s, "mantle")
	}):
		return "AWS does not serve it through an API that this version asks"
	case p.Adapter != "" && importType(m) == "rerank":
		return "DIAL has no models of type rerank"
	}
	return ""
}

// ended says why a model is past its end.
func ended(m *models.Model) string {
	if m.Lifecycle.EOL == "" {
		return "AWS no longer serves it"
	}
	return "AWS no longer serves it (end of life " + m.Lifecycle.EOL + ")"
}

// inRegion says whether the id can be called from a region.
func (p *importPlan) inRegion(m *models.Model, region string) bool {
	if m.ProfileOnly() {
		return false
	}
	if p.offers != nil {
		return p.offers[region][m.ID]
	}
	return m.Geo == "" || m.Geo == "global" || slices.Contains(geosOf(region), m.Geo)
}

// A pick is a model id that is to be written, and the regions it is called from.
type pick struct {
	model   *models.Model
	regions []string
}

// pick chooses the ids: for each base model that was asked for, and each region, the one that can be called there.
func (p *importPlan) pick() ([]pick, error) {
	exact, bases, err := p.asked()
	if err != nil {
		return nil, err
	}
	p.namesUnknown()
	regions := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(exact)) {
		if err := p.pickExact(exact[id], regions); err != nil {
			return nil, err
		}
	}
	for _, base := range slices.Sorted(maps.Keys(bases)) {
		if err := p.pickBase(base, bases[base], regions); err != nil {
			return nil, err
		}
	}
	var out []pick
	for id, in := range regions {
		m, _ := p.Catalogue.Lookup(id)
		out = append(out, pick{m, in})
	}
	slices.SortFunc(out, func(a, b pick) int { return cmp.Compare(a.model.ID, b.model.ID) })
	return out, nil
}

// namesUnknown names what the account has, was meant, and is unknown to the catalogue: nothing could be said of
// its limits and prices.
func (p *importPlan) namesUnknown() {
	unknown := map[string]bool{}
	for _, offer := range p.offers {
		for id := range offer {
			_, geo := models.Base(id)
			provider, _, _ := strings.Cut(strings.TrimPrefix(id, geo+"."), ".")
			_, known := p.Catalogue.Lookup(id)
			if !known && p.Means(&models.Model{ID: id, Base: id, Provider: provider}) {
				unknown[id] = true
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(unknown)) {
		p.changes = append(p.changes, Change{What: ImportSkipped, Path: id, Why: "the account has it and the catalogue does not know it; --catalogue FILE adds it (docs/config.md)"})
	}
}

// pickExact takes an id that was asked for as it is.
func (p *importPlan) pickExact(m *models.Model, regions map[string][]string) error {
	if why := p.usable(m); why != "" {
		return fmt.Errorf("--models %s: %s", m.ID, why)
	}
	if len(p.Regions) == 0 {
		regions[m.ID] = nil
		return nil
	}
	for _, region := range p.Regions {
		if p.inRegion(m, region) {
			regions[m.ID] = append(regions[m.ID], region)
		}
	}
	if len(regions[m.ID]) == 0 {
		return p.nowhere(m.ID, m.Base)
	}
	return nil
}

// pickBase takes, of the ids of one model, the best for each region. asked says that the operator named the
// model; one of a pattern that cannot be had is left out.
func (p *importPlan) pickBase(base string, named bool, regions map[string][]string) error {
	found, why := false, ""
	for region := range cmp.Or(len(p.Regions), 1) {
		in := ""
		if len(p.Regions) > 0 {
			in = p.Regions[region]
		}
		best, reason := p.best(base, in)
		why = cmp.Or(reason, why)
		if best == nil {
			continue
		}
		found = true
		if _, has := regions[best.ID]; !has || in != "" && !slices.Contains(regions[best.ID], in) {
			regions[best.ID] = append(regions[best.ID], slices.DeleteFunc([]string{in}, func(s string) bool { return s == "" })...)
		}
	}
	switch {
	case found:
		return nil
	case !named:
		if why == "" {
			why = "not in " + strings.Join(p.Regions, ", ")
		}
		p.changes = append(p.changes, Change{What: ImportSkipped, Path: base, Why: why})
		return nil
	case why != "":
		return fmt.Errorf("--models %s: %s", base, why)
	}
	return p.nowhere(base, base)
}

// best is the id to call in a region, or why there is none. Without --geo that is the id without a profile,
// which stays in the region, else the narrowest profile; a global one only if it was asked for.
func (p *importPlan) best(base, region string) (m *models.Model, why string) {
	order := append([]string{""}, geosOf(region)...)
	if p.Geo != "" {
		order = append([]string{p.Geo}, order...)
	}
	for _, geo := range order {
		id := strings.TrimPrefix(geo+"."+base, ".")
		m, ok := p.Catalogue.Lookup(id)
		if !ok {
			continue
		}
		if reason := p.usable(m); reason != "" {
			why = reason
			continue
		}
		if region == "" && !m.ProfileOnly() || region != "" && p.inRegion(m, region) {
			return m, ""
		}
	}
	if global, ok := p.Catalogue.Lookup("global." + base); ok && why == "" && region != "" && p.inRegion(global, region) {
		return nil, "in " + region + " only its global profile can be called, which may answer from anywhere: type --geo global if that is allowed"
	}
	return nil, why
}

// nowhere says in which regions the model can be had.
func (p *importPlan) nowhere(id, base string) error {
	if len(p.Regions) == 0 {
		return fmt.Errorf("--models %s: it is served through inference profiles, for %s: type --regions us-east-1 (say), or --geo %s", id, strings.Join(p.geos(base), ", "), strings.Join(slices.Compact(slices.Concat(p.geos(base), []string{"us"}))[:1], ""))
	}
	var has []string
	if p.Elsewhere != nil {
		has = p.Elsewhere(base)
	}
	hint := "outcrop aws models shows what the account has"
	if len(has) > 0 {
		hint = "it is in " + strings.Join(has, ", ") + ": type --regions " + has[0]
	} else if geos := p.geos(base); len(geos) > 0 {
		hint = "its profiles are for " + strings.Join(geos, ", ")
		if id != base {
			hint += ": type --models " + base + " for the one that the region can call"
		}
	}
	return fmt.Errorf("--models %s: it cannot be called from %s; %s", id, strings.Join(p.Regions, ", "), hint)
}

func (p *importPlan) geos(base string) []string {
	var out []string
	for _, m := range p.Catalogue.All() {
		if m.Base == base && m.Geo != "" && p.usable(m) == "" {
			out = append(out, m.Geo)
		}
	}
	return out
}

// asked sorts what was asked for: ids of profiles, which are taken as they are, and models. The value of a
// model says that it was named and not only matched.
func (p *importPlan) asked() (exact map[string]*models.Model, bases map[string]bool, err error) {
	exact, bases = map[string]*models.Model{}, map[string]bool{}
	excluded := func(m *models.Model) bool {
		return slices.ContainsFunc(p.Exclude, func(pattern string) bool { return matchesModel(pattern, m.ID) || matchesModel(pattern, m.Base) })
	}
	for _, pattern := range p.Models {
		found := false
		for _, m := range p.Catalogue.All() {
			wild := strings.ContainsAny(pattern, "*?[")
			switch {
			case excluded(m):
				found = found || matchesModel(pattern, m.ID)
			case m.Geo != "" && matchesModel(pattern, m.ID) && !(wild && strings.HasPrefix(pattern, "*")):
				if !wild || p.usable(m) == "" && (len(p.Regions) == 0 || slices.ContainsFunc(p.Regions, func(r string) bool { return p.inRegion(m, r) })) {
					exact[m.ID] = m
				}
				found = true
			case matchesModel(pattern, m.Base):
				bases[m.Base] = bases[m.Base] || !wild
				found = true
			}
		}
		if !found {
			return nil, nil, p.unknown(pattern)
		}
	}
	providers := map[string]bool{}
	for _, m := range p.Catalogue.All() {
		providers[m.Provider] = true
		if (p.AllCallable || slices.Contains(p.Providers, m.Provider)) && !excluded(m) && !bases[m.Base] {
			bases[m.Base] = false
		}
	}
	for _, provider := range p.Providers {
		if !providers[provider] {
			known := slices.Sorted(maps.Keys(providers))
			return nil, nil, fmt.Errorf("--provider %s: no model of this provider is known%s (known: %s)", provider, nearest(provider, known), strings.Join(known, ", "))
		}
	}
	if len(exact)+len(bases) == 0 {
		return nil, nil, errNothingChosen
	}
	return exact, bases, nil
}

func (p *importPlan) unknown(pattern string) error {
	if strings.ContainsAny(pattern, "*?[") {
		return fmt.Errorf("--models %q: no model id matches the pattern; outcrop aws models lists them", pattern)
	}
	var known []string
	for _, m := range p.Catalogue.All() {
		known = append(known, m.ID)
	}
	return fmt.Errorf("--models %s: the catalogue does not know this model id%s (--catalogue FILE adds models that are newer than this program)", pattern, nearest(pattern, known))
}

func matchesModel(pattern, id string) bool {
	if pattern == id {
		return true
	}
	ok, err := path.Match(pattern, id)
	return err == nil && ok
}

// Means says whether the options may mean a model: by its id, its provider, or as one of all.
func (o *Options) Means(m *models.Model) bool {
	return o.AllCallable || slices.Contains(o.Providers, m.Provider) ||
		slices.ContainsFunc(o.Models, func(pattern string) bool { return matchesModel(pattern, m.ID) || matchesModel(pattern, m.Base) })
}
