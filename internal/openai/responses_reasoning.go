package openai

import (
	"encoding/json"

	"outcrop/internal/llm"
)

// sealed is what a client keeps of a block of reasoning, within the seal.
type sealed struct {
	Text      string `json:"text,omitempty"`
	Signature string `json:"signature,omitempty"`
	Redacted  []byte `json:"redacted,omitempty"`
}

// reasoningItem reads reasoning that this server gave out. What counts is its encrypted_content: the
// summary is for people, and a model takes no thinking that it cannot prove to be its own. An item
// without it has no effect.
func (d *responsesDecoder) reasoningItem(i int) {
	at, sealAt, seal := d.s.Offset(), 0, ""
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "encrypted_content":
			sealAt, seal = o.value, d.s.String()
		case "type", "id", "status":
			d.skipText()
		case "summary", "content":
			d.s.Skip()
		default:
			d.ignore()
		}
	}
	switch {
	case d.s.Err() != nil:
	case seal == "":
		d.ignoreAt(at)
	default:
		d.thoughtOf(i, sealAt, seal)
	}
}

func (d *responsesDecoder) thoughtOf(i, at int, seal string) {
	if d.sealer == nil {
		d.refuse(at, "leave the item out")
		return
	}
	var s sealed
	plain, err := d.sealer.Open(seal)
	if err == nil {
		err = json.Unmarshal(plain, &s)
	}
	if err != nil {
		d.fail(at, "", "not what this server gave out; send it as it came, or leave the item out")
		return
	}
	if d.thoughtCount++; d.thoughtCount > maxThoughts {
		d.tooMany(at, "blocks of reasoning", maxThoughts)
		return
	}
	if d.turn.thoughts++; d.turn.thoughts > maxTurn {
		d.tooMany(at, "blocks of reasoning in one turn", maxTurn)
		return
	}
	d.said(i, llm.Reasoning{Text: s.Text, Signature: s.Signature, Redacted: s.Redacted})
}

// seal is the encrypted_content of a block of reasoning, "" where there is none.
func (env *ResponsesEnvelope) seal(r *llm.Reasoning) string {
	if !env.Encrypted || env.Sealer == nil {
		return ""
	}
	plain, err := json.Marshal(sealed{r.Text, r.Signature, r.Redacted})
	if err != nil {
		return ""
	}
	return env.Sealer.Seal(plain)
}
