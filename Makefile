# The front door. Each line is thin: what happens is in scripts/ and in the crates.

export SLUICE_CONFORMANCE ?= $(wildcard $(abspath ../shared/conformance))

.PHONY: demo test lint bench conformance fuzz build clean

build:            ## the sluice binary, optimised
	scripts/setup.sh build
	cargo build --release --locked --package sluice-cli

demo: build       ## push a sample to a server and take it to production; ARGS=--yes approves by itself
	scripts/setup.sh demo $(ARGS)
	target/release/sluice demo --sample examples/storefront $(ARGS)

test:             ## everything
	scripts/setup.sh test
	cargo test --workspace --locked
	scripts/test-sample.sh

lint:             ## format, clippy, one crypto provider
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	scripts/check-dependencies.sh

conformance:      ## third-party cases, from the folder that SLUICE_CONFORMANCE names
	scripts/conformance.sh

bench: build      ## figures beside a peer's, or the raw floor's, of the same run
	scripts/setup.sh bench
	scripts/bench.sh

fuzz:             ## each target for SECONDS (default 600)
	scripts/fuzz.sh $(SECONDS_EACH)

clean:
	cargo clean
