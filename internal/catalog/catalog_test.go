package catalog_test

import (
	"slices"
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

func TestARoleBarsItsHoldersWhateverElseTheyAre(t *testing.T) {
	c, err := catalog.New([]*catalog.Deployment{
		{Name: "near", Destinations: []string{"eu-west-1"}}, {Name: "far", Destinations: []string{"us-east-1"}, Barred: []string{"eu"}},
		{Name: "closed", Roles: []string{"power"}, Barred: []string{"eu"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		roles, name, refused string
	}{
		{"default", "far", ""}, {"default", "near", ""}, {"eu", "near", ""}, {"eu", "far", "outside the regions"}, {"default eu", "far", "outside the regions"},
		{"eu", "closed", "None of your roles"}, {"power eu", "closed", "outside the regions"}, {"power", "closed", ""},
	}
	for _, tt := range tests {
		caller := auth.Caller{Roles: strings.Fields(tt.roles)}
		_, err := c.Resolve(caller, tt.name)
		listed := slices.ContainsFunc(c.List(caller), func(d *catalog.Deployment) bool { return d.Name == tt.name })
		switch {
		case listed != (tt.refused == ""):
			t.Errorf("%s %s: listed is %v", tt.roles, tt.name, listed)
		case tt.refused == "" && err != nil:
			t.Errorf("%s %s: %v", tt.roles, tt.name, err)
		case tt.refused != "" && (err == nil || llm.AsError(err).Kind != llm.KindForbidden || !strings.Contains(llm.AsError(err).Message, tt.refused)):
			t.Errorf("%s %s: %v", tt.roles, tt.name, err)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	if _, err := catalog.New([]*catalog.Deployment{{Name: "a"}, {Name: "a"}}); err == nil {
		t.Error("two deployments of one name")
	}
}
