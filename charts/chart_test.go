package charts_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"outcrop/charts"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata, metrics.txt and the table of outcrop/README.md")

func file(t *testing.T, name string) []byte {
	t.Helper()
	content, err := fs.ReadFile(charts.FS, "outcrop/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// object is a mapping of a YAML or JSON document.
type object = map[string]any

func values(t *testing.T) object {
	t.Helper()
	var values object
	if err := yaml.Unmarshal(file(t, "values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

func schemaDocument(t *testing.T) object {
	t.Helper()
	var document object
	if err := json.Unmarshal(file(t, "values.schema.json"), &document); err != nil {
		t.Fatal(err)
	}
	return document
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("values.schema.json", schemaDocument(t)); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON is a value as encoding/json reads it, which is what the validator takes.
func asJSON(t *testing.T, value any) any {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err := json.Unmarshal(content, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestDefaultsAreValid(t *testing.T) {
	if err := compiled(t).Validate(asJSON(t, values(t))); err != nil {
		t.Error(err)
	}
}

// A member that values.yaml has not is unknown to the schema too, and the other way round.
func TestSchemaHasTheMembersOfValues(t *testing.T) {
	compareMembers(t, "", schemaDocument(t), values(t))
}

func compareMembers(t *testing.T, path string, schema, values object) {
	t.Helper()
	properties, _ := schema["properties"].(object)
	for name := range values {
		if properties[name] == nil {
			t.Errorf("%s.%s is in values.yaml, not in values.schema.json", path, name)
		}
	}
	for name, property := range properties {
		below := path + "." + name
		value, ok := values[name]
		if !ok && !slices.Contains(withoutDefault(), below) && !strings.HasPrefix(below, ".custom") {
			t.Errorf("%s is in values.schema.json, not in values.yaml", below)
		}
		if value, ok := value.(object); ok && property.(object)["properties"] != nil && len(value) > 0 {
			compareMembers(t, below, property.(object), value)
		}
	}
}

// withoutDefault are members of the schema that stand for themselves, or that are Kubernetes' own.
func withoutDefault() []string {
	return []string{
		".enabled", // of the chart of which this one is a part
		".lifecycle.postStart", ".lifecycle.stopSignal",
		".autoscaling.hpa.behavior.scaleUp",
		".livenessProbe.httpGet.host", ".livenessProbe.httpGet.httpHeaders", ".livenessProbe.httpGet.scheme",
		".readinessProbe.httpGet.host", ".readinessProbe.httpGet.httpHeaders", ".readinessProbe.httpGet.scheme",
		".startupProbe.httpGet.host", ".startupProbe.httpGet.httpHeaders", ".startupProbe.httpGet.scheme",
	}
}

// Only `global`, which other charts share, and maps whose names are the operator's are open.
func TestSchemaIsClosed(t *testing.T) {
	var walk func(path string, schema object)
	walk = func(path string, schema object) {
		properties, ok := schema["properties"].(object)
		if !ok {
			return
		}
		if schema["additionalProperties"] != false && !strings.HasPrefix(path, ".global") {
			t.Errorf("%s takes members that nobody reads", path)
		}
		for name, property := range properties {
			walk(path+"."+name, property.(object))
		}
	}
	walk("", schemaDocument(t))
}

// Helm drops the defaults of a section that is null, so that each of them has to be looked for.
func TestEverySectionIsLookedFor(t *testing.T) {
	_, list, ok := strings.Cut(string(file(t, "templates/_validate.tpl")), `define "outcrop.sections" -}}`)
	list, _, end := strings.Cut(list, "{{- end -}}")
	if !ok || !end {
		t.Fatal("no outcrop.sections in _validate.tpl")
	}
	var have []string
	if err := yaml.Unmarshal([]byte(list), &have); err != nil {
		t.Fatal(err)
	}
	var want []string
	sections(schemaDocument(t), values(t), "", &want)
	slices.Sort(have)
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("outcrop.sections of _validate.tpl (-want +have):\n%s", diff)
	}
}

// sections are the closed objects of the schema below which the chart's templates read.
func sections(schema, values object, path string, list *[]string) {
	properties, _ := schema["properties"].(object)
	for name, property := range properties {
		below := strings.TrimPrefix(path+"."+name, ".")
		value, _ := values[name].(object)
		switch {
		case len(value) == 0 || property.(object)["properties"] == nil:
			continue
		// These go into the manifest as they are; null is none.
		case name == "httpGet" || name == "lifecycle" || name == "updateStrategy" || name == "behavior":
			continue
		}
		*list = append(*list, below)
		sections(property.(object), value, below, list)
	}
}

func TestDashboard(t *testing.T) {
	var dashboard struct {
		Title  string `json:"title"`
		UID    string `json:"uid"`
		Panels []struct {
			ID      int    `json:"id"`
			Type    string `json:"type"`
			Title   string `json:"title"`
			GridPos struct{ H, W, X, Y int }
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(file(t, "files/dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("%s: the id %d stands twice", panel.Title, panel.ID)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("%s: nothing is shown", panel.Title)
		}
		if panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("%s: wider than the page", panel.Title)
		}
		for _, target := range panel.Targets {
			if !strings.Contains(target.Expr, `job=~"$job"`) {
				t.Errorf("%s: %s is not of the chosen jobs", panel.Title, target.Expr)
			}
			if strings.Contains(target.Expr, "token_usage_sum") && !strings.Contains(target.Expr, "gen_ai_token_type") {
				t.Errorf("%s: %s counts cached and reasoning tokens twice: they are part of input and output", panel.Title, target.Expr)
			}
		}
	}
	if dashboard.Title == "" || dashboard.UID == "" || len(ids) < 20 {
		t.Errorf("dashboard %q (%s) has %d panels", dashboard.Title, dashboard.UID, len(ids))
	}
}

func TestAlerts(t *testing.T) {
	var alerts []struct {
		Alert, Expr, For    string
		Labels, Annotations map[string]string
	}
	if err := yaml.Unmarshal(file(t, "files/alerts.yaml"), &alerts); err != nil {
		t.Fatal(err)
	}
	if len(alerts) < 8 {
		t.Errorf("%d alerts", len(alerts))
	}
	names := map[string]bool{}
	for _, a := range alerts {
		if names[a.Alert] || !strings.HasPrefix(a.Alert, "Outcrop") {
			t.Errorf("%q stands twice, or is not named after Outcrop", a.Alert)
		}
		names[a.Alert] = true
		if a.For == "" || !slices.Contains([]string{"warning", "critical"}, a.Labels["severity"]) || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s lacks for, severity, summary or description", a.Alert)
		}
		if len(metricName().FindAllString(a.Expr, -1)) != strings.Count(a.Expr, "{SELECTOR") {
			t.Errorf("%s asks for metrics of other releases: %s", a.Alert, a.Expr)
		}
		if a.Alert == "OutcropErrors" && !strings.Contains(a.Expr, "error_type") {
			t.Errorf("%s does not see streams that break: their status is 200", a.Alert)
		}
	}
}

func metricName() *regexp.Regexp { return regexp.MustCompile(`\b(outcrop|gen_ai)_[a-z_]+\{`) }

// metrics.txt is what the dashboard, the alerts and the autoscaler read; the program's own test compares
// it with what it exports.
func TestMetricsAreListed(t *testing.T) {
	names := map[string]bool{}
	for _, name := range []string{"files/dashboard.json", "files/alerts.yaml"} {
		for _, used := range metricName().FindAllString(string(file(t, name)), -1) {
			base := strings.TrimSuffix(used, "{")
			if strings.HasPrefix(base, "gen_ai_") { // histograms, all of them
				base = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(base, "")
			}
			names[base] = true
		}
	}
	_, metric, ok := strings.Cut(string(file(t, "templates/hpa.yaml")), "name: outcrop_")
	metric, _, _ = strings.Cut(metric, "\n")
	if !ok {
		t.Error("the autoscaler reads no metric of Outcrop")
	}
	names["outcrop_"+metric] = true
	var b strings.Builder
	b.WriteString("# Metrics that the chart's dashboard, alerts and autoscaler read; written by go test ./charts -update.\n")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintln(&b, name)
	}
	golden(t, "metrics.txt", b.String())
}

// What the dashboard and the alerts read is exported by the program, and so are the labels that they use.
func TestMetricsAreExported(t *testing.T) {
	exported, err := os.ReadFile("../internal/telemetry/testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\w+) \w+\{([^}]*)\}`).FindAllStringSubmatch(string(exported), -1) {
		labels[m[1]] = append(strings.Split(m[2], ","), "job", "namespace", "service", "pod", "le") // those of the scrape
	}
	for _, expression := range expressions(t) {
		var known []string
		for _, m := range regexp.MustCompile(`\b((?:outcrop|gen_ai)_\w+)\{([^}]*)\}`).FindAllStringSubmatch(expression, -1) {
			have, ok := labels[m[1]]
			if !ok {
				have, ok = labels[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(m[1], "")]
			}
			if !ok {
				t.Errorf("%s is not exported: %s", m[1], expression)
			}
			known = append(known, have...)
			for _, label := range regexp.MustCompile(`(\w+)(=|!=|=~|!~)"`).FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(have, label[1]) {
					t.Errorf("%s has no label %s: %s", m[1], label[1], expression)
				}
			}
		}
		for _, m := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expression, -1) {
			for label := range strings.SplitSeq(m[1], ", ") {
				if !slices.Contains(known, label) {
					t.Errorf("nothing has a label %s: %s", label, expression)
				}
			}
		}
	}
}

// expressions are all that the dashboard and the alerts ask Prometheus.
func expressions(t *testing.T) []string {
	t.Helper()
	var all []string
	var walk func(any)
	walk = func(value any) {
		switch v := value.(type) {
		case object:
			if text, ok := v["expr"].(string); ok {
				all = append(all, text)
			}
			for _, below := range v {
				walk(below)
			}
		case []any:
			for _, below := range v {
				walk(below)
			}
		}
	}
	for _, name := range []string{"files/dashboard.json", "files/alerts.yaml"} {
		var document any
		if err := yaml.Unmarshal(file(t, name), &document); err != nil {
			t.Fatal(err)
		}
		walk(document)
	}
	if len(all) < 30 {
		t.Fatalf("%d expressions", len(all))
	}
	return all
}

// golden compares with a file of this folder, or writes it.
func golden(t *testing.T, name, have string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s (-want +have); `go test -update` writes it:\n%s", name, diff)
	}
}
