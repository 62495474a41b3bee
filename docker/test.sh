#!/usr/bin/env bash
# Tests the stack `docker` and the images of this folder on this machine's Docker engine. `make test` runs it. If the
# engine cannot get an image, an imitation replaces it (docker/imitations), and the end says so. At the end everything
# is removed, except the imitations, which stay for the next time as kafka-experiment-imitation/...
#
# usage: docker/test.sh [NOT_RUN]
#
# HARNESS is the program under test, by default target/debug/harness. ONLY is a part of the names of the tests to run.
# A test that cannot run here is no failure: it is printed, and appended to the file NOT_RUN, as `what: why`.
# Exit codes: 0 nothing failed, 1 a test failed.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
here=$root/docker
cd "$root"
harness=$(realpath -m "${HARNESS:-target/debug/harness}")
not_run_file=${1:-}
compose=(docker compose --file docker/compose.yaml)
label=com.docker.compose.project=kafka-experiment
broker=$(sed -n 's/.*image: \(apache\/kafka-native:.*\)/\1/p' docker/compose.yaml)
tools=$(sed -n 's/.*image: \(apache\/kafka:.*\)/\1/p' docker/compose.yaml)
store=$(sed -n 's/.*image: \(apache\/kvrocks:.*\)/\1/p' docker/compose.yaml)
builder=$(sed -n 's/^FROM \(.*\) AS build$/\1/p' docker/Dockerfile)
slim=$(sed -n 's/^FROM \(.*\) AS runtime$/\1/p' docker/Dockerfile)

# not_run WHAT WHY
not_run() {
    echo "not run: $1: $2" >&2
    [ -z "$not_run_file" ] || echo "$1: $2" >>"$not_run_file"
}

# Prints why the tests cannot run, and fails, so that it ends a chain.
because() {
    not_run "stack docker and its images (docker/test.sh)" "$*"
    return 1
}

fail() {
    echo "FAILED, $test: $*" >&2
    exit 1
}

# Whether there is an engine that nobody uses: the tests create, stop and remove the same project as users.
can_run() {
    command -v docker >/dev/null || because "no docker on PATH" || return
    timeout 20 docker version >/dev/null 2>&1 || because "no Docker engine answers" || return
    docker compose version >/dev/null 2>&1 || because "no Compose v2 (docker compose)" || return
    [ -x "$harness" ] || because "no $harness: cargo build --workspace" || return
    [ -z "$(everything)" ] || because "the compose project is in use: $(everything | tr '\n' ' ')" || return
    for port in 9092 6666; do
        ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || because "port $port is in use" || return
    done
}

# All parts of the project on the engine.
everything() {
    docker ps --all --filter "label=$label" --format '{{.Names}}'
    docker network ls --filter "label=$label" --format 'network {{.Name}}'
    docker volume ls --filter "label=$label" --format 'volume {{.Name}}'
}

take_down() {
    [ -z "$background" ] || kill -KILL "$background" 2>/dev/null || true
    timeout 120 "${compose[@]}" --profile '*' down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1 || true
    forget_imitations
    # A test may have taken the rights away.
    chmod -R u+rwX "$work" && rm -rf "$work"
}

nothing_is_left() {
    [ -z "$(everything)" ] || fail "left: $(everything | tr '\n' ' ')"
}

says() {
    grep -qF -- "$2" "$1" || fail "'$2' is not in: $(cat "$1")"
}

# run EXIT_CODE COMMAND...: the command must end in time with that code. Its output goes to $out.
run() {
    local wanted=$1 code=0
    shift
    timeout 420 "$@" >"$out" 2>&1 || code=$?
    [ "$code" = "$wanted" ] || fail "$* ended with $code: $(tail -n 30 "$out")"
}

# Like `run`, for a load in which no request may fail. On a busy machine its figures may be INVALID, which is no
# failure.
run_load() {
    local code=0
    timeout 420 "$@" >"$out" 2>&1 || code=$?
    [ "$code" = 0 ] || grep -q "do not use these figures" "$out" || fail "$* ended with $code: $(tail -n 30 "$out")"
    ! grep -qE 'Aggregated +[0-9]+ +[1-9]' "$out" || fail "requests failed: $(tail -n 30 "$out")"
}

# copied [SED_SCRIPT]: makes a copy of the compose file in $work/copy, changed by the script.
copied() {
    mkdir -p "$work/copy" && cp docker/kvrocks.conf "$work/copy/"
    sed "${1:-}" docker/compose.yaml >"$work/copy/compose.yaml"
    [ $# = 0 ] || ! cmp -s docker/compose.yaml "$work/copy/compose.yaml" || fail "sed $1 changes nothing"
}

# Starts `harness up` in the background, and waits for its addresses.
start_up() {
    "$harness" up --stack docker >"$out" 2>&1 &
    background=$!
    for _ in $(seq 1000); do
        ! grep -q STORE_URL "$out" || return 0
        kill -0 "$background" 2>/dev/null || fail "harness up: $(cat "$out")"
        sleep 0.2
    done
    fail "harness up is not up: $(cat "$out")"
}

# stop_up SIGNAL EXIT_CODE
stop_up() {
    local code=0
    kill "-$1" "$background"
    wait "$background" || code=$?
    background=""
    [ "$code" = "$2" ] || fail "harness up ended with $code after SIG$1: $(cat "$out")"
}

# `make up` and `make down`, without their build.
make_up() { run 0 sh harness/up.sh start "$harness" docker "$work/up.pid" "$work/up.log"; }
make_down() { run 0 sh harness/up.sh stop "$harness" docker "$work/up.pid" "$work/up.log"; }

a_demo_leaves_nothing() {
    run 0 "$harness" demo --stack docker
    says "$out" "status-code: 200"
    nothing_is_left
}

containers_of_other_services_are_not_taken_for_data() {
    "${compose[@]}" --profile load run --no-deps --entrypoint true topics >/dev/null 2>&1
    [ -n "$(everything)" ] || fail "the one-shot container is gone by itself"
    run 0 "$harness" demo --stack docker
    nothing_is_left
}

an_interruption_takes_all_down_with_what_the_user_started_beside() {
    start_up
    "${compose[@]}" --profile load run --detach --no-deps --entrypoint 'sleep 600' topics >/dev/null 2>&1
    stop_up INT 0
    nothing_is_left
    "$harness" up --stack docker >"$out" 2>&1 &
    background=$!
    for _ in $(seq 300); do
        [ -z "$(everything)" ] || break
        sleep 0.1
    done
    stop_up TERM 130
    nothing_is_left
}

containers_that_were_there_stay_and_a_late_store_is_waited_for() {
    local line
    line=$(docker image inspect --format '{{join .Config.Entrypoint " "}} {{join .Config.Cmd " "}}' "$store")
    copied "s|image: apache/kvrocks.*|&\n    entrypoint: [\"/bin/sh\", \"-c\", \"sleep 10; exec $line\"]|"
    # It ends when the broker answers. The store does not run yet.
    run 0 "${compose[@]}" --profile load run --rm topics
    run 0 "$harness" demo --stack docker --compose-file "$work/copy/compose.yaml"
    says "$out" "status-code: 200"
    says "$out" "both stay"
    [ "$(docker ps --quiet --filter "label=$label" | wc -l)" = 2 ] || fail "there are not both: $(everything)"
    make_down
    says "$out" "make up did not start"
    # The command in the compose file removes all, also containers of a profile.
    "${compose[@]}" --profile load run --detach --no-deps --entrypoint 'sleep 600' topics >/dev/null 2>&1
    run 0 bash -c "$(sed -n 's/^#   \(docker compose .* down .*\)/\1/p' docker/compose.yaml)"
    nothing_is_left
}

a_container_that_ends_is_told_with_its_log() {
    copied 's/KAFKA_NODE_ID: 1/KAFKA_NODE_ID: nonsense/'
    run 1 "$harness" demo --stack docker --compose-file "$work/copy/compose.yaml"
    says "$out" "the container of kafka ended by itself"
    says "$out" "nonsense"
    nothing_is_left
    copied
    chmod 000 "$work/copy/kvrocks.conf"
    run 1 "$harness" demo --stack docker --compose-file "$work/copy/compose.yaml"
    says "$out" "the container of kvrocks ended by itself"
    says "$out" "kvrocks.conf"
    chmod 644 "$work/copy/kvrocks.conf"
    nothing_is_left
}

an_old_compose_is_refused() {
    local real
    real=$(command -v docker)
    mkdir -p "$work/bin"
    printf '#!/bin/sh\ncase "$*" in *"version --short"*) echo 1.29.2 ;; *) exec "%s" "$@" ;; esac\n' "$real" \
        >"$work/bin/docker"
    chmod +x "$work/bin/docker"
    run 1 env "PATH=$work/bin:$PATH" "$harness" demo --stack docker
    says "$out" "needs Compose v2 (\`docker compose\`), found 1.29.2"
    nothing_is_left
}

make_down_finds_what_a_killed_harness_left() {
    make_up
    kill -KILL "$(cat "$work/up.pid")"
    make_down
    says "$out" "removed the containers of a harness that was killed"
    nothing_is_left
    make_down
    says "$out" "nothing is up"
    make_up
    make_down
    [ "$(cat "$out")" = stopped ] || fail "make down says: $(cat "$out")"
    nothing_is_left
}

a_bench_and_a_short_experiment_run() {
    local load=(--stack docker --users 2 --spawn-rate 2 --run-time 3s --warm-up 1s)
    run_load "$harness" bench --variant tasks --out "$work/bench.csv" "${load[@]}"
    head -n 2 "$work/bench.csv" | grep -q '^KAFKA,createOrder,' || fail "no request in bench.csv"
    nothing_is_left
    run 0 "$harness" experiment --trials 2 --results "$work/results" "${load[@]}"
    grep -q "$broker" "$work/results/latest/report.html" || fail "the report does not name $broker"
    nothing_is_left
}

stack_tests=(
    a_demo_leaves_nothing
    containers_of_other_services_are_not_taken_for_data
    an_interruption_takes_all_down_with_what_the_user_started_beside
    containers_that_were_there_stay_and_a_late_store_is_waited_for
    a_container_that_ends_is_told_with_its_log
    an_old_compose_is_refused
    make_down_finds_what_a_killed_harness_left
    a_bench_and_a_short_experiment_run
)

main() {
    work=$(mktemp -d) out=$work/out background="" test="preparation"
    # shellcheck source=docker/imitations/make.sh
    . docker/imitations/make.sh
    # shellcheck source=docker/test-images.sh
    . docker/test-images.sh
    local chosen=()
    for test in "${stack_tests[@]}" "${image_tests[@]}"; do
        [[ $test != *${ONLY:-}* ]] || chosen+=("$test")
    done
    test="preparation"
    [ ${#chosen[@]} -gt 0 ] || fail "ONLY=$ONLY is in the name of no test"
    can_run || { rm -rf "$work" && exit 0; }
    trap take_down EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    need "$slim" debian
    need "$broker" kafka
    need "$store" kvrocks
    # Kafka's other image has the tools that the native one lacks. The imitation has both.
    case " ${imitated[*]} " in *" $broker "*) docker tag "$broker" "$tools" && imitated+=("$tools") ;; esac
    need "$builder" rust
    local real=("${imitated[@]}")
    for test in "${chosen[@]}"; do
        "$test"
        echo "ok: ${test//_/ }"
    done
    [ ${#imitated[@]} -eq 0 ] ||
        not_run "the images themselves (docker/test.sh)" "the engine cannot get ${real[*]}; imitations stood in for them"
}

main
