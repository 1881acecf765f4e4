#!/usr/bin/env bash
# ci/test.sh api|web: format, lint and unit tests of one part; results/NAME/junit.xml is what they said.
. "$(dirname "$0")/common.sh"
name=$1
if has_engine; then
  docker_build --file "$name/Dockerfile" --target results --output "results/$name" .
  cat "results/$name/log"
  [ ! -e "results/$name/failed" ] || { echo "$name: format, lint or unit tests failed, see above" >&2; exit 1; }
else
  [ ! -e "$name/package.json" ] || npm_ci "$name"
  unit "$name" "results/$name"
fi
