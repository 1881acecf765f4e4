#!/usr/bin/env bash
# ci/e2e.sh: runs the images of images/*.tar, the very ones that were built, with PostgreSQL and Redis, and drives them in Chromium.
# results/e2e has the report, and of a failure screenshots, traces and what the services wrote. The lines `tested: NAME DIGEST` name what was tested: an
# image and its configuration's digest.
. "$(dirname "$0")/common.sh"
rm -rf results/e2e
mkdir -p results/e2e

if has_engine; then
  export TAG=build-$COMMIT VERSION COMPOSE_PROJECT_NAME=storefront-e2e-$$-$RANDOM COMPOSE_FILE=compose.e2e.yaml
  for name in api web; do
    docker load --quiet --input "images/$name.tar"
    echo "tested: $name $(docker image inspect --format '{{.Id}}' "storefront/$name:$TAG")"
  done
  docker_build --quiet --tag "storefront/e2e:$TAG" e2e
  trap 'compose down --volumes --remove-orphans >/dev/null 2>&1' EXIT
  if ! compose up --detach web > results/e2e/compose.log 2>&1; then
    cat results/e2e/compose.log
    compose logs --no-color --tail 30
    echo "e2e: the images do not run together, see above" >&2
    exit 1
  fi
  status=0
  compose run --name "$COMPOSE_PROJECT_NAME" -T e2e || status=$?
  docker cp "$COMPOSE_PROJECT_NAME:/results/." results/e2e
  docker rm "$COMPOSE_PROJECT_NAME" >/dev/null
  [ "$status" = 0 ] || compose logs --no-color > results/e2e/services.log
  exit "$status"
fi

npm_ci e2e
room=$(mktemp -d)
chmod 755 "$room"
clean() { kill $(jobs -p) 2>/dev/null || true; wait; ci/services.sh down "$room/services"; rm -rf "$room"; }
trap clean EXIT
ci/services.sh up "$room/services" > "$room/addresses"
for name in api web; do
  sluice image unpack "oci-archive:images/$name.tar:build-$COMMIT" "$room/$name"
  echo "tested: $name $(sluice image inspect "oci-archive:images/$name.tar:build-$COMMIT" --json | sed -n 's/.*"config_digest": *"\([^"]*\)".*/\1/p' | head -n 1)"
done
api=http://127.0.0.1:$(free_port) web=http://127.0.0.1:$(free_port)
export VERSION COMMIT BUILT_AT=now
(set -a; . "$room/addresses"; PORT=${api##*:} WEB_ORIGIN=$web; exec "$room/api/api") > results/e2e/api.log 2>&1 &
PORT=${web##*:} API_URL=$api "$room/web/web" > results/e2e/web.log 2>&1 &
within 30 curl -fsS "$api/readyz"
within 10 curl -fsS "$web/healthz"
(cd e2e && WEB_URL=$web CHROMIUM=$(command -v chromium) node_modules/.bin/playwright test)
