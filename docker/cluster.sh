#!/usr/bin/env bash
# The cluster of compose.yaml as four local processes in the foreground: three
# brokers and toxiproxy, each line of their logs prefixed with its name. Ctrl-C
# stops them all. Needs bin/lockstep and .build/toxiproxy-server (make cluster
# builds both first).
#
# usage: docker/cluster.sh           everything
#        docker/cluster.sh node 2    node 2 alone, to bring it back after a kill -9
#
# Clients use the same ports as with compose.yaml; toxiproxy holds them and passes
# on to the brokers' own:
#
#              through toxiproxy    the broker's own
#   client-i   9091+i               14091+i
#   local-i    9191+i               14191+i
#   raft-i-j   191ij                19091+j
#   HTTP       -                    8091+i
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/common.sh

dir=.build/cluster
seconds=60

# proxies: toxiproxy's configuration, in the same shape as docker/proxies.json.
proxies() {
  local i j comma='['
  proxy() { # NAME PORT UPSTREAM-PORT
    printf '%s\n  {"name": "%s", "listen": "127.0.0.1:%s", "upstream": "127.0.0.1:%s", "enabled": true}' "$comma" "$@"
    comma=','
  }
  for i in 1 2 3; do
    proxy "client-$i" $((9091 + i)) $((14091 + i))
    proxy "local-$i" $((9191 + i)) $((14191 + i))
    for j in 1 2 3; do
      [ "$i" = "$j" ] || proxy "raft-$i-$j" "191$i$j" $((19091 + j))
    done
  done
  printf '\n]\n'
}

# node I: becomes broker I.
node() {
  local i=$1 j peers=
  for j in 1 2 3; do
    if [ "$i" = "$j" ]; then peers="$peers,$j@127.0.0.1:$((19091 + j))"; else peers="$peers,$j@127.0.0.1:191$i$j"; fi
  done
  export LOCKSTEP_NODE_ID="$i" LOCKSTEP_RACK="r$i" LOCKSTEP_DATA_DIR="$dir/node-$i" LOCKSTEP_PEERS="${peers#,}"
  export LOCKSTEP_LISTENERS="127.0.0.1:$((14091 + i))" LOCKSTEP_ADVERTISED_LISTENERS="127.0.0.1:$((9091 + i))"
  export LOCKSTEP_LOCAL_LISTENERS="127.0.0.1:$((14191 + i))" LOCKSTEP_ADVERTISED_LOCAL_LISTENERS="127.0.0.1:$((9191 + i))"
  export LOCKSTEP_RAFT_ADDR="127.0.0.1:$((19091 + i))" LOCKSTEP_HTTP_ADDR="127.0.0.1:$((8091 + i))"
  exec bin/lockstep
}

# run NAME COMMAND...: in the background, its output prefixed. The prefixer
# ignores Ctrl-C, or it would be gone before a broker says its last words.
pids=()
run() {
  local name=$1
  shift
  # The function's own process is the one that `exec`s: $! is what to signal.
  "$@" > >(trap '' INT TERM; while IFS= read -r line; do printf '%-9s | %s\n' "$name" "$line"; done) 2>&1 &
  pids+=($!)
}

toxiproxy() { LOG_LEVEL=error exec .build/toxiproxy-server -config "$dir/proxies.json" -proxy-metrics -runtime-metrics; }

stop() {
  trap '' INT TERM
  say 'stopping'
  # Brokers first: they hand their leaderships over through the proxies.
  if [ ${#pids[@]} -gt 1 ]; then
    kill "${pids[@]:1}" 2>/dev/null || true
    wait "${pids[@]:1}" 2>/dev/null || true
  fi
  kill "${pids[0]}" 2>/dev/null || true
  wait
  say "stopped; the data stays in $dir (remove it to start anew)"
  exit "${1:-0}"
}

mkdir -p "$dir"
if [ "${1:-}" = node ]; then node "${2:?which node? 1, 2 or 3}"; fi

require_ports 8474 8092 8093 8094 9092 9093 9094 9192 9193 9194 \
  14092 14093 14094 14192 14193 14194 19092 19093 19094 \
  19112 19113 19121 19123 19131 19132

proxies >"$dir/proxies.json"
trap stop INT TERM
run toxiproxy toxiproxy
for i in 1 2 3; do run "node-$i" node "$i"; done

deadline=$((SECONDS + seconds))
for i in 1 2 3; do
  until ready $((8091 + i)); do
    if ! kill -0 "${pids[$i]}" 2>/dev/null; then
      printf 'error: node %s stopped; its last line above says why.\n' "$i" >&2
      stop 1
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      printf 'error: node %s is not ready after %s s: curl localhost:%s/health/ready\n' "$i" "$seconds" $((8091 + i)) >&2
      stop 1
    fi
    sleep 0.1
  done
done
next_steps
printf '  crash    kill -9 %s; docker/cluster.sh node 2   (in another terminal: node 2 comes back)\n' "${pids[2]}"
printf '  stop     Ctrl-C\n\n'

wait "${pids[@]}" || true
say 'every process has ended'
