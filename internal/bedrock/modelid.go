package bedrock

import (
	"fmt"
	"strings"
)

const maxModelID = 2048

// escapeLabel writes a model id or ARN as one label of a path: everything but RFC 3986's unreserved
// characters is percent-encoded, so an ARN's slashes do not split it. The signature then covers the
// path encoded once more, which the signer does.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func escapeLabel(id string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(id) + 16)
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

// CheckModelID says what is wrong with a model id or ARN: Bedrock takes 1 to 2048 characters of
// letters, digits and - _ . : / (its pattern is narrower; an id that only the pattern refuses gets
// Bedrock's own answer).
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#bedrock-runtime_Converse-request-modelId
func CheckModelID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("the model id is empty")
	case len(id) > maxModelID:
		return fmt.Errorf("the model id has %d characters, more than %d", len(id), maxModelID)
	case id == "." || id == "..":
		return fmt.Errorf("%q is not a model id", id)
	}
	for _, c := range id {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:/", c)) {
			return fmt.Errorf("the model id holds %q; letters, digits and - _ . : / are allowed", c)
		}
	}
	return nil
}
