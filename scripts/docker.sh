#!/usr/bin/env bash
# scripts/docker.sh: makes a container engine answer on a Debian machine that has none: installs docker.io, what its tests
# and base images need beside it, and starts dockerd by hand where no service manager does. Does nothing when one answers.
set -euo pipefail
missing=()
[ -x /usr/bin/dockerd ] || [ -x /usr/sbin/dockerd ] || missing+=(docker.io iptables)
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v skopeo >/dev/null || missing+=(skopeo)
if [ ${#missing[@]} -gt 0 ]; then
  echo "docker: installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
answers() { /usr/bin/docker version >/dev/null 2>&1; }
answers && exit 0
echo "docker: starting dockerd"
# Of a dockerd that was killed with its machine; its number may be another process' by now.
pgrep -x dockerd >/dev/null || rm -f /var/run/docker.pid
nohup setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &
for _ in $(seq 100); do
  answers && exit 0
  sleep 0.2
done
echo "docker: dockerd did not answer within 20 s; the end of /var/log/dockerd.log:" >&2
tail -n 20 /var/log/dockerd.log >&2
exit 1
