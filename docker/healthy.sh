#!/bin/bash
# Checks whether the service in this container is healthy. Debian's slim image has no curl, but bash can open
# connections.
set -eu
exec 3<>"/dev/tcp/127.0.0.1/${ORDER_SERVICE_ADMIN##*:}"
printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
answer=$(cat <&3)
echo "${answer##*$'\n'}"
[[ $answer == HTTP/1.?' 200 '* ]]
