# What there is to do, and how long it takes. `make demo` and `make test` are all that a newcomer needs.
#
# Rust, Go and make have to be there; everything else is built from what Cargo.lock and go.mod pin. What is built is
# kept outside the checkout, so that a second checkout is as quick as a second run.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help demo test prove certmanager up down bench fuzz rust

export CARGO_TARGET_DIR ?= $(HOME)/.cache/stateward/target

# The cluster's tests wait more than they work.
TEST_THREADS ?= 4
FUZZ_SECONDS ?= 60
# Parts of names of tests, of which `make prove` runs no others.
ONLY ?=

help: ## this list
	@awk -F ' ## ' '/^[a-z]+:.* ## / { split($$1, target, ":"); printf "make %-11s %s\n", target[1], $$2 }' $(MAKEFILE_LIST)

demo: rust ## see it happen on a real Kubernetes (first time about 8 minutes, then half a minute)
	@tests/demo.sh

test: rust ## everything that has to hold (first time about 20 minutes, then ten)
	@printf '%s\n' 'format, lints, then all tests, many of them on a real Kubernetes; what they start ends with them'
	cargo fmt --check
	cargo clippy --all-targets --test faults --test prove --locked -- -D warnings
	cargo build --locked
	@# Built here, where its progress is seen, and not within a test.
	tests/control-plane/build >/dev/null
	tests/linters/build >/dev/null
	tests/run $(TEST_THREADS)

prove: rust ## prove the profiles against the real servers, or ONLY=kafka (first time about half an hour, then 20 minutes)
	@tests/prove/servers
	cargo test --locked --config 'target."cfg(unix)".runner = "tests/prove/node"' --test prove -- --test-threads 2 \
		--show-output $(ONLY)

certmanager: rust ## the chart with the real cert-manager (first time about 5 minutes, then one)
	@cargo build --locked
	@tests/certmanager/run "$(CARGO_TARGET_DIR)/debug/stateward"

up: rust ## leave a local cluster with stateward running, to play with (about 20 seconds)
	@cargo build --locked
	@tests/control-plane/playground up "$(CARGO_TARGET_DIR)/debug/stateward"

down: ## end what `make up` left running (5 seconds)
	@tests/control-plane/playground down

bench: rust ## measure one review, the server under load, convergence and many profiles on the local cluster (about 50 minutes)
	cargo bench --locked

fuzz: rust ## fuzz each target for FUZZ_SECONDS (60 each)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run

# Cargo tells by the age of files whether to build again, and cannot see that another checkout built last: what that
# one left of this package goes, what it left of dependencies stays.
checkout := $(CURDIR) $(firstword $(shell ls -di $(CURDIR)))

rust:
	@command -v cargo >/dev/null || { echo 'Rust is needed and was not found: see https://rustup.rs'; exit 1; }
	@command -v go >/dev/null || { echo 'Go 1.26 or newer is needed and was not found: see https://go.dev/doc/install'; exit 1; }
	@last=$(CARGO_TARGET_DIR)/checkout; \
	if [ "$$(cat "$$last" 2>/dev/null)" != '$(checkout)' ]; then \
		if [ -d $(CARGO_TARGET_DIR)/debug ]; then cargo clean --quiet --package stateward; fi; \
		mkdir -p $(CARGO_TARGET_DIR) && echo '$(checkout)' >"$$last"; \
	fi
