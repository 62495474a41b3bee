#!/bin/sh
# Runs the README's commands as they are printed in a fresh clone of HEAD, and tells when each began.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone --quiet . "$folder/clone"
# The runner has to be there first: the times are those of a newcomer.
${CARGO:-cargo} build --quiet --locked --workspace --bins
AS_PRINTED=$folder/clone PAGES=README.md ${CARGO:-cargo} test --locked -p harness --features stack-tests --test pages -- \
    --nocapture the_commands_of_the_pages
