#!/usr/bin/env bash
# scripts/sample-broken.sh [docker|host]: breaks the sample in five ways, one after the other, and runs its Build workflow: each has
# to fail at the right step with a message that names the cause. Needs `cargo build -p sluice-cli`, or SLUICE=<path>.
set -euo pipefail
cd "$(dirname "$0")/.."
sluice=$(realpath "${SLUICE:-target/debug/sluice}")
runner=${1:-host}
room=$(mktemp -d)
chmod 755 "$room"
leave() {
    if [ "$runner" = docker ] && [ -e "$room/commits" ]; then
        sed 's/^/storefront\/api:build-/' "$room/commits" | xargs docker rmi >/dev/null 2>&1 || true
    fi
    rm -rf "$room"
}
trap leave EXIT
export XDG_STATE_HOME=$room/state
[ "$runner" = docker ] || export DOCKER_HOST=unix:///no-engine
build="Build the api image, with its tests inside"
answers="It must answer /version within ten seconds"
failed=0

# change FILE FROM TO: one place.
change() {
    grep -qF -- "$2" "$1" || { echo "broken: $1 does not hold: $2" >&2; exit 2; }
    FROM=$2 TO=$3 perl -0pi -e 's/\Q$ENV{FROM}\E/$ENV{TO}/' "$1"
}
# expect NAME STEP MESSAGE [VARIABLE=VALUE…]: with what is changed in the folder.
expect() {
    local name=$1 step=$2 message=$3 code=0 vars=()
    shift 3
    for variable in "$@"; do vars+=(--var "$variable"); done
    git add --all
    git -c user.name=Dana -c user.email=dana@example.com commit --quiet --message "$name"
    git rev-parse HEAD >> "$room/commits"
    "$sluice" run Build --runner "$runner" --allow-host-docker --image ubuntu-latest=base/ci:latest "${vars[@]}" > "$room/said" 2>&1 || code=$?
    if [ "$code" = 1 ] && grep -qF -- "$message" "$room/said" && grep -F -- "$step" "$room/said" | grep -q '✕\|failed\|exit'; then
        echo "ok       $name: fails at \"$step\": $(grep -F -m 1 -- "$message" "$room/said" | cut -c1-140)"
    else
        echo "NOT OK   $name: exit code $code, expected 1 at \"$step\" with \"$message\"; it said:"
        tail -n 40 "$room/said"
        return 1
    fi
}
fresh() {
    rm -rf "$room/storefront"
    mkdir "$room/storefront"
    git archive HEAD:examples/storefront | tar -x -C "$room/storefront"
    cd "$room/storefront"
    git init --quiet --initial-branch=master
}

(fresh
change api/src/config.rs 'assert_eq!(problems.len(), 9' 'assert_eq!(problems.len(), 8'
expect "a broken unit test" "$build" "everything_that_is_wrong_is_listed ... FAILED" AUDIT=off) || failed=1
(fresh
change api/src/routes/about.rs 'let build = &shop.build;' 'let build = &shop.build; let unused = 1;'
perl -0pi -e 's/; let unused/;\n    let unused/' api/src/routes/about.rs
expect "a lint error" "$build" 'unused variable: `unused`' AUDIT=off) || failed=1
(fresh
mkdir audit/advisories
echo '{"id":"TEST-0001","summary":"made up","affected":[{"package":{"ecosystem":"crates.io","name":"axum"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}' > audit/advisories/one.json
expect "a vulnerable dependency" "$build" "has a known vulnerability: TEST-0001" ADVISORIES=audit/advisories) || failed=1
(fresh
change ci/answers.sh 'DATABASE_URL=postgres://storefront@127.0.0.1/storefront ' ''
expect "a missing variable" "$answers" "DATABASE_URL is not set" AUDIT=off) || failed=1
(fresh
change api/src/routes/about.rs 'State(shop): State<Shared>) -> Json<Value> {
    let build = &shop.build;
    Json(json!(' 'State(shop): State<Shared>) -> (axum::http::StatusCode, Json<Value>) {
    let build = &shop.build;
    (axum::http::StatusCode::INTERNAL_SERVER_ERROR, Json(json!('
change api/src/routes/about.rs '    }))
}' '    })))
}'
rm api/tests/answers.rs
(cd api && cargo fmt)
expect "a /version that answers 500" "$answers" "HTTP status 500" AUDIT=off) || failed=1
exit $failed
