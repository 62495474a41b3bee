#!/bin/sh
# Makes the pictures in docs/images of the live page, by headless Chromium and a run against the mock
# cluster. Each is to stay below 300 kB.
set -eu
cd "$(dirname "$0")/.."

command -v chromium >/dev/null 2>&1 || {
    echo "no chromium: install chromium" >&2
    exit 1
}
mkdir -p docs/images
SCREENSHOTS=$PWD/docs/images ${CARGO:-cargo} test --locked -p load-client --test cli -- \
    --ignored --exact web::screenshots::chromium_screenshots --nocapture

for picture in docs/images/live-*.png; do
    size=$(wc -c <"$picture")
    echo "$picture: $size bytes"
    [ "$size" -lt 300000 ] || { echo "$picture is larger than 300 kB" >&2; exit 1; }
done
