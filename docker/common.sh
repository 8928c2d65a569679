# shellcheck shell=bash
# Sourced by the scripts beside it: how they speak, find an engine and see a
# taken port. Bash, because /dev/tcp saves a dependency on ss, lsof or nc.

# The names compose.yaml and the suite know the images by.
LOCKSTEP_IMAGE=${LOCKSTEP_IMAGE:-lockstep:dev}
TOXIPROXY_IMAGE=${TOXIPROXY_IMAGE:-lockstep-toxiproxy:dev}
export LOCKSTEP_IMAGE TOXIPROXY_IMAGE

say() { printf '==> %s\n' "$*"; }

# die STATUS WHAT [HINT]: one line what is wrong, one what to do about it.
die() {
  printf 'error: %s\n' "$2" >&2
  [ -z "${3:-}" ] || printf '       %s\n' "$3" >&2
  exit "$1"
}

# bounded SECONDS COMMAND...: not every system has timeout.
bounded() {
  if command -v timeout >/dev/null 2>&1; then timeout "$@"; else "${@:2}"; fi
}

# Bounded, because the client waits for minutes on a socket that nobody serves.
engine_answers() { bounded 20 docker version >/dev/null 2>&1; }

require_engine() {
  command -v docker >/dev/null 2>&1 ||
    die 3 'there is no docker command.' "Install Docker, or use 'make cluster', which needs none."
  engine_answers ||
    die 3 "no Docker engine answers (DOCKER_HOST=${DOCKER_HOST:-unset})." \
      "Start it (as root: docker/engine.sh start), or use 'make cluster', which needs none."
}

# Compose v2 is a plugin, 1.29 a program of its own; compose.yaml works with both.
compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose "$@"
  elif command -v docker-compose >/dev/null 2>&1; then
    docker-compose "$@"
  else
    die 3 "neither 'docker compose' nor docker-compose is here." \
      "Install docker-compose-plugin (or docker-compose), or use 'make cluster'."
  fi
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# require_ports PORT...: names every port that something listens on already.
require_ports() {
  local port taken=
  for port in "$@"; do
    if port_taken "$port"; then taken="$taken $port"; fi
  done
  [ -z "$taken" ] ||
    die 4 "already in use on 127.0.0.1:$taken." \
      "Another cluster? 'make down', or Ctrl-C in the terminal of 'make cluster'. To see who: ss -ltnp"
}

# ready PORT: does the node whose HTTP port this is answer 200? (No curl needed.)
ready() {
  local line
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET /health/ready HTTP/1.0\r\n\r\n' >&3
  IFS= read -r -t 2 line <&3 || line=
  exec 3>&-
  case $line in HTTP/1.?' 200'*) return 0 ;; *) return 1 ;; esac
}

# next_steps: what a newcomer would like to try on a cluster that just came up.
next_steps() {
  cat <<'STEPS'

Three brokers are ready: localhost:9092, 9093, 9094 (racks r1, r2, r3).

  write    seq 100 | kcat -P -b localhost:9092 -t demo
  read     kcat -C -b localhost:9092 -t demo -e -X client.rack=r2       (from the follower in rack r2)
  local    kcat -C -b localhost:9193 -t demo -e                         (whatever node 2 holds, rack or not)
  look     curl -s localhost:8093/replicas                              (roles, high watermarks, lag)

  cut      curl -sX PATCH localhost:8474/proxies/raft-1-2 -d '{"enabled":false}'   (node 1 no longer reaches node 2)
  heal     curl -sX PATCH localhost:8474/proxies/raft-1-2 -d '{"enabled":true}'

STEPS
}
