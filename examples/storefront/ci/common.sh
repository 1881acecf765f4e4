# Read by the other scripts: where the images come from and who they are.
# With a container engine, images are built by it; without one, `sluice image pack` makes them of the same binaries.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

COMMIT=$(git rev-parse HEAD)
VERSION=${VERSION:-$(cat VERSION)-${COMMIT:0:7}}
TARGET=$(uname -m)-unknown-linux-gnu
# Beside cargo's own caches, so that the next build compiles only what has changed.
TARGET_FOLDER=${CARGO_HOME:-$HOME/.cargo}/storefront-target

# A client of Docker 23 or later without its buildx plugin cannot use BuildKit; a distribution's older one beside it can.
if [ -x /usr/bin/docker ] && [[ $(docker --version 2>/dev/null) =~ \ (2[3-9]|[3-9][0-9])\. ]] && ! docker buildx version >/dev/null 2>&1; then
  PATH=/usr/bin:$PATH
fi

has_engine() { docker version >/dev/null 2>&1; }

# Waits until a command succeeds: `within SECONDS COMMAND…`.
within() {
  local deadline=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "gave up: $*" >&2; return 1; }
    sleep 0.2
  done
}

# A port of 127.0.0.1 that nothing answers on.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}
