#!/usr/bin/env bash
# ci/build.sh api|web: builds one image, with its tests and its audit inside, into images/NAME.tar.
. "$(dirname "$0")/common.sh"
name=$1
# The commit's own time, so that building it again gives the same image.
BUILT_AT=$(TZ=UTC git show --no-patch --format=%cd --date=format-local:%FT%TZ "$COMMIT")
mkdir -p images
# A cached layer says nothing.
[ "$AUDIT" != off ] || echo "$name: no dependency is looked up in an advisory database, as AUDIT=off asks"

if has_engine; then
  docker_build --file "$name/Dockerfile" --tag "storefront/$name:build-$COMMIT" \
    --build-arg "AUDIT=$AUDIT" --build-arg "ADVISORIES=$ADVISORIES" --build-arg "TODAY=$(date +%F)" \
    --build-arg "VERSION=$VERSION" --build-arg "COMMIT=$COMMIT" --build-arg "BUILT_AT=$BUILT_AT" .
  docker save --output "images/$name.tar" "storefront/$name:build-$COMMIT"
  exit
fi

# The same without an engine: `sluice image pack` makes the image of the same binary.
export CARGO_TARGET_DIR=$TARGET_FOLDER
layer=$(layer "binary-$name" "$name")
npm_ci audit
case $name in
  api)
    unit api results/api
    AUDIT=$AUDIT ADVISORIES=$ADVISORIES node audit/audit.mjs api/Cargo.lock
    package=api port=8000
    ;;
  web)
    npm_ci web
    unit web results/web
    AUDIT=$AUDIT ADVISORIES=$ADVISORIES node audit/audit.mjs web/package-lock.json web/server/Cargo.lock
    # It is compiled into the server.
    (cd web && npm run build --silent)
    unit web/server results/web-server
    package=web/server port=8080
    ;;
esac
(
  build_alone "$package"
  if [ ! -e "$layer/$name" ]; then
    (cd "$package" && cargo build --release --locked --target "$TARGET")
    mkdir -p "$layer"
    cp "$TARGET_FOLDER/$TARGET/release/$name" "$layer/new"
    mv "$layer/new" "$layer/$name"
  fi
)
sluice image pack "$layer/$name" --to "oci-archive:images/$name.tar:build-$COMMIT" \
  --entrypoint "/$name" --user 10001 --port "$port" \
  --env "VERSION=$VERSION" --env "COMMIT=$COMMIT" --env "BUILT_AT=$BUILT_AT" --env "PORT=$port" \
  --label "org.opencontainers.image.title=storefront/$name" --label "org.opencontainers.image.version=$VERSION" \
  --label "org.opencontainers.image.revision=$COMMIT" --label "org.opencontainers.image.created=$BUILT_AT"
