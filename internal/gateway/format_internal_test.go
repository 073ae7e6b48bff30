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
		`{"items":[],}`:                                                   "it is not JSON",
		"```json\n{\"items\":[]}\n```":                                    "it is not JSON",
		``:                                                                "it is not JSON",
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

// TestSchemasThatCostTooMuch: what a schema costs to compile and to check is bounded, whatever it says.
func TestSchemasThatCostTooMuch(t *testing.T) {
	compile := func(schema string) (*format, error) {
		return newFormat(llm.Format{Kind: llm.FormatSchema, Schema: []byte(schema), Strict: true}, false)
	}
	nested := func(n int) string { return strings.Repeat(`{"items":`, n) + "{}" + strings.Repeat("}", n) }
	if _, err := compile(nested(9000)); err == nil || !strings.Contains(err.Error(), "deeper than 100") {
		t.Errorf("9000 levels: %v", err)
	}
	if _, err := compile(nested(100)); err != nil {
		t.Errorf("100 levels: %v", err)
	}
	for schema, why := range map[string]string{
		`{"allOf":[` + strings.Repeat("{},", 80_000) + `{}]}`:       "too many parts",
		`{"allOf":[` + strings.Repeat(nested(50)+",", 100) + `{}]}`: "too many parts",
		`{"multipleOf":1e-9999999}`:                                 "exponent", // the library panics
	} {
		if _, err := compile(schema); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.40s: %v", schema, err)
		}
	}
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, `"%d":{"pattern":"a{1000}"},`, i)
	}
	var f *format
	if bytes := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, _ = compile(`{"properties":{` + many.String() + `"z":{}}}`)
		}
	}).AllocedBytesPerOp(); bytes > 64<<20 {
		t.Errorf("%d MiB for patterns", bytes>>20)
	}
	if v := f.check([]byte(`{"4999":"b"}`)); v != nil {
		t.Errorf("a pattern that is not checked: %v", v)
	}
	f, err := compile(`{"items":{"pattern":"^(x+x+)+y{900}"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if v := f.check([]byte(`["x"]`)); v == nil {
		t.Error("a short text is not matched")
	}
	if v := f.check([]byte(`["` + strings.Repeat("x", 1<<20) + `"]`)); v != nil {
		t.Errorf("a long text: %v", v)
	}
}

// TestEveryAnswerHasItsOwnMeter: choices are checked one after the other.
func TestEveryAnswerHasItsOwnMeter(t *testing.T) {
	f, err := newFormat(llm.Format{Kind: llm.FormatSchema, Schema: []byte(`{"items":{"type":"integer"}}`), Strict: true}, false)
	if err != nil {
		t.Fatal(err)
	}
	long := []byte("[" + strings.Repeat("1,", maxSteps*2/3) + "1]")
	for range 3 {
		if v := f.check(long); v != nil {
			t.Error(v)
		}
	}
	if v := f.check([]byte("[1e999999]")); v == nil || v.Keyword != tooLong {
		t.Errorf("a number of a million digits: %v", v)
	}
	longer := []byte("[" + strings.Repeat("1,", maxSteps*2) + "1]")
	if event, err := f.judge(llm.Finish{}, longer); err != nil || len(event.(llm.Finish).Custom) == 0 {
		t.Errorf("what was not checked is %v, %v", event, err)
	}
}
