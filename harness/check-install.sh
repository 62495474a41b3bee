#!/usr/bin/env bash
# Installs the programs of target/debug into a temporary folder, and checks the installation: the programs start, the
# man pages are well formed, and the completions load and complete.
#
# usage: check-install.sh [NOT_RUN]
#
# NOT_RUN is a file for the checks that cannot run here.
set -euo pipefail
cd "$(dirname "$0")/.."

not_run_file=${1:-/dev/null}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() { echo "installed files: $*" >&2 && exit 1; }

sh harness/install.sh target/debug "$folder" >/dev/null
for program in load-client order-service harness; do
    "$folder/bin/$program" --version >/dev/null
done

pages=("$folder"/share/man/man1/*.1)
[ "${#pages[@]}" -ge 20 ] || fail "only ${#pages[@]} man pages"
if command -v groff >/dev/null; then
    complaints=$(groff -man -Tutf8 -ww -z "${pages[@]}" 2>&1)
    [ -z "$complaints" ] || fail "$complaints"
    text=$(groff -man -Tutf8 -P -cbou "$folder/share/man/man1/load-client-run.1")
    grep -q -- '--spawn-rate' <<<"$text" || fail "the page of load-client run has no --spawn-rate"
    echo "${#pages[@]} man pages are well formed"
else
    echo "man pages: no groff: install groff-base" >>"$not_run_file"
fi

# usage: completed WORD...: prints what bash offers for the last word
completed() {
    bash -c '
        source "$1/share/bash-completion/completions/$2"
        COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)) COMPREPLY=()
        "_${2//-/__}" "$2" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
        echo "${COMPREPLY[*]}"
    ' bash "$folder" "$@"
}
[[ $(completed load-client wo) == worker ]] || fail "bash does not complete load-client wo: $(completed load-client wo)"
[[ $(completed load-client --spa) == --spawn-rate ]] || fail "bash does not complete load-client --spa"
[[ $(completed load-client compare --thr) == --threshold ]] || fail "bash does not complete load-client compare --thr"
[[ $(completed order-service --disp) == --dispatch ]] || fail "bash does not complete order-service --disp"
[[ $(completed harness exp) == experiment ]] || fail "bash does not complete harness exp"
echo "bash completes commands and flags"
for shell in zsh fish; do
    if command -v "$shell" >/dev/null; then
        for script in "$folder/share/$shell"/*/*; do
            "$shell" -n "$script" || fail "$shell refuses ${script##*/}"
        done
        echo "$shell accepts the completions"
    else
        echo "completions of $shell: no $shell" >>"$not_run_file"
    fi
done
