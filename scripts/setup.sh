#!/usr/bin/env bash
# scripts/setup.sh build|test|demo|bench: installs what a Debian or Ubuntu machine with cargo still lacks for it.
# Says what it does; does nothing when all is there.
set -euo pipefail

# command:package, for each thing to be done.
build="git:git cc:gcc"
test="$build curl:curl"
demo="$build curl:curl chromium:chromium"
bench="$build nginx:nginx-light wrk:wrk taskset:util-linux curl:curl"

wanted=${!1}
# Where an engine answers, the images of the sample and of the run-time cases are made of Debian packages.
if [[ $1 = demo || $1 = test ]] && command -v docker >/dev/null && docker version >/dev/null 2>&1; then
  wanted="$wanted mmdebstrap:mmdebstrap"
fi
missing=()
for pair in $wanted; do
  PATH=$PATH:/usr/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
# A C library to link with comes with the compiler's recommendations only.
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${missing[*]}"
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
command -v cargo >/dev/null || { echo "setup: cargo is missing: install Rust 1.88 or later, for example with rustup" >&2; exit 1; }
