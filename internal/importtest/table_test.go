package importtest

import "strings"

// row says what the non-test files of one package may import besides the standard library.
type row struct {
	pkg string // below the module
	// floor is where the package stands: it imports only packages of lower floors.
	floor int
	// internal packages, below internal/.
	internal []string
	// external import paths; one that ends in "/..." covers what is below it too.
	external []string
	// everything lifts both lists: only the package that puts the parts together has it.
	everything bool
	// testOnly packages are imported by test files alone, so no row may name them.
	testOnly bool
}

// awsSDK is the path of AWS's SDK, of which each row names the parts it may use.
const awsSDK = "github.com/aws/aws-sdk-go-v2"

// table is table 3 of docs/architecture.md: widening a row wants a decision in docs/adr.
func table() []row {
	return []row{
		{floor: 1, pkg: "charts"},
		{floor: 1, pkg: "internal/fetch"},
		{floor: 1, pkg: "internal/iam"},
		{floor: 1, pkg: "internal/jsonscan"},
		{floor: 1, pkg: "internal/journal"},
		{floor: 1, pkg: "internal/kv"},
		{floor: 1, pkg: "internal/llm"},
		{floor: 1, pkg: "internal/models"},
		{floor: 1, pkg: "internal/money"},
		{floor: 1, pkg: "internal/secret"},
		{floor: 1, pkg: "internal/h1"},
		{floor: 1, pkg: "internal/sigv4", external: []string{awsSDK + "/aws"}},
		{floor: 1, pkg: "internal/sse"},
		{
			floor: 1, pkg: "internal/fixturetest", testOnly: true,
			external: []string{awsSDK + "/aws/protocol/eventstream", "github.com/google/go-cmp/cmp", "golang.org/x/tools/txtar"},
		},
		{floor: 1, pkg: "internal/importtest", testOnly: true},
		{floor: 1, pkg: "internal/memnet", testOnly: true},
		{floor: 3, pkg: "internal/limit/limittest", internal: []string{"limit", "money"}, testOnly: true},
		{floor: 2, pkg: "internal/kv/kvtest", internal: []string{"kv"}, testOnly: true},
		{floor: 2, pkg: "internal/llm/llmtest", internal: []string{"llm"}, testOnly: true},
		{floor: 2, pkg: "internal/anthropic", internal: []string{"jsonscan", "llm", "sse"}},
		{floor: 2, pkg: "internal/auth", internal: []string{"kv", "secret"}, external: []string{"github.com/go-jose/go-jose/v4/..."}},
		{
			floor: 2, pkg: "internal/bedrock",
			internal: []string{"h1", "jsonscan", "llm", "models", "secret", "sigv4", "sse"},
			external: []string{
				awsSDK + "/aws", awsSDK + "/config", awsSDK + "/credentials/...", awsSDK + "/service/sts/...",
				"github.com/aws/smithy-go/logging", "golang.org/x/net/http/httpproxy",
			},
		},
		{floor: 2, pkg: "internal/cohere", internal: []string{"jsonscan", "llm"}},
		{floor: 2, pkg: "internal/config", internal: []string{"money", "secret"}, external: []string{"go.yaml.in/yaml/v3"}},
		{floor: 2, pkg: "internal/openai", internal: []string{"jsonscan", "llm", "sse"}},
		{
			floor: 2, pkg: "internal/sandbox", internal: []string{"iam", "models"},
			external: []string{awsSDK + "/aws", awsSDK + "/aws/protocol/eventstream", awsSDK + "/aws/signer/v4", "github.com/golang-jwt/jwt/v5"},
		},
		{floor: 2, pkg: "internal/balance", internal: []string{"kv", "llm"}},
		{floor: 2, pkg: "internal/limit", internal: []string{"journal", "money"}},
		{floor: 2, pkg: "internal/usage", internal: []string{"llm", "money"}},
		{
			floor: 3, pkg: "internal/ledger", internal: []string{"journal", "llm", "money", "usage"},
			external: []string{"github.com/jackc/pgx/v5/...", "modernc.org/sqlite"},
		},
		{floor: 4, pkg: "internal/ledger/ledgertest", internal: []string{"journal", "ledger", "llm", "money", "usage"}, external: []string{"github.com/google/go-cmp/cmp", "github.com/jackc/pgx/v5/..."}, testOnly: true},
		{floor: 3, pkg: "internal/redis", internal: []string{"journal", "kv", "limit", "money"}, external: []string{"github.com/redis/rueidis"}},
		{floor: 1, pkg: "internal/redis/redistest", testOnly: true},
		{floor: 4, pkg: "internal/catalog", internal: []string{"auth", "llm", "proxy", "usage"}},
		{floor: 3, pkg: "internal/client", internal: []string{"llm", "openai", "sse", "usage"}},
		{floor: 3, pkg: "internal/proxy", internal: []string{"balance", "h1", "jsonscan", "llm", "secret"}},
		{
			floor: 3, pkg: "internal/onboard", internal: []string{"bedrock", "config", "iam", "models", "secret"},
			external: []string{
				awsSDK + "/aws", awsSDK + "/service/bedrock/...", awsSDK + "/service/eks/...", awsSDK + "/service/iam/...", awsSDK + "/service/sts/...",
				"github.com/aws/smithy-go", "go.yaml.in/yaml/v3",
			},
		},
		{
			floor: 4, pkg: "internal/importer", internal: []string{"config", "models", "onboard"},
			external: []string{awsSDK + "/aws", awsSDK + "/service/bedrock/...", "go.yaml.in/yaml/v3"},
		},
		{
			floor: 3, pkg: "internal/helm", internal: []string{"bedrock", "config", "models"},
			external: []string{"go.yaml.in/yaml/v3", "github.com/santhosh-tekuri/jsonschema/v6/..."},
		},
		{
			floor: 3, pkg: "internal/telemetry", internal: []string{"jsonscan", "llm", "money", "usage"},
			external: []string{
				"github.com/prometheus/client_golang/...", "go.opentelemetry.io/otel/...", "go.opentelemetry.io/proto/otlp/trace/v1", "google.golang.org/protobuf/proto",
			},
		},
		{
			floor: 5, pkg: "internal/gateway", internal: []string{"anthropic", "auth", "catalog", "cohere", "fetch", "kv", "limit", "llm", "money", "openai", "proxy", "usage"},
			external: []string{"github.com/santhosh-tekuri/jsonschema/v6/..."},
		},
		{floor: 6, pkg: "internal/adapter", internal: []string{"auth", "bedrock", "catalog", "client", "fetch", "gateway", "llm", "usage"}},
		{
			floor: 4, pkg: "internal/grant", internal: []string{"iam", "onboard", "secret"},
			external: []string{
				awsSDK + "/aws", awsSDK + "/service/eks/...", awsSDK + "/service/iam/...", "github.com/aws/smithy-go", "go.yaml.in/yaml/v3",
			},
		},
		{
			floor: 4, pkg: "internal/doctor", internal: []string{"bedrock", "config", "iam", "llm", "models", "onboard", "secret"},
			external: []string{
				awsSDK + "/aws", awsSDK + "/service/iam/...", awsSDK + "/service/servicequotas/...", awsSDK + "/service/sts/...",
				"github.com/aws/smithy-go",
			},
		},
		{floor: 7, pkg: "cmd/outcrop", everything: true},
		{floor: 5, pkg: "bench"},
		{floor: 5, pkg: "bench/coldstart"},
		{
			floor: 5, pkg: "bench/lab",
			external: []string{
				awsSDK + "/aws", awsSDK + "/aws/protocol/eventstream", awsSDK + "/credentials", awsSDK + "/service/bedrockruntime/...",
				"github.com/google/go-cmp/cmp",
			},
		},
		{floor: 5, pkg: "e2e"},
		{floor: 5, pkg: "e2e/aws"},
		{floor: 5, pkg: "e2e/faults"},
		{floor: 5, pkg: "e2e/k8s"},
		{floor: 5, pkg: "e2e/load"},
	}
}

// allows says whether the row covers an import path of this module or another's.
func (r row) allows(path string) bool {
	if name, ok := strings.CutPrefix(path, module+"/"); ok {
		if r.everything {
			other, ok := rowOf(name)
			return ok && !other.testOnly
		}
		return contains(r.internal, strings.TrimPrefix(name, "internal/"))
	}
	return r.everything || contains(r.external, path)
}

// contains says whether path is in the list, or below an entry that ends in "/...".
func contains(list []string, path string) bool {
	for _, entry := range list {
		above, below := strings.CutSuffix(entry, "/...")
		if path == above || below && strings.HasPrefix(path, above+"/") {
			return true
		}
	}
	return false
}

func rowOf(pkg string) (row, bool) {
	for _, r := range table() {
		if r.pkg == pkg {
			return r, true
		}
	}
	return row{}, false
}
