#!/usr/bin/env bash
# scripts/bench.sh: measures what docs/benchmarks.md shows, in one run on this machine, and prints one table: figure, value,
# the peer or the floor of the same run, and their ratio. A section that cannot run says why. Needs the release binary
# (`make build`) and what `scripts/setup.sh bench` installs; Docker, docker-registry and SLUICE_CONFORMANCE where there are.
set -euo pipefail
cd "$(dirname "$0")/.."

sluice=$PWD/target/release/sluice
[ -x "$sluice" ] || { echo "bench: there is no $sluice: run \`make build\`" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rows=$work/rows skipped=$work/skipped
touch "$skipped"

row() { # FIGURE VALUE PEER RATIO
    printf '%s\t%s\t%s\t%s\n' "$@" >>"$rows"
}
skip() { # SECTION WHY
    echo "$1: not measured: $2" >>"$skipped"
}
# said NAME COMMAND…: runs it, shows what it says and keeps it in $work/NAME.
said() {
    local name=$1
    shift
    echo "== $name" >&2
    "$@" 2>&1 | tee "$work/$name" >&2 || { skip "$name" "it failed, see above"; return 1; }
}
# field NAME REGEX: the first group of the first line that matches.
field() { sed -nE "s/$2/\1/p" "$work/$1" | head -n 1; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print "-" }'; }
# Commits what is there.
repository() { # FOLDER
    git -C "$1" init --quiet --initial-branch=main
    git -C "$1" add --all
    git -C "$1" -c user.name=bench -c user.email=bench@localhost commit --quiet --message First
}
# medians COMMAND…: of 11 runs, `WALL_MS CPU_MS`. Findings make `check` end with 1, which is no failure here.
medians() {
    local TIMEFORMAT='%R %U %S' times='' one
    for _ in $(seq 11); do
        one=$({ time "$@" >/dev/null 2>&1; } 2>&1) || [ $? = 1 ] || { echo "bench: $* failed" >&2; return 1; }
        times+="$one"$'\n'
    done
    median() { sort -n | sed -n 6p; }
    echo "$(awk 'NF { print $1 * 1000 }' <<<"$times" | median) $(awk 'NF { print ($2 + $3) * 1000 }' <<<"$times" | median)"
}

# Reading: goals stand where there is no peer to run.
if [ -n "${SLUICE_CONFORMANCE:-}" ]; then
    mapfile -t workflows < <(find "$SLUICE_CONFORMANCE/github/workflows" -name '*.y*ml' | sort)
    read -r wall cpu <<<"$(medians "$sluice" check --format json "${workflows[@]}")"
    row "sluice check, ${#workflows[@]} real workflows" "$wall ms (CPU $cpu ms)" "goal 60 ms" "$(ratio "$wall" 60)"
else
    skip "sluice check" "SLUICE_CONFORMANCE is not set"
fi
large() { # JOBS
    echo "on: push"
    echo "jobs:"
    seq -f "  j%.0f: { runs-on: x, steps: [{ run: make }] }" "$1"
}
# GitHub's own limit of memory is reached at 1.2 MB of such jobs; what is larger is read to its end and refused.
for jobs in 2000 16000 160000; do
    large $jobs >"$work/$jobs.yml"
    read -r wall cpu <<<"$(medians "$sluice" check "$work/$jobs.yml")"
    size=$(stat -c %s "$work/$jobs.yml")
    row "sluice check, one file of $((size / 1000)) kB" "$wall ms (CPU $cpu ms)" "$(ratio "$((cpu * 1000000))" "$size") ms CPU a MB" -
done
cp -r examples/storefront "$work/storefront"
repository "$work/storefront"
read -r wall cpu <<<"$(cd "$work/storefront" && medians "$sluice" plan)"
read -r floor _ <<<"$(medians git -C "$work/storefront" log -1)"
row "sluice plan, examples/storefront" "$wall ms (CPU $cpu ms)" "goal 10 ms; one \`git log -1\`: $floor ms" "$(ratio "$wall" 10)"

# A whole `sluice run` on the host, in a state folder of its own.
run() { (cd "$1" && XDG_STATE_HOME=$work/state "$sluice" run --runner host); }
mkdir -p "$work"/{fifty,first}/.github/workflows
{
    echo "on: push"
    echo "jobs:"
    seq -f "  j%.0f: { runs-on: x, steps: [{ run: 'true' }] }" 50
} >"$work/fifty/.github/workflows/ci.yml"
cat >"$work/first/.github/workflows/ci.yml" <<'YAML'
on: push
jobs: { first: { runs-on: x, steps: [{ run: date +%s%N }] } }
YAML
repository "$work/fifty"
repository "$work/first"
echo true >"$work/step.sh"
loop() { for _ in $(seq 50); do bash -e "$work/step.sh"; done; }
read -r wall cpu <<<"$(medians run "$work/fifty")"
read -r floor _ <<<"$(medians loop)"
row "sluice run, 50 jobs of one step, host" "$wall ms (CPU $cpu ms)" "raw loop of \`bash -e script\` $floor ms" "$(ratio "$wall" "$floor")"
first_step() {
    local begun
    begun=$(date +%s%N)
    echo $((($(run "$work/first" | grep -oE '[0-9]{19}' | head -n 1) - begun) / 1000))
}
wall=$(for _ in $(seq 21); do first_step; done | sort -n | sed -n 11p | awk '{ printf "%.1f", $1 / 1000 }')
row "sluice run, start to the first step, host" "$wall ms" "goal 30 ms" "$(ratio "$wall" 30)"

if said engine cargo bench --quiet --locked -p sluice-engine --bench graph; then
    for condition in 'success\(\)' 'an expression'; do
        rate=$(field engine ".*if: $condition: .* ([0-9]+) events\/s")
        row "engine, 1,000 jobs, if: ${condition//\\/}" "$rate events/s" - -
    done
fi

if said steps cargo bench --quiet --locked -p sluice-runner --bench steps; then
    row "50 steps on the host" "$(field steps '^50 steps on the host: ([^,]*),.*')" \
        "bare loop $(field steps '^raw loop .*: (.*)')" "$(field steps '^50 steps on the host: .*, ([0-9.]+) x.*')"
    if grep -q '^50 steps in a container' "$work/steps"; then
        row "50 steps in a container" "$(field steps '^50 steps in a container: ([^,]*),.*')" \
            "docker run of the loop $(field steps '^one .*: (.*)')" "$(field steps '^50 steps in a container: .*, ([0-9.]+) x.*')"
    else
        skip "steps in a container" "no Docker engine answers"
    fi
    row "log text through masking, 20 secrets" "$(field steps '^[0-9]+ lines.*, ([0-9]+ MB\/s).*')" - -
fi

if ! PATH=$PATH:/usr/sbin command -v nginx >/dev/null || ! command -v wrk >/dev/null; then
    skip proxy "it needs nginx and wrk: scripts/setup.sh bench"
elif PATH=$PATH:/usr/sbin said proxy cargo run --quiet --release --locked -p sluice-proxy --example bench_proxy; then
    rate() { field proxy "^ *$1 +([0-9]+) requests.*"; }
    p99() { field proxy "^ *$1 .*p99 +([0-9.]+) ms.*"; }
    row "proxy, one worker" "$(rate sluice) requests/s" "nginx $(rate nginx)" "$(ratio "$(rate sluice)" "$(rate nginx)")"
    row "proxy, 99th percentile" "$(p99 sluice) ms" "nginx $(p99 nginx) ms" "$(ratio "$(p99 sluice)" "$(p99 nginx)")"
    row "switch of a release under load" "$(field proxy '^20 switches.*: ([0-9.]+ ms) each.*')" \
        "$(field proxy '^20 switches.*, ([0-9]+ of [0-9]+ requests failed)')" -
fi

cargo build --quiet --release --locked -p sluice-deploy --examples
if said deploy target/release/examples/bench_rollout; then
    for name in "rollout of a new release" "rollback to a kept release"; do
        row "$name" "$(field deploy "^$name: ([0-9]+ ms).*")" "until all requests go to it: $(field deploy "^$name: .* ([0-9]+ ms) until.*")" -
    done
fi

if said registry scripts/bench-registry.sh; then
    while IFS=: read -r figure value; do
        # "push of one 256 MiB blob         1234 MiB/s"
        name=$(sed -E 's/ +[0-9]+ [^ ]+$//' <<<"$value" | xargs)
        value=$(grep -oE '[0-9]+ [^ ]+$' <<<"$value")
        peer=$(grep -F "docker-registry: $name " "$work/registry" | grep -oE '[0-9]+ [^ ]+$' || true)
        row "registry, $name" "$value" "${peer:+docker-registry }${peer:--}" "$(ratio "${value%% *}" "${peer%% *}")"
    done < <(grep '^sluice: ' "$work/registry")
    grep -q '^docker-registry: ' "$work/registry" || skip "registry's peer" "docker-registry is not installed"
fi

echo
awk -F '\t' '{ printf "%-42s %-24s %-44s %s\n", $1, $2, $3, $4 }' - "$rows" <<<"$(printf 'figure\tvalue\tpeer or floor, same run\tratio')"
cat "$skipped"
