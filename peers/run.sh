#!/bin/sh
# Measures the peers in one experiment for each number of users. Writes one table and one picture of all experiments:
# results/peers.md and results/peers.svg. Passes its arguments on to `harness experiment`.
set -eu
cd "$(dirname "$0")/.."

results=${RESULTS:-results}
folders=""
for users in 1 10 100 1000; do
    # A JVM compiles hot code while it runs, so the first four seconds are not measured.
    target/release/harness experiment --file peers/peers.toml --stack "$STACK" --results "$results" \
        --title "Peers, $users users" --users "$users" --spawn-rate 1000 --trials 5 --run-time 10s --warm-up 4s --rehearsal 8s "$@"
    folders="$folders $(realpath "$results/latest")"
done
# shellcheck disable=SC2086 # one word for each folder
target/release/examples/peers_table "$results/peers.svg" $folders >"$results/peers.md"
cat "$results/peers.md"
