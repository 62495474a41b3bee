#!/bin/sh
# Fuzzes each target for so many seconds: run.sh SECONDS. New inputs go to corpus/, failing ones to artifacts/.
set -eu

seconds=$1
cargo=${CARGO:-cargo}
cd "$(dirname "$0")/.."

missing() {
    echo "make fuzz: $1" >&2
    exit 1
}

"$cargo" fuzz --version >/dev/null 2>&1 || missing "no cargo-fuzz: cargo install cargo-fuzz"
rustup toolchain list 2>/dev/null | grep -q '^nightly' ||
    missing "no nightly toolchain: rustup toolchain install nightly --profile minimal"

for target in request reply_set_header reply_to; do
    mkdir -p "fuzz/corpus/$target"
    # Each input has its own timeout, because a slow input is also a finding.
    "$cargo" +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -timeout=10 -max_len=4096
done
