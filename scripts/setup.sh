#!/usr/bin/env bash
# scripts/setup.sh build|test|demo|bench [ARGS…]: installs what a Debian or Ubuntu machine with cargo still lacks for it. The
# arguments are the demo's. Says what it does; does nothing when all is there.
set -euo pipefail

# command:package, for each thing to be done.
build="git:git cc:gcc"
test="$build curl:curl node:nodejs npm:npm"
demo="$build curl:curl"
bench="$build nginx:nginx-light wrk:wrk taskset:util-linux curl:curl"
# What the sample's jobs and services need where no container engine answers; with one, all of it is in images.
host="node:nodejs npm:npm chromium:chromium initdb:postgresql redis-server:redis-server setpriv:util-linux"

wanted=${!1}
# Where an engine answers, the images of the sample and of the run-time cases are made of Debian packages.
if [[ $1 = demo || $1 = test ]] && command -v docker >/dev/null && docker version >/dev/null 2>&1; then
  wanted="$wanted mmdebstrap:mmdebstrap"
  [[ "$*" != demo*host* ]] || wanted="$wanted $host"
elif [ "$1" = demo ]; then
  wanted="$wanted $host"
fi
missing=()
for pair in $wanted; do
  PATH=$PATH:/usr/sbin:$(echo /usr/lib/postgresql/*/bin) command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
# A C library to link with comes with the compiler's recommendations only.
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${missing[*]}"
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  # A database that is installed is started as a service of the machine, which nothing here needs.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod +x "$policy"
    trap '$sudo rm -f "$policy"' EXIT
  fi
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
command -v cargo >/dev/null || { echo "setup: cargo is missing: install Rust 1.88 or later, for example with rustup" >&2; exit 1; }
if [[ $wanted = *nodejs* ]]; then
  [[ $(node --version) =~ ^v([0-9]+) && ${BASH_REMATCH[1]} -ge 18 ]] || { echo "setup: node is $(node --version): install Node 18 or later" >&2; exit 1; }
fi
