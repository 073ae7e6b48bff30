package config

import (
	"regexp"
	"strings"
)

// The identifiers of Converse and InvokeModel:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
const maxModelID = 2048

var (
	// us-east-1, us-gov-west-1, us-isob-east-1, eusc-de-east-1, cn-north-1
	regionForm  = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-[1-9]\d?$`)
	roleARNForm = regexp.MustCompile(`^arn:aws(-[a-z-]+)?:iam::\d{12}:role/[\w+=,.@/-]{1,512}$`)
	accountForm = regexp.MustCompile(`^\d{12}$`)
	bareForm    = regexp.MustCompile(`^[0-9a-zA-Z._:-]+$`)
)

func isRegion(s string) bool { return regionForm.MatchString(s) }

// A resourceForm is what may follow arn:…:account: in a model's ARN.
type resourceForm struct {
	service, kind string
	account       bool // has an account id
	id            string
}

func resourceForms() []resourceForm {
	const word, twelve = `[a-zA-Z0-9.:-]+`, `[a-z0-9]{12}`
	return []resourceForm{
		{"bedrock", "foundation-model", false, word},
		{"bedrock", "inference-profile", true, word},
		{"bedrock", "application-inference-profile", true, word},
		{"bedrock", "custom-model", true, `[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}/` + twelve},
		{"bedrock", "custom-model-deployment", true, twelve},
		{"bedrock", "imported-model", true, twelve},
		{"bedrock", "provisioned-model", true, twelve},
		{"bedrock", "prompt", true, `[0-9a-zA-Z]{10}(:[0-9]{1,5})?`},
		{"bedrock", "prompt-router", true, word},
		{"bedrock", "default-prompt-router", true, word},
		{"sagemaker", "endpoint", true, `[a-zA-Z0-9-]+`},
	}
}

// modelIDMistake says what keeps the text from being a model id or ARN of
// Bedrock, as the end of "the model id …"; "" if nothing does.
func modelIDMistake(id string) (message, remedy string) {
	const forms = "for example us.anthropic.claude-sonnet-4-5-20250929-v1:0, or an ARN"
	switch {
	case id == "":
		return "is empty", forms
	case len(id) > maxModelID:
		return "is longer than 2048 characters", ""
	case strings.HasPrefix(id, "//"):
		return "starts with //", "write bedrock:<model id>, without slashes"
	case strings.HasPrefix(id, "arn:"):
		return arnMistake(id)
	case !bareForm.MatchString(id):
		return "has a character that no model id has", "letters, digits, . _ : - only; " + forms
	}
	return "", ""
}

func arnMistake(arn string) (message, remedy string) {
	const form = "arn:aws:bedrock:<region>:<account>:<kind>/<id>"
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 {
		return "is an ARN with less than six parts", form
	}
	partition, service, region, account := part[1], part[2], part[3], part[4]
	kind, id, _ := strings.Cut(part[5], "/")
	switch {
	case partition != "aws" && !strings.HasPrefix(partition, "aws-"):
		return "is an ARN of an unknown partition", "arn:aws:…, arn:aws-us-gov:…, arn:aws-cn:…"
	case service != "bedrock" && service != "sagemaker":
		return "is an ARN of another service", form
	case !isRegion(region):
		return "is an ARN without a region's name in its fourth part", form
	}
	for _, f := range resourceForms() {
		if f.service != service || f.kind != kind {
			continue
		}
		switch {
		case f.account && !accountForm.MatchString(account):
			return "is an ARN without an account number of 12 digits in its fifth part", form
		case !f.account && account != "":
			return "is an ARN of a foundation model with an account", "the fifth part is empty: arn:aws:bedrock:<region>::foundation-model/<id>"
		case !regexp.MustCompile(`^` + f.id + `$`).MatchString(id):
			return "is an ARN whose last part is not what an id of a resource of kind " + kind + " looks like", ""
		}
		return "", ""
	}
	return "is an ARN of something that is not a model", "foundation-model, inference-profile, application-inference-profile, custom-model, provisioned-model, imported-model, prompt, …"
}

// arnRegion is the region that an ARN names; "" for a plain model id and for
// what is not the name of a region.
func arnRegion(id string) string {
	part := strings.SplitN(id, ":", 6)
	if len(part) < 6 || part[0] != "arn" || !isRegion(part[3]) {
		return ""
	}
	return part[3]
}
