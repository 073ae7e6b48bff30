package config

// YAMLMistake says why a text is no YAML: the line, from 1, what is wrong there, and what to do about it
// ("" when there is nothing to add). It quotes nothing of the text. It is meant for a text that a YAML
// decoder has refused.
func YAMLMistake(data []byte) (line int, message, remedy string) {
	s := yamlSyntax("", data)
	return s.pos.line, s.message, s.remedy
}
