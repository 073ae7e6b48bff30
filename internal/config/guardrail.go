package config

import "regexp"

// guardrailForm is a guardrail's id or ARN, and versionForm its version.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailConfiguration.html
var (
	guardrailForm = regexp.MustCompile(`^([a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)$`)
	versionForm   = regexp.MustCompile(`^([1-9][0-9]{0,7}|DRAFT)$`)
)

func guardrailTable() table[Guardrail] {
	return table[Guardrail]{fields: []field[Guardrail]{
		{"id", "string", "", enforced, "id or ARN of the guardrail", "",
			func(l *loader, v spot, g *Guardrail) {
				if l.str(v, &g.ID); !guardrailForm.MatchString(g.ID) {
					l.err(v, "this is neither the id nor the ARN of a guardrail", "an id is small letters and digits, like gr1abc2def3")
				}
			}},
		{"version", "string", "", enforced, "`DRAFT`, or a number", "",
			func(l *loader, v spot, g *Guardrail) {
				if l.str(v, &g.Version); !versionForm.MatchString(g.Version) {
					l.err(v, "this is no version of a guardrail", `"DRAFT", or a number like "1"`)
				}
			}},
		{"trace", "`enabled`, `disabled`, `enabled_full`", "", enforced, "whether replies carry the guardrail's trace", "",
			func(l *loader, v spot, g *Guardrail) { l.oneOf(v, &g.Trace, "enabled", "disabled", "enabled_full") }},
		{"streamProcessingMode", "`sync`, `async`", "", enforced, "whether a stream waits for the guardrail", "",
			func(l *loader, v spot, g *Guardrail) { l.oneOf(v, &g.StreamProcessingMode, "sync", "async") }},
	}}
}

// guardrail reads a guardrail; one that is half given would let requests pass that the file means to
// check.
func (l *loader) guardrail(s spot, u *upstreamDraft) {
	readObject(l, s, guardrailTable(), &u.Guardrail)
	if s.kind == object && (u.Guardrail.ID == "" || u.Guardrail.Version == "") {
		l.err(s, "a guardrail needs id and version", `for example {"id": "gr1abc2def3", "version": "1"}`)
	}
}
