package proxy

// WithDefaults is a body with the members of defaults, a JSON object or nil, that it lacks; the same slice when it
// lacks none. The error is for the client: the body is no JSON object, or for the operator: the defaults are none.
func WithDefaults(body, defaults []byte) ([]byte, error) {
	e, err := newEdit(defaults, "")
	if err != nil {
		return nil, err
	}
	return e.apply(body)
}
