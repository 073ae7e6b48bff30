package iam

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Verdict is what a principal can do of a use with the policies that it has.
type Verdict struct {
	// Serves says that every call that serving takes is allowed. Token counting, profile look-ups and mantle may
	// be off nevertheless.
	Serves bool `json:"serves"`
	// Off are the features that miss something, and what they miss.
	Off []Off `json:"off"`
	// Denied are statements that deny a call, by their Sid where they have one; adding to a policy does not help.
	Denied []string `json:"denied,omitempty"`
	// Unknown are condition operators that this program does not know; see Decision.
	Unknown []string `json:"unknown,omitempty"`
	// Hangs are condition keys whose values only AWS knows when a call comes; they were taken as fitting.
	Hangs []string `json:"hangs,omitempty"`
}

// Off is a feature that misses permissions.
type Off struct {
	Feature Feature  `json:"feature"`
	Means   string   `json:"means"`
	Missing Document `json:"missing"` // statements to add
}

// Judge says what of a use policies allow. It looks at identity policies only: an SCP, a permissions boundary or
// a session policy may take away from them.
func Judge(u Use, policies ...Document) Verdict {
	v := Verdict{Serves: true, Off: []Off{}}
	missing := map[Feature][]Need{}
	for _, n := range u.Needs() {
		d := Evaluate(n.Request, policies...)
		for _, operator := range d.Unknown {
			if !slices.Contains(v.Unknown, operator) {
				v.Unknown = append(v.Unknown, operator)
			}
		}
		if d.Allowed {
			continue
		}
		if hangs := Hangs(n.Request, policies...); len(hangs) > 0 {
			v.Hangs = sorted(append(v.Hangs, hangs...))
			continue
		}
		if d.Denied {
			if name := cmp.Or(d.Statement.Sid, "a statement without Sid"); !slices.Contains(v.Denied, name) {
				v.Denied = append(v.Denied, name)
			}
		}
		missing[n.Feature] = append(missing[n.Feature], n)
	}
	v.Serves = len(missing[Serve]) == 0
	for _, feature := range []Feature{Serve, OnMantle, Counting, LookUps, Marketplace, Inspecting} {
		if needs := missing[feature]; len(needs) > 0 {
			v.Off = append(v.Off, Off{Feature: feature, Means: feature.Off(), Missing: statementsFor(u, needs)})
		}
	}
	return v
}

// statementsFor are the statements that allow what is missing: of each grant the actions and resources that miss
// something.
func statementsFor(u Use, needs []Need) Document {
	out := Document{Version: PolicyVersion}
	for _, g := range u.grants() {
		var actions, resources []string
		for _, n := range needs {
			if n.Sid != g.sid || !holdsAll(n.Context, g.keys) {
				continue
			}
			for _, a := range g.actions {
				if matchesAction(Strings{a}, n.Action) {
					actions = append(actions, a)
				}
			}
			for _, r := range g.resources {
				if glob(wild(r), n.Resource) {
					resources = append(resources, r)
				}
			}
		}
		if len(actions) > 0 {
			g.actions, g.resources = sorted(actions), sorted(resources)
			out.Statement = append(out.Statement, g.statement())
		}
	}
	return out
}

func holdsAll(context, keys map[string][]string) bool {
	for key, values := range maps.All(keys) {
		if !slices.Equal(context[key], values) {
			return false
		}
	}
	return true
}

// Wide is a statement that allows more than a gateway needs.
type Wide struct {
	Sid string `json:"sid"`
	Why string `json:"why"`
}

// TooWide names the statements of a policy that allow far more of Bedrock than calling some models.
func TooWide(d Document) []Wide {
	var out []Wide
	for _, s := range d.Statement {
		if s.Effect != Allow {
			continue
		}
		touches := slices.ContainsFunc(s.Action, func(a string) bool {
			a = strings.ToLower(a)
			return a == "*" || strings.HasPrefix(a, "bedrock:") || strings.HasPrefix(a, "bedrock-mantle:")
		}) || s.NotAction != nil
		switch {
		case !touches:
		case s.NotAction != nil:
			out = append(out, Wide{Sid: s.Sid, Why: "NotAction allows every action but the named ones"})
		case slices.Contains(s.Action, "*"):
			out = append(out, Wide{Sid: s.Sid, Why: `Action "*" allows everything`})
		case slices.ContainsFunc(s.Action, func(a string) bool { return strings.EqualFold(a, "bedrock:*") }):
			out = append(out, Wide{Sid: s.Sid, Why: "bedrock:* allows to make, change and delete, too: a gateway calls models only"})
		}
		if !touches || len(s.Condition) > 0 {
			continue
		}
		if slices.Contains(s.Resource, "*") && allowsCalls(s.Action) || s.NotResource != nil {
			out = append(out, Wide{Sid: s.Sid, Why: `Resource "*" allows every model, now and in the future`})
		}
	}
	return out
}

func allowsCalls(actions Strings) bool {
	return matchesAction(actions, "bedrock:InvokeModel") || matchesAction(actions, "bedrock:InvokeModelWithResponseStream") || matchesAction(actions, "bedrock-mantle:CreateInference")
}

// WideManaged says what is too wide about one of AWS's own managed policies, "" for others.
func WideManaged(arn string) string {
	switch last(arn) {
	case "AmazonBedrockFullAccess":
		return "AmazonBedrockFullAccess allows to make, change and delete everything of Bedrock; a gateway calls models only"
	case "AmazonBedrockLimitedAccess":
		return "AmazonBedrockLimitedAccess allows every model and much of Bedrock's administration; a gateway calls some models only"
	case "AmazonBedrockMantleFullAccess":
		return "AmazonBedrockMantleFullAccess allows to administer projects; a gateway calls models only"
	case "AdministratorAccess", "PowerUserAccess":
		return last(arn) + " is for people; a gateway calls some models only"
	}
	return ""
}
