package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// PolicyVersion is the one version of the policy language that has variables and is not deprecated.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
const PolicyVersion = "2012-10-17"

// Effects of a statement.
const (
	Allow = "Allow"
	Deny  = "Deny"
)

// Document is a policy document: of an identity, of a resource, or a role's trust.
type Document struct {
	Version   string      `json:"Version,omitempty"`
	ID        string      `json:"Id,omitempty"`
	Statement []Statement `json:"Statement"`
}

// Statement is one statement of a document. Identity policies have no Principal.
type Statement struct {
	Sid          string     `json:"Sid,omitempty"`
	Effect       string     `json:"Effect"`
	Principal    *Principal `json:"Principal,omitempty"`
	NotPrincipal *Principal `json:"NotPrincipal,omitempty"`
	Action       Strings    `json:"Action,omitempty"`
	NotAction    Strings    `json:"NotAction,omitempty"`
	Resource     Strings    `json:"Resource,omitempty"`
	NotResource  Strings    `json:"NotResource,omitempty"`
	Condition    Condition  `json:"Condition,omitempty"`
}

// Condition is operator → key → values: {"StringEquals": {"aws:RequestedRegion": ["unspecified"]}}.
type Condition map[string]map[string]Strings

// Strings is a list that JSON may write as one string.
type Strings []string

// MarshalJSON writes a single string as such.
func (s Strings) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return plainJSON(s[0])
	}
	return plainJSON([]string(s))
}

// plainJSON leaves <, > and & as they are.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// UnmarshalJSON reads a string, a list of strings, and the booleans and numbers that conditions may have.
func (s *Strings) UnmarshalJSON(data []byte) error {
	var one any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&one); err != nil {
		return err
	}
	list, ok := one.([]any)
	if !ok {
		list = []any{one}
	}
	out := make(Strings, 0, len(list))
	for _, v := range list {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number, bool:
			out = append(out, fmt.Sprint(v))
		default:
			return fmt.Errorf("a policy has a text or a list of texts here, not %T", v)
		}
	}
	*s = out
	return nil
}

// Principal says who a statement of a resource's policy or of a trust is about.
type Principal struct {
	Any       bool    // "*"
	AWS       Strings // account ids, ARNs, "*"
	Federated Strings // ARNs of identity providers
	Service   Strings // pods.eks.amazonaws.com
}

// MarshalJSON writes "*", or the kinds that are there.
func (p Principal) MarshalJSON() ([]byte, error) {
	if p.Any {
		return []byte(`"*"`), nil
	}
	return plainJSON(struct {
		AWS       Strings `json:"AWS,omitempty"`
		Federated Strings `json:"Federated,omitempty"`
		Service   Strings `json:"Service,omitempty"`
	}{p.AWS, p.Federated, p.Service})
}

// UnmarshalJSON reads both forms. A kind that nobody here knows is an error.
func (p *Principal) UnmarshalJSON(data []byte) error {
	var all string
	if json.Unmarshal(data, &all) == nil {
		if all != "*" {
			return fmt.Errorf("a principal is \"*\" or an object, such as {\"Service\": …}")
		}
		*p = Principal{Any: true}
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	kinds := struct{ AWS, Federated, Service Strings }{}
	if err := decoder.Decode(&kinds); err != nil {
		return err
	}
	*p = Principal{AWS: kinds.AWS, Federated: kinds.Federated, Service: kinds.Service}
	return nil
}
