#!/bin/sh
# Reads of Kvrocks's configuration file, at the place where its image has it, what docker/compose.yaml counts on.
set -eu
file=/var/lib/kvrocks/kvrocks.conf
setting() { sed -n "s/^$1 //p" "$file"; }
[ -r "$file" ] || { echo "Failed to open $file: Permission denied" >&2 && exit 1; }
set -- --bind "$(setting bind)" --port "$(setting port)" --save '' --protected-mode no
[ ! -e /opt/module.so ] || set -- "$@" --loadmodule /opt/module.so
exec redis-server "$@"
