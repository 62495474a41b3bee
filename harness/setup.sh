#!/bin/sh
# Makes sure that this machine has a store for the stacks `embedded` and `native`. If there is none, it installs
# redis-server with apt-get. If it cannot, it says what to install.
#
# usage: setup.sh STACK
set -eu

say() { echo "setup: $*" >&2; }

has() { command -v "$1" >/dev/null 2>&1; }

if [ "${1:-embedded}" = docker ] || has kvrocks || has redis-server || has valkey-server; then
    exit 0
fi
if ! has apt-get; then
    say "no store on PATH, and no apt-get: install redis-server, valkey-server or kvrocks"
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root="env"
elif has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root="sudo"
else
    say "no store on PATH, and no right to install one: run apt-get install redis-server as root"
    exit 1
fi
say "installing redis-server"
$as_root apt-get update -qq
$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server
