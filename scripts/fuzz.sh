#!/usr/bin/env bash
# scripts/fuzz.sh [SECONDS]: fuzzes each target of fuzz/ for SECONDS (default 600), as many at a time as there are cores,
# and prints what each one executed. Exit code 1 when one found a crash; its input is left in fuzz/artifacts/<target>/.
#
# Builds with libFuzzer and LLVM's coverage counters and without a sanitizer: the code has no unsafe, and what is looked
# for are panics, failed assertions, time and memory. So the stable compiler does. `cargo +nightly fuzz run` works as well.
# What SLUICE_CONFORMANCE holds, where it is set, are the first inputs. FUZZ_TARGETS="yaml …" chooses among the targets.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds=${1:-600}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: \`$seconds\` is not a number of seconds" >&2; exit 2; }
targets=${FUZZ_TARGETS:-$(cd fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')}
host=$(rustc -vV | sed -n 's/^host: //p')
bin=$PWD/target/$host/release

# The flags are those of cargo-fuzz. A --target keeps them from build scripts.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks --cfg fuzzing"
cargo build --quiet --release --locked --target "$host"

seeds() { # TARGET: the folders to begin with
    local data=${SLUICE_CONFORMANCE:-} folder
    [ -n "$data" ] || return 0
    case $1 in
        dialect_github) folder="github/workflows github/reader" ;;
        dialect_circleci) folder="circleci/configs circleci/compiled" ;;
        expression) folder="github/expressions" ;;
        *) folder="github/workflows circleci/configs" ;;
    esac
    for folder in $folder; do
        [ ! -d "$data/$folder" ] || echo "$data/$folder"
    done
}

fuzz() { # TARGET
    local target=$1 folders status=0
    mkdir -p "corpus/$target" "artifacts/$target"
    mapfile -t folders < <(seeds "$target")
    "$bin/$target" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/" "corpus/$target" "${folders[@]}" >"artifacts/$target.log" 2>&1 || status=$?
    statistic() { sed -n "s/^stat::$1: *//p" "artifacts/$target.log" | tail -n 1; }
    printf '%-18s %12s executions %8s/s  coverage %6s  %s\n' "$target" "$(statistic number_of_executed_units)" \
        "$(statistic average_exec_per_sec)" "$(grep -o 'cov: [0-9]*' "artifacts/$target.log" | tail -n 1 | cut -c6-)" \
        "$([ $status = 0 ] && echo "no crash" || echo "CRASH: see fuzz/artifacts/$target.log")"
    return $status
}

export -f fuzz seeds
export bin seconds
# Each target in a shell of its own, so that one that crashes does not stop the others.
xargs -P "$(nproc)" -I{} bash -c 'fuzz {} || exit 1' <<<"$(tr ' ' '\n' <<<"$targets")" || exit 1
