#!/usr/bin/env bash
# Runs all tests of the workspace, or with `quick` those that show in three minutes whether a change works. The end
# lists the tests that this machine cannot run, with the reasons. With CI=true a missing store is a failure, because
# nobody would notice tests that did not run.
#
# usage: test.sh [quick]
set -eu

cargo=${CARGO:-cargo}
not_run=""

has() { command -v "$1" >/dev/null 2>&1; }

skip() {
    not_run="$not_run
  $1: $2"
}

# title TEXT TIME: names the next part, shows the progress, and says how long this part takes on 2 cores once all is
# built.
part=0
title() {
    part=$((part + 1))
    printf '\n== %s (part %s of %s, %s min so far; takes about %s)\n' "$1" "$part" "$parts" $((SECONDS / 60)) "$2"
}

# Whether librdkafka can be built with TLS, which needs the system's OpenSSL and its headers.
has_tls() {
    has pkg-config && pkg-config --exists openssl
}

# If possible, all tests and programs are built with TLS. With one set of features for all tests, each dependency
# compiles once. `make lint` builds without TLS.
tls=""
features=""
if has_tls; then
    tls=yes
    features=kafka-bridge/tls,order-service/tls,load-client/tls,harness/tls,
fi

# stack_tests STACK NAMES: the tests with a broker and a store. Two at a time, because each may start a JVM.
stack_tests() {
    stack=$1 names=$2 && shift 2
    has kcat || set -- "$@" --skip kcat_
    has curl || set -- "$@" --skip curl_
    # --workspace, so that the dependencies have the same features as in the tests before. The names choose the tests.
    # shellcheck disable=SC2046,SC2086 # each name is a separate word
    TEST_STACK=$stack "$cargo" test --locked --workspace --features "${features}harness/stack-tests" \
        $(printf -- '--test %s ' $names) -- --test-threads=2 "$@"
}

# The names of the harness's tests. Without TLS, those that need it are left out.
harness_tests() {
    for path in harness/tests/*.rs harness/tests/*/main.rs; do
        name=${path#harness/tests/} && name=${name%.rs} && name=${name%/main}
        [ -z "$tls" ] && grep -A 1 "^name = \"$name\"" harness/Cargo.toml | grep -q '"tls"' || printf '%s ' "$name"
    done
}

# More threads than cores, because most tests wait more than they work.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-6}

if [ "${1:-}" = quick ]; then
    parts=2
    echo "quick tests: less than 3 minutes on 2 cores, and 7 more if nothing is built yet"
    # Without the tests of the load client's program and the simulated runs, which take minutes.
    names=""
    for path in kafka-bridge/tests/*.rs order-service/tests/*.rs; do
        name=${path##*/} && name=${name%.rs}
        # Cargo would also run the tests with this name in another crate, which take longer.
        [ "$name" = cli ] || [ -e "harness/tests/$name.rs" ] || names="$names --test $name"
    done
    names="$names --test clocks --test documents"
    title "unit and in-memory tests" "2 min"
    # shellcheck disable=SC2086 # each name is a separate word
    "$cargo" test --locked --workspace --features "$features" --lib --bins --test library $names
    title "a broker, a store and the service, embedded" "1 min"
    if has kvrocks || has redis-server || has valkey-server; then
        "$cargo" build --locked --workspace --features "$features" --bins --quiet
        stack_tests embedded contract --skip apache_kafka_only
    else
        echo "NOT RUN: no store: run make setup"
    fi
    exit
fi

parts=6
echo "all tests: about 30 minutes on 2 cores, and 7 more if nothing is built yet (make test-quick: 3 minutes)"
title "unit and in-memory tests" "5 min"
set --
has kcat || set -- "$@" --skip kcat_
has chromium || set -- "$@" --skip chromium_
"$cargo" test --locked --workspace --features "$features" -- "$@"
set --

title "order-service with \`tasks\` as the default dispatch" "10 s"
# --workspace as above, so that only the service itself is compiled again.
"$cargo" test --locked --workspace --features "${features}order-service/tasks" --test variables

# The stack tests start programs and examples. This builds them with the features of the first tests again.
"$cargo" test --locked --workspace --features "$features" --no-run --quiet

if has kvrocks || has redis-server || has valkey-server; then
    native=""
    if ! has java && [ -z "${JAVA_HOME:-}" ]; then
        skip "stack tests on Apache Kafka, and those of JSON documents" "no java: install a JDK, 17 or newer"
    elif [ -z "${KAFKA_HOME:-}" ] && ! has mvn; then
        skip "stack tests on Apache Kafka, and those of JSON documents" "no mvn: install Maven, or set KAFKA_HOME"
    else
        native=yes
    fi
    # With Apache Kafka, most tests need not run on the mock too. Only those that cover a newcomer's first steps do.
    on_embedded=$(harness_tests)
    [ -z "$native" ] || on_embedded="contract pages stack store"
    title "stack tests: embedded, and Apache Kafka if possible" "20 min"
    # Both at the same time, because they wait more than they work.
    embedded=$(mktemp)
    # In a separate process group, so that an interrupt ends it, and its programs do not ignore interrupts.
    set -m
    stack_tests embedded "$on_embedded" --skip apache_kafka_only >"$embedded" 2>&1 </dev/null &
    in_background=$!
    set +m
    trap 'kill -- "-$in_background" 2>/dev/null || true; rm -f "$embedded"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    failed=""
    if [ -n "$native" ]; then
        # Orders are strings on the embedded stack, and JSON documents on this one.
        json_store=""
        if ! has kvrocks && ! json_store=$(sh harness/json-store.sh target/json-store); then
            skip "orders as JSON documents (JSON.SET)" "no redis-server with JSON documents (see above)"
            missing_store=yes
        fi
        # The pages' commands are for the embedded stack, and use its ports.
        on_native=$(harness_tests)
        PATH=${json_store:+$json_store:}$PATH stack_tests native "${on_native/pages /}" || failed=yes
    fi
    wait "$in_background" || failed=yes
    trap 'rm -f "$embedded"' EXIT
    cat "$embedded"
    [ -z "$failed" ] || exit 1
else
    skip "stack tests on the embedded broker" "no store: run make setup"
    skip "stack tests on Apache Kafka" "no store: run make setup"
    missing_store=yes
fi

if [ -z "$tls" ]; then
    skip "tests with TLS (harness/tests/security.rs)" "no OpenSSL: install libssl-dev and pkg-config"
fi
if ! has kcat; then
    skip "tests with another client (kcat_...)" "no kcat: install kcat"
fi

if ! has curl; then
    skip "tests with another HTTP client (curl_...)" "no curl: install curl"
fi

if ! has chromium; then
    skip "tests of the live page in a browser (chromium_...)" "no chromium: install chromium"
fi

skip "chromium_screenshots, chromium_screenshots_of_reports" "they make pictures and assert little: make screenshots"

title "manifests, workflows, alert rules, installation" "1 min"
without=$(mktemp)
trap 'rm -f "${embedded:-}" "$without"' EXIT
bash deploy/check.sh "$without"
bash harness/check-install.sh "$without"

title "docker/compose.yaml" "1 s"
if docker compose version >/dev/null 2>&1; then
    docker compose -f docker/compose.yaml --profile '*' config --quiet && echo "accepted by docker compose"
elif python3 -c 'import yaml' 2>/dev/null; then
    python3 -c 'import sys, yaml; assert yaml.safe_load(open(sys.argv[1]))["services"]' docker/compose.yaml
    echo "parsed as YAML"
    skip "docker/compose.yaml against its schema" "no docker compose (it was parsed as YAML only)"
else
    skip "docker/compose.yaml" "neither docker compose nor python3 with yaml"
fi

title "the stack docker and its images" "5 min with Docker, 1 s without"
docker_failed=""
bash docker/test.sh "$without" || docker_failed=yes
while IFS= read -r line; do
    skip "${line%%: *}" "${line#*: }"
done <"$without"

if [ -n "$not_run" ]; then
    printf '\nNOT RUN:%s\n' "$not_run"
fi
[ -z "$docker_failed" ] || exit 1
if [ "${CI:-}" = true ] && [ "${missing_store:-}" = yes ]; then
    echo "CI must run the stack tests, and those with JSON documents: install redis-server and python3-pip" >&2
    exit 1
fi
