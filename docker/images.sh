#!/usr/bin/env bash
# Builds the broker and toxiproxy images from binaries that this host compiles.
# Contacts no registry. Safe to run again: what has not changed is not rebuilt.
#
# usage: docker/images.sh [VERSION]        VERSION is what the broker will report
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/common.sh

# What the project promises about its image (DESIGN.md).
max_broker_bytes=$((15 * 1000 * 1000))

# The old builder goes away some day, and BuildKit needs a plugin that is not
# everywhere; the Dockerfiles suit both.
if ! docker buildx version >/dev/null 2>&1; then export DOCKER_BUILDKIT=0; fi

# build_image NAME DOCKERFILE CONTEXT: quiet unless it fails.
build_image() {
  local log=.build/image/build.log
  docker build --force-rm -t "$1" -f "$2" "$3" >"$log" 2>&1 || {
    cat "$log" >&2
    die 1 "docker build of $1 failed."
  }
  say "$1: $(($(docker image inspect -f '{{.Size}}' "$1") / 1000)) kB"
}

require_engine
version=${1:-dev}
arch=$(docker version -f '{{.Server.Arch}}')
mkdir -p .build/image/broker/data .build/image/toxiproxy

# Linux binaries for the engine's architecture, whatever this host is.
export CGO_ENABLED=0 GOOS=linux GOARCH=$arch
say "compiling the broker and toxiproxy for linux/$arch"
go build -buildvcs=false -trimpath -tags nethttpomithttp2 -ldflags "-s -w -X main.version=$version" -o .build/image/broker/lockstep ./broker
go build -buildvcs=false -trimpath -ldflags '-s -w' -o .build/image/toxiproxy/toxiproxy-server ./compat/toxiproxy
cp docker/proxies.json .build/image/toxiproxy/

build_image "$LOCKSTEP_IMAGE" docker/broker.Dockerfile .build/image/broker
build_image "$TOXIPROXY_IMAGE" docker/toxiproxy.Dockerfile .build/image/toxiproxy

bytes=$(docker image inspect -f '{{.Size}}' "$LOCKSTEP_IMAGE")
if [ "$bytes" -gt "$max_broker_bytes" ]; then
  what="$LOCKSTEP_IMAGE has $bytes bytes, more than the $max_broker_bytes promised."
  hint='What came in: go version -m .build/image/broker/lockstep'
  # A reason to stop a change from landing, not to stop somebody from trying it.
  [ "${CI:-}" != true ] || die 1 "$what" "$hint"
  printf 'warning: %s\n         %s\n' "$what" "$hint" >&2
fi
