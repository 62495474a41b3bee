#!/bin/sh
# Reads Kvrocks' configuration file, at its path in the image, and applies the settings that docker/compose.yaml needs.
set -eu
file=/var/lib/kvrocks/kvrocks.conf
setting() { sed -n "s/^$1 //p" "$file"; }
[ -r "$file" ] || { echo "Failed to open $file: Permission denied" >&2 && exit 1; }
set -- --bind "$(setting bind)" --port "$(setting port)" --save '' --protected-mode no
[ ! -e /opt/module.so ] || set -- "$@" --loadmodule /opt/module.so
exec redis-server "$@"
