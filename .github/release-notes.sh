#!/bin/sh
# Prints what CHANGELOG.md says of a version; fails if it says nothing.
#
# usage: release-notes.sh VERSION
set -eu
cd "$(dirname "$0")/.."

notes=$(awk -v version="$1" '
    /^## / { is_it = $2 == version || $2 == "[" version "]"; next }
    is_it
' CHANGELOG.md)
[ -n "$notes" ] || { echo "CHANGELOG.md says nothing of $1" >&2; exit 1; }
echo "$notes"
