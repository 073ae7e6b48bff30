package iam

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Target is what a policy is attached to, and so how large it may be.
type Target string

// Targets.
const (
	Managed Target = "managed" // customer managed policies, of which a role or user has 10 unless the quota is raised
	Role    Target = "role"    // inline in a role: all together count
	User    Target = "user"    // inline in a user: all together count
)

// Limit is AWS's limit of a policy's size, in characters that are not white space.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
func (t Target) Limit() int {
	switch t {
	case Role:
		return 10240
	case User:
		return 2048
	}
	return 6144
}

// Policy is one policy to be.
type Policy struct {
	Name      string   `json:"name"`
	Principal string   `json:"principal,omitempty"` // who needs it, in words
	Document  Document `json:"document"`
	Why       []Reason `json:"why"` // one for each statement, in their order
}

// Reason says why a statement is there.
type Reason struct {
	Sid string `json:"sid"`
	Why string `json:"why"`
}

// Generate is the least that a use needs: policies that fit the target, named by name and, from the second on,
// a number. It is an error when inline policies cannot hold it.
func Generate(u Use, name string, target Target) ([]Policy, error) {
	var out []Policy
	current := Policy{Name: name, Document: Document{Version: PolicyVersion}}
	flush := func() {
		if len(current.Document.Statement) > 0 {
			out = append(out, current)
		}
		current = Policy{Name: fmt.Sprintf("%s-%d", name, len(out)+1), Document: Document{Version: PolicyVersion}}
	}
	used, empty := 0, current.Document.Size()
	for _, piece := range pieces(u.grants(), target.Limit()-empty) {
		size := piece.size() + 1 // the comma
		if used+size > target.Limit()-empty {
			flush()
			used = 0
		}
		used += size
		current.Document.Statement = append(current.Document.Statement, piece.statement())
		current.Why = append(current.Why, Reason{piece.sid, piece.why})
	}
	flush()
	if target != Managed && len(out) > 1 {
		total := 0
		for _, p := range out {
			total += p.Document.Size()
		}
		return nil, fmt.Errorf("the policy has %d characters, and inline policies of a %s have %d at most: use managed policies (--for managed)", total, target, target.Limit())
	}
	return out, nil
}

// Size is how AWS measures a document: its characters without white space.
func (d Document) Size() int {
	n := 0
	for _, c := range string(d.JSON()) {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}

func (g grant) size() int {
	d := Document{Statement: []Statement{g.statement()}}
	return d.Size() - len(`{"Statement":[]}`)
}

func (g grant) statement() Statement {
	s := Statement{Sid: g.sid, Effect: Allow, Action: g.actions, Resource: g.resources}
	if len(g.keys) > 0 {
		equals := make(map[string]Strings, len(g.keys))
		for key, values := range g.keys {
			equals[key] = values
		}
		s.Condition = Condition{"StringEquals": equals}
	}
	return s
}

// pieces gives each grant a Sid of its own and divides those that would not fit into a policy by themselves.
func pieces(all []grant, limit int) []grant {
	var out []grant
	taken := map[string]int{}
	add := func(g grant) {
		name := g.sid
		if taken[name]++; taken[name] > 1 {
			g.sid = fmt.Sprintf("%sPart%d", name, taken[name])
		}
		out = append(out, g)
	}
	for _, g := range all {
		rest := g.resources
		for len(rest) > 0 {
			n := g.fitting(rest, limit-len("Part1000,"))
			one := g
			one.resources, rest = rest[:n], rest[n:]
			add(one)
		}
	}
	return out
}

// fitting is how many of the resources a statement of that size can have, one at least.
func (g grant) fitting(resources []string, limit int) int {
	g.resources = []string{"", ""}
	size := g.size()
	for n, r := range resources {
		if size += len(r) + len(`"",`); size > limit {
			return max(n, 1)
		}
	}
	return len(resources)
}

// Need is one call that a use makes, as AWS judges it.
type Need struct {
	Request
	Feature Feature
	Sid     string // of the statement that Generate allows it with
}

// Needs are the calls of a use, each with the condition keys that AWS gives it.
func (u Use) Needs() []Need {
	var out []Need
	for _, g := range u.grants() {
		for _, action := range g.actions {
			if strings.HasSuffix(action, "*") {
				continue // bedrock-mantle's Get* and List*, which AWS gives with CreateInference, and no call of ours needs
			}
			for _, resource := range g.resources {
				if g.sid == "LookUpModels" && !slices.Equal(lookUpActions([]string{resource}), []string{action}) {
					continue
				}
				r := Request{Action: action, Resource: strings.TrimSuffix(resource, "*") + wildcardName(resource), Context: map[string][]string{}}
				if region := regionOf(resource); region != "" {
					r.Context[keyRegion] = []string{region}
				}
				for key, values := range maps.All(g.keys) {
					r.Context[key] = values[:1]
				}
				out = append(out, Need{Request: r, Feature: g.feature, Sid: g.sid})
			}
		}
	}
	return out
}

// wildcardName is an example of what a star at the end of a resource stands for: a call has one resource.
func wildcardName(resource string) string {
	switch {
	case resource == "*":
		return "*"
	case strings.HasSuffix(resource, "*"):
		return "default"
	}
	return ""
}
