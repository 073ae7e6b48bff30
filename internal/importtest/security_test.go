package importtest

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testFunctions are the names of all tests and fuzz targets, with the files that have them.
func testFunctions(t *testing.T) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	for _, f := range tree(t) {
		if !f.test {
			continue
		}
		for _, d := range f.syn.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && (strings.HasPrefix(fn.Name.Name, "Test") || strings.HasPrefix(fn.Name.Name, "Fuzz")) {
				names[fn.Name.Name] = append(names[fn.Name.Name], f.name)
			}
		}
	}
	return names
}

var (
	namedTest  = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	namedMake  = regexp.MustCompile("`make ([a-z0-9-]+)`")
	linkedFile = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

// TestTheThreatModelNamesWhatExists: every test, make target and file that SECURITY.md names.
func TestTheThreatModelNamesWhatExists(t *testing.T) {
	text, makefile, tests := rootFile(t, "SECURITY.md"), rootFile(t, "Makefile"), testFunctions(t)
	for _, name := range namedTest.FindAllStringSubmatch(text, -1) {
		if tests[name[1]] == nil {
			t.Errorf("SECURITY.md names the test %s, which nobody has", name[1])
		}
	}
	for _, target := range namedMake.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(makefile, "\n"+target[1]+":") {
			t.Errorf("SECURITY.md names make %s, which the Makefile has not", target[1])
		}
	}
	for _, link := range linkedFile.FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", "..", link[1])); err != nil {
			t.Errorf("SECURITY.md links to %s: %v", link[1], err)
		}
	}
}

// doors are what strangers' bytes come through, and the targets that send some there.
func doors() [][2]string {
	return [][2]string{
		{"requests of OpenAI's chat completions", "openai.FuzzDecodeChat gateway.FuzzChat openai.FuzzDefaults"},
		{"requests of OpenAI's embeddings, images (multipart too), responses, completions", "openai.FuzzDecodeEmbeddings openai.FuzzImageForm gateway.FuzzImages openai.FuzzDecodeResponses gateway.FuzzOtherDoors"},
		{"requests of Anthropic's Messages, of reranking, of DIAL's own operations", "anthropic.FuzzDecode bedrock.FuzzNativeBody cohere.FuzzDecode gateway.FuzzOtherDoors"},
		{"methods, paths, headers, queries", "gateway.FuzzFrontDoor usage.FuzzQuery gateway.FuzzOpenURI adapter.FuzzSessionTags config.FuzzExtraData"},
		{"JSON, wherever it is", "jsonscan.FuzzAgainstEncodingJSON jsonscan.FuzzAppendString jsonscan.FuzzPass"},
		{"tokens, key sets, per-request keys of a store", "auth.FuzzToken auth.FuzzKeySet auth.FuzzOpenPass"},
		{"URLs, what they resolve to, redirects; files' bytes", "fetch.FuzzURLs bedrock.FuzzSniff"},
		{"ids of models, ARNs, places in a request", "models.FuzzBase bedrock.FuzzEscapeLabel bedrock.FuzzLocate"},
		{"what is signed, against AWS's own signer", "sigv4.FuzzSignIsTheSDKs sandbox.FuzzSignatures"},
		{"frames of Bedrock's streams, against AWS's own decoder", "bedrock.FuzzFramesAgainstSDK bedrock.FuzzNativePiece"},
		{"answers over HTTP/1.1, against net/http's own reader", "h1.FuzzAnswer"},
		{"answers of models, whole and as events", "bedrock.FuzzReplies bedrock.FuzzEmbeddings bedrock.FuzzOpenAIFrames bedrock.FuzzMessages bedrock.FuzzUsualDelta"},
		{"answers of other servers, and events of streams", "proxy.FuzzScan openai.FuzzReadStream sse.FuzzReader sse.FuzzRoundTrip telemetry.FuzzAssemble balance.FuzzBodyPrompt"},
		{"configuration, settings, catalogue, prices", "config.FuzzLoad config.FuzzLoadSettings config.FuzzJSON models.FuzzCatalogue usage.FuzzRate money.FuzzParse importer.FuzzImport helm.FuzzLint"},
		{"policies of IAM", "iam.FuzzParse iam.FuzzEvaluate"},
		{"records of the disk, of Redis, of the ledger", "journal.FuzzOpen limit.FuzzReadRecord redis.FuzzRecord redis.FuzzVerdict redis.FuzzURL usage.FuzzReadNote"},
		{"counting and money, against what is slow and right", "limit.FuzzMemoryIsNaive money.FuzzPartAgreesWithBigIntegers"},
		{"what is written: requests, the prompt log", "openai.FuzzAppendRequest telemetry.FuzzPromptLine"},
		{"the sandbox: its APIs, policies, directives", "sandbox.FuzzServeHTTP sandbox.FuzzOpenAI sandbox.FuzzMessages sandbox.FuzzConstraints sandbox.FuzzDirective sandbox.FuzzIAM"},
	}
}

// TestEveryDoorIsFuzzed: the table of SECURITY.md has every fuzz target, and every target of it exists.
func TestEveryDoorIsFuzzed(t *testing.T) {
	listed, exists := map[string]bool{}, map[string]bool{}
	var want strings.Builder
	want.WriteString("| door | targets |\n|---|---|\n")
	for _, d := range doors() {
		targets := strings.Fields(d[1])
		for i, target := range targets {
			listed[target] = true
			pkg, name, _ := strings.Cut(target, ".")
			targets[i] = fmt.Sprintf("[%s](internal/%s) `%s`", pkg, pkg, name)
		}
		fmt.Fprintf(&want, "| %s | %s |\n", d[0], strings.Join(targets, ", "))
	}
	for name, files := range testFunctions(t) {
		for _, file := range files {
			if strings.HasPrefix(name, "Fuzz") {
				exists[filepath.Base(filepath.Dir(file))+"."+name] = true
			}
		}
	}
	for _, target := range slices.Sorted(maps.Keys(exists)) {
		if !listed[target] {
			t.Errorf("%s is behind no door of doors()", target)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(listed)) {
		if !exists[target] {
			t.Errorf("nobody has the target %s", target)
		}
	}
	sameBetween(t, "SECURITY.md", "doors", want.String())
}

// sameBetween wants a text between the markers of a document.
func sameBetween(t *testing.T, file, marker, want string) {
	t.Helper()
	_, rest, found := strings.Cut(rootFile(t, file), "<!-- "+marker+":begin -->\n")
	got, _, ended := strings.Cut(rest, "<!-- "+marker+":end -->")
	if !found || !ended || got != want {
		t.Errorf("%s: between the markers of %s should stand\n%s", file, marker, want)
	}
}

// rootFile is a file of the repository's root.
func rootFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
