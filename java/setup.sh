#!/bin/sh
# Builds the Java driver and brings Apache Kafka's own command line tools: java/target/classes and java/target/lib.
#
#     java/setup.sh               # the driver and the tools
#     java/setup.sh kafka-server  # Apache Kafka's broker, the suite's control: java/kafka-server/target/lib
#
# It may be run at any time: what is up to date, by a stamp over the sources, is left alone (some milliseconds).
set -eu

here=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "java/setup.sh: $*" >&2
    exit 1
}

install_java="Debian, Ubuntu: apt-get install openjdk-17-jdk-headless maven"
command -v javac >/dev/null 2>&1 || fail "no javac on the PATH: a JDK, 17 or newer, is needed. $install_java"
command -v mvn >/dev/null 2>&1 || fail "no mvn on the PATH: Maven, 3.8 or newer, is needed. $install_java"

# build NAME FOLDER PATH…: packages FOLDER with Maven unless it was made from exactly these paths.
build() {
    name=$1
    folder=$2
    shift 2
    want=$(cd "$folder" && find "$@" -type f | LC_ALL=C sort | xargs sha256sum | sha256sum)
    if [ "$(cat "$folder/target/stamp" 2>/dev/null)" = "$want" ]; then
        echo "java: $name is up to date"
        return
    fi
    echo "java: building $name …"
    rm -rf "$folder/target" # or a jar of an older version would stay on the class path
    mvn --quiet --batch-mode -Dstyle.color=never --file "$folder/pom.xml" package || fail "Maven could not build $name (see above)"
    printf '%s\n' "$want" >"$folder/target/stamp" # last: a half-made target has none
    echo "java: $name is ready"
}

[ $# -gt 0 ] || set -- driver
for name; do
    case $name in
        driver) build driver "$here" pom.xml src ;;
        kafka-server) build kafka-server "$here/kafka-server" pom.xml ;;
        *) fail "unknown part $name: driver, kafka-server" ;;
    esac
done
