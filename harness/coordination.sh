#!/usr/bin/env bash
# Measures the cost of a run with several load clients. `bytes` is the traffic of a coordinator and ten workers with the
# cluster that has the log. `latency` compares one client with one coordinated worker, in turns. It needs the same as
# `harness up --stack native`, and ss. Build first: cargo build --release --locked --workspace --bins
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?bytes or latency}
programs=target/release
folder=$(mktemp -d)
started=()
finish() {
    for ((at = ${#started[@]} - 1; at >= 0; at--)); do
        kill -INT "${started[at]}" 2>/dev/null || continue
        wait "${started[at]}" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap finish EXIT

# start NAME SIGN COMMAND...: starts the command, and waits until its log has the sign.
start() {
    log=$folder/$1.log sign=$2 && shift 2
    "$@" >"$log" 2>&1 &
    started+=($!)
    for _ in $(seq 1 240); do
        ! grep -q "$sign" "$log" || return 0
        sleep 0.25
    done
    cat "$log" && exit 1
}
url() { sed -n "s/^$2=//p" "$folder/$1.log"; }

start service-cluster "up until" "$programs/harness" up --stack native
kafka=$(url service-cluster KAFKA_URL)
start service "partition assigned" "$programs/order-service" --kafka "$kafka" --store "$(url service-cluster STORE_URL)" \
    --dispatch tasks --http 127.0.0.1:0

# The bytes that the sockets of a port have sent and received.
socket_bytes() {
    ss -tinH "sport = :$1" | grep -o 'bytes_\(sent\|received\):[0-9]*' | awk -F: '{sum += $2} END {print sum + 0}'
}

bytes() {
    workers=10 rate=1000 seconds=40
    start log-cluster "up until" "$programs/harness" up --stack native
    log=$(url log-cluster KAFKA_URL)
    for number in $(seq 1 $workers); do
        "$programs/load-client" worker --control "$log" --host "$kafka" --name "w$number" >"$folder/w$number.log" 2>&1 &
    done
    "$programs/load-client" run --host "$kafka" --control "$log" --workers $workers --max-skew 2s --start-delay 4s --rate $rate/s -t ${seconds}s \
        --only-summary --json "$folder/run.json" >"$folder/run.log" 2>&1 &
    leader=$!
    until grep -q "part " "$folder/w1.log"; do
        kill -0 "$leader" 2>/dev/null || { cat "$folder/run.log" && exit 1; }
        sleep 0.25
    done
    sleep 8
    before=$(socket_bytes "${log##*:}")
    sleep 20
    after=$(socket_bytes "${log##*:}")
    wait "$leader" || true
    echo "$workers workers, $rate requests/s: $(((after - before) / 20)) bytes/s sent and received by the cluster of the log"
    grep -m 1 "good replies per second" "$folder/run.log"
}

latency() {
    load=(--rate 200/s -t 8s --warm-up 2s --only-summary)
    for block in $(seq 1 12); do
        # The first side changes with each block.
        for side in $([ $((block % 2)) = 0 ] && echo alone led || echo led alone); do
            csv=$folder/$side-$(printf %02d "$block").csv
            if [ "$side" = alone ]; then
                "$programs/load-client" run --host "$kafka" "${load[@]}" --requests-record-file "$csv" >"$folder/out" 2>&1 || true
            else
                "$programs/load-client" worker --control "$kafka" --requests-record-file "$csv" >"$folder/worker" 2>&1 &
                "$programs/load-client" run --host "$kafka" --workers 1 "${load[@]}" >"$folder/out" 2>&1 || true
                wait $! || { cat "$folder/worker" && exit 1; }
            fi
        done
    done
    "$programs/load-client" compare "$folder"/alone-*.csv --with "$folder"/led-*.csv --threshold 2%
}

"$what"
