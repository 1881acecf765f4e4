#!/usr/bin/env bash
# base-images/build.sh: makes storefront/ci, the image that jobs run in and that images are built on, out of Debian
# packages and this machine's Rust and trust store. Nothing is pulled. Does nothing when it was made from the same script.
set -euo pipefail
cd "$(dirname "$0")"

suite=bookworm
packages=ca-certificates,chromium,curl,fonts-dejavu-core,gcc,git,libc6-dev,make
toolchain=$(rustc --print sysroot)
recipe=$(cat build.sh /etc/ssl/certs/ca-certificates.crt <(rustc --version) | sha256sum | cut -c1-16)

if [ "$(docker image inspect --format '{{index .Config.Labels "storefront.recipe"}}' storefront/ci:latest 2>/dev/null)" = "$recipe" ]; then
  echo "storefront/ci is there already ($recipe)"
  exit 0
fi

[ -x "$toolchain/bin/cargo" ] || { echo "no cargo in $toolchain: install Rust with rustup" >&2; exit 1; }
client=/usr/bin/docker
[ -x "$client" ] || client=$(command -v docker)

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
mmdebstrap --quiet --variant=minbase --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook="copy-in $toolchain/bin $toolchain/lib /usr/local" \
  --customize-hook="copy-in $client /usr/bin" \
  --customize-hook='copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs' \
  "$suite" "$room/ci.tar"
docker import --change "LABEL storefront.recipe=$recipe" --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CARGO_HOME=/tmp/cargo' \
  --change 'CMD ["bash"]' "$room/ci.tar" storefront/ci:latest >/dev/null
echo "made storefront/ci ($recipe)"
