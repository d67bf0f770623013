# Quarterdeck: `make` lists what there is to make.
#
# Set on the command line or in the environment:
#   PORT=3000              port of the console
#   ESTATE_BASE_PORT=N     first port of the demo estate
#   QUARTERDECK_DIR=DIR    data and logs of the demo estate (default .quarterdeck/demo)
#   CARGO_TARGET_DIR=DIR   where cargo builds (default target)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export CARGO_TARGET_DIR ?= $(CURDIR)/target

# Everything but the front end's crate: that one is built for the browser, and built together with the server it would
# turn on Leptos' features for both sides at once.
HOST := --workspace --exclude quarterdeck-frontend
WASM := --package quarterdeck-frontend --target wasm32-unknown-unknown
# Always these three together: another set would resolve to other features, and compile the dependencies once more.
DEMO := --package quarterdeck --package quarterdeck-estate --package quarterdeck-demo

##@ Start

.PHONY: run
run: setup front ## Build the release, start the demo estate and the console on it; Ctrl-C stops both
	cargo build --release $(DEMO)
	exec "$$CARGO_TARGET_DIR/release/demo"

.PHONY: dev
dev: setup ## The same from a debug build, built again and restarted when a source file changes
	cargo xtask front --dev
	cargo build $(DEMO)
	exec "$$CARGO_TARGET_DIR/debug/demo" --watch

##@ Check

.PHONY: test
test: setup-test lint front test-rust test-rules test-node test-browser ## Everything: lints, unit, property, integration, rules, browser

.PHONY: test-rust
test-rust: ## Unit, property and integration tests on real PostgreSQL, Redis and Prometheus
	cargo test $(HOST)

.PHONY: test-rules
test-rules: ## The alert rules against promtool
	node deploy/prometheus/test.mjs

.PHONY: test-node
test-node: ## The small SkillQuest of the demo estate
	cd end2end/estate/skillquest && npm test

.PHONY: test-browser
test-browser: front ## The console in a browser, on an estate of its own; ARGS="--grep NAME" for some
	cargo build $(HOST) --bins
	cd end2end && npx playwright test $(ARGS)

.PHONY: lint
lint: ## Formatting, clippy for server and browser, licences and advisories if cargo-deny is there
	cargo fmt --all --check
	cargo clippy $(HOST) --all-targets -- -D warnings
	cargo clippy $(WASM) -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check bans licenses sources; \
	else echo "lint: cargo-deny is not installed, so licences and sources were not checked (cargo install cargo-deny)"; fi

.PHONY: bench
bench: setup-bench front ## Measure what docs/BENCHMARKS.md states
	cargo build --release $(DEMO)
	end2end/bench/run.sh

##@ Build

.PHONY: front
front: ## WebAssembly, loader and style sheet into frontend/dist
	cargo xtask front --release

.PHONY: build
build: front ## The one binary with the front end in it
	cargo build --release $(DEMO)
	@ls -lh "$$CARGO_TARGET_DIR/release/quarterdeck"

.PHONY: screenshots
screenshots: setup-test front ## Pictures of the running console into docs/images
	cargo build $(HOST) --bins
	cd end2end && npx playwright test --config screenshots.config.mjs

##@ Machine

.PHONY: setup
setup: ## Install what `make run` needs and this machine lacks
	@end2end/setup.sh run

.PHONY: setup-test
setup-test: ## The same for `make test`
	@end2end/setup.sh test

.PHONY: setup-bench
setup-bench: ## The same for `make bench`
	@end2end/setup.sh bench

.PHONY: clean
clean: ## Remove what was built; the demo's data stays (rm -r .quarterdeck)
	cargo clean
	rm -rf frontend/dist end2end/node_modules end2end/estate/skillquest/node_modules end2end/test-results end2end/playwright-report

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@awk '/^# Set on/,/^$$/ { if (/^#/) print substr($$0, 3) }' $(firstword $(MAKEFILE_LIST)) | sed '1s/^/\n/'
