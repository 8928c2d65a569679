#!/usr/bin/env bash
# Builds the images when the suite is going to need them: RUNTIME=docker asks for
# them, an empty RUNTIME leaves it to whether an engine answers.
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/common.sh

case ${RUNTIME:-} in
  docker) ;;
  '')
    if ! command -v docker >/dev/null 2>&1 || ! engine_answers; then
      say 'no Docker engine answers: the suite runs its nodes as processes'
      exit 0
    fi
    ;;
  *) exit 0 ;;
esac
exec docker/images.sh "$@"
