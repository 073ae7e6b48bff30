package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Terraform writes policies as resources of Terraform's AWS provider: aws_iam_policy, or the inline policy of
// the role or user that a variable names.
func Terraform(policies []Policy, target Target) []byte {
	var b bytes.Buffer
	kind := "aws_iam_policy"
	if target != Managed {
		kind = "aws_iam_" + string(target) + "_policy"
	}
	for i, p := range policies {
		if i > 0 {
			b.WriteString("\n")
		}
		name := label(p.Name) + "_" + string(target)
		if target != Managed {
			fmt.Fprintf(&b, "variable %q {\n  description = %s\n  type        = string\n}\n\n", name, hclText("Name of the "+string(target)+" that gets the policy: "+p.Principal))
		}
		comments(&b, p)
		fmt.Fprintf(&b, "resource %q %q {\n", kind, label(p.Name))
		if target == Managed {
			fmt.Fprintf(&b, "  name        = %s\n  description = %s\n", hclText(p.Name), hclText(describe(p)))
			b.WriteString("  policy = jsonencode(")
		} else {
			fmt.Fprintf(&b, "  name = %s\n  %s = var.%s\n  policy = jsonencode(", hclText(p.Name), target, name)
		}
		writeHCL(&b, tree(p.Document), "  ")
		b.WriteString(")\n}\n")
	}
	return b.Bytes()
}

// CloudFormation writes policies as a template, YAML.
func CloudFormation(policies []Policy, target Target) []byte {
	var b bytes.Buffer
	b.WriteString("AWSTemplateFormatVersion: \"2010-09-09\"\nDescription: \"What Outcrop needs at Amazon Bedrock\"\n")
	kind, parameter := "AWS::IAM::ManagedPolicy", ""
	switch target {
	case Role:
		kind, parameter = "AWS::IAM::RolePolicy", "RoleName"
	case User:
		kind, parameter = "AWS::IAM::UserPolicy", "UserName"
	}
	if parameter != "" {
		b.WriteString("Parameters:\n")
		for _, p := range policies {
			fmt.Fprintf(&b, "  %s:\n    Type: String\n    Description: %s\n", camelWords(p.Name)+parameter, strconv.Quote("Name of the "+string(target)+" that gets the policy: "+p.Principal))
		}
	}
	b.WriteString("Resources:\n")
	for _, p := range policies {
		for _, r := range p.Why {
			fmt.Fprintf(&b, "  # %s: %s\n", r.Sid, r.Why)
		}
		fmt.Fprintf(&b, "  %s:\n    Type: %s\n    Properties:\n", camelWords(p.Name), kind)
		if parameter == "" {
			fmt.Fprintf(&b, "      ManagedPolicyName: %s\n      Description: %s\n", strconv.Quote(p.Name), strconv.Quote(describe(p)))
		} else {
			fmt.Fprintf(&b, "      PolicyName: %s\n      %s: !Ref %s\n", strconv.Quote(p.Name), parameter, camelWords(p.Name)+parameter)
		}
		b.WriteString("      PolicyDocument:")
		writeYAML(&b, tree(p.Document), "        ")
	}
	return b.Bytes()
}

func describe(p Policy) string {
	if p.Principal == "" {
		return "Outcrop: least access to Amazon Bedrock"
	}
	return "Outcrop: least access to Amazon Bedrock for " + p.Principal
}

func comments(b *bytes.Buffer, p Policy) {
	for _, r := range p.Why {
		fmt.Fprintf(b, "# %s: %s\n", r.Sid, r.Why)
	}
}

// node is JSON that keeps the order of its members.
type node struct {
	text    string // a JSON text, where there are no members and items
	members []member
	items   []json.RawMessage
}

// tree is a document as nodes.
func tree(d Document) node { return nodeOf(d.JSON()) }

func nodeOf(raw json.RawMessage) node {
	raw = bytes.TrimSpace(raw)
	var n node
	switch raw[0] {
	case '{':
		n.members, _ = members(raw) // written by us
	case '[':
		_ = json.Unmarshal(raw, &n.items)
	default:
		_ = json.Unmarshal(raw, &n.text)
	}
	return n
}

// writeHCL writes an expression of Terraform's language, whose objects and lists look much like JSON's.
func writeHCL(b *bytes.Buffer, n node, indent string) {
	switch {
	case n.members != nil:
		b.WriteString("{\n")
		for i, m := range n.members {
			name, value := hclName(m.name), nodeOf(m.value)
			fmt.Fprintf(b, "%s  %-*s = ", indent, hclWidth(n.members, i), name)
			writeHCL(b, value, indent+"  ")
			b.WriteString("\n")
		}
		b.WriteString(indent + "}")
	case n.items != nil:
		b.WriteString("[\n")
		for _, item := range n.items {
			b.WriteString(indent + "  ")
			writeHCL(b, nodeOf(item), indent+"  ")
			b.WriteString(",\n")
		}
		b.WriteString(indent + "]")
	default:
		b.WriteString(hclText(n.text))
	}
}

// hclWidth is how wide terraform fmt makes the name of a member: members of one line are aligned with those
// beside them.
func hclWidth(all []member, i int) int {
	oneLine := func(m member) bool { return nodeOf(m.value).members == nil && nodeOf(m.value).items == nil }
	if !oneLine(all[i]) {
		return 0
	}
	from, to := i, i
	for from > 0 && oneLine(all[from-1]) {
		from--
	}
	for to < len(all) && oneLine(all[to]) {
		to++
	}
	width := 0
	for _, m := range all[from:to] {
		width = max(width, len(hclName(m.name)))
	}
	return width
}

func hclName(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') }) {
		return hclText(s)
	}
	return s
}

// hclText is a text of Terraform's language: policy variables are no templates of it.
func hclText(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}

// writeYAML writes a value after its key's colon, texts in quotes: they are JSON's, which YAML reads.
func writeYAML(b *bytes.Buffer, n node, indent string) {
	switch {
	case n.members != nil:
		b.WriteString("\n")
		yamlMembers(b, n.members, indent)
	case n.items != nil:
		b.WriteString("\n")
		for _, raw := range n.items {
			item := nodeOf(raw)
			b.WriteString(indent + "- ")
			if item.members != nil {
				var inner bytes.Buffer
				yamlMembers(&inner, item.members, indent+"  ")
				b.Write(bytes.TrimPrefix(inner.Bytes(), []byte(indent+"  ")))
				continue
			}
			b.WriteString(strconv.Quote(item.text) + "\n")
		}
	default:
		b.WriteString(" " + strconv.Quote(n.text) + "\n")
	}
}

func yamlMembers(b *bytes.Buffer, all []member, indent string) {
	for _, m := range all {
		name := m.name
		if strings.ContainsFunc(name, func(c rune) bool { return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') }) {
			name = strconv.Quote(name)
		}
		b.WriteString(indent + name + ":")
		writeYAML(b, nodeOf(m.value), indent+"  ")
	}
}

// label is a name as Terraform has them: letters, digits and _.
func label(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, s)
}

// camelWords is a name as CloudFormation has them: letters and digits.
func camelWords(s string) string {
	words := strings.FieldsFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9')
	})
	for i, w := range slices.Clone(words) {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}
