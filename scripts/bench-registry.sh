#!/usr/bin/env bash
# Measures the registry, and beside it Debian's docker-registry where there is one: on the PATH, or in
# DOCKER_REGISTRY=<path>. One after the other, each with an empty folder on the same disk.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release -p sluice-registry --example serve --example bench
bin=target/release/examples
work=$(mktemp -d -p "${BENCH_FOLDER:-/tmp}" bench-registry.XXXXXX)
server=
stop() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    server=
}
trap 'stop; rm -rf "$work"' EXIT

resident_kib() { awk "/^$1:/ {print \$2}" "/proc/$server/status"; }

# One blob of 4 GiB, sent as it is made: nobody holds it in memory.
push_huge() { # HOST:PORT
    local digest place
    digest=$(head -c 4G /dev/zero | sha256sum | cut -d' ' -f1)
    place=$(curl -fsS -X POST -o /dev/null -D - "http://$1/v2/huge/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: *//p')
    case $place in http*) ;; *) place="http://$1$place" ;; esac
    case $place in *\?*) place="$place&" ;; *) place="$place?" ;; esac
    head -c 4G /dev/zero | curl -fsS -H 'Expect:' -T - "${place}digest=sha256:$digest"
}

measure() { # NAME HOST:PORT
    local idle
    for _ in $(seq 200); do
        if curl -fs "http://$2/v2/" >/dev/null; then break; fi
        sleep 0.05
    done
    idle=$(resident_kib VmRSS)
    push_huge "$2"
    echo "$1: memory over idle, 4 GiB push   $((($(resident_kib VmHWM) - idle) / 1024)) MiB"
    "$bin/bench" "$2" "$1"
    echo "$1: memory, most over idle       $((($(resident_kib VmHWM) - idle) / 1024)) MiB"
    stop
}

"$bin/serve" "$work/sluice" 127.0.0.1:5801 >/dev/null &
server=$!
measure sluice 127.0.0.1:5801

other=${DOCKER_REGISTRY:-$(command -v docker-registry || true)}
if [ -z "$other" ]; then
    echo "docker-registry is not installed (apt-get install docker-registry): nothing to compare with"
    exit
fi
cat >"$work/config.yml" <<YAML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $work/docker } }
http: { addr: 127.0.0.1:5802 }
YAML
"$other" serve "$work/config.yml" >/dev/null 2>&1 &
server=$!
measure docker-registry 127.0.0.1:5802
