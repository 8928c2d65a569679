#!/usr/bin/env bash
# Starts compose.yaml and waits until all three brokers are ready to serve.
# `make up` builds the images before it calls this.
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/common.sh

seconds=60 # longer than any start here has taken; an election is under one

require_engine
for image in "$LOCKSTEP_IMAGE" "$TOXIPROXY_IMAGE"; do
  docker image inspect "$image" >/dev/null 2>&1 || die 1 "there is no image $image." 'Build it: make image'
done

# Ports held by this very cluster are no conflict: then this only waits.
if [ -z "$(compose ps -q 2>/dev/null)" ]; then
  require_ports 8474 8092 8093 8094 9092 9093 9094 9192 9193 9194
fi

say 'starting three brokers and toxiproxy'
log=.build/compose.log # a line for every step of every container: read only when it fails
mkdir -p .build
compose up -d >"$log" 2>&1 || {
  cat "$log" >&2
  die 1 'compose could not start the cluster; see above.'
}

say "waiting until all three are ready (at most $seconds s)"
deadline=$((SECONDS + seconds))
for port in 8092 8093 8094; do
  until ready "$port"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      compose ps >&2
      compose logs --tail=15 "node-$((port - 8091))" >&2
      die 1 "node $((port - 8091)) is not ready after $seconds s." \
        "Its log is above; why it is not ready: curl localhost:$port/health/ready"
    fi
    sleep 0.2
  done
done

next_steps
printf '  stop     make down            (make down VOLUMES=1 forgets the data too)\n\n'
