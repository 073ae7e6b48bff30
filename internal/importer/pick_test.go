package importer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestImportChoosesWhatTheRegionCanCall: of one model, the id for each region.
func TestImportChoosesWhatTheRegionCanCall(t *testing.T) {
	const sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0"
	for _, tt := range []struct {
		name    string
		o       Options
		want    string // ids with their regions, or what the error says
		changes string
	}{
		{"the model's own id stays in the region", Options{Models: []string{"amazon.nova-lite-v1:0"}, Regions: []string{"us-east-1"}}, "amazon.nova-lite-v1:0 us-east-1", ""},
		{"unless a geography is preferred", Options{Models: []string{"amazon.nova-lite-v1:0"}, Regions: []string{"us-east-1"}, Geo: "us"}, "us.amazon.nova-lite-v1:0 us-east-1", ""},
		{"the narrowest profile", Options{Models: []string{sonnet}, Regions: []string{"ap-southeast-2", "ap-southeast-4"}}, "au." + sonnet + " ap-southeast-2,ap-southeast-4", ""},
		{"a profile for each geography", Options{Models: []string{sonnet}, Regions: []string{"us-east-1", "eu-west-1", "us-west-2"}}, "eu." + sonnet + " eu-west-1|us." + sonnet + " us-east-1,us-west-2", ""},
		{"no global one unasked", Options{Models: []string{sonnet}, Regions: []string{"me-south-1"}}, "type --geo global", ""},
		{"a global one by its id", Options{Models: []string{"global." + sonnet}, Regions: []string{"me-south-1"}}, "global." + sonnet + " me-south-1", ""},
		{"a pattern leaves out what cannot be had", Options{Models: []string{"anthropic.claude-sonnet-4-5*"}, Providers: []string{"amazon"}, Exclude: []string{"amazon.*"}, Regions: []string{"us-east-1"}, Offers: map[string]Available{"us-east-1": {}}}, "", "skipped: " + sonnet + ": not in us-east-1"},
		{"what only the account knows is named", Options{AllCallable: true, Regions: []string{"us-east-1"}, Offers: map[string]Available{"us-east-1": {"us.amazon.nova-lite-v1:0": true, "us.acme.brand-new-v9:0": true}}}, "us.amazon.nova-lite-v1:0 us-east-1", "skipped: us.acme.brand-new-v9:0"},
		{"no lengths of context that are for provisioned throughput", Options{Models: []string{"amazon.nova-premier-v1:0:*"}, Providers: []string{"cohere"}, Exclude: []string{"cohere.*"}, Regions: []string{"us-east-1"}}, "", "skipped: amazon.nova-premier-v1:0:mm: AWS serves it with provisioned throughput only"},
		{"without a region a geography", Options{Models: []string{sonnet}, Geo: "eu"}, "eu." + sonnet + " ", ""},
		{"without either", Options{Models: []string{sonnet}}, "type --regions", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Catalogue, tt.o.Today = loadCatalogue(t), "2026-11-22"
			p := &importPlan{Options: tt.o, offers: tt.o.Offers}
			picks, err := p.pick()
			var got, said []string
			for _, one := range picks {
				got = append(got, one.model.ID+" "+strings.Join(one.regions, ","))
			}
			for _, c := range p.changes {
				said = append(said, c.String())
			}
			switch {
			case err != nil:
				if !strings.Contains(err.Error(), tt.want) || tt.want == "" {
					t.Error(err)
				}
			case strings.Join(got, "|") != tt.want:
				t.Error(cmp.Diff(tt.want, strings.Join(got, "|")))
			}
			if !strings.Contains(strings.Join(said, "\n"), tt.changes) {
				t.Errorf("%q is not in %q", tt.changes, said)
			}
		})
	}
}

// TestPerTokenIsExact: a price of one token is the price of a million without six digits, and no float's tail.
func TestPerTokenIsExact(t *testing.T) {
	for perMillion, want := range map[float64]string{3: "0.000003", 0.0825: "0.0000000825", 15: "0.000015", 1234567.5: "1.2345675", 0: "0", 0.33: "0.00000033", 3000000: "3", 0.049999999999999996: "0.00000005"} {
		if got := perToken(perMillion); got != want {
			t.Errorf("%v: %s, want %s", perMillion, got, want)
		}
	}
}

// TestDiffIsOneThatPatchTakes: applied to the old text the hunks give the new one.
func TestDiffIsOneThatPatchTakes(t *testing.T) {
	for _, tt := range []struct{ before, after string }{
		{"", "a\n"}, {"a\n", ""}, {"a\nb\nc\n", "a\nx\nc\n"}, {"a", "a\n"}, {"a\nb", "b\na"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n12\n13\n"},
		{strings.Repeat("x\ny\n", 50), strings.Repeat("y\nx\nz\n", 40)},
		{strings.Repeat("x\ny\n", 2000), strings.Repeat("a\nb\n", 2000)},
	} {
		var before, after strings.Builder
		for _, e := range editLines(splitLines([]byte(tt.before)), splitLines([]byte(tt.after))) {
			if e.op != '+' {
				before.WriteString(e.line)
			}
			if e.op != '-' {
				after.WriteString(e.line)
			}
		}
		if before.String() != tt.before || after.String() != tt.after {
			t.Errorf("%.20q to %.20q: the edits give another text", tt.before, tt.after)
		}
	}
	want := "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"
	if got := Diff("f", []byte("a\nb\nc\n"), []byte("a\nx\nc\n")); got != want {
		t.Error(cmp.Diff(want, got))
	}
}

// TestImportNamesConflictsOfSharedValues: what an anchor shares is never changed for one model.
func TestImportNamesConflictsOfSharedValues(t *testing.T) {
	o := Options{Catalogue: loadCatalogue(t), Models: []string{"amazon.nova-lite-v1:0"}, Regions: []string{"us-east-1"}, Overwrite: []string{"all"}, Roles: []string{"default"}}
	out, err := Import("a.yaml", []byte("models:\n  amazon.nova-lite-v1:0:\n    limits: &l {maxTotalTokens: 5}\n  other:\n    limits: *l\n"), o)
	if err != nil || !strings.Contains(string(out.Data), "limits: &l {maxTotalTokens: 5}\n") {
		t.Errorf("%v\n%s", err, out.Data)
	}
	_, err = Import("a.yaml", []byte("x: &r {limits: {}}\nroles:\n  default: *r\n"), o)
	if err == nil || !strings.Contains(err.Error(), "a.yaml:3: roles.default is shared by an anchor") {
		t.Error(err)
	}
}
