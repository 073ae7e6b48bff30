package models

import "strings"

// geoPrefixes are the first labels of cross-region profile ids.
const geoPrefixes = "us eu apac jp au ca in us-gov global"

// Base takes a model id or ARN apart: the id without geo prefix, and the prefix
// without its dot ("us", "global", "" for none). ARNs of foundation models and
// of system-defined inference profiles name their model; those of application
// profiles, provisioned, imported and custom models, prompts and routers do
// not, and give "" and "".
func Base(id string) (base, geo string) {
	if strings.HasPrefix(id, "arn:") {
		id = arnModel(id)
	}
	for g := range strings.SplitSeq(geoPrefixes, " ") {
		rest, ok := strings.CutPrefix(id, g+".")
		// a base id is provider.model, so what is left must still hold a dot
		if ok && strings.Contains(rest, ".") {
			return rest, g
		}
	}
	return id, ""
}

// arnModel is the model id inside an ARN, "" when it names none:
// arn:PARTITION:bedrock:REGION:ACCOUNT:TYPE/ID.
func arnModel(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "bedrock" {
		return ""
	}
	kind, id, ok := strings.Cut(parts[5], "/")
	if !ok || strings.Contains(id, "/") {
		return ""
	}
	switch kind {
	case "foundation-model", "inference-profile":
		return id
	default:
		return ""
	}
}
