package sandbox

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDirectives(t *testing.T) {
	for _, c := range []struct {
		in, rest string
		want     directive
	}{
		{"plain words", "plain words", directive{}},
		{"[[sandboxes]] are [[fun", "[[sandboxes]] are [[fun", directive{}},
		{"hi [[sandbox]]", "hi", directive{}},
		{"[[sandbox throttle=2]] hi", "hi", directive{throttle: 2}},
		{"a [[sandbox throttle=2]] b", "a b", directive{throttle: 2}},
		{"a\n[[sandbox tokens=2]]\nb [[sandbox drip=20ms]]", "a b", directive{tokens: 2, drip: 20 * time.Millisecond}},
		{"[[sandbox exception=throttlingException after=3]]", "", directive{after: 3, fault: fault{faultException, 3, "throttlingException"}, broken: true}},
		{"[[sandbox after=3 exception=x]]", "", directive{after: 3, fault: fault{faultException, 3, "x"}, broken: true}},
		{"[[sandbox cut=0]]", "", directive{fault: fault{kind: faultCut}, broken: true}},
		{"[[sandbox cut-inside=7]]", "", directive{fault: fault{kind: faultCutInside, frames: 7}, broken: true}},
		{"[[sandbox badcrc=7]]", "", directive{fault: fault{kind: faultBadCRC, frames: 7}, broken: true}},
		{"[[sandbox end=7]]", "", directive{fault: fault{kind: faultEnd, frames: 7}, broken: true}},
		{"[[sandbox empty]]", "", directive{fault: fault{kind: faultEmpty}, broken: true}},
		{`[[sandbox text="a \"b\" ]] \\ \n\tc"]]`, "", directive{text: "a \"b\" ]] \\ \n\tc", hasText: true}},
		{`[[sandbox text='it\'s' stop=max_tokens]]`, "", directive{text: "it's", hasText: true, stop: "max_tokens"}},
		{`[[sandbox text=""]]`, "", directive{hasText: true}},
		{"[[sandbox text=a=b]]", "", directive{text: "a=b", hasText: true}},
		{"[[sandbox error=ThrottlingException status=429 message='x y']]", "", directive{errorType: "ThrottlingException", status: 429, message: "x y"}},
		{"[[sandbox refuse=iam]]", "", directive{refuse: "iam"}},
		{"[[sandbox tool=get_weather tools=2]]", "", directive{tool: "get_weather", tools: 2}},
		{"[[sandbox reasoning]]", "", directive{reasoning: "on"}},
		{"[[sandbox reasoning=signature-only]]", "", directive{reasoning: "omitted"}},
		{"[[sandbox loop=10 think=2s]]", "", directive{loop: 10, think: 2 * time.Second}},
		{"[[sandbox citations image server-tool trace]]", "", directive{citations: true, image: true, serverTool: true, trace: true}},
		{"[[sandbox reasoning=redacted batch=3 start=1s unknown-event]]", "", directive{reasoning: "redacted", batch: 3, start: time.Second, unknown: true}},
	} {
		var got directive
		rest, err := got.cutDirectives(c.in)
		if err != nil || rest != c.rest {
			t.Errorf("%s: rest %q, want %q (%v)", c.in, rest, c.rest, err)
		}
		got.given = nil
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(directive{}, fault{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.in, diff)
		}
	}
}

// A malformed directive names the key and lists the known ones.
func TestMalformedDirectives(t *testing.T) {
	for in, want := range map[string]string{
		"[[sandbox throttle]]":                "throttle needs a value",
		"[[sandbox throttle=]]":               "throttle: the value is missing",
		"[[sandbox throttle=x]]":              "throttle: want a number from 0",
		"[[sandbox throttle=-1]]":             "throttle: want a number from 0",
		"[[sandbox batch=0]]":                 "batch: want a number from 1",
		"[[sandbox tokens=100001]]":           "tokens: want a number from 1 to 100000",
		"[[sandbox drip=20]]":                 "drip: want a duration",
		"[[sandbox start=1h]]":                "start: want a duration such as 500ms or 2s, at most 10m",
		"[[sandbox error=../x]]":              "error: want the name of an exception",
		"[[sandbox exception='']]":            "exception: want the name of an exception",
		"[[sandbox error=X status=200]]":      "status: want an HTTP status from 400 to 599",
		"[[sandbox refuse=me]]":               "refuse: want one of ",
		"[[sandbox reasoning=loud]]":          "reasoning: want no value",
		"[[sandbox empty=1]]":                 "empty: it takes no value",
		"[[sandbox cut=1 end=2]]":             "end: a reply breaks once, and cut is wished already",
		"[[sandbox cut=1]] [[sandbox empty]]": "empty: a reply breaks once",
		"[[sandbox drip=1s drip=2s]]":         "drip is given twice",
		"[[sandbox after=1]]":                 "after means something only beside exception=TYPE",
		"[[sandbox status=500]]":              "status means something only beside error=TYPE",
		"[[sandbox message=x]]":               "message means something only beside",
		"[[sandbox fly=1]]":                   `"fly" is not a key of the sandbox; the keys are after, badcrc, batch, citations, cut`,
		"[[sandbox cut=1":                     "the value is missing",
		"[[sandbox cut=1 ":                    "the directive is not closed with ]]",
		"[[sandbox":                           "the directive is not closed with ]]",
		`[[sandbox text="a]]`:                 "text: the quotes of the value are not closed",
		"[[sandbox =1]]":                      `the directive holds "=" where a key should stand`,
	} {
		var d directive
		_, err := d.cutDirectives(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
	srv := serve(t, Options{})
	got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, novaPath, user("hi [[sandbox fly=1]]")))
	if got.status != 400 || !strings.HasPrefix(got.header.Get("X-Amzn-Errortype"), "ValidationException:") ||
		!strings.HasPrefix(text(decodeObject(got.body)["message"]), `The sandbox directive is malformed: "fly" is not a key`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, wish := range []string{"tool=nothing", "tools=2", "loop=2"} { // keys that the request does not fit
		if got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, novaPath, user("hi [[sandbox "+wish+"]]"))); got.status != 400 {
			t.Errorf("%s: %d %s", wish, got.status, got.body)
		}
	}
}

// docs/sandbox.md explains every key and every refusal.
func TestDirectivesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range directiveKeys() {
		if !strings.Contains(string(page), "| `"+k.name) {
			t.Errorf("docs/sandbox.md has no row for %s", k.name)
		}
	}
	for _, name := range refusalNames() {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/sandbox.md does not name the refusal %s", name)
		}
	}
}

// Whatever a stranger writes, the parser ends, keeps the words outside of
// directives, and leaves nothing that it would read again.
func FuzzDirective(f *testing.F) {
	for _, seed := range []string{
		"hi", "[[sandbox throttle=2]]", `a [[sandbox text="x]]" stop=y]] b`, "[[sandbox", "[[sandbox exception=x after=1]] [[sandboxes]]",
		"[[sandbox [[sandbox cut=1]]", `[[sandbox text='\`, "[[sandbox]][[sandbox]]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var d directive
		rest, err := d.cutDirectives(in)
		if err != nil {
			if directiveStart(in) < 0 {
				t.Fatalf("%q has no directive and is refused: %v", in, err)
			}
			return
		}
		if directiveStart(in) < 0 && rest != in {
			t.Fatalf("%q became %q", in, rest)
		}
		if len(rest) > len(in) {
			t.Fatalf("%q grew to %q", in, rest)
		}
		var header directive
		_ = header.parseHeader(in) // an error is fine, a panic is not
	})
}
