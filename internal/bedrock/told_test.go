package bedrock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/models"
)

// profileFile is an environment whose AWS files are one that is given.
func profileFile(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range os.Environ() {
		if name, _, _ := strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") || name == "DEFAULT_REGION" {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file+"-none")
}

func TestRegions(t *testing.T) {
	profileFile(t, "[default]\nregion = eu-west-1\n[profile work]\nregion = eu-west-3\n")
	for _, c := range []struct {
		env  map[string]string
		s    Settings
		want []Told
	}{
		{nil, Settings{}, []Told{{"profile default", "eu-west-1"}}},
		{map[string]string{"AWS_PROFILE": "work"}, Settings{}, []Told{{"profile work", "eu-west-3"}}},
		{map[string]string{"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2", "DEFAULT_REGION": "us-west-2"}, Settings{Region: "ca-central-1", Profile: "work"},
			[]Told{{"--region", "ca-central-1"}, {"AWS_REGION", "us-east-1"}, {"AWS_DEFAULT_REGION", "us-east-2"}, {"DEFAULT_REGION", "us-west-2"}, {"profile work", "eu-west-3"}}},
	} {
		getenv := func(name string) string {
			if v, ok := c.env[name]; ok {
				return v
			}
			return os.Getenv(name)
		}
		got, err := Regions(t.Context(), getenv, c.s)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%v: %v\n%s", c.env, err, d)
		}
	}
	if _, err := Regions(t.Context(), os.Getenv, Settings{Profile: "nobody"}); err == nil || !strings.Contains(err.Error(), `the profile "nobody": no profile "nobody" in `) {
		t.Errorf("a profile that is not there: %v", err)
	}
}

// The region of a profile that is named counts where the process has none.
func TestProfileHasARegion(t *testing.T) {
	profileFile(t, "[profile work]\nregion = eu-west-3\naws_access_key_id = a\naws_secret_access_key = b\n")
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := Load(t.Context(), os.Getenv, catalogue)
	if err != nil {
		t.Fatal(err)
	}
	if cfg, _, err := p.SDK(Settings{Profile: "work"}); err != nil || cfg.Region != "eu-west-3" {
		t.Errorf("%q %v", cfg.Region, err)
	}
}
