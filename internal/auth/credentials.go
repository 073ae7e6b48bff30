package auth

import (
	"net/http"
	"strings"
)

// credentials are what a request says of its caller.
type credentials struct {
	key   string // Api-Key or, without that and Authorization, x-api-key
	token string // what follows Bearer
	// foreign says that there is an Authorization that is not Bearer.
	foreign bool
	// bearer says that Authorization is that word alone, or empty.
	bearer bool
}

// absent is the error of a request without a key and a token.
func (c credentials) absent() error {
	if c.foreign || c.bearer {
		return &Error{Reason: Malformed}
	}
	return &Error{Reason: Missing}
}

// credentialsOf reads the headers. What is given twice could be one thing for a proxy and another here: it is
// refused.
func credentialsOf(h http.Header) (c credentials, err error) {
	if c.key, err = single(h, "Api-Key"); err != nil {
		return c, err
	}
	authorization, err := single(h, "Authorization")
	if err != nil {
		return c, err
	}
	authorization = strings.TrimSpace(authorization)
	if authorization == "" {
		if c.key == "" {
			c.key, err = single(h, "X-Api-Key")
		}
		return c, err
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		c.foreign = true
		return c, nil
	}
	c.token = strings.TrimSpace(token)
	c.bearer = c.token == ""
	return c, nil
}

// single is the value of a header that may be given once.
func single(h http.Header, name string) (string, error) {
	switch values := h[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", &Error{Reason: Duplicate, detail: name}
	}
}
