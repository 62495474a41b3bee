#!/bin/sh
# Makes all pictures of README and pages in docs/images, from real runs. One experiment on STACK (native by default)
# gives the terminal, the report and the distributions. Runs on the mock cluster give the live page and the report of a
# run. It also writes down their commit. It needs chromium, and python3 with venv, and takes six minutes once all is
# built.
set -eu
cd "$(dirname "$0")/.."

stack=${STACK:-native}
images=docs/images
python=target/pictures/bin/python
# Those of `make test`, so that nothing is compiled a second time.
features=""
if pkg-config --exists openssl 2>/dev/null; then
    features=kafka-bridge/tls,order-service/tls,load-client/tls,harness/tls
fi

command -v chromium >/dev/null 2>&1 || { echo "no chromium: install chromium" >&2 && exit 1; }
if ! "$python" -c 'import pyte' 2>/dev/null; then
    python3 -m venv target/pictures
    "$python" -m pip install --quiet --disable-pip-version-check pyte==0.8.2
fi
mkdir -p "$images"

echo "an experiment on the stack $stack, in a terminal"
"$python" docs/pictures/terminal.py "$images/terminal.svg" 110 16 "median round trip changed" \
    target/release/harness experiment --stack "$stack" --trials 6 --markdown results/verdict.md
"$python" docs/pictures/answer.py results/latest "$images/answer-light.svg" "$images/answer-dark.svg"

echo "the live page and the reports, in chromium"
# Absolute paths, because the test runs in the folder of its crate.
EXPERIMENT=$(realpath results/latest/report.html) SCREENSHOTS=$PWD/$images \
    ${CARGO:-cargo} test --locked --workspace --features "$features" --test cli -- \
    --ignored web::screenshots::chromium_screenshots --nocapture --test-threads 1

for picture in "$images"/*.png "$images"/*.svg; do
    size=$(wc -c <"$picture")
    [ "$size" -lt 300000 ] || { echo "$picture is larger than 300 kB: $size bytes" >&2 && exit 1; }
done
cat >"$images/README.md" <<END
# Pictures

\`make screenshots\` made all pictures of this folder but \`limits-p50.svg\` and \`peers.svg\`, at commit $(git rev-parse --short HEAD) on
$(date --utc +%Y-%m-%d), on the stack \`$stack\`. The live page and the report of a run show librdkafka's mock cluster: do not read
them as measurements.
END
echo "look at them: $images"
