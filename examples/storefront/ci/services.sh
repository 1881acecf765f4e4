#!/usr/bin/env bash
# ci/services.sh up FOLDER [DATABASE…]: starts a throw-away PostgreSQL and Redis, for a test or for environments that have none of
# their own: in containers where an engine answers, else as processes of this machine. Prints what a service needs to reach them:
#
#   DATABASE_URL=postgres://storefront:…@HOST:PORT/storefront      REDIS_URL=redis://HOST:PORT/0
#
# The DATABASEs are there beside `storefront`. With a NETWORK in the environment, containers join that network of the engine and
# are called `postgres` and `redis` there; without one, they are reached from this machine and all of its containers.
#
# ci/services.sh down FOLDER: ends them and removes whatever they kept.
. "$(dirname "$0")/common.sh"
verb=${1:?up or down} folder=${2:?a folder}
shift 2

up_in_containers() { # DATABASE…
  local host=postgres postgres_port=5432 redis_host=redis redis_port=6379
  local postgres=(--env "POSTGRES_PASSWORD=$password" --env "DATABASES=$*") redis=()
  if [ -n "${NETWORK:-}" ]; then
    postgres+=(--network "$NETWORK" --network-alias postgres)
    redis+=(--network "$NETWORK" --network-alias redis)
  else
    # The gateway of the engine's own network: this machine's address for all containers, and for nobody outside.
    docker run --detach base/redis:latest > "$folder/redis.container"
    host=$(docker inspect --format '{{.NetworkSettings.Gateway}}' "$(cat "$folder/redis.container")")
    docker rm --force "$(cat "$folder/redis.container")" >/dev/null
    [ -n "$host" ] || { echo "services: the engine's own network has no gateway to publish at" >&2; return 1; }
    redis_host=$host
    postgres+=(--publish "$host::5432")
    redis+=(--publish "$host::6379")
  fi
  docker run --detach "${postgres[@]}" base/postgres:latest -c fsync=off > "$folder/postgres.container"
  docker run --detach "${redis[@]}" base/redis:latest > "$folder/redis.container"
  within 60 is_healthy "$(cat "$folder/postgres.container")"
  within 60 is_healthy "$(cat "$folder/redis.container")"
  if [ -z "${NETWORK:-}" ]; then
    postgres_port=$(docker port "$(cat "$folder/postgres.container")" 5432 | sed 's/.*://')
    redis_port=$(docker port "$(cat "$folder/redis.container")" 6379 | sed 's/.*://')
  fi
  say "$host:$postgres_port" "$redis_host:$redis_port"
}
is_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; }

up_as_processes() { # DATABASE…
  local postgres_port redis_port
  PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
  for program in initdb postgres redis-server; do
    command -v "$program" >/dev/null || { echo "services: $program is not installed (Debian: postgresql, redis-server)" >&2; return 1; }
  done
  # PostgreSQL refuses to be run by root.
  local as=()
  if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
  fi
  (umask 077 && echo "$password" > "$folder/password")
  [ -z "${as[*]}" ] || chown nobody:nogroup "$folder" "$folder/password"
  "${as[@]}" initdb --pgdata="$folder/data" --username=storefront --pwfile="$folder/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync > "$folder/postgres.log"
  for database in storefront "$@"; do echo "CREATE DATABASE $database;"; done |
    (cd "$folder" && "${as[@]}" postgres --single -D "$folder/data" postgres) >> "$folder/postgres.log" 2>&1
  postgres_port=$(free_port)
  redis_port=$(free_port)
  # In sessions of their own, and with nothing of the caller's output, so that they outlive it.
  (cd "$folder" && exec setsid "${as[@]}" postgres -D "$folder/data" -c listen_addresses=127.0.0.1 -c "port=$postgres_port" \
    -c unix_socket_directories= -c fsync=off >> "$folder/postgres.log" 2>&1 < /dev/null) &
  echo $! > "$folder/postgres.pid"
  (cd "$folder" && exec setsid "${as[@]}" redis-server --bind 127.0.0.1 --port "$redis_port" --save "" \
    > "$folder/redis.log" 2>&1 < /dev/null) &
  echo $! > "$folder/redis.pid"
  within 30 pg_isready --quiet --host=127.0.0.1 --port="$postgres_port" --dbname=storefront
  within 30 answers_ping "$redis_port"
  say "127.0.0.1:$postgres_port" "127.0.0.1:$redis_port"
}
answers_ping() {
  local answer
  exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'PING\r\n' >&3 && read -r -t 1 answer <&3 && [[ $answer = +PONG* ]]
}

say() { # POSTGRES REDIS
  echo "DATABASE_URL=postgres://storefront:$password@$1/storefront"
  echo "REDIS_URL=redis://$2/0"
}

down() {
  local file
  for file in "$folder"/*.container; do
    [ ! -e "$file" ] || docker rm --force --volumes "$(cat "$file")" >/dev/null
  done
  for file in "$folder"/*.pid; do
    [ ! -e "$file" ] || end "$(cat "$file")"
  done
  rm -rf "$folder"
}
# SIGINT is PostgreSQL's fast shutdown, and Redis takes it as well.
end() {
  kill -INT "$1" 2>/dev/null || return 0
  within 10 is_gone "$1" || kill -KILL "$1"
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }

case $verb in
  up)
    mkdir -p "$folder"
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    trap '[ $? = 0 ] || { tail -n 20 "$folder"/*.log >&2 2>/dev/null || true; down; }' EXIT
    if has_engine; then up_in_containers "$@"; else up_as_processes "$@"; fi
    ;;
  down) down ;;
  *) echo "services: \`$verb\` is neither up nor down" >&2; exit 2 ;;
esac
