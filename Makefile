# Everything a user or developer runs. Each target installs what it needs and says clearly what it cannot.
.DEFAULT_GOAL := help
# How many times `make faults` tries each fault, and from which seed its cases come.
CASES ?= 100000
SEED ?=
# What of it: parts of the names of test files, and minutes after which it ends.
FILES ?=
MINUTES ?=

.PHONY: help setup build test faults demo lint bench clean swx-host p4 images deploy deploy-split undeploy gen-certs tls-secrets

# What runs the pipeline in the demo: engine (the softswitch's own) or dpdk.
TARGET ?= engine
export TARGET

help: ## Lists the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Installs Debian packages, pnpm and the npm dependencies
	@scripts/setup.sh

build: setup ## Generates code and builds every package and app
	@pnpm run --silent build

test: ## Lint, types, build, unit tests, end-to-end tests with real packets
	@scripts/setup.sh --test
	@node scripts/test.mjs

faults: build ## Tries every fault CASES times; SEED=n repeats a run, FILES=part picks tests, MINUTES=n ends it
	@node scripts/faults.mjs --cases $(CASES) $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(FILES)

demo: build $(if $(filter dpdk,$(TARGET)),swx-host) ## Pods and services with real packets; TARGET=dpdk runs it on DPDK
	@node tools/demo/dist/main.js

swx-host: ## Builds the DPDK host of the softswitch
	@scripts/setup.sh --dpdk
	@$(MAKE) --no-print-directory -C tools/swx-host

p4: setup ## Compiles p4src anew with p4c-dpdk; P4C names it if it is not on PATH, CHECK=1 compares only
	@pnpm run --silent generate
	@pnpm --silent --filter @infra-offload/p4src run compile $(if $(CHECK),--check)
	@$(if $(CHECK),,pnpm run --silent generate)

lint: setup ## Style and static checks
	@pnpm run --silent lint

bench: build ## Measures; prints figures and ratios
	@node scripts/bench.mjs

images: ## Builds the container images with docker, podman or buildah; REGISTRY and TAG name them
	@scripts/images.sh

# What is deployed: standalone, host or calico (deploy/overlays).
OVERLAY ?= standalone

deploy: ## Installs on the cluster of the current kubectl context; OVERLAY=standalone|host|calico
	@scripts/deploy.sh up $(OVERLAY)

deploy-split: ## Installs the agents of split mode
	@scripts/deploy.sh up split

undeploy: ## Takes everything away again, on the nodes, too
	@scripts/deploy.sh down

# Where certificates are made, and what else is to be in them: SPLIT=10.10.0.2, the manager's address in split mode.
CERTS ?= scripts/tls/certs
TLS_CERTS = node packages/tls-certs/dist/cli.js

gen-certs: build ## Makes an authority and certificates in CERTS, or renews the certificates; SPLIT=address for split mode
	@$(TLS_CERTS) $(if $(wildcard $(CERTS)/ca.crt),renew,create) --directory $(CERTS) $(if $(SPLIT),--split $(SPLIT))

tls-secrets: build ## Applies the certificates as Secrets to the cluster of the current kubectl context
	@kubectl apply -f deploy/base/common/namespace.yaml
	@$(TLS_CERTS) secrets --directory $(CERTS) --namespace infra-offload --apply

clean: ## Removes what builds made
	@rm -rf packages/*/dist apps/*/dist tools/*/dist tools/swx-host/build p4src/dist packages/*/src/gen p4src/src/gen .turbo */*/.turbo
