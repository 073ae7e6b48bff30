package importer

import "testing"

// TestImportReachesEveryForm says that no ordinary form of a file keeps an import from its work.
func TestImportReachesEveryForm(t *testing.T) {
	o := Options{Catalogue: loadCatalogue(t), Models: []string{"amazon.nova-lite-v1:0"}, Regions: []string{"us-east-1"}, Today: "2026-11-22"}
	for _, seed := range importSeeds() {
		for _, overwrite := range [][]string{nil, {"all"}} {
			o.Overwrite = overwrite
			if _, err := Import("a.yaml", []byte(seed), o); err != nil {
				t.Errorf("%v:\n%s", err, seed)
			}
		}
	}
}
