# Read by the other scripts: who the images are, and how they are made.
# With a container engine, images are built by it; without one, `sluice image pack` makes them of the same binaries.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Known vulnerabilities: an address that speaks OSV's API, or a folder of OSV records in `audit`. AUDIT=off does without.
AUDIT=${AUDIT:-on}
ADVISORIES=${ADVISORIES:-https://api.osv.dev}

COMMIT=${COMMIT_SHA:-$(git rev-parse HEAD)}
VERSION=${VERSION:-$(cat VERSION)-${COMMIT:0:7}}
TARGET=$(uname -m)-unknown-linux-gnu
# Beside cargo's own caches, so that the next build compiles only what has changed.
TARGET_FOLDER=${CARGO_HOME:-$HOME/.cargo}/storefront-target

# A client of Docker 23 or later without its buildx plugin cannot use BuildKit; a distribution's older one beside it can.
if [ -x /usr/bin/docker ] && [[ $(docker --version 2>/dev/null) =~ \ (2[3-9]|[3-9][0-9])\. ]] && ! docker buildx version >/dev/null 2>&1; then
  PATH=/usr/bin:$PATH
fi

has_engine() { docker version >/dev/null 2>&1; }
docker_build() { DOCKER_BUILDKIT=1 docker build --progress=plain "$@"; }
compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}
npm_ci() { (cd "$1" && npm ci --no-fund --no-audit --loglevel=error); }

# Without an engine there are no layers; these keep what pays: what has passed, or was built, of the same files by the same compiler is
# not done again. They are forgotten after a month.
layer() { # NAME FOLDER: the folder that keeps it
  local digest
  digest=$({ rustc --version && find "$2" .cargo ci/unit.sh \( -name target -o -name node_modules -o -name dist \) -prune -o -type f -print0 |
    sort -z | xargs -0 sha256sum; } | sha256sum)
  mkdir -p "$TARGET_FOLDER/layers"
  find "$TARGET_FOLDER/layers" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null || true
  echo "$TARGET_FOLDER/layers/${1//\//-}-${digest:0:32}"
}
# Cargo tells by its time whether a source has changed, and would take another checkout's program that was built since this one's
# sources were written: they are written now, while nobody else builds. Holds the lock until the subshell ends that calls it.
build_alone() { # PACKAGE
  exec 8> "$TARGET_FOLDER/build.lock"
  flock 8
  find "$1" \( -name target -o -name node_modules \) -prune -o -type f -exec touch {} +
}
unit() { # FOLDER RESULTS
  local layer
  layer=$(layer "unit-$1" "$1")
  mkdir -p "$layer" "$2"
  (
    flock 9
    if [ -e "$layer/passed" ]; then
      echo "$1: format, lint and unit tests have passed before, for the same files"
      cp -r "$layer/." "$2"
    else
      [ ! -e "$1/Cargo.toml" ] || build_alone "$1"
      CARGO_TARGET_DIR=$TARGET_FOLDER ci/unit.sh "$1" "$2"
      cp -r "$2/." "$layer"
      touch "$layer/passed"
    fi
  ) 9> "$layer.lock"
}

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
