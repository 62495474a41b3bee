#!/bin/sh
# Makes the pictures in docs/images by headless Chromium: the live page and the report of a run against the
# mock cluster, and the report of the last experiment, if there is one. Each is to stay below 300 kB.
set -eu
cd "$(dirname "$0")/.."

command -v chromium >/dev/null 2>&1 || {
    echo "no chromium: install chromium" >&2
    exit 1
}
mkdir -p docs/images
report=${EXPERIMENT:-results/latest/report.html}
if [ -f "$report" ]; then
    # The test runs in the folder of its crate.
    EXPERIMENT=$(realpath "$report")
    export EXPERIMENT
else
    echo "no $report: its picture stays as it is (make experiment)" >&2
    unset EXPERIMENT
fi
SCREENSHOTS=$PWD/docs/images ${CARGO:-cargo} test --locked -p load-client --test cli -- \
    --ignored web::screenshots::chromium_screenshots --nocapture --test-threads 1

for picture in docs/images/*.png; do
    size=$(wc -c <"$picture")
    echo "$picture: $size bytes"
    [ "$size" -lt 300000 ] || { echo "$picture is larger than 300 kB" >&2; exit 1; }
done
