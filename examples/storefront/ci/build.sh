#!/usr/bin/env bash
# ci/build.sh api|web: builds one image, tests inside, into images/NAME.tar.
. "$(dirname "$0")/common.sh"
name=$1
mkdir -p images

if has_engine; then
  DOCKER_BUILDKIT=1 docker build --progress=plain --target "$name" --tag "storefront/$name:build-$COMMIT" \
    --build-arg "VERSION=$VERSION" --build-arg "COMMIT=$COMMIT" .
  docker save --output "images/$name.tar" "storefront/$name:build-$COMMIT"
else
  export CARGO_TARGET_DIR=$TARGET_FOLDER
  cargo fmt --all --check
  cargo test --release --locked --target "$TARGET"
  cargo build --release --locked --target "$TARGET"
  case $name in api) port=8000 ;; web) port=8080 ;; esac
  sluice image pack "$TARGET_FOLDER/$TARGET/release/$name" --to "oci-archive:images/$name.tar:build-$COMMIT" \
    --entrypoint "/$name" --user 10001 --port "$port" \
    --env "VERSION=$VERSION" --env "COMMIT=$COMMIT" --env "PORT=$port" \
    --label "org.opencontainers.image.version=$VERSION" --label "org.opencontainers.image.revision=$COMMIT"
fi
