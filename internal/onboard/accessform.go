package onboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// UseCaseForm is what Anthropic wants to know once of an account or organization.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html#model-access-modify
type UseCaseForm struct {
	CompanyName         string `json:"companyName" yaml:"companyName"`
	CompanyWebsite      string `json:"companyWebsite" yaml:"companyWebsite"`
	IntendedUsers       string `json:"intendedUsers" yaml:"intendedUsers"` // 0 internal, 1 external, 2 both
	IndustryOption      string `json:"industryOption" yaml:"industryOption"`
	OtherIndustryOption string `json:"otherIndustryOption" yaml:"otherIndustryOption"`
	UseCases            string `json:"useCases" yaml:"useCases"`
}

// FormExample is a form to fill in.
const FormExample = `companyName: Example Corp
companyWebsite: https://www.example.com
intendedUsers: internal        # internal, external or both
industryOption: Software
otherIndustryOption: ""
useCases: Assistants for our own staff.
`

// ReadForm reads a form in YAML or JSON. The error names the field.
func ReadForm(data []byte) (*UseCaseForm, error) {
	var f UseCaseForm
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty")
		}
		return nil, fmt.Errorf("%s; the fields are companyName, companyWebsite, intendedUsers, industryOption, otherIndustryOption, useCases", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if i := slices.Index([]string{"internal", "external", "both"}, strings.ToLower(f.IntendedUsers)); i >= 0 {
		f.IntendedUsers = string(rune('0' + i))
	}
	return &f, f.check()
}

func (f *UseCaseForm) check() error {
	var mistakes []error
	for _, field := range []struct {
		name, value string
		most        int
		may         bool // be empty
	}{
		{"companyName", f.CompanyName, 128, false}, {"companyWebsite", f.CompanyWebsite, 128, false}, {"industryOption", f.IndustryOption, 128, false},
		{"otherIndustryOption", f.OtherIndustryOption, 128, true}, {"useCases", f.UseCases, 8192, false},
	} {
		switch n := utf8.RuneCountInString(field.value); {
		case n == 0 && !field.may:
			mistakes = append(mistakes, fmt.Errorf("%s is empty", field.name))
		case n > field.most:
			mistakes = append(mistakes, fmt.Errorf("%s has %d characters, AWS takes %d", field.name, n, field.most))
		}
	}
	if !slices.Contains([]string{"0", "1", "2"}, f.IntendedUsers) {
		mistakes = append(mistakes, errors.New("intendedUsers must be internal (0), external (1) or both (2)"))
	}
	return errors.Join(mistakes...)
}

// users is IntendedUsers in words.
func (f *UseCaseForm) users() string {
	return map[string]string{"0": "internal", "1": "external", "2": "internal and external"}[f.IntendedUsers]
}

// body is the form as the API takes it.
func (f *UseCaseForm) body() ([]byte, error) { return json.Marshal(f) }
