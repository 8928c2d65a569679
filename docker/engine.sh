#!/usr/bin/env bash
# A Docker engine for CI, where none answers.
#
# usage: docker/engine.sh start     uses the engine that answers, or installs (as
#                                   root, on Debian and its kin) and starts one
#        docker/engine.sh stop      stops the engine that `start` started, if any
#
# Exit status: 0 an engine answers (after stop: ours is gone); 3 none can be had
# here, and the last line says why; 2 wrong usage.
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/common.sh

dir=.build/engine
log=$dir/dockerd.log
pidfile=$dir/dockerd.pid
seconds=60

none() { die 3 "no Docker engine can be had here: $1" "${2:-}"; }

# install: Debian's packages. cgroupfs-mount and iptables are named because a
# container's machine may have neither, and dockerd ends at once without them.
install_engine() {
  command -v apt-get >/dev/null 2>&1 || none 'dockerd is missing, and this is no Debian to install it on.' 'Install Docker Engine.'
  say 'installing docker.io and docker-compose'
  mkdir -p "$dir"
  {
    # A missing list of packages is the usual reason for the first one to fail.
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q docker.io docker-compose iptables cgroupfs-mount ||
      { apt-get update -q && apt-get install -y -q docker.io docker-compose iptables cgroupfs-mount; }
  } >"$dir/apt.log" 2>&1 </dev/null || {
    tail -n 5 "$dir/apt.log" >&2
    none 'Debian'\''s docker.io could not be installed.' "All of it: $dir/apt.log"
  }
}

start() {
  if command -v docker >/dev/null 2>&1 && engine_answers; then
    say "a Docker engine answers: $(docker version -f '{{.Server.Version}}')"
    return
  fi
  [ -z "${DOCKER_HOST:-}" ] || none "DOCKER_HOST=$DOCKER_HOST does not answer." 'Unset it to have an engine started here.'
  [ "$(uname -s)" = Linux ] || none 'it is started by hand on this system.' 'Start Docker Desktop.'
  [ "$(id -u)" = 0 ] || none 'starting one needs root.' 'Start the engine, or run this as root.'
  if ! command -v dockerd >/dev/null 2>&1 || ! command -v docker >/dev/null 2>&1; then install_engine; fi

  # Installing may have started it already, where there is an init to do so.
  if ! engine_answers; then launch; fi
  say "a Docker engine answers: $(docker version -f '{{.Server.Version}}'), $(docker info -f '{{.Driver}}')"
}

launch() {
  say "starting dockerd (log: $log)"
  mkdir -p "$dir"
  # Without an init nobody mounts the cgroup hierarchies that containers need.
  if [ -z "$(ls -A /sys/fs/cgroup 2>/dev/null)" ] && command -v cgroupfs-mount >/dev/null 2>&1; then cgroupfs-mount || true; fi
  # A session of its own: it outlives this script and does not see a Ctrl-C, and
  # holds none of this script's files, or CI would wait for its end.
  setsid dockerd >"$log" 2>&1 </dev/null &
  echo $! >"$pidfile"
  local deadline=$((SECONDS + seconds))
  until engine_answers; do
    if ! kill -0 "$(cat "$pidfile")" 2>/dev/null; then
      rm -f "$pidfile"
      tail -n 5 "$log" >&2
      none 'dockerd ended at once.' "All it said: $log"
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      stop
      tail -n 5 "$log" >&2
      none "dockerd did not answer within $seconds s." "All it said: $log"
    fi
    sleep 0.3
  done
}

stop() {
  [ -f "$pidfile" ] || { say 'no engine of ours runs'; return; }
  local pid
  pid=$(cat "$pidfile")
  rm -f "$pidfile"
  say "stopping dockerd ($pid)"
  kill "$pid" 2>/dev/null || return 0
  local deadline=$((SECONDS + 30))
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then kill -9 "$pid" 2>/dev/null || true; return; fi
    sleep 0.2
  done
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  *) die 2 'usage: docker/engine.sh start|stop' ;;
esac
