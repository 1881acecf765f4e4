#!/usr/bin/env bash
# scripts/check-dependencies.sh: one crypto provider (ring), so that nothing links a second one or needs cmake.
set -euo pipefail
for crate in aws-lc-sys openssl-sys; do
  if cargo tree --workspace --locked --invert "$crate" 2>/dev/null | grep -q .; then
    echo "$crate is in the dependency tree:" >&2
    cargo tree --workspace --locked --invert "$crate" >&2
    exit 1
  fi
done
