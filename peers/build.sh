#!/usr/bin/env bash
# Installs and builds the peers into target/peers, from the package registries of their languages. Without names, it
# builds all peers. `locust` is the article's load client. It is built only if it is named.
#
# usage: build.sh [python|franz-go|parallel-consumer|spring-kafka|nestjs|locust]...
set -euo pipefail
cd "$(dirname "$0")"

mkdir -p ../target/peers
target=$(cd ../target/peers && pwd)
log=$target/build.log

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "peers: $1 is not installed, and $2 needs it" >&2; exit 1; }
}

environment() { # FOLDER REQUIREMENTS
    [ -x "$target/$1/bin/python" ] || python3 -m venv "$target/$1"
    "$target/$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$2"
}

build() {
    case $1 in
    python) need python3 "$1" && environment python requirements.txt ;;
    locust) need python3 "$1" && environment locust locust/requirements.txt ;;
    franz-go) need go "$1" && (cd franz-go && go build -trimpath -o "$target/franz-go" .) ;;
    parallel-consumer | spring-kafka)
        need java "$1" && need mvn "$1"
        mvn -q -B -f "$1/pom.xml" -Dpeers.target="$target" package
        ;;
    nestjs)
        need node "$1" && need npm "$1"
        mkdir -p "$target/nestjs"
        cp -r nestjs/package.json nestjs/package-lock.json nestjs/tsconfig.json nestjs/src "$target/nestjs/"
        (cd "$target/nestjs" && npm ci --no-audit --no-fund && npm run build)
        ;;
    *) echo "peers: there is no peer $1" >&2 && exit 2 ;;
    esac
}

[ $# -gt 0 ] || set -- python franz-go parallel-consumer spring-kafka nestjs
for peer in "$@"; do
    echo "peers: building $peer" >&2
    # The subshell keeps an `exit` inside build() from ending this script before it prints the log.
    (build "$peer") >"$log" 2>&1 || { tail -n 20 "$log" >&2 && echo "peers: $peer was not built; see $log" >&2 && exit 1; }
done
