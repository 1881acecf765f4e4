#!/usr/bin/env bash
# e2e/open.sh ADDRESS VERSION RESULTS: opens the storefront in a real Chromium and checks what a visitor sees.
# Needs nothing but bash and chromium, so that it runs in a container of its own.
set -euo pipefail
address=$1 version=$2 results=$3
mkdir -p "$results"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

browser() {
  timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
    --user-data-dir="$profile" --virtual-time-budget=10000 "$@" 2>>"$results/chromium.log"
}

cases=() failures=0
check() { # NAME TEXT
  if grep -qF -- "$2" "$results/page.html"; then
    echo "ok      $1"
    cases+=("  <testcase classname=\"storefront\" name=\"$1\"/>")
  else
    echo "FAILED  $1: \`$2\` is not on the page"
    cases+=("  <testcase classname=\"storefront\" name=\"$1\"><failure message=\"not on the page\"/></testcase>")
    failures=$((failures + 1))
  fi
}

for try in 1 2 3 4 5; do
  browser --dump-dom "$address/" > "$results/page.html" || true
  grep -qF "id=\"greeting\">…" "$results/page.html" || [ ! -s "$results/page.html" ] || break
  sleep 1
done
browser --window-size=1000,600 --screenshot="$results/page.png" "$address/" >/dev/null || true

check "the greeting is shown" '<h1 id="greeting">Welcome to the storefront</h1>'
check "the api's version is in the footer" "<span id=\"api-version\">$version</span>"
check "the web's version is in the footer" "<span id=\"web-version\">$version</span>"
check "nothing went wrong" '<p id="problem" role="alert"></p>'

{
  echo "<testsuite name=\"e2e\" tests=\"${#cases[@]}\" failures=\"$failures\">"
  printf '%s\n' "${cases[@]}"
  echo "</testsuite>"
} > "$results/junit.xml"
[ "$failures" = 0 ] || { echo "--- the page was:"; cat "$results/page.html"; exit 1; }
