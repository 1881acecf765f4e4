#!/usr/bin/env bash
# scripts/conformance.sh: runs the third-party cases in the folder that SLUICE_CONFORMANCE names, our own run-time cases, and where
# Go is installed the conformance suite of the OCI registry API, and prints one table: suite, passed, failed, skipped, and every failure.
# Exit code 0 when nothing fails but what docs/conformance.md explains, which the tests know by name or number.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${SLUICE_CONFORMANCE:-}" ]; then
    echo "conformance: SLUICE_CONFORMANCE is not set: give it the folder with the cases (github/, circleci/)" >&2
    exit 2
fi
if [ ! -d "$SLUICE_CONFORMANCE" ]; then
    echo "conformance: SLUICE_CONFORMANCE names $SLUICE_CONFORMANCE, which is no folder" >&2
    exit 2
fi

said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0

# collect PACKAGE FILTER: the tests tell their suites in lines `conformance: SUITE PASSED FAILED SKIPPED`.
collect() {
    echo "conformance: running the cases of $1"
    if ! cargo test --quiet --locked -p "$1" "$2" -- --nocapture >"$said.$1" 2>&1; then
        status=1
        grep -vE '^conformance( failure)?: ' "$said.$1" | tail -n 30 >&2
        echo "conformance: the tests of $1 failed" >&2
    fi
    grep -oE 'conformance( failure)?: .*' "$said.$1" >>"$said" || { echo "conformance: no cases in $1" >&2; status=1; }
    rm -f "$said.$1"
}

collect sluice-expression conformance::
collect sluice-dialect-github conformance::
collect sluice-dialect-circleci conformance::
collect sluice-runner the_runners_own_cases_hold
collect sluice-cli cases::

# Each run of the OCI suite says `NAME: 74 Passed | 0 Failed | 0 Pending | 5 Skipped`.
if command -v go >/dev/null; then
    echo "conformance: running the OCI suite"
    scripts/oci-conformance.sh >"$said.oci" || status=1
    sed -nE 's/^([a-z-]+): ([0-9]+) Passed \| ([0-9]+) Failed .* ([0-9]+) Skipped.*/conformance: oci\/\1 \2 \3 \4/p' "$said.oci" >>"$said"
    sed -nE 's/^([a-z-]+: FAILED.*|  *\[FAIL\].*)/conformance failure: oci: \1/p' "$said.oci" >>"$said"
    rm -f "$said.oci"
    oci=
else
    oci="oci: not run, there is no Go on the PATH"
fi

echo
printf '%-28s %7s %7s %8s\n' suite passed failed skipped
sed -n 's/^conformance: //p' "$said" | while read -r suite passed failed skipped; do
    printf '%-28s %7s %7s %8s\n' "$suite" "$passed" "$failed" "$skipped"
done
[ -z "$oci" ] || echo "$oci"
if grep -q '^conformance failure: ' "$said"; then
    echo
    echo "failures (docs/conformance.md says why):"
    sed -n 's/^conformance failure: /  /p' "$said" | cut -c1-200
fi
exit $status
