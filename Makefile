# Everything a user or developer runs. Each target installs what it needs and says clearly what it cannot.
.DEFAULT_GOAL := help
.PHONY: help setup build test demo lint bench clean

help: ## Lists the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Installs Debian packages, pnpm and the npm dependencies
	@scripts/setup.sh

build: setup ## Generates code and builds every package and app
	@pnpm run --silent build

test: setup ## Lint, types, build, unit tests, end-to-end tests with real packets
	@node scripts/test.mjs

demo: build ## Pods and ClusterIP services on the embedded softswitch, with real packets
	@node tools/demo/dist/main.js

lint: setup ## Style and static checks
	@pnpm run --silent lint

bench: build ## Measures; prints figures and ratios
	@node scripts/bench.mjs

clean: ## Removes what builds made
	@rm -rf packages/*/dist apps/*/dist tools/*/dist p4src/dist packages/*/src/gen p4src/src/gen .turbo */*/.turbo
