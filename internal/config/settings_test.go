package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestSettings reads what the fixtures of testdata/settings give: the file aidial.settings.json or
// settings.yaml, and the variables of the part environment, one a line.
func TestSettings(t *testing.T) {
	names, err := filepath.Glob("testdata/settings/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { testSettings(t, name) })
	}
}

func testSettings(t *testing.T, name string) {
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	ar, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if title, _, _ := strings.Cut(strings.TrimSpace(string(ar.Comment)), "\n"); !strings.HasSuffix(title, ".") {
		t.Errorf("the fixture needs a title sentence, it has %q", title)
	}
	part := map[string]string{}
	var inputs []txtar.File
	file := ""
	t.Chdir(t.TempDir())
	for _, f := range ar.Files {
		part[f.Name] = string(f.Data)
		if f.Name == partProblems || f.Name == "settings" {
			continue
		}
		inputs = append(inputs, f)
		if slices.Contains([]string{DefaultSettingsFile, "settings.yaml"}, f.Name) {
			file = f.Name
		}
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings, found := LoadSettings(file, strings.Split(strings.TrimSpace(part["environment"]), "\n"))
	problems := ""
	for _, p := range found {
		problems += p.String() + "\n"
	}
	read := shown("", reflect.ValueOf(*settings))
	noSecrets(t, inputs, problems+read)
	if *update {
		ar.Files = slices.Concat(inputs, []txtar.File{{Name: partProblems, Data: []byte(problems)}, {Name: "settings", Data: []byte(read)}})
		if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(part[partProblems], problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(part["settings"], read); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// shown is what is not zero, one member a line.
func shown(path string, v reflect.Value) string {
	out := ""
	switch {
	case v.IsZero():
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			out += shown(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[Settings]().PkgPath():
		for i := range v.NumField() {
			out += shown(strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), v.Field(i))
		}
	default:
		out = fmt.Sprintf("%s: %v\n", path, v.Interface())
	}
	return out
}

// A device in a secret's place is no secret, and is not read to its end, which it has not.
func TestASecretIsNotADevice(t *testing.T) {
	_, problems := LoadSettings("", []string{"aidial.encryption.secret_FILE=/dev/zero"})
	if len(problems) == 0 || !strings.Contains(problems[0].Message, "longer than 64 KiB") {
		t.Error(problems)
	}
}

// The address, user, password and number of a Redis come to one URL.
func TestRedisURL(t *testing.T) {
	for _, tt := range []struct{ variables, want string }{
		{`aidial.redis.singleServerConfig.address=redis://redis:6379`, "redis://redis:6379"},
		{`aidial.redis.singleServerConfig={"address":"rediss://redis:6379","username":"u","password":"p@/:","database":2}`, "rediss://u:p%40%2F%3A@redis:6379/2"},
		{`aidial.redis.singleServerConfig={"address":"valkey://redis","password":"p"}`, "redis://:p@redis"},
		{`aidial.redis.singleServerConfig.address=valkeys://u:p@redis:6379/1`, "rediss://u:p@redis:6379/1"},
		{`aidial.redis.clusterServersConfig={"nodeAddresses":["redis://a:1","redis://b:2"],"password":"p"}`, "redis://:p@a:1"},
	} {
		settings, problems := LoadSettings("", []string{tt.variables})
		if got := settings.Redis.Reveal(); got != tt.want || HasErrors(problems) {
			t.Errorf("%s: %s, want %s (%v)", tt.variables, got, tt.want, problems)
		}
	}
}
