package config

// requestTable is extraTable with the fields that stand beside extraData in a file: DIAL Core sends an
// adapter nothing but extraData.
func requestTable() table[Upstream] {
	t := extraTable()
	t.fields = append(t.fields,
		field[Upstream]{"model_id", "string", "", enforced, "model id or ARN that AWS sees, in place of the deployment's" + own, "",
			func(l *loader, v spot, u *Upstream) { l.modelID(v, &u.ModelID) }},
		field[Upstream]{"surface", "`converse`, `mantle`, `openai`, `invoke`", "", enforced, "which API of Bedrock is asked; without it the one that the model is served by" + own, "",
			func(l *loader, v spot, u *Upstream) {
				l.oneOf(v, &u.Surface, "converse", "mantle", "openai", "invoke")
			}},
		field[Upstream]{"guardrail", "object of `id`, `version`, `trace`, `streamProcessingMode`", "", enforced, "a guardrail that every request passes and no client can remove" + own, "",
			func(l *loader, v spot, u *Upstream) {
				draft := upstreamDraft{}
				l.guardrail(v, &draft)
				u.Guardrail = draft.Guardrail
			}},
	)
	return t
}

// ExtraField is a field that [ReadExtraData] knows: its name, the values that it takes, and what it says.
type ExtraField struct{ Name, Kind, About string }

// ExtraFields lists them.
func ExtraFields() []ExtraField {
	var out []ExtraField
	for _, f := range requestTable().fields {
		out = append(out, ExtraField{f.name, f.kind, f.about})
	}
	return out
}
