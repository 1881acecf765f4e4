#!/usr/bin/env bash
# ci/reload.sh COMMAND…: runs the command in this folder, and again whenever a file of it changes. For development.
set -euo pipefail
changed() { find . -path ./target -prune -o -type f -newer "$stamp" -print -quit | grep -q .; }
stamp=$(mktemp)
trap 'rm -f "$stamp"; kill 0' EXIT
while :; do
  touch "$stamp"
  setsid "$@" &
  child=$!
  until changed; do sleep 0.5; done
  kill -- "-$child" 2>/dev/null || true
  wait "$child" 2>/dev/null || true
done
