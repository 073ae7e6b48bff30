package importer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pruneModels names the models that are gone and, if asked, removes them and their limits of roles.
func (m *merger) pruneModels(models *tree) error {
	if models == nil {
		return nil
	}
	gone := map[string]bool{}
	for _, one := range models.members {
		why := m.whyGone(one.value)
		if why == "" {
			continue
		}
		c := Change{What: ImportGone, Path: "models" + segment(one.name), Line: one.line, Why: why + "; --prune removes it"}
		if m.prune {
			c.What, c.Why = ImportRemoved, why
			if one.merged || models.shared != "" || one.value.shared != "" && !one.value.alias {
				c.What, c.Why = ImportGone, why+"; it is given by "+one.value.shared+": remove it by hand"
			} else {
				gone[one.name] = true
			}
		}
		m.note(c)
	}
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		models := m.root.section("models")
		m.remove([]string{"models"}, models, models.exact(name))
		if err := m.apply(); err != nil {
			return fmt.Errorf("%s: models%s: %w: remove it by hand", m.name, segment(name), err)
		}
		if err := m.pruneLimits(name); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) pruneLimits(model string) error {
	roles := m.root.section("roles")
	if roles == nil {
		return nil
	}
	for _, role := range slices.Clone(roles.members) {
		limits := m.root.members[m.root.exact("roles")].value
		t := limits.members[limits.exact(role.name)].value.get("limits")
		if t == nil || t.shared != "" || t.kind != treeObject {
			continue
		}
		i := t.exact(model)
		if i < 0 || t.members[i].merged {
			continue
		}
		path := []string{"roles", role.name, "limits"}
		m.note(Change{What: ImportRemoved, Path: pathText(append(path, model)), Line: t.members[i].line, Why: "its model is gone"})
		m.remove(path, t, i)
		if err := m.apply(); err != nil {
			return fmt.Errorf("%s: %s: %w: remove it by hand", m.name, pathText(append(path, model)), err)
		}
	}
	return nil
}

// whyGone judges a model of the file by its endpoint; one with an upstream of another id or an ARN is not judged.
func (m *merger) whyGone(t *tree) string {
	endpoint := t.get("endpoint")
	if endpoint == nil || t.get("overrideName") != nil || m.gone == nil {
		return ""
	}
	id, ours := strings.CutPrefix(endpoint.text, "bedrock:")
	if !ours || strings.HasPrefix(id, "arn:") {
		return ""
	}
	var regions []string
	if upstreams := t.get("upstreams"); upstreams != nil {
		for _, u := range upstreams.items {
			region := u.get("extraData").get("region")
			if region == nil || u.get("modelId") != nil {
				return ""
			}
			regions = append(regions, region.text)
		}
	}
	return m.gone(id, regions)
}
