#!/bin/sh
# Makes the Python clients' virtual environments at the repository's top: .venv-confluent, .venv-kafka-python-3 and
# .venv-kafka-python-2. Each is built from python/requirements-NAME.txt, whose every package is pinned with hashes.
#
#     python/setup.sh            # all three
#     python/setup.sh confluent  # one of them
#     PYTHON=python3.12 python/setup.sh
#
# It may be run at any time: an environment whose stamp matches its requirements and its interpreter is left alone
# (some milliseconds), any other is made afresh beside the old one's place, so a broken half is never left behind.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
python=${PYTHON:-python3}

fail() {
    echo "python/setup.sh: $*" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    fail "no $python on the PATH. Install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3 python3-venv), or name one with PYTHON=…"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old: Python 3.11 or newer is needed; name one with PYTHON=…"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python has no venv module. Debian, Ubuntu: apt-get install python3-venv"

# stamp NAME: what .venv-NAME must have been made from.
stamp() {
    "$python" -c '
import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read() + sys.version.encode()).hexdigest())' "$here/requirements-$1.txt"
}

setup() {
    name=$1
    [ -f "$here/requirements-$name.txt" ] || fail "there is no python/requirements-$name.txt"
    venv=$top/.venv-$name
    want=$(stamp "$name")
    if [ "$(cat "$venv/stamp" 2>/dev/null)" = "$want" ] && [ -x "$venv/bin/python" ]; then
        echo "python: .venv-$name is up to date"
        return
    fi
    echo "python: making .venv-$name with $("$python" --version) …"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        -r "$here/requirements-$name.txt" ||
        fail "pip could not install python/requirements-$name.txt into .venv-$name (see above)"
    printf '%s\n' "$want" >"$venv/stamp" # last: a half-made environment has none
    echo "python: .venv-$name is ready"
}

[ $# -gt 0 ] || set -- confluent kafka-python-3 kafka-python-2
for name; do
    setup "$name"
done
