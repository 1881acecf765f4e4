#!/usr/bin/env bash
# ci/answers.sh PATH SECONDS: runs the api's image and fails unless PATH answers 200 in time. It needs no database for that:
# one that it cannot reach is what /readyz is about.
. "$(dirname "$0")/common.sh"
path=$1 seconds=$2
addresses=(DATABASE_URL=postgres://storefront@127.0.0.1/storefront REDIS_URL=redis://127.0.0.1/0)

if has_engine; then
  container=$(docker run --detach --read-only "${addresses[@]/#/--env=}" "storefront/api:build-$COMMIT")
  clean() { docker rm --force "$container" >/dev/null; }
  # Asked from inside the container's own network, so that it works wherever the engine is.
  ask=(docker run --rm --network "container:$container" base/debian:latest curl -sS --fail-with-body "http://127.0.0.1:8000$path")
  log=(docker logs "$container")
else
  room=$(mktemp -d)
  clean() { kill "$api" 2>/dev/null || true; wait; rm -rf "$room"; }
  sluice image unpack "oci-archive:images/api.tar:build-$COMMIT" "$room/api"
  port=$(free_port)
  env "${addresses[@]}" VERSION="$VERSION" COMMIT="$COMMIT" BUILT_AT=now PORT="$port" "$room/api/api" > "$room/log" 2>&1 &
  api=$!
  ask=(curl -sS --fail-with-body "http://127.0.0.1:$port$path")
  log=(cat "$room/log")
fi
trap clean EXIT
if ! within "$seconds" "${ask[@]}"; then
  echo "$path did not answer 200 within $seconds s; it says:" >&2
  "${ask[@]}" --write-out '\nHTTP status %{http_code}\n' >&2 || true
  "${log[@]}" 2>&1 | tail -n 20 >&2
  exit 1
fi
"${ask[@]}"
