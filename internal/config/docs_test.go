package config

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	docsFile    = "../../docs/config.md"
	exampleFile = "../../docs/example/aidial.config.json"
)

// The tables of docs/config.md are printed from the field tables.
func TestDocsShowTheFieldTables(t *testing.T) {
	doc, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	want := string(doc)
	for _, table := range []struct{ name, text string }{
		{"root", markdown(rootTable())},
		{"model", markdown(modelTable())},
		{"interface", markdown(interfaceTable())},
		{"application", markdown(applicationTable())},
		{"interceptor", markdown(interceptorTable())},
		{"translator", markdown(translatorTable())},
		{"route", markdown(routeTable())},
		{"response", markdown(responseTable())},
		{"upstreamInterface", markdown(upstreamInterfaceTable())},
		{"timeouts", markdown(timeoutsTable())},
		{"limits", markdown(limitsTable())},
		{"fallback", markdown(fallbackTable())},
		{"pricing", markdown(pricingTable())},
		{"decisionTree", markdown(treeTable())},
		{"test", markdown(testTable())},
		{"quota", markdown(quotaTable())},
		{"features", markdown(featuresTable())},
		{"upstream", markdown(upstreamTable())},
		{"guardrail", markdown(guardrailTable())},
		{"extraData", markdown(extraTable())},
		{"key", markdown(keyTable())},
		{"role", markdown(roleTable())},
		{"roleLimit", markdown(roleLimitTable())},
		{"costLimit", markdown(costTable())},
		{"rateLimitSchedule", markdown(scheduleTable())},
		{"settings", markdown(settingsTable())},
		{"settings.config", markdown(filesTable())},
		{"settings.identityProviders", markdown(providerTable())},
		{"settings.server", markdown(serverTable())},
		{"settings.client", markdown(clientTable())},
		{"settings.perRequestApiKey", markdown(passTable())},
		{"settings.apiKeyValidation", markdown(validationTable())},
		{"settings.access", markdown(accessTable())},
		{"settings.rule", markdown(ruleTable())},
		{"settings.encryption", markdown(encryptionTable())},
		{"settings.resources", markdown(resourcesTable())},
		{"settings.storage", markdown(storageTable())},
		{"settings.backgroundJob", markdown(backgroundTable())},
		{"settings.redis", markdown(redisTable())},
		{"settings.redis.singleServerConfig", markdown(redisServerTable())},
		{"settings.postgres", markdown(postgresTable())},
		{"settings.limits", markdown(limitsSettingsTable())},
		{"settings.load", markdown(loadTable())},
		{"settings.promptLog", markdown(promptLogTable())},
		{"settings.analytics", markdown(analyticsTable())},
		{"settings.tracing", markdown(tracingTable())},
		{"settings.vertx.metricsOptions", markdown(metricsTable())},
	} {
		open, end := "<!-- table "+table.name+" -->\n", "<!-- end "+table.name+" -->"
		before, rest, ok := strings.Cut(want, open)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the table %s", docsFile, table.name)
		}
		want = before + open + table.text + end + after
	}
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(doc)); diff != "" {
		t.Errorf("docs/config.md is out of date, run go test ./internal/config -update (-want +got):\n%s", diff)
	}
}

func markdown[T any](t table[T]) string {
	var b strings.Builder
	b.WriteString("| field | value | default | acted on | what it is |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range t.fields {
		about := f.about
		if f.remedy != "" {
			about = strings.TrimPrefix(about+". Here: "+f.remedy, ". ")
		}
		def := f.def
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.name, f.kind, def, f.use, about)
	}
	return b.String()
}

func TestExampleHasNoProblems(t *testing.T) {
	cfg, problems := Load([]string{exampleFile}, Options{})
	for _, p := range problems {
		t.Error(p)
	}
	for _, m := range cfg.Models {
		if why := m.NotServed(); why != "" {
			t.Errorf("the example's model %s is not served: %s", m.Name, why)
		}
	}
	if len(cfg.Models) < 3 || len(cfg.Keys) < 2 || len(cfg.Roles) < 2 {
		t.Errorf("the example shows %d models, %d keys, %d roles", len(cfg.Models), len(cfg.Keys), len(cfg.Roles))
	}
}
