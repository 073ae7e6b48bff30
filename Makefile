# make build   the binary, bin/outcrop
# make test    every test that needs nothing but Go
# make check   test, and format, vet, lint, race, guards and a short fuzz of every target
# make e2e     strangers' clients against the real binary (fetches their packages first)
# make kills   two hundred kill -9 under load, and what the ledger has of it (make e2e does twenty)
# make e2e-claude-code   the same with Claude Code, which is a download of its own (380 MB)
# make e2e-aws  the real binary against AWS, with your account and a cap of 1 USD: docs/e2e-aws.md
# make image   the container image for amd64 and arm64, with SBOMs, without Docker: bin/image
# make chart   the Helm chart, bin/outcrop-<version>.tgz (builds helm first, once)
# make chart-check   everything of the chart that needs only Helm and Go: lint, schema, goldens, kubeconform, kube-score
# make e2e-k8s the chart on a real control plane with fake nodes, its pods in podman
# make vuln    what Go's vulnerability database knows of the code that is called; loud where it cannot be asked
# make faults  faults between the real binary and its upstreams, Redis, PostgreSQL and clients: the table of docs/reliability.md
# make soak    mixed load for SOAK=10m (1h) while upstreams, credentials and configuration come and go: docs/reliability.md
# make load    twice the capacity, a caller's flood, slow clients, large bodies: docs/reliability.md (OUTCROP_LOAD_TIME=20s)
# make sbom    the binary's bill of materials, bin/outcrop.cdx.json (CycloneDX)
# make licences   docs/licences.md, from the licences of all that is in the binary
# make bench   outcrop beside a reverse proxy and the AWS SDK: the tables of docs/performance.md (bench/lab; -peers adds yours)
# make benchmarks   every Go benchmark
# make perf    what docs/performance.md says of cold start, memory and size

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c

GO       ?= go
# The profile that releases are built with (docs/performance.md says what it brings); PGO=off builds in half the time.
PGO      ?= $(CURDIR)/cmd/outcrop/release.pgo
FUZZTIME ?= 4s
# The two targets through which a stranger's whole request goes get longer.
FUZZTIME_REQUEST ?= 30s

# The lint's own dependencies stay out of the product's go.sum.
LINT := $(GO) tool -modfile=tools/go.mod golangci-lint

.PHONY: all build test check format vet lint race guards fuzz e2e e2e-deps kills soak e2e-claude-code e2e-aws bench load perf image image-check chart chart-check e2e-k8s vuln faults sbom licences benchmarks clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -pgo=$(PGO) -ldflags '-s -w' -o bin/outcrop ./cmd/outcrop

test:
	$(GO) test ./...

check: format vet lint guards race fuzz

# gofmt by itself, so that its word does not hang on the lint's configuration.
format:
	@unformatted=$$(gofmt -l charts cmd internal bench e2e tools); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; fi

vet:
	$(GO) vet ./...
	$(GO) vet -tags e2e,claudecode ./e2e/... ./cmd/outcrop
	$(GO) vet -tags helm ./charts ./internal/helm
	$(GO) vet -tags k8s ./e2e/k8s
	$(GO) vet -tags aws ./e2e/aws
	$(GO) vet -tags faults ./e2e/faults
	$(GO) vet -tags load ./e2e/load

lint:
	$(LINT) run

# VULN=require makes a failure of a database that cannot be reached.
vuln:
	@GO="$(GO)" .ci/vuln

sbom: build
	$(GO) run -C tools/licences . -root "$(CURDIR)" -binary "$(CURDIR)/bin/outcrop" >bin/outcrop.cdx.json

licences:
	$(GO) run -C tools/licences . -root "$(CURDIR)" -write

# Without Redis and PostgreSQL their tests fail here; go test alone skips them.
race:
	OUTCROP_TEST_SERVERS=require $(GO) test -race ./...

# The import table and the habits, by name; they are part of test too.
guards:
	$(GO) test -count=1 ./internal/importtest
	$(GO) mod verify
	$(GO) mod tidy -diff

# Every fuzz target of the module for FUZZTIME or FUZZTIME_REQUEST, one after the other: go test fuzzes one per call.
fuzz:
	@mkdir -p bin
	@$(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ {names[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, names[i]; n = 0}' >bin/fuzz-targets
	@test -s bin/fuzz-targets || { echo "no fuzz targets found"; exit 1; }
	@while read -r package target; do \
		case $$target in FuzzChat|FuzzDecodeChat) time=$(FUZZTIME_REQUEST);; *) time=$(FUZZTIME);; esac; \
		echo "$$package $$target, $$time"; \
		GO="$(GO)" .ci/fuzz "$$package" "$$target" $$time || exit 1; \
	done <bin/fuzz-targets

e2e: build e2e-deps
	OUTCROP_TEST_SERVERS=require $(GO) test -tags e2e -count=1 -v ./e2e/...
	$(GO) test -tags e2e -count=1 -v -run '^TestLedgerOfAHundredThousand$$' ./cmd/outcrop

soak: build
	SOAK=$${SOAK:-10m} OUTCROP_TEST_SERVERS=require $(GO) test -tags faults -count=1 -v -timeout 2h -run '^TestSoak$$' ./e2e/faults

# SEED=n repeats a run.
kills: build
	KILLS=$${KILLS:-200} $(GO) test -tags e2e -count=1 -v -timeout 15m -run '^TestKilledAgainAndAgain$$' ./e2e

e2e-deps:
	e2e/install

e2e-claude-code: build
	e2e/install claude-code
	$(GO) test -tags e2e,claudecode -count=1 -v -run '^TestClaudeCode$$' ./e2e/...

# Without credentials it runs nothing, says so, and is not a failure.
e2e-aws: build
	$(GO) test -tags aws -count=1 -v -timeout 60m -run '^TestAWS$$' ./e2e/aws

# VERSION is what the image and the chart are called.
VERSION ?= 0.1.0

# The image builder's dependencies stay out of the product's go.sum, too.
image:
	$(GO) run -C tools/image . -source "$(CURDIR)" -out "$(CURDIR)/bin/image" -version $(VERSION) -pgo "$(PGO)"

# The builder's tests, and that the same sources give the same image.
image-check:
	cd tools/image && $(GO) vet ./... && $(GO) test ./...
	@first=$$($(MAKE) --no-print-directory -s image | cut -d' ' -f2); second=$$($(MAKE) --no-print-directory -s image | cut -d' ' -f2); \
	if [ -z "$$first" ] || [ "$$first" != "$$second" ]; then echo "two builds of the image differ: $$first, $$second"; exit 1; fi; \
	echo "image $$first, twice"

chart:
	@mkdir -p bin
	bin=$$(charts/install helm) && "$$bin/helm" package charts/outcrop --version $(VERSION) --app-version $(VERSION) --destination bin

chart-check:
	bin=$$(charts/install) && HELM=$$bin/helm OUTCROP_CHART_BIN=$$bin $(GO) test -tags helm -count=1 ./charts ./internal/helm

# Needs root: podman, and apt-get when podman is missing.
e2e-k8s: build image
	@missing=; for p in podman runc catatonit containernetworking-plugins; do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then apt-get install -y --no-install-recommends $$missing; fi
	podman load -q -i bin/image/outcrop-amd64.tar
	helm=$$(charts/install helm); bin=$$(e2e/k8s/install); \
		OUTCROP_K8S_BIN=$$bin OUTCROP_VERSION=$(VERSION) PATH="$$helm:$$PATH" $(GO) test -tags k8s -count=1 -timeout 30m -v ./e2e/k8s

# About ten minutes on two cores that nothing else needs.
bench: build
	$(GO) run ./bench/lab -write docs/performance.md

benchmarks:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# UPDATE=-update writes the table as it was seen.
faults: build
	OUTCROP_TEST_SERVERS=require $(GO) test -tags faults -count=1 ./e2e/faults $(UPDATE)

load: build
	$(GO) test -tags load -count=1 -v -timeout 90m ./e2e/load

perf: build
	$(GO) run ./bench/coldstart bin/outcrop

clean:
	rm -rf bin e2e/.venv e2e/.venv-dial e2e/node/node_modules e2e/claude-code/node_modules
