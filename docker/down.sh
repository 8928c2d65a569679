#!/usr/bin/env bash
# Stops compose.yaml's cluster. With VOLUMES=1 its data goes as well.
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/common.sh

require_engine
case ${VOLUMES:-} in
  '' | 0 | no)
    compose down --remove-orphans
    say 'stopped; the data stays in its volumes (make down VOLUMES=1 removes them)'
    ;;
  *)
    compose down --remove-orphans --volumes
    say 'stopped, and the data is gone'
    ;;
esac
