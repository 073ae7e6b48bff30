package catalog_test

import (
	"strings"
	"testing"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

func TestACallerSeesWhatItsRolesMayUse(t *testing.T) {
	c, err := catalog.New([]*catalog.Deployment{
		{Name: "open"}, {Name: "closed", Roles: []string{}}, {Name: "power", Roles: []string{"power", "admin"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	power, plain := auth.Caller{Roles: []string{"power"}}, auth.Caller{Roles: []string{"default"}}
	tests := []struct {
		caller auth.Caller
		name   string
		kind   llm.Kind
	}{
		{plain, "open", 0}, {plain, "closed", llm.KindForbidden}, {plain, "power", llm.KindForbidden}, {plain, "none", llm.KindNotFound},
		{power, "open", 0}, {power, "closed", llm.KindForbidden}, {power, "power", 0}, {power, "POWER", llm.KindNotFound},
	}
	for _, tt := range tests {
		d, err := c.Resolve(tt.caller, tt.name)
		if tt.kind == 0 && (err != nil || d.Name != tt.name) || tt.kind != 0 && (err == nil || llm.AsError(err).Kind != tt.kind) {
			t.Errorf("%v %s: got %v, %v", tt.caller.Roles, tt.name, d, err)
		}
	}
	names := func(caller auth.Caller) string {
		var list []string
		for _, d := range c.List(caller) {
			list = append(list, d.Name)
		}
		return strings.Join(list, " ")
	}
	if got := names(power); got != "open power" {
		t.Errorf("power sees %s", got)
	}
	if got := names(plain); got != "open" {
		t.Errorf("plain sees %s", got)
	}
}

func TestNamesAreUnique(t *testing.T) {
	if _, err := catalog.New([]*catalog.Deployment{{Name: "a"}, {Name: "a"}}); err == nil {
		t.Error("two deployments of one name")
	}
}
