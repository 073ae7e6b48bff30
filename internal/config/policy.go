package config

import (
	"maps"
	"slices"
	"strings"
)

// geographyNames are AWS's names of groups of regions: those that begin the ids of inference profiles, and global,
// which is every commercial region.
// https://docs.aws.amazon.com/bedrock/latest/userguide/cross-region-inference.html
const geographyNames = "us eu apac jp au ca in us-gov global"

// policyFields are the fields of a deployment about where its prompts may run.
func policyFields() []field[modelDraft] {
	return []field[modelDraft]{
		{"allowedRegions", "list of AWS regions", "", enforced, "where prompts of this deployment may run, with what `allowedGeographies` names; absent is everywhere. A deployment that may leave them is an error. Outcrop's own field", "",
			func(l *loader, v spot, m *modelDraft) {
				m.AllowedRegions, m.policyAt = l.regions(v), v.place()
			}},
		{"allowedGeographies", "list of `us`, `eu`, `apac`, `jp`, `au`, `ca`, `in`, `us-gov`, `global`", "", enforced, "like `allowedRegions`, for all regions of a geography; `global` is every commercial region. Outcrop's own field", "",
			func(l *loader, v spot, m *modelDraft) {
				m.AllowedGeographies, m.policyAt = l.geographies(v), v.place()
			}},
		{"regions", "list of AWS regions", "", enforced, "where the prompts run of a deployment whose model id or address does not tell: another server, an interceptor, an ARN that names no model. Outcrop's own field", "",
			func(l *loader, v spot, m *modelDraft) { m.Regions = l.regions(v) }},
	}
}

// policyRoleFields are those of a role.
func policyRoleFields() []field[Role] {
	return []field[Role]{
		{"allowedRegions", "list of AWS regions", "", enforced, "where prompts of the role's holders may run, with what `allowedGeographies` names; absent is everywhere. Who has several such roles is bound by all of them. Outcrop's own field", "",
			func(l *loader, v spot, r *Role) { r.AllowedRegions = l.regions(v) }},
		{"allowedGeographies", "list of `us`, `eu`, `apac`, `jp`, `au`, `ca`, `in`, `us-gov`, `global`", "", enforced, "like `allowedRegions`, for all regions of a geography. Outcrop's own field", "",
			func(l *loader, v spot, r *Role) { r.AllowedGeographies = l.geographies(v) }},
	}
}

// regions reads a list of regions, never nil: what cannot be read must not be everywhere.
func (l *loader) regions(s spot) []string {
	regions := l.strs(s)
	for i := range s.items {
		item := s.item(i)
		if item.kind != text || item.text == "" || isRegion(item.text) {
			continue
		}
		remedy := "for example eu-west-1"
		if slices.Contains(strings.Fields(geographyNames), item.text) {
			remedy = "a geography stands in allowedGeographies"
		}
		l.err(item, "this is not the name of an AWS region", remedy)
	}
	return regions
}

// geographies reads a list of geographies, never nil.
func (l *loader) geographies(s spot) []string {
	geographies := l.strs(s)
	known := map[string]bool{}
	for name := range strings.FieldsSeq(geographyNames) {
		known[name] = true
	}
	for i := range s.items {
		item := s.item(i)
		if item.kind != text || item.text == "" || known[item.text] {
			continue
		}
		remedy := closest(item.text, known)
		switch {
		case isRegion(item.text):
			remedy = "a region stands in allowedRegions"
		case remedy == "":
			remedy = "one of " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
		}
		l.err(item, "this is not a geography of inference profiles", remedy)
	}
	return geographies
}

// StatesPolicy says whether the deployment states where its prompts may run.
func (m Model) StatesPolicy() bool { return m.AllowedRegions != nil || m.AllowedGeographies != nil }

// StatesPolicy says whether the role states where the prompts of its holders may run.
func (r Role) StatesPolicy() bool { return r.AllowedRegions != nil || r.AllowedGeographies != nil }

// AtPolicy is a problem of where the deployment's prompts may run, told with the place that states it.
func (c *Config) AtPolicy(m Model, p Problem) Problem {
	hide, at := c.redactor(), m.policyAt
	if at.path == "" {
		at.path = modelsSection + segment(m.Name)
	}
	p.File, p.Line, p.Col, p.Path = at.file, at.line, at.col, hide.clean(at.path)
	p.Message = hide.clean(p.Message)
	return p
}
