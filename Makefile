# Tandem: `make help` lists the targets.
#
# make demo and make test install what they need on Debian as root; elsewhere
# .ci/deps says exactly what is missing.

BUILD := $(CURDIR)/.build
export TANDEM_BUILD := $(BUILD)
export TANDEM_VENV  := $(BUILD)/venv
GO ?= go
FUZZTIME ?= 10s
BENCH_OUT ?= $(BUILD)/bench.jsonl

.DEFAULT_GOAL := help

.PHONY: help
help: ## List every target
	@awk 'BEGIN{FS=":.*## "} /^[a-z0-9-]+:.*## /{printf "  %-10s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## Install or name the packages that tests and demo need
	@.ci/deps

$(TANDEM_VENV)/.stamp: .ci/requirements.txt
	@.ci/deps python

$(BUILD)/standard.stamp: yang/standard/SHA256SUMS yang/fetch.sh $(TANDEM_VENV)/.stamp
	@yang/fetch.sh
	@mkdir -p $(BUILD) && touch $@

.PHONY: standard
standard: $(BUILD)/standard.stamp ## Fetch the standard YANG modules (pinned, checksummed)

.PHONY: build
build: standard ## Build tandemd and tandem into bin/
	$(GO) build -o bin/ ./cmd/tandemd ./cmd/tandem

.PHONY: gen
gen: standard ## Regenerate gen/mtp and, with clang 14, the eBPF objects
	$(GO) generate ./gen ./dataplane/ebpf ./dataplane/kernel/tap

.PHONY: lint
lint: standard ## gofmt, go vet, pyang --strict --lint, yanglint
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) test -count=1 ./yang

.PHONY: test
test: deps standard build ## Everything CI runs: tiers T0 (hermetic), T1 (namespaces), T2 (QEMU), README
	@.ci/test

.PHONY: vm
vm: deps standard ## The whole suites of both drivers on Linux 5.10, 6.1 and 6.12, in QEMU (hours)
	@.ci/vm

.PHONY: demo
demo: ## The main job: a four-node MPLS-TP network from NETCONF to packets (KEEP=1 leaves it up)
	@.ci/deps demo
	@$(MAKE) --no-print-directory build
	@bin/tandem lab demo $(if $(KEEP),--keep) testdata/lab/diamond

.PHONY: bench
bench: standard ## Print the table of figures; appends JSON lines to BENCH_OUT
	@BENCH_OUT=$(BENCH_OUT) .ci/bench

.PHONY: interop
interop: build ## OpenDaylight mounts an element, Ansible and scrapligo configure one (Java 25, Maven, downloads)
	@.ci/interop

.PHONY: fuzz
fuzz: standard ## Fuzz every target for FUZZTIME each (default 10s)
	@FUZZTIME=$(FUZZTIME) .ci/fuzz

.PHONY: clean
clean: ## Remove what was built (not the committed objects)
	rm -rf $(BUILD) bin
