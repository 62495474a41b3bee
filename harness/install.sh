#!/bin/sh
# Installs the built programs, their man pages and their shell completions.
#
# usage: install.sh FOLDER_OF_PROGRAMS PREFIX
set -eu

built=$1 prefix=$2

bash=$prefix/share/bash-completion/completions
zsh=$prefix/share/zsh/site-functions
fish=$prefix/share/fish/vendor_completions.d
man=$prefix/share/man/man1
mkdir -p "$prefix/bin" "$bash" "$zsh" "$fish" "$man"

# completions PROGRAM SHELL FILE: writes the file whole or not at all
completions() {
    "$built/$1" completions "$2" >"$3.new"
    mv "$3.new" "$3"
}

for program in load-client order-service harness; do
    # A running program cannot be overwritten, so its name gets a new file.
    cp "$built/$program" "$prefix/bin/$program.new"
    mv "$prefix/bin/$program.new" "$prefix/bin/$program"
    completions "$program" bash "$bash/$program"
    completions "$program" zsh "$zsh/_$program"
    completions "$program" fish "$fish/$program.fish"
    "$built/$program" man "$man"
done
echo "installed load-client, order-service and harness in $prefix/bin"
case ":$PATH:" in
*":$prefix/bin:"*) ;;
*) echo "$prefix/bin is not on PATH: add it" ;;
esac
