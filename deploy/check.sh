#!/usr/bin/env bash
# Checks the manifests of deploy/kubernetes without a cluster: each file, and what kustomize makes of them, against the schemas
# of the oldest and the newest release of Kubernetes that the package kubernetes-validate has; and whether the load client
# has a flag for each variable. `make test` runs it. It takes some seconds the first time, and one afterwards.
#
# usage: deploy/check.sh [NOT_RUN]
#
# LOAD_CLIENT is the program, target/debug/load-client by default. What cannot be checked here is no failure: it is printed,
# and appended to the file NOT_RUN, as `what: why`. With CI=true the schemas have to be there.
# Exit codes: 0 nothing is wrong, 1 something is.
set -euo pipefail
cd "$(dirname "$0")/.."

releases=1.25,1.37
schemas=kubernetes-validate==1.37.0
libraries=(jsonschema==4.26.0 PyYAML==6.0.3)
tools=target/manifests
program=${LOAD_CLIENT:-target/debug/load-client}
not_run_file=${1:-}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# not_run WHAT WHY
not_run() {
    echo "not run: $1: $2" >&2
    [ -z "$not_run_file" ] || echo "$1: $2" >>"$not_run_file"
}

# The package with the schemas stays packed: it has thousands of files. Both are fetched at the same time.
install_tools() {
    rm -rf "$tools" && mkdir -p "$tools"
    local pip=(python3 -m pip --quiet --disable-pip-version-check --no-input)
    "${pip[@]}" download --no-deps --only-binary :all: --dest "$tools" "$schemas" >"$log" 2>&1 &
    local fetching=$! failed=""
    "${pip[@]}" install --no-compile --only-binary :all: --target "$tools/libraries" "${libraries[@]}" \
        >"$log.libraries" 2>&1 || failed=yes
    wait "$fetching" || failed=yes
    cat "$log.libraries" >>"$log" && rm -f "$log.libraries"
    [ -z "$failed" ] || { rm -rf "$tools" && return 1; }
    echo "$schemas ${libraries[*]}" >"$tools/complete"
}

check() { PYTHONPATH=$tools/libraries python3 deploy/check.py "$tools"/kubernetes_validate-*.whl "$releases" "$@"; }

# The tool that renders: kubectl has kustomize built in, that of some releases is too old.
renderer() {
    if command -v kustomize >/dev/null; then
        echo "kustomize build"
    elif kubectl version --client 2>/dev/null | grep -q '^Kustomize Version: v5'; then
        echo "kubectl kustomize"
    else
        return 1
    fi
}

check_schemas() {
    if [ "$(cat "$tools/complete" 2>/dev/null)" != "$schemas ${libraries[*]}" ] && ! install_tools; then
        not_run "manifests against Kubernetes' schemas" "pip cannot get $schemas: $(tail -n 1 "$log")"
        # There, what is not checked would go unnoticed.
        [ "${CI:-}" != true ] || exit 1
        return 0
    fi
    local files
    mapfile -t files < <(find deploy/kubernetes -name '*.yaml' ! -name kustomization.yaml | sort)
    check "${files[@]}"
}

check_rendered() {
    local command file
    if ! command=$(renderer); then
        not_run "what kustomize makes of the manifests" "no kustomize, and no kubectl with kustomize 5"
        return
    fi
    for file in deploy/kubernetes/*/kustomization.yaml; do
        # shellcheck disable=SC2086 # the command is of two words
        $command "${file%/*}" >"$log"
        echo "${file%/*} is rendered"
        [ ! -e "$tools/complete" ] || check - <"$log"
    done
}

# A variable that no flag has is not refused by the program: others may use the prefix.
check_variables() {
    if [ ! -x "$program" ]; then
        not_run "variables of the manifests" "no $program: cargo build --workspace"
        return
    fi
    local command variable unknown=""
    for command in run worker report; do "$program" "$command" --help; done | grep -oE 'LOAD_CLIENT_[A-Z_]+' >"$log"
    while read -r variable; do
        grep -qx "$variable" "$log" || unknown="$unknown $variable"
    done < <(grep -rohE '\bLOAD_CLIENT_[A-Z_]*[A-Z]\b' --include='*.yaml' --include='*.md' deploy docker | sort -u)
    if [ -n "$unknown" ]; then
        echo "no flag of the load client has the variables:$unknown" >&2
        exit 1
    fi
    echo "the load client has a flag for each variable"
}

check_schemas
check_rendered
check_variables
