# Everything a user or developer runs. Each target installs what it needs and says clearly what it cannot do.
.DEFAULT_GOAL := help
# How many times `make faults` tries each fault, and the seed of its cases.
CASES ?= 100000
SEED ?=
# Which of them (parts of the names of test files), and for how many minutes at most.
FILES ?=
MINUTES ?=
# How many mutants of each file `make mutants` tries, or all of them.
SAMPLE ?= 20
# How many random scenarios `make oracle` plays.
SCENARIOS ?= 30
# How many nodes `make cluster` has.
NODES ?= 1
# Which of Kubernetes' own tests `make cluster` runs, a regular expression such as '\[sig-network\].*\[Conformance\]'.
E2E ?=
# Which scenarios it plays, a regular expression; . for all.
PLAY ?=
# Where it writes what became of them, such as docs/conformance.md.
DOCUMENT ?=

.PHONY: help setup build test faults mutants oracle cluster demo lint bench docs clean swx-host p4 images manifests chart deploy deploy-split undeploy tls-certs gen-certs tls-secrets

# What runs the pipeline in the demo: engine (the softswitch's own) or dpdk.
TARGET ?= engine
export TARGET

help: ## Lists the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Installs Debian packages, pnpm and the npm dependencies
	@scripts/setup.sh

build: setup ## Generates code and builds every package and app
	@pnpm run --silent build

test: ## Checks style and types, builds, and runs unit, system and end-to-end tests
	@scripts/setup.sh --test
	@node scripts/test.mjs

faults: build swx-host ## Tries every fault CASES times; SEED=n repeats a run, FILES=part selects tests, MINUTES=n limits the time
	@node scripts/faults.mjs --cases $(CASES) $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(FILES)

mutants: setup ## Shows which changes to the sources their unit tests notice; SAMPLE=n per file or all, SEED=n, FILES=part
	@pnpm run --silent generate
	@node scripts/mutants.mjs --sample $(SAMPLE) $(if $(SEED),--seed $(SEED)) --survivors $(FILES)

oracle: build $(if $(filter dpdk,$(TARGET)),swx-host) ## Compares connections with the kernel's; SCENARIOS=n random ones, SEED=n, TARGET=dpdk
	@scripts/setup.sh --oracle
	@ORACLE_SCENARIOS=$(SCENARIOS) ORACLE_SEED=$(or $(SEED),1) pnpm exec vitest run --project e2e e2e/src/oracle.test.ts

cluster: build ## Runs a real Kubernetes cluster from KUBE_BIN until Ctrl-C; NODES=n, TARGET=dpdk or kube-proxy; E2E=regexp runs Kubernetes' tests, PLAY=regexp scenarios
	@scripts/setup.sh --cluster
	@node tools/cluster/dist/main.js --nodes $(NODES) --target $(TARGET) $(if $(E2E),--e2e '$(E2E)') $(if $(PLAY),--scenarios '$(PLAY)') $(if $(DOCUMENT),--document $(DOCUMENT))

demo: build $(if $(filter dpdk,$(TARGET)),swx-host) ## Shows pods and services with real packets; TARGET=dpdk runs it on DPDK
	@node tools/demo/dist/main.js

swx-host: ## Builds the softswitch's DPDK host
	@scripts/setup.sh --dpdk
	@$(MAKE) --no-print-directory -C tools/swx-host
	@$(MAKE) --no-print-directory -C tools/swx-host headers || \
		echo 'swx-host: without the headers of DPDK programs are interpreted (tools/swx-host/README.md)'

p4: setup ## Compiles p4src with p4c-dpdk; P4C=path if it is not on PATH, CHECK=1 only compares
	@pnpm run --silent generate
	@pnpm --silent --filter @infra-offload/p4src run compile $(if $(CHECK),--check)
	@$(if $(CHECK),,pnpm run --silent generate)

lint: setup ## Runs style and static checks
	@pnpm run --silent lint

bench: build ## Runs the benchmarks; prints figures and ratios
	@node scripts/bench.mjs

docs: setup ## Builds the packages' API reference into api-reference/
	@pnpm run --silent generate
	@node scripts/api-reference.mjs

images: ## Builds the container images with docker, podman or buildah; REGISTRY and TAG name them
	@scripts/images.sh

manifests: ## Writes a manifest for each overlay into dist/manifests; REGISTRY and TAG name the images, API_SERVER=host:port
	@mkdir -p dist/manifests
	@scripts/deploy.sh manifests dist/manifests

chart: ## Builds the Helm chart of deploy/helm into dist/chart; REGISTRY and TAG name the images
	@mkdir -p dist/chart
	@scripts/deploy.sh chart dist/chart

# What to deploy: standalone, host or calico (deploy/overlays), or the directory of an overlay of one's own.
OVERLAY ?= standalone
# Where nodes reach the API server, host:port; looked up if empty.
export API_SERVER ?=

deploy: ## Installs on the cluster of the current kubectl context; OVERLAY=standalone|host|calico|directory
	@scripts/deploy.sh up $(OVERLAY)

deploy-split: ## Installs the agents for split mode
	@scripts/deploy.sh up split

undeploy: ## Removes everything from the cluster and its nodes
	@scripts/deploy.sh down

# Where certificates are created, and what to add to them: SPLIT=10.10.0.2, the manager's address in split mode.
CERTS ?= scripts/tls/certs
TLS_CERTS = node packages/tls-certs/dist/cli.js

# Only what makes certificates, and what that needs.
tls-certs: setup
	@pnpm exec turbo run build --filter @infra-offload/tls-certs --output-logs=errors-only

gen-certs: tls-certs ## Creates an authority and certificates in CERTS, or renews them; SPLIT=address for split mode
	@$(TLS_CERTS) $(if $(wildcard $(CERTS)/ca.crt),renew,create) --directory $(CERTS) $(if $(SPLIT),--split $(SPLIT))

tls-secrets: tls-certs ## Applies the certificates as Secrets to the cluster of the current kubectl context
	@kubectl apply -f deploy/base/common/namespace.yaml
	@$(TLS_CERTS) secrets --directory $(CERTS) --namespace infra-offload --apply

clean: ## Removes build output
	@rm -rf packages/*/dist apps/*/dist tools/*/dist tools/swx-host/build p4src/dist packages/*/src/gen p4src/src/gen api-reference dist .turbo */*/.turbo
