#!/bin/bash
# Makes the databases the first time, then serves them; arguments go to postgres.
set -euo pipefail
: "${POSTGRES_PASSWORD:?is not set: the password of the user storefront}"
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ ! -e /data/PG_VERSION ]; then
  initdb --pgdata=/data --username=storefront --pwfile=<(echo "$POSTGRES_PASSWORD") --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  echo 'host all all all scram-sha-256' >> /data/pg_hba.conf
  for database in storefront ${DATABASES:-}; do echo "CREATE DATABASE $database;"; done |
    postgres --single -D /data postgres >/dev/null
fi
exec postgres -D /data -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
