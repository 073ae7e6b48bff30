package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Parse reads a policy document and checks its grammar, as far as AWS refuses what is not of it. An error says
// which statement and member is wrong, and what to write.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
func Parse(data []byte) (Document, error) {
	var d Document
	top, err := members(data)
	if err != nil {
		return d, fmt.Errorf("policy document: %w", err)
	}
	found := false
	for _, m := range top {
		switch m.name {
		case "Version":
			err = text(m.value, &d.Version)
			if err == nil && d.Version != PolicyVersion && d.Version != "2008-10-17" {
				err = fmt.Errorf("is %q; write %q", d.Version, PolicyVersion)
			}
		case "Id":
			err = text(m.value, &d.ID)
		case "Statement":
			found = true
			d.Statement, err = statements(m.value)
		default:
			err = unknownMember(m.name, []string{"Version", "Id", "Statement"})
		}
		if err != nil {
			return Document{}, at(m.name, err)
		}
	}
	if !found {
		return Document{}, errors.New(`policy document: there is no "Statement"; write {"Version": "2012-10-17", "Statement": […]}`)
	}
	return d, uniqueSids(d.Statement)
}

// JSON is the document with two blanks of indentation and an end of line, always in the same order.
func (d Document) JSON() []byte {
	if d.Statement == nil {
		d.Statement = []Statement{}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(d); err != nil {
		return nil // texts, lists and maps of texts: there is nothing in a document that cannot be encoded
	}
	return b.Bytes()
}

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members takes an object apart. A name that is there twice is refused, as AWS does: encoding/json would keep
// the last, and a policy without its first condition allows more than it says.
func members(data []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	start, err := decoder.Token()
	if err != nil {
		return nil, notJSON(err)
	}
	if start != json.Delim('{') {
		return nil, errors.New("must be a JSON object: {…}")
	}
	var out []member
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		var m member
		m.name, _ = name.(string) // the names of an object are strings
		if err := decoder.Decode(&m.value); err != nil {
			return nil, notJSON(err)
		}
		if slices.ContainsFunc(out, func(o member) bool { return o.name == m.name }) {
			return nil, fmt.Errorf("%q is there twice; put both together into one", m.name)
		}
		out = append(out, m)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("there is something after the closing }; take it out")
	}
	return out, nil
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("is not JSON: it ends too early")
	}
	return fmt.Errorf("is not JSON: %w", err)
}

// at puts the place before what is wrong with it: Statement[0] and "Action is missing" become
// "Statement[0].Action is missing" where the inner error names a member, too.
func at(place string, err error) error {
	if inner, ok := errors.AsType[*placed](err); ok {
		sep := "."
		if strings.HasPrefix(inner.place, "[") {
			sep = ""
		}
		return &placed{place + sep + inner.place, inner.err}
	}
	return &placed{place, err}
}

type placed struct {
	place string
	err   error
}

func (p *placed) Error() string { return p.place + " " + p.err.Error() }
func (p *placed) Unwrap() error { return p.err }

func unknownMember(name string, known []string) error {
	for _, k := range known {
		if strings.EqualFold(k, name) || strings.EqualFold(k+"s", name) {
			return fmt.Errorf("is no member of a policy; write %q", k)
		}
	}
	return fmt.Errorf("is no member of a policy here; there are %s", strings.Join(known, ", "))
}

func text(raw json.RawMessage, into *string) error {
	if raw[0] != '"' || json.Unmarshal(raw, into) != nil {
		return errors.New(`must be a text in quotes`)
	}
	return nil
}

// statements reads one statement, or a list of them.
func statements(raw json.RawMessage) ([]Statement, error) {
	if raw[0] == '{' {
		s, err := statement(raw)
		return []Statement{s}, err
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, errors.New("must be a statement {…} or a list of statements […]")
	}
	if len(list) == 0 {
		return nil, errors.New("is empty; a policy has one statement at least")
	}
	out := make([]Statement, len(list))
	for i, one := range list {
		var err error
		if out[i], err = statement(one); err != nil {
			return nil, at(fmt.Sprintf("[%d]", i), err)
		}
	}
	return out, nil
}

func statement(raw json.RawMessage) (Statement, error) {
	var s Statement
	all, err := members(raw)
	if err != nil {
		return s, err
	}
	for _, m := range all {
		if err := s.set(m); err != nil {
			return Statement{}, at(m.name, err)
		}
	}
	return s, s.check()
}

// set reads one member.
func (s *Statement) set(m member) (err error) {
	switch m.name {
	case "Sid":
		err = text(m.value, &s.Sid)
	case "Effect":
		if err = text(m.value, &s.Effect); err == nil && s.Effect != Allow && s.Effect != Deny {
			err = fmt.Errorf("is %q; write \"Allow\" or \"Deny\"", s.Effect)
		}
	case "Principal":
		s.Principal, err = principal(m.value)
	case "NotPrincipal":
		s.NotPrincipal, err = principal(m.value)
	case "Action":
		s.Action, err = actions(m.value)
	case "NotAction":
		s.NotAction, err = actions(m.value)
	case "Resource":
		s.Resource, err = resources(m.value)
	case "NotResource":
		s.NotResource, err = resources(m.value)
	case "Condition":
		s.Condition, err = condition(m.value)
	default:
		err = unknownMember(m.name, []string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"})
	}
	return err
}

// check is what concerns more than one member.
func (s *Statement) check() error {
	switch {
	case s.Effect == "":
		return at("Effect", errors.New(`is missing; write "Allow" or "Deny"`))
	case s.Action == nil && s.NotAction == nil:
		return at("Action", errors.New(`is missing; write a list such as ["bedrock:InvokeModel"]`))
	case s.Action != nil && s.NotAction != nil:
		return at("NotAction", errors.New("stands beside Action; keep one of them"))
	case s.Resource != nil && s.NotResource != nil:
		return at("NotResource", errors.New("stands beside Resource; keep one of them"))
	case s.Principal != nil && s.NotPrincipal != nil:
		return at("NotPrincipal", errors.New("stands beside Principal; keep one of them"))
	case s.Principal == nil && s.NotPrincipal == nil && s.Resource == nil && s.NotResource == nil:
		return at("Resource", errors.New(`is missing; write a list of ARNs or "*" (only a role's trust policy, which has a Principal, has none)`))
	}
	return nil
}

func principal(raw json.RawMessage) (*Principal, error) {
	if raw[0] == '{' {
		all, err := members(raw)
		if err != nil {
			return nil, err
		}
		known := []string{"AWS", "Federated", "Service"}
		for _, m := range all {
			if !slices.Contains(known, m.name) {
				return nil, at(m.name, unknownMember(m.name, known))
			}
			if _, err := list(m.value); err != nil {
				return nil, at(m.name, err)
			}
		}
	}
	var p Principal
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, errors.New(`must be "*" or an object, such as {"Service": "pods.eks.amazonaws.com"}`)
	}
	if !p.Any && len(p.AWS)+len(p.Federated)+len(p.Service) == 0 {
		return nil, errors.New(`names nobody; write {"AWS": "<ARN>"}, {"Federated": "<ARN>"} or {"Service": "<name>"}`)
	}
	return &p, nil
}

// list reads a text or a list of texts; not the numbers that Strings takes for conditions.
func list(raw json.RawMessage) (Strings, error) {
	var one string
	var many []string
	switch {
	case raw[0] == '"' && json.Unmarshal(raw, &one) == nil:
		many = []string{one}
	case raw[0] != '[' || json.Unmarshal(raw, &many) != nil:
		return nil, errors.New("must be a text or a list of texts")
	case len(many) == 0:
		return nil, errors.New("is empty; name one at least")
	}
	return many, nil
}

func actions(raw json.RawMessage) (Strings, error) {
	all, err := list(raw)
	for _, a := range all {
		service, name, ok := strings.Cut(a, ":")
		if a != "*" && (!ok || service == "" || name == "") {
			return nil, fmt.Errorf("has %q; write service:Name, such as bedrock:InvokeModel, or \"*\"", a)
		}
	}
	return all, err
}

func resources(raw json.RawMessage) (Strings, error) {
	all, err := list(raw)
	for _, r := range all {
		if r != "*" && !strings.HasPrefix(strings.ToLower(r), "arn:") && !strings.HasPrefix(r, "*") && !strings.HasPrefix(r, "${") {
			return nil, fmt.Errorf("has %q; write an ARN, such as arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0, or \"*\"", r)
		}
	}
	return all, err
}

func condition(raw json.RawMessage) (Condition, error) {
	operators, err := members(raw)
	if err != nil {
		return nil, err
	}
	out := make(Condition, len(operators))
	for _, o := range operators {
		keys, err := members(o.value)
		if err != nil {
			return nil, at(o.name, err)
		}
		out[o.name] = make(map[string]Strings, len(keys))
		for _, k := range keys {
			var values Strings
			if err := json.Unmarshal(k.value, &values); err != nil || string(k.value) == "null" {
				return nil, at(o.name, at(k.name, errors.New("must be a text or a list of texts")))
			}
			out[o.name][k.name] = values
		}
	}
	return out, nil
}

func uniqueSids(all []Statement) error {
	seen := make(map[string]bool, len(all))
	for i, s := range all {
		if s.Sid != "" && seen[s.Sid] {
			return at(fmt.Sprintf("Statement[%d]", i), at("Sid", fmt.Errorf("%q is another statement's, too; give each its own", s.Sid)))
		}
		seen[s.Sid] = true
	}
	return nil
}
