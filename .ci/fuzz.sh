#!/usr/bin/env bash
# Runs every Fuzz function of the packages named, each for TIME.
#
# usage: .ci/fuzz.sh TIME PACKAGE...
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/common.sh

time=$1
shift
found=0
for package in "$@"; do
  # Listing compiles the tests, so look for the word first.
  dir=$(go list -f '{{.Dir}}' "$package")
  grep -qs '^func Fuzz' "$dir"/*_test.go || continue
  for name in $(go test -list '^Fuzz' "$package" | grep '^Fuzz'); do
    found=$((found + 1))
    say "$package $name, $time"
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$package"
  done
done
say "$found fuzz functions, nothing found"
