#!/usr/bin/env bash
# Runs the README's commands in a new clone of HEAD, and prints the time at which each one began.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone --quiet . "$folder/clone"
# The runner is built first, so that the times are those of a newcomer.
${CARGO:-cargo} build --quiet --locked --workspace --bins
AS_PRINTED=$folder/clone PAGES=README.md ${CARGO:-cargo} test --locked -p harness --features stack-tests --test pages -- \
    --nocapture the_commands_of_the_pages
