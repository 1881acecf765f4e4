#!/usr/bin/env bash
# scripts/test-sample.sh: format, lint and unit tests of examples/storefront, as processes of this machine.
set -euo pipefail
cd "$(dirname "$0")/../examples/storefront"
export DOCKER_HOST=unix:///no-engine
ci/test.sh audit
ci/test.sh api
ci/test.sh web
