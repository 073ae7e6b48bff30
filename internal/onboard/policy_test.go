package onboard_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"outcrop/internal/config"
	"outcrop/internal/iam"
	"outcrop/internal/models"
	"outcrop/internal/onboard"
)

var updatePolicies = flag.Bool("update-policies", false, "write testdata/policy anew")

func loadModels(t *testing.T) *models.Catalogue {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

// readConfig writes a configuration to a file and loads it.
func readConfig(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load([]string{file}, config.Options{})
	for _, p := range problems {
		if p.Severity == config.Error {
			t.Fatal(p)
		}
	}
	return cfg
}

// Each file of testdata/policy is a configuration and the policies that are made of it.
func TestPoliciesOfConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/policy/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sections := map[string]string{}
			for _, f := range archive.Files {
				sections[f.Name] = string(f.Data)
			}
			got := policiesOf(t, sections["options"], sections["config.json"])
			if *updatePolicies {
				archive.Files = append(archive.Files[:2:2], txtar.File{Name: "policies", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(sections["policies"], got); diff != "" {
				t.Errorf("(-want +got) go test ./internal/onboard -update-policies writes it anew\n%s", diff)
			}
		})
	}
}

func policiesOf(t *testing.T, options, text string) string {
	t.Helper()
	o := onboard.UseOptions{Catalogue: loadModels(t)}
	format, target := "json", iam.Managed
	for line := range strings.Lines(options) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "account":
			o.AccountID = value
		case "region":
			o.Region = value
		case "format":
			format = value
		case "for":
			target = iam.Target(value)
		case "marketplace":
			o.Marketplace = true
		case "doctor":
			o.Inspect = true
		default:
			t.Fatalf("no option %q", line)
		}
	}
	uses, err := onboard.UsesOf(t.Context(), readConfig(t, text), o)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	policies, err := uses.Policies(target)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, note := range uses.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	switch format {
	case "terraform":
		b.Write(iam.Terraform(policies, target))
	case "cloudformation":
		template := iam.CloudFormation(policies, target)
		checkTemplate(t, template, policies)
		b.Write(template)
	default:
		for _, p := range policies {
			fmt.Fprintf(&b, "%s, for %s\n%s", p.Name, p.Principal, p.Document.JSON())
			for _, r := range p.Why {
				fmt.Fprintf(&b, "%s: %s\n", r.Sid, r.Why)
			}
		}
	}
	return b.String()
}

// checkTemplate reads a template with another's eyes: it is YAML and holds the very documents.
func checkTemplate(t *testing.T, template []byte, policies []iam.Policy) {
	t.Helper()
	var read struct {
		Resources map[string]struct {
			Properties struct {
				PolicyDocument map[string]any `yaml:"PolicyDocument"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(template, &read); err != nil {
		t.Fatalf("%v\n%s", err, template)
	}
	if len(read.Resources) != len(policies) {
		t.Errorf("%d resources of %d policies", len(read.Resources), len(policies))
	}
	for _, p := range policies {
		var want map[string]any
		if err := yaml.Unmarshal(p.Document.JSON(), &want); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range read.Resources {
			found = found || cmp.Equal(r.Properties.PolicyDocument, want)
		}
		if !found {
			t.Errorf("the document of %s is not in the template\n%s", p.Name, template)
		}
	}
}

// IAM takes names of 128 characters.
func TestNamesOfPoliciesFit(t *testing.T) {
	long := strings.Repeat("k", 200)
	var u onboard.Uses
	for _, account := range []string{"111122223333", "444455556666"} {
		use := iam.Use{}
		for i := range 200 {
			use.OnDemand = append(use.OnDemand, iam.Model{Region: "us-east-1", ID: fmt.Sprintf("vendor.model-%d-%s", i, strings.Repeat("x", 40))})
		}
		u.Principals = append(u.Principals, onboard.UsePrincipal{Name: "role " + long, Role: "arn:aws:iam::" + account + ":role/" + long, Use: use})
	}
	policies, err := u.Policies(iam.Managed)
	if err != nil || len(policies) < 4 {
		t.Fatal(len(policies), err)
	}
	for _, p := range policies {
		if len(p.Name) > 128 {
			t.Errorf("%d characters: %s", len(p.Name), p.Name)
		}
	}
}
