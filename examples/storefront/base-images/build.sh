#!/usr/bin/env bash
# base-images/build.sh [--fresh] [NAME…]: makes the in-house images that the storefront is built on, tested with and run beside:
#
#   base/debian      Debian and the trust store of this machine: every other one is built on it
#   base/rust        this machine's Rust, and a linker      base/node       Node and npm
#   base/ci          what a pipeline's job runs in          base/browser    Node and Chromium
#   base/postgres, base/redis
#
# Nothing is pulled: mmdebstrap makes the first of Debian's packages, and the others add packages to it. An image that was made
# of the same files, the same toolchain and the same trust store is there already; --fresh makes all of them anew, which is
# how the newest packages get in.
set -euo pipefail
cd "$(dirname "$0")"

suite=bookworm
fresh=
[ "${1:-}" != --fresh ] || { fresh=--no-cache; shift; }
export DOCKER_BUILDKIT=1
# A client of Docker 23 or later without its buildx plugin cannot use BuildKit; a distribution's older one beside it can.
if [ -x /usr/bin/docker ] && ! docker buildx version >/dev/null 2>&1; then PATH=/usr/bin:$PATH; fi

toolchain=$(rustc --print sysroot)
[ -x "$toolchain/bin/cargo" ] || { echo "no cargo in $toolchain: install Rust with rustup" >&2; exit 1; }
client=$(command -v docker)
trust=/etc/ssl/certs/ca-certificates.crt

digest() { sha256sum | cut -c1-16; }
# What an image was made of, of which the parent is a part.
recipe() {
  case $1 in
    debian) cat build.sh "$trust" | digest ;;
    rust) { recipe debian; cat rust/Dockerfile; rustc --version; } | digest ;;
    browser) { recipe node; cat browser/Dockerfile; } | digest ;;
    ci) { recipe debian; cat ci/Dockerfile "$client"; } | digest ;;
    *) { recipe debian; cat "$1"/*; } | digest ;;
  esac
}
is_there() {
  [ -z "$fresh" ] && [ "$(docker image inspect --format '{{index .Config.Labels "base.recipe"}}' "base/$1:latest" 2>/dev/null)" = "$(recipe "$1")" ]
}
# build NAME CONTEXT: the Dockerfile of that folder.
build() {
  ! is_there "$1" || return 0
  docker build --quiet $fresh --file "$1/Dockerfile" --label "base.recipe=$(recipe "$1")" --tag "base/$1:latest" "$2" >/dev/null
  echo "made base/$1"
}
debian() {
  ! is_there debian || return 0
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,curl \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="copy-in $trust /etc/ssl/certs" "$suite" - |
    docker import --change "LABEL base.recipe=$(recipe debian)" --change 'CMD ["bash"]' \
      --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
      - base/debian:latest >/dev/null
  echo "made base/debian"
}
one() {
  case $1 in
    debian) ;; # the others' parent: made before them
    rust) build rust "$toolchain" ;;
    browser) build node node && build browser browser ;;
    ci)
      room=$(mktemp -d)
      trap 'rm -rf "$room"' EXIT
      cp "$client" "$room/docker"
      build ci "$room"
      ;;
    node | postgres | redis) build "$1" "$1" ;;
    *) echo "base-images: no image is called \`$1\`" >&2; exit 2 ;;
  esac
}

debian
[ $# -gt 0 ] || set -- rust browser ci postgres redis
jobs=()
for name in "$@"; do
  (one "$name") &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
echo "base images are there: debian $*"
