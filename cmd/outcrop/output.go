package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// Exit codes of the operator's commands (docs/operate.md).
const (
	exitFailed   = 1 // the command could not do its work: flags, files, no credentials, AWS did not answer
	exitFindings = 2 // it did, and what it looked at is not as it should be
)

// outputFlag adds --output.
func outputFlag(cmd *cobra.Command, form *string) {
	cmd.PersistentFlags().StringVarP(form, "output", "o", "text", "form of what is printed: text, json or yaml")
}

// emit prints a value: as text for people, or as the same document in JSON or YAML, whose names are those
// of its json tags.
func emit(w io.Writer, form string, value any, text func(io.Writer) error) error {
	if form == "text" {
		return text(w)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	switch form {
	case "json":
		_, err := w.Write(b.Bytes())
		return err
	case "yaml":
		return writeYAML(w, b.Bytes())
	}
	return fmt.Errorf("--output is %q: it must be text, json or yaml", form)
}

// writeYAML prints a JSON document as YAML, in its order.
func writeYAML(w io.Writer, document []byte) error {
	var node yaml.Node
	if err := yaml.Unmarshal(document, &node); err != nil {
		return err
	}
	plain(&node)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return err
	}
	return encoder.Close()
}

// plain takes JSON's braces and quotes out, where YAML needs none.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}
