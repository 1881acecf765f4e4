#!/usr/bin/env bash
# ci/e2e.sh: runs the images of images/*.tar, the very ones that were built, and opens the page in Chromium.
# results/e2e/tested.txt names what was tested: a line an image, its name and its configuration's digest.
. "$(dirname "$0")/common.sh"
mkdir -p results/e2e
rm -f results/e2e/tested.txt
note() { echo "tested: $1 $2"; echo "$1 $2" >> results/e2e/tested.txt; }

if has_engine; then
  net=storefront-e2e-$$-$RANDOM
  clean() { docker rm --force --volumes "$net-api" "$net-web" "$net-browser" >/dev/null 2>&1 || true; docker network rm "$net" >/dev/null; }
  trap clean EXIT
  docker network create "$net" >/dev/null
  for name in api web; do
    docker load --quiet --input "images/$name.tar"
    note "$name" "$(docker image inspect --format '{{.Id}}' "storefront/$name:build-$COMMIT")"
  done
  docker run --detach --name "$net-api" --network "$net" --network-alias api "storefront/api:build-$COMMIT" >/dev/null
  docker run --detach --name "$net-web" --network "$net" --network-alias web --env API_URL=http://api:8000 \
    "storefront/web:build-$COMMIT" >/dev/null
  # The browser has a container of its own, so that it works wherever the engine is.
  docker create --name "$net-browser" --network "$net" --workdir /e2e "${BROWSER_IMAGE:-storefront/ci:latest}" \
    ./open.sh http://web:8080 "$VERSION" /e2e/results >/dev/null
  docker cp e2e/. "$net-browser:/e2e"
  status=0
  docker start --attach "$net-browser" || status=$?
  docker cp "$net-browser:/e2e/results/." results/e2e
  [ "$status" = 0 ] || { docker logs "$net-api"; docker logs "$net-web"; }
  exit "$status"
fi

rooms=$(mktemp -d)
clean() { kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$rooms"; }
trap clean EXIT
for name in api web; do
  sluice image unpack "oci-archive:images/$name.tar:build-$COMMIT" "$rooms/$name"
  note "$name" "$(sluice image inspect "oci-archive:images/$name.tar:build-$COMMIT" --json | sed -n 's/.*"config_digest": *"\([^"]*\)".*/\1/p' | head -n 1)"
done
api_port=$(free_port); web_port=$(free_port)
VERSION=$VERSION COMMIT=$COMMIT PORT=$api_port "$rooms/api/api" &
VERSION=$VERSION COMMIT=$COMMIT PORT=$web_port API_URL=http://127.0.0.1:$api_port "$rooms/web/web" &
e2e/open.sh "http://127.0.0.1:$web_port" "$VERSION" "$PWD/results/e2e"
