#!/bin/sh
# Packs the built programs with man pages, completions and licences into target/dist, with a checksum. If
# cargo-cyclonedx is installed, it adds a software bill of materials (SBOM) for each program.
#
# usage: dist.sh FOLDER_OF_PROGRAMS
set -eu

built=$1
cargo=${CARGO:-cargo}
dist=target/dist
version=$("$built/harness" --version | cut -d ' ' -f 2)
target=$(rustc -vV | sed -n 's/^host: //p')
name=kafka-bridge-$version-$target

rm -rf "$dist"
mkdir -p "$dist"
sh harness/install.sh "$built" "$dist/$name" >/dev/null
cp README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$dist/$name/"
tar -C "$dist" -czf "$dist/$name.tar.gz" "$name"
rm -r "${dist:?}/$name"
if command -v sha256sum >/dev/null; then
    (cd "$dist" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
else
    (cd "$dist" && shasum -a 256 "$name.tar.gz" >"$name.tar.gz.sha256")
fi
if "$cargo" cyclonedx --version >/dev/null 2>&1; then
    # It writes beside each manifest of the workspace.
    trap 'rm -f ./*/sbom.json' EXIT
    "$cargo" cyclonedx --format json --all-features --override-filename sbom --quiet
    for program in load-client order-service harness; do
        mv "$program/sbom.json" "$dist/$program-$version-$target.cdx.json"
    done
else
    echo "no SBOM: cargo install cargo-cyclonedx" >&2
fi
ls "$dist"
