package bedrock

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxToolWord is the longest tool name and the longest tool id, in characters.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolSpecification.html
const maxToolWord = 64

// hashLen is how much of a hash keeps two words apart that look alike once they are written in AWS's
// alphabet: 48 bits, in hex.
const hashLen = 12

// toolWord writes a tool's name or a call's id in AWS's alphabet: letters, digits, '_' and '-', and
// what else is allowed. A word that is in it stays; any other becomes a readable rest and its hash,
// the same in every request, so that a conversation keeps its names and the prompt cache its prefix.
func toolWord(word, also string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' ||
			strings.ContainsRune(also, r)
	}
	if word != "" && len(word) <= maxToolWord && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	readable := strings.Map(func(r rune) rune {
		if plain(r) {
			return r
		}
		return '_'
	}, word)
	sum := sha256.Sum256([]byte(word))
	return readable[:min(len(readable), maxToolWord-hashLen-1)] + "_" + hex.EncodeToString(sum[:])[:hashLen]
}

// toolName writes a tool's name for AWS and remembers how to turn it back.
func (c *converse) toolName(name string) string {
	alias := toolWord(name, "")
	if alias != name {
		if c.names == nil {
			c.names = map[string]string{}
		}
		c.names[alias] = name
	}
	return alias
}

// callID writes a call's id for AWS. It needs no way back: a reply has ids of its own. Anthropic's body
// takes fewer characters than Converse.
func (t *traits) callID(id string) string {
	if t.messages != "" {
		return toolWord(id, "")
	}
	return toolWord(id, ".:")
}
