#!/usr/bin/env bash
# ci/push.sh TAG…: pushes the images of images/*.tar under every tag to the registry REGISTRY, as REGISTRY_USER with
# REGISTRY_PASSWORD. Sluice gives its jobs a registry of their own, which is meant where none of these is set.
. "$(dirname "$0")/common.sh"
if [ -z "${REGISTRY:-}" ]; then
  REGISTRY=${SLUICE_REGISTRY:-} REGISTRY_USER=${SLUICE_REGISTRY_USER:-} REGISTRY_PASSWORD=${SLUICE_REGISTRY_PASSWORD:-}
fi
for variable in REGISTRY REGISTRY_USER REGISTRY_PASSWORD; do
  [ -n "${!variable:-}" ] || { echo "$variable is not set: there is no registry to push to" >&2; exit 1; }
done

if has_engine; then
  export DOCKER_CONFIG=$(mktemp -d)
  trap 'rm -rf "$DOCKER_CONFIG"' EXIT
  docker login --username "$REGISTRY_USER" --password-stdin "$REGISTRY" <<< "$REGISTRY_PASSWORD" 2>/dev/null
fi
for name in api web; do
  has_engine && docker load --quiet --input "images/$name.tar"
  for tag in "$@"; do
    if has_engine; then
      docker tag "storefront/$name:build-$COMMIT" "$REGISTRY/storefront/$name:$tag"
      docker push --quiet "$REGISTRY/storefront/$name:$tag"
    else
      SLUICE_REGISTRY_USER=$REGISTRY_USER SLUICE_REGISTRY_PASSWORD=$REGISTRY_PASSWORD \
        sluice image copy "oci-archive:images/$name.tar:build-$COMMIT" "$REGISTRY/storefront/$name:$tag"
    fi
  done
done
