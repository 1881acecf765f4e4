#!/usr/bin/env bash
# ci/unit.sh FOLDER RESULTS: format, lint and unit tests of one part (a Rust package or a Node one), with a report that a
# pipeline can keep: RESULTS/junit.xml. The Dockerfiles call it, and so does a machine without a container engine.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$2"
results=$(cd "$2" && pwd)
cd "$1"

# `test config::tests::defaults … ok` of cargo's output as JUnit.
junit() {
  grep -oE '^test [A-Za-z0-9_:]+ \.\.\. (ok|FAILED|ignored)' | awk -v suite="$1" '
    { tests = tests sprintf("  <testcase classname=\"%s\" name=\"%s\"%s\n", suite, $2,
        $4 == "ok" ? "/>" : $4 == "ignored" ? "><skipped/></testcase>" : "><failure message=\"see the log\"/></testcase>")
      n++; failed += ($4 == "FAILED"); skipped += ($4 == "ignored") }
    END { printf "<testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" skipped=\"%d\">\n%s</testsuite>\n", suite, n, failed, skipped, tests }'
}

if [ -e Cargo.toml ]; then
  target=$(uname -m)-unknown-linux-gnu
  echo "$1: format"
  cargo fmt --check
  echo "$1: lint"
  cargo clippy --quiet --release --locked --target "$target" --all-targets -- --deny warnings
  echo "$1: unit tests"
  status=0
  cargo test --release --locked --target "$target" --no-fail-fast 2>&1 | tee "$results/unit.log" || status=$?
  junit "$1" < "$results/unit.log" > "$results/junit.xml" || true
  exit "$status"
else
  echo "$1: format and lint"
  npm run lint --silent --if-present
  echo "$1: unit tests"
  JUNIT=$results/junit.xml npm test --silent
fi
