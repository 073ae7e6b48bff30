package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
)

func TestSchemas(t *testing.T) {
	const schema = `{"type":"object","required":["items"],"additionalProperties":false,"properties":{"items":{"type":"array",
		"items":{"$ref":"#/$defs/item"}},"kind":{"enum":["a","hunter2"]}},
		"$defs":{"item":{"type":"object","properties":{"price":{"type":"number"},"odd name!":{"pattern":"^(?=x)y"}}}}}`
	f, err := newFormat(llm.Format{Kind: llm.FormatSchema, Schema: []byte(schema)}, false)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"items":[]}`: "",
		` {"items":[{"price":1.5,"odd name!":"no y"}],"kind":"a"}` + "\n": "",
		`{"items":[{"price":1},{"price":"hunter2"}]}`:                     "at $.items[1].price: type",
		`{"items":[],"kind":"hunter2!"}`:                                  "at $.kind: enum",
		`{}`:                                                              "at $: required",
		`{"items":[],"hunter2":1}`:                                        "at $: additionalProperties",
		`{"items":[],}`:                                                   "at $: json",
		"```json\n{\"items\":[]}\n```":                                    "at $: json",
		``:                                                                "at $: json",
	} {
		got := ""
		if v := f.check([]byte(text)); v != nil {
			got = v.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	object, err := newFormat(llm.Format{Kind: llm.FormatJSON}, false)
	if err != nil || object.check([]byte(`{"a":1}`)) != nil || object.check([]byte(`[1]`)) == nil || object.check([]byte(`{`)) == nil {
		t.Errorf("json_object: %v", err)
	}
}

func TestWrongSchemas(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"strange"}`: "at $.type",
		`{"type":"object","properties":{"a":{"minimum":""}}}`: "at $.properties.a.minimum: type",
		`{"$ref":"http://10.0.0.1/schema"}`:                   "$schema and $ref",
		`{"$ref":"file:///etc/passwd"}`:                       "$schema and $ref",
		`{"$schema":"http://example.com/x"}`:                  "$schema and $ref",
		`{"$ref":"#/$defs/none"}`:                             "not a valid JSON Schema",
		`{"a":"` + strings.Repeat("x", maxSchema) + `"}`:      "256 KiB",
	} {
		_, err := newFormat(llm.Format{Kind: llm.FormatSchema, Schema: []byte(schema)}, false)
		if e := llm.AsError(err); err == nil || e.Kind != llm.KindInvalid || e.Param != "response_format.json_schema.schema" || !strings.Contains(e.Message, want) {
			t.Errorf("%.60s: %v", schema, err)
		}
	}
}

// TestASchemaThatTakesForEver: 60 definitions, each twice in the one before it, and one that goes down
// the answer twice at every level.
func TestASchemaThatTakesForEver(t *testing.T) {
	var wide strings.Builder
	for i := range 60 {
		fmt.Fprintf(&wide, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	for schema, text := range map[string]string{
		`{"$ref":"#/$defs/d0","$defs":{` + wide.String() + `"d60":{}}}`:                                                                 `{}`,
		`{"$schema":"http://json-schema.org/draft-07/schema#","allOf":[{"$ref":"#/$defs/d0"}],"$defs":{` + wide.String() + `"d60":{}}}`: `{}`,
		`{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"a":{"allOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]}}}}}`:                 strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60),
	} {
		f, err := newFormat(llm.Format{Kind: llm.FormatSchema, Schema: []byte(schema)}, true)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if v := f.check([]byte(text)); v == nil || v.Keyword != "too long to check" {
			t.Errorf("got %v", v)
		}
		t.Logf("ended after %v", time.Since(began))
	}
}
