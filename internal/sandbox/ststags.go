package sandbox

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// sessionTag is a tag that came with AssumeRole, or that a transitive one left behind.
type sessionTag struct {
	Key        string `json:"key"`
	Value      string `json:"value"`
	Transitive bool   `json:"transitive,omitempty"` // goes on to the roles assumed with this session
}

// Bounds of session tags. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	maxTags     = 50
	maxTagKey   = 128 // characters
	maxTagValue = 256
	// packedTags is how many bytes of tags fill a session. AWS packs them, and policies, into a form of its
	// own of which it tells the percentage only; the number is the sandbox's.
	packedTags = 4096
)

var tagPattern = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// tags reads Tags.member.N and TransitiveTagKeys.member.N, and adds what the caller's own session passes on.
func (c stsCall) tags() (tags []sessionTag, packed int, refused *apiError) {
	for i := 1; c.form.Has(memberName("Tags", i, ".Key")) || c.form.Has(memberName("Tags", i, ".Value")); i++ {
		if i > maxTags {
			return nil, 0, constraintError("tags", "Member must have length less than or equal to 50")
		}
		tag := sessionTag{Key: c.form.Get(memberName("Tags", i, ".Key")), Value: c.form.Get(memberName("Tags", i, ".Value"))}
		if refused := tag.check(i); refused != nil {
			return nil, 0, refused
		}
		if slices.ContainsFunc(tags, tag.same) {
			return nil, 0, stsError("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		tags = append(tags, tag)
		packed += len(tag.Key) + len(tag.Value)
	}
	if packed = (packed*100 + packedTags - 1) / packedTags; packed > 100 {
		return nil, 0, stsError("PackedPolicyTooLarge", "Packed size of session tags consumes %d%% of allotted space.", packed)
	}
	for _, key := range members(c.form, "TransitiveTagKeys") {
		at := slices.IndexFunc(tags, func(t sessionTag) bool { return strings.EqualFold(t.Key, key) })
		if at < 0 {
			return nil, 0, stsError("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
		tags[at].Transitive = true
	}
	for _, passed := range c.who.Tags {
		if !passed.Transitive {
			continue
		}
		if slices.ContainsFunc(tags, passed.same) {
			return nil, 0, stsError("InvalidParameterValue", "One of the specified tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		tags = append(tags, passed)
	}
	return tags, packed, nil
}

func (t sessionTag) same(other sessionTag) bool { return strings.EqualFold(t.Key, other.Key) }

func (t sessionTag) check(n int) *apiError {
	key, value := fmt.Sprintf("tags.%d.member.key", n), fmt.Sprintf("tags.%d.member.value", n)
	switch keys, values := utf8.RuneCountInString(t.Key), utf8.RuneCountInString(t.Value); {
	case keys == 0:
		return constraintError(key, "Member must not be null")
	case keys > maxTagKey:
		return valueError(key, t.Key, "Member must have length less than or equal to 128")
	case values > maxTagValue:
		return valueError(value, t.Value, "Member must have length less than or equal to 256")
	case !tagPattern.MatchString(t.Key):
		return valueError(key, t.Key, `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`)
	case !tagPattern.MatchString(t.Value):
		return valueError(value, t.Value, `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`)
	}
	return nil
}

// memberName is the name of a member of a list in AWS's query protocol.
func memberName(list string, n int, field string) string {
	return fmt.Sprintf("%s.member.%d%s", list, n, field)
}

// members are the texts of a list.
func members(form url.Values, list string) (out []string) {
	for i := 1; form.Has(memberName(list, i, "")); i++ {
		out = append(out, form.Get(memberName(list, i, "")))
	}
	return out
}

// describe says who calls, for the directive whoami: a line for the ARN, one for what the session was
// opened with, one for each tag.
func (who identity) describe() string {
	lines := []string{who.ARN}
	if who.ExternalID != "" {
		lines = append(lines, "external id "+who.ExternalID)
	}
	if who.Lifetime > 0 {
		lines = append(lines, "session of "+who.Lifetime.String())
	}
	for _, t := range who.Tags {
		line := "tag " + t.Key + "=" + t.Value
		if t.Transitive {
			line += " (transitive)"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
