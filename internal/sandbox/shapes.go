package sandbox

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
)

//go:embed shapes.json
var shapesJSON []byte

// shape is one type of the service model: what a JSON value of it must satisfy.
type shape struct {
	name     string
	kind     string // structure, list, map, string, blob, integer, float, boolean
	members  []member
	elem     *shape // of a list
	key      *shape // of a map
	value    *shape // of a map
	min, max *float64
	pattern  *regexp.Regexp // anchored at both ends
	source   string         // the pattern as AWS prints it
	enum     []string
	also     []string // values taken although they are not in the enum
	union    bool     // exactly one member
	hidden   bool     // values are not repeated in error texts
	document bool     // any JSON
}

// member is one member of a structure; their order is the service model's, which
// is the order in which violations are reported.
type member struct {
	name     string
	shape    *shape
	required bool
}

// inputShapes gives the shape of the body of each operation. The table is
// compiled once, with the first request, since a gateway that talks to AWS does
// not need it.
var inputShapes = sync.OnceValues(func() (map[string]*shape, error) { return compileShapes(shapesJSON) })

// rawShape is a line of shapes.json.
type rawShape struct {
	Name      string      `json:"name"`
	Type      string      `json:"type"`
	Members   [][2]string `json:"members"` // name, shape
	Required  []string    `json:"required"`
	Member    string      `json:"member"`
	Key       string      `json:"key"`
	Value     string      `json:"value"`
	Min       *float64    `json:"min"`
	Max       *float64    `json:"max"`
	Pattern   string      `json:"pattern"`
	Enum      []string    `json:"enum"`
	Also      []string    `json:"also"`
	Union     bool        `json:"union"`
	Sensitive bool        `json:"sensitive"`
	Document  bool        `json:"document"`
}

func compileShapes(data []byte) (map[string]*shape, error) {
	var file struct {
		Inputs map[string]string `json:"inputs"`
		Shapes []rawShape        `json:"shapes"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("service model: %w", err)
	}
	all := make(map[string]*shape, len(file.Shapes))
	for _, r := range file.Shapes {
		all[r.Name] = &shape{name: r.Name, kind: r.Type, min: r.Min, max: r.Max, source: r.Pattern, enum: r.Enum,
			also: r.Also, union: r.Union, hidden: r.Sensitive, document: r.Document}
	}
	for _, r := range file.Shapes {
		if err := r.link(all); err != nil {
			return nil, fmt.Errorf("service model, %s: %w", r.Name, err)
		}
	}
	inputs := make(map[string]*shape, len(file.Inputs))
	for op, name := range file.Inputs {
		if all[name] == nil {
			return nil, fmt.Errorf("service model: operation %s has no shape %q", op, name)
		}
		inputs[op] = all[name]
	}
	return inputs, nil
}

// link replaces the names of other shapes by the shapes.
func (r *rawShape) link(all map[string]*shape) error {
	var missing error
	find := func(name string) *shape {
		if name != "" && all[name] == nil {
			missing = fmt.Errorf("shape %q does not exist", name)
		}
		return all[name]
	}
	s := all[r.Name]
	s.elem, s.key, s.value = find(r.Member), find(r.Key), find(r.Value)
	required := make(map[string]bool, len(r.Required))
	for _, name := range r.Required {
		required[name] = true
	}
	for _, m := range r.Members {
		s.members = append(s.members, member{name: m[0], shape: find(m[1]), required: required[m[0]]})
	}
	if r.Pattern != "" {
		pattern, err := regexp.Compile(`^(?:` + r.Pattern + `)$`)
		if err != nil {
			return err
		}
		s.pattern = pattern
	}
	return missing
}
