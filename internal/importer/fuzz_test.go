package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"outcrop/internal/models"
)

func loadCatalogue(t testing.TB) *models.Catalogue {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

func importSeeds() []string {
	return []string{
		"",
		"{}",
		"{\"models\":{}}",
		"{\n\t\"models\": {\n\t\t\"amazon.nova-lite-v1:0\": {\"type\": \"chat\", \"limits\": {\"maxTotalTokens\": 1e5}}\n\t}\n}",
		"{\"models\": {\"x\": {\"endpoint\": \"bedrock:amazon.nova-lite-v1:0\", \"features\": null, \"upstreams\": []}}, \"roles\": {\"default\": {}}}\r\n",
		"models:\n  # mine\n  amazon.nova-lite-v1:0: # here\n    type: chat\n    limits: {maxTotalTokens: 100000} # less\n\n# end\n",
		"x: &a {type: chat}\nmodels:\n  amazon.nova-lite-v1:0: *a\n",
		"x: &a\n  limits: {maxTotalTokens: 7}\nmodels:\n  amazon.nova-lite-v1:0:\n    <<: *a\n    type: chat\n",
		"models: {amazon.nova-lite-v1:0: {type: chat, 'displayName': it's}, }",
		"models:\r\n  amazon.nova-lite-v1:0:\r\n    description: |\r\n      # text\r\n\r\n      more\r\nroles:\r\n- a",
		"models: {}\nkeys:\n  k: {project: p}\n...\n",
		"models:\n    amazon.nova-lite-v1:0:\n        display_name: \"a\n\n          b\"\n        inputAttachmentTypes:\n        - image/png\n        # last",
		"\xef\xbb\xbfmodels:\n  ? amazon.nova-lite-v1:0\n  : type: chat\n",
		"models:\n  old:\n    endpoint: bedrock:ai21.j2-mid-v1\n  nova: # x\n    endpoint: bedrock:amazon.nova-lite-v1:0\n    upstreams:\n    - a\n    limits: 7",
		`{"models":{"old":{"endpoint":"bedrock:ai21.j2-mid-v1"},"nova":{"endpoint":"bedrock:amazon.nova-lite-v1:0","limits":{"maxTotalTokens":1},"upstreams":[]}},"roles":{"default":{"limits":{"old":{}}}}}`,
		"models: !!map\n  amazon.nova-lite-v1:0: !!map {}\n",
	}
}

func FuzzImport(f *testing.F) {
	catalogue := loadCatalogue(f)
	for _, seed := range importSeeds() {
		for _, mode := range []byte{0, 1, 2, 3, 4, 5, 6, 7} {
			f.Add([]byte(seed), mode)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, mode byte) {
		name := "a.json"
		if mode&1 != 0 {
			name = "a.yaml"
		}
		o := Options{
			Catalogue: catalogue, Models: []string{"amazon.nova-lite-v1:0", "cohere.embed-v4:0"}, Regions: []string{"us-east-1"},
			Roles: []string{"default"}, Keys: []string{"p"}, Today: "2026-11-22",
		}
		if mode&2 != 0 {
			o.Overwrite = []string{"all"}
		}
		o.Prune = mode&4 != 0
		checkImport(t, name, data, o)
	})
}

// checkImport imports and holds the result against what every import promises.
func checkImport(t *testing.T, name string, data []byte, o Options) {
	t.Helper()
	out, err := Import(name, data, o)
	if err != nil {
		_, valid := openDocument(name, data)
		if errors.Is(err, ErrNoDocument) != (valid != nil) {
			t.Fatalf("%v, and reading the file says %v", err, valid)
		}
		return
	}
	after, err := openDocument(name, out.Data)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v\n%s", err, out.Data)
	}
	if !after.w.yaml && !json.Valid(bytes.TrimPrefix(out.Data, byteOrderMark)) {
		t.Fatalf("no JSON:\n%s", out.Data)
	}
	if len(o.Overwrite) == 0 && !o.Prune {
		before, err := openDocument(name, data)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, before.root, after.root)
	}
	again, err := Import(name, out.Data, o)
	if err != nil {
		t.Fatalf("a second import: %v\n%s", err, out.Data)
	}
	if !bytes.Equal(again.Data, out.Data) {
		t.Fatalf("a second import changes the file:\n%s\nto:\n%s", out.Data, again.Data)
	}
}

// holds says that everything in the one value is in the other, in its order.
func holds(t *testing.T, before, after *tree) {
	t.Helper()
	if before.kind != after.kind || before.text != after.text || len(before.items) != len(after.items) {
		if before.kind != treeNull { // a role may become an object
			t.Fatalf("%s became %s", before.brief(), after.brief())
		}
		return
	}
	for i := range before.items {
		holds(t, before.items[i], after.items[i])
	}
	last := -1
	for _, m := range before.members {
		i := after.exact(m.name)
		if i < 0 || !m.merged && i < last {
			t.Fatalf("%q is not where it was", m.name)
		}
		if !m.merged {
			last = i
		}
		holds(t, m.value, after.members[i].value)
	}
}
