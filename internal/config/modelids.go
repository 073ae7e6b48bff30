package config

import "slices"

// A ModelID is a model id or ARN that AWS would see, and the place in the files
// that says it. The place is one of a [Problem]; Path holds no secret.
type ModelID struct {
	ID        string
	File      string // "" when the Config comes from no file; then Line and Col are 0
	Line, Col int
	Path      string
	// Base says that nobody calls the id: it is the model behind an ARN (baseModel).
	Base bool
	// Type is that of the model which has it.
	Type string
	// Region is where it is called, "" for the environment's.
	Region string
}

// place is where a value stands, and its path.
type place struct {
	pos
	path string
}

func (s spot) place() place { return place{s.pos, s.path} }

// ModelIDs lists the ids that the models served here have, one for each place
// that says one, in the order of the models and their upstreams. Disabled
// upstreams and what is not written as an id or ARN have none.
func (c *Config) ModelIDs() []ModelID {
	hide := c.redactor()
	var out []ModelID
	for _, m := range c.Models {
		if m.Bedrock == "" || m.NotServed() != "" {
			continue
		}
		upstreams := m.Upstreams
		if len(upstreams) == 0 {
			upstreams = []Upstream{{Weight: 1}}
		}
		for _, u := range upstreams {
			at := m.modelIDAt(u)
			for _, id := range []ModelID{
				{m.ModelID(u), at.file, at.line, at.col, hide.clean(at.path), false, m.Type, m.Region(u)},
				{u.BaseModel, u.baseModelAt.file, u.baseModelAt.line, u.baseModelAt.col, hide.clean(u.baseModelAt.path), true, m.Type, m.Region(u)},
			} {
				if message, _ := modelIDMistake(id.ID); message == "" && u.Weight > 0 && !slices.Contains(out, id) {
					out = append(out, id)
				}
			}
		}
	}
	return out
}

// modelIDAt is where [Model.ModelID] comes from.
func (m Model) modelIDAt(u Upstream) place {
	at := m.endpointAt
	switch {
	case u.ModelID != "":
		at = u.modelIDAt
	case m.OverrideName != "":
		at = m.overrideNameAt
	}
	if at.path == "" {
		at.path = modelsSection + segment(m.Name)
	}
	return at
}

// AtDefaults is a problem of the model's defaults, told with the place where they stand.
func (c *Config) AtDefaults(m Model, p Problem) Problem {
	hide := c.redactor()
	p.File, p.Line, p.Col = m.defaultsAt.file, m.defaultsAt.line, m.defaultsAt.col
	if p.Path = m.defaultsAt.path; p.Path == "" { // of an interface
		p.Path = modelsSection + segment(m.Name) + ".interfaces"
	}
	p.Path, p.Message = hide.clean(p.Path), hide.clean(p.Message)
	return p
}
