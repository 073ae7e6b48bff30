package adapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"outcrop/internal/bedrock"
)

// The sources of session tags: the model's id, and the paths into what Core knows of the user.
const (
	sourceModelID  = "Bedrock.modelId"
	sourceUserInfo = "UserInfo."
	sourceProject  = sourceUserInfo + "project"
)

// Bounds of STS. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
const (
	maxTags       = 50
	maxTagKey     = 128
	maxTagValue   = 256
	maxSession    = 64
	reservedStart = "aws:"
)

// SessionTag is one tag of a role's session, and where its value comes from.
type SessionTag struct {
	Key, Source string
	Optional    bool // nothing is said when there is no value
}

// SessionTags are all of them, in their order.
type SessionTags []SessionTag

// ParseSessionTags reads the JSON object of AWS_SESSION_TAGS: of each tag's key, its source. The warnings
// are sentences for the operator.
func ParseSessionTags(spec string) (tags SessionTags, warnings []string, err error) {
	if strings.TrimSpace(spec) == "" {
		return nil, nil, nil
	}
	members, err := stringMembers(spec)
	if err != nil {
		return nil, nil, fmt.Errorf(`%w: write tag keys and their sources, as in {"model":"Bedrock.modelId","project":"UserInfo.project","employee":"*UserInfo.userClaims.email"}`, err)
	}
	required := map[string]bool{}
	for _, m := range members {
		source, optional := strings.CutPrefix(m[1], "*")
		if source != sourceModelID && (!strings.HasPrefix(source, sourceUserInfo) || source == sourceUserInfo) {
			warnings = append(warnings, fmt.Sprintf("the tag %q is left out: its source %q is neither %s nor a path below %s", m[0], m[1], sourceModelID, sourceUserInfo))
			continue
		}
		tags = append(tags, SessionTag{m[0], source, optional})
		required[source] = required[source] || !optional
	}
	for i := range tags {
		tags[i].Optional = tags[i].Optional && !required[tags[i].Source]
	}
	if len(tags) > maxTags {
		warnings = append(warnings, fmt.Sprintf("only the first %d tags are sent: STS takes no more", maxTags))
		tags = tags[:maxTags]
	}
	return tags, warnings, nil
}

// stringMembers reads a JSON object of strings, in its order; of a name that occurs twice the last value.
func stringMembers(doc string) (members [][2]string, err error) {
	bad := errors.New("not a JSON object of strings")
	d := json.NewDecoder(strings.NewReader(doc))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, bad
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, bad
		}
		value, err := d.Token()
		text, ok := value.(string)
		if err != nil || !ok {
			return nil, bad
		}
		members = set(members, name.(string), text)
	}
	if _, err := d.Token(); err != nil {
		return nil, bad
	}
	if d.More() {
		return nil, bad
	}
	return members, nil
}

func set(members [][2]string, name, value string) [][2]string {
	for i := range members {
		if members[i][0] == name {
			members[i][1] = value
			return members
		}
	}
	return append(members, [2]string{name, value})
}

// needsUser says whether a source is what Core knows of the user.
func (s SessionTags) needsUser() bool {
	for _, t := range s {
		if strings.HasPrefix(t.Source, sourceUserInfo) {
			return true
		}
	}
	return false
}

// session is what a role is assumed with.
type session struct {
	tags []bedrock.Tag
	name string // "" for the usual one
}

// resolve finds the values. user is what Core says, nil when it says nothing; missed is told of each
// tag that is skipped although it is not optional.
func (s SessionTags) resolve(modelID string, user any, missed func(SessionTag)) session {
	var out session
	taken := map[string]bool{}
	for _, t := range s {
		value, ok := modelID, true
		if t.Source != sourceModelID {
			value, ok = valueAt(user, strings.TrimPrefix(t.Source, sourceUserInfo))
		}
		if !ok {
			if !t.Optional && user != nil {
				missed(t)
			}
			continue
		}
		if t.Source == sourceProject && value != "" && value != "null" {
			out.name = sessionName(value)
		}
		if key := tagKey(t.Key, taken); key != "" {
			out.tags = append(out.tags, bedrock.Tag{Key: key, Value: cut(tagText(value), maxTagValue)})
		}
	}
	return out
}

// valueAt follows a path of names and list indexes. A text is taken as it is, everything else as JSON.
func valueAt(v any, path string) (string, bool) {
	for step := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			inner, ok := at[step]
			if !ok {
				return "", false
			}
			v = inner
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return "", false
			}
			v = at[i]
		default:
			return "", false
		}
	}
	if text, ok := v.(string); ok {
		return text, true
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", false
	}
	return strings.TrimSuffix(b.String(), "\n"), true
}

var (
	notInTags  = regexp.MustCompile(`[^\p{L}\p{Z}\p{N}_.:/=+\-@]`)
	notInNames = regexp.MustCompile(`[^\w+=,.@-]`)
)

// tagText is a text with only what STS takes.
func tagText(s string) string { return notInTags.ReplaceAllString(s, "_") }

// tagKey is a key that STS takes and no other tag has, "" for none. STS tells keys apart whatever their
// case is, and keeps those that begin with aws: to itself.
func tagKey(key string, taken map[string]bool) string {
	key = tagText(key)
	if len(key) >= len(reservedStart) && strings.EqualFold(key[:len(reservedStart)], reservedStart) {
		key = key[:len(reservedStart)-1] + "_" + key[len(reservedStart):]
	}
	base := cut(key, maxTagKey)
	if base == "" {
		return ""
	}
	for n, own := 1, base; ; n++ {
		if folded := strings.ToLower(own); !taken[folded] {
			taken[folded] = true
			return own
		}
		suffix := "_" + strconv.Itoa(n)
		own = cut(base, maxTagKey-len(suffix)) + suffix
	}
}

// sessionName is what CloudTrail calls the session of a project.
func sessionName(project string) string {
	return cut(notInNames.ReplaceAllString("Project_"+project, "_"), maxSession)
}

// cut is the first characters of a text.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}
