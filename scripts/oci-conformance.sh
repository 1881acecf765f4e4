#!/usr/bin/env bash
# Runs the OCI distribution conformance suite, all four workflows, against the registry, and fails on any failure.
#
# Needs Go and cargo. The suite is taken from the Go module proxy into a folder under target/, once; exit code 75 says
# that it cannot be had. Its reports are left in target/oci-conformance/<run>/.
set -euo pipefail
cd "$(dirname "$0")/.."

module=github.com/opencontainers/distribution-spec/conformance
# The suite has no tags of its own; this is the last revision of 1.1 that the public proxy still hands out.
version=v0.0.0-20231101194043-f2182352d4cc
# The checksum database does not know this revision, so that its sum is checked here instead.
sum='h1:jL+CgYEEZluGb08ZcLpEyhn389kNMlwrWOHaIqXazq0='

root=$PWD/target/oci-conformance
suite=$root/conformance-$version.test
mkdir -p "$root"

build_suite() {
    local work described
    work=$(mktemp -d)
    described=$(cd "$work" && GOFLAGS=-mod=mod GONOSUMDB="$module" go mod download -json "$module@$version") || {
        echo "$described" >&2
        return 1
    }
    grep -qF "\"Sum\": \"$sum\"" <<<"$described" || {
        echo "the module $module@$version does not have the sum $sum" >&2
        return 1
    }
    cp -r "$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$described")" "$work/suite" &&
        chmod -R u+w "$work/suite" &&
        (cd "$work/suite" && go test -c -o "$suite" .) &&
        rm -rf "$work"
}
if ! [ -x "$suite" ] && ! build_suite; then
    echo "oci: not run: the suite could not be had from the Go module proxy" >&2
    exit 75
fi
cargo build --quiet -p sluice-registry --example serve

server=
data=
stop() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    if [ -n "$data" ]; then rm -rf "$data"; fi
    server= data=
}
trap stop EXIT

# run NAME [VARIABLE=VALUE…]: one run of the suite against a registry with an empty folder. The variables are for both.
run() {
    local name=$1 address
    shift
    local out=$root/$name
    rm -rf "$out"
    mkdir -p "$out"
    data=$(mktemp -d)
    env "$@" ./target/debug/examples/serve "$data" 127.0.0.1:0 >"$out/address" 2>"$out/server.log" &
    server=$!
    for _ in $(seq 200); do
        [ -s "$out/address" ] && break
        sleep 0.05
    done
    address=$(cat "$out/address")
    [ -n "$address" ] || { echo "the registry did not start:"; cat "$out/server.log"; return 1; }
    if ! (cd "$out" && env "$@" \
        OCI_ROOT_URL="http://$address" OCI_NAMESPACE=conformance/one OCI_CROSSMOUNT_NAMESPACE=conformance/two \
        OCI_TEST_PULL=1 OCI_TEST_PUSH=1 OCI_TEST_CONTENT_DISCOVERY=1 OCI_TEST_CONTENT_MANAGEMENT=1 \
        OCI_REPORT_DIR="$out" "$suite" --ginkgo.no-color --ginkgo.v >"$out/log" 2>&1); then
        grep -E '^\s+\[FAIL\]|^Ran |Passed' "$out/log" || tail -30 "$out/log"
        echo "$name: FAILED, see $out/log"
        return 1
    fi
    echo "$name: $(grep -E 'Passed' "$out/log" | sed 's/^SUCCESS! -- //')"
    stop
}

run open
run open-manifests-first OCI_DELETE_MANIFEST_BEFORE_BLOBS=1
run login SERVE_USER=someone SERVE_PASSWORD=secret OCI_USERNAME=someone OCI_PASSWORD=secret
run no-guessed-mount OCI_AUTOMATIC_CROSSMOUNT=0
