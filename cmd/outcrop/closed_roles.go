package main

import (
	"fmt"
	"net/http"
	"slices"

	"outcrop/internal/auth"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
)

// closedRoles refuses who has a role that the configuration leaves out for its mistakes: what that role would keep
// him from is not known.
type closedRoles struct {
	gateway.Authenticator
	roles []string
}

// Authenticate implements gateway.Authenticator.
func (c closedRoles) Authenticate(r *http.Request) (auth.Caller, error) {
	caller, err := c.Authenticator.Authenticate(r)
	if err != nil {
		return auth.Caller{}, err
	}
	if i := slices.IndexFunc(c.roles, func(role string) bool { return slices.Contains(caller.Roles, role) }); i >= 0 {
		return auth.Caller{}, &llm.Error{
			Kind:    llm.KindForbidden,
			Message: fmt.Sprintf("The role %s has mistakes in the server's configuration, and nobody who has it is served until the operator has corrected them.", c.roles[i]),
		}
	}
	return caller, nil
}
