#!/usr/bin/env bash
# ci/answers.sh NAME PATH SECONDS: runs one image and fails unless PATH answers 200 in time.
. "$(dirname "$0")/common.sh"
name=$1 path=$2 seconds=$3

if has_engine; then
  container=$(docker run --detach "storefront/$name:build-$COMMIT")
  trap 'docker rm --force "$container" >/dev/null' EXIT
  # Asked from inside the container's own network, so that it works wherever the engine is.
  ask=(docker run --rm --network "container:$container" "${BROWSER_IMAGE:-storefront/ci:latest}" curl -fsS "http://127.0.0.1:8000$path")
else
  room=$(mktemp -d)
  trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$room"' EXIT
  sluice image unpack "oci-archive:images/$name.tar:build-$COMMIT" "$room"
  port=$(free_port)
  VERSION=$VERSION COMMIT=$COMMIT PORT=$port "$room/$name" &
  ask=(curl -fsS "http://127.0.0.1:$port$path")
fi
within "$seconds" "${ask[@]}"
"${ask[@]}"
