#!/usr/bin/env bash
# ci/test.sh: the unit tests on their own, with a report that a pipeline can keep.
. "$(dirname "$0")/common.sh"
export CARGO_TARGET_DIR=$TARGET_FOLDER
mkdir -p results/unit
status=0
if has_engine; then
  # A build that fails says so in its own output; one that was done before has kept what the tests said.
  DOCKER_BUILDKIT=1 docker build --progress=plain --target results --output results/unit . 2>&1 | tee results/build.log || status=$?
  [ "$status" = 0 ] || mv results/build.log results/unit/unit.log
else
  cargo test --release --locked --target "$TARGET" 2>&1 | tee results/unit/unit.log || status=$?
fi
# `test config::tests::defaults … ok`, with the builder's own prefix in front where there is one.
grep -oE 'test [A-Za-z0-9_:]+ \.\.\. (ok|FAILED)' results/unit/unit.log | awk '
  { tests = tests sprintf("  <testcase classname=\"storefront\" name=\"%s\"%s\n", $2,
      $4 == "ok" ? "/>" : "><failure message=\"see the log\"/></testcase>"); n++; failed += ($4 != "ok") }
  END { printf "<testsuite name=\"unit\" tests=\"%d\" failures=\"%d\">\n%s</testsuite>\n", n, failed, tests }
' > results/unit/junit.xml
exit "$status"
