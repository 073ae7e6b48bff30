package iam

import (
	"maps"
	"slices"
	"strings"
)

// Hangs are the condition keys that a refusal may be due to and of which only AWS knows the values when a call
// comes: aws:SourceVpce, aws:PrincipalTag/…, aws:SecureTransport. With fitting values the request would be
// allowed. None means that the decision stands.
func Hangs(r Request, policies ...Document) []string {
	if Evaluate(r, policies...).Allowed {
		return nil
	}
	known := newContext(r.Context)
	var keys []string
	best := make([]Document, len(policies))
	for i, p := range policies {
		best[i] = Document{Version: p.Version}
		for _, s := range p.Statement {
			if !s.concerns(&r, &known) {
				continue
			}
			left, missing := s.Condition.without(&known)
			keys = append(keys, missing...)
			if s.Effect == Deny && len(missing) > 0 {
				continue // with other values it does not deny
			}
			s.Condition = left
			best[i].Statement = append(best[i].Statement, s)
		}
	}
	if len(keys) == 0 || !Evaluate(r, best...).Allowed {
		return nil
	}
	return sorted(keys)
}

// without is the condition of the keys that are known, and the keys that are not.
func (all Condition) without(c *context) (left Condition, missing []string) {
	left = Condition{}
	for operator, keys := range all {
		left[operator] = maps.Clone(keys)
		for key := range keys {
			if c.get(key) == nil && len(KnownByAWS([]string{key})) > 0 {
				missing = append(missing, key)
				delete(left[operator], key)
			}
		}
	}
	return left, missing
}

// KnownByAWS are those of some keys that a call may have although nobody has named them.
func KnownByAWS(keys []string) []string {
	return sorted(slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return slices.Contains(absent(), strings.ToLower(key)) }))
}

// absent are keys that a call without them certainly lacks.
func absent() []string {
	return []string{"bedrock:inferenceprofilearn", "bedrock:bearertokentype", "bedrock-mantle:bearertokentype",
		"aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:requestedregion"}
}
