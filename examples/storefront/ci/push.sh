#!/usr/bin/env bash
# ci/push.sh TAG…: pushes the images of images/*.tar to the registry under every tag.
. "$(dirname "$0")/common.sh"
for variable in SLUICE_REGISTRY SLUICE_REGISTRY_USER SLUICE_REGISTRY_PASSWORD; do
  [ -n "${!variable:-}" ] || { echo "$variable is not set: there is no registry to push to" >&2; exit 1; }
done

if has_engine; then
  export DOCKER_CONFIG=$(mktemp -d)
  trap 'rm -rf "$DOCKER_CONFIG"' EXIT
  docker login --username "$SLUICE_REGISTRY_USER" --password-stdin "$SLUICE_REGISTRY" <<< "$SLUICE_REGISTRY_PASSWORD" 2>/dev/null
fi
for name in api web; do
  has_engine && docker load --quiet --input "images/$name.tar"
  for tag in "$@"; do
    if has_engine; then
      docker tag "storefront/$name:build-$COMMIT" "$SLUICE_REGISTRY/storefront/$name:$tag"
      docker push --quiet "$SLUICE_REGISTRY/storefront/$name:$tag"
    else
      sluice image copy "oci-archive:images/$name.tar:build-$COMMIT" "$SLUICE_REGISTRY/storefront/$name:$tag"
    fi
  done
done
