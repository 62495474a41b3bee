#!/bin/sh
# The peers in one experiment for each number of users, and all of them in one table and picture:
# results/peers.md, results/peers.svg. Further flags are those of `harness experiment`.
set -eu
cd "$(dirname "$0")/.."

results=${RESULTS:-results}
folders=""
for users in 1 10 100 1000; do
    # A JVM compiles what it runs often while it runs it: what the first four seconds show is not measured.
    target/release/harness experiment --file peers/peers.toml --stack "$STACK" --results "$results" \
        --title "Peers, $users users" --users "$users" --spawn-rate 1000 --trials 5 --run-time 10s --warm-up 4s --rehearsal 8s "$@"
    folders="$folders $(realpath "$results/latest")"
done
# shellcheck disable=SC2086 # a word for each folder
target/release/examples/peers_table "$results/peers.svg" $folders >"$results/peers.md"
cat "$results/peers.md"
