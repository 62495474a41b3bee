#!/usr/bin/env bash
# Checks the files for deployment and releases, without a cluster. `make test` runs it. It takes a minute the first
# time, and some seconds afterwards. It checks:
#
# - the manifests of deploy/kubernetes, single and rendered by kustomize, by the schemas of the custom resources, and of
#   the oldest and the newest Kubernetes release in the package kubernetes-validate
# - the variables in the manifests: the programs have a flag for each one
# - the workflows (actionlint) and the alert rules (promtool)
#
# usage: deploy/check.sh [NOT_RUN]
#
# PROGRAMS is the folder of the programs, by default target/debug. A check that cannot run here is no failure: it is
# printed, and appended to the file NOT_RUN, as `what: why`. With CI=true, missing schemas are a failure.
# Exit codes: 0 nothing is wrong, 1 something is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."

releases=1.25,1.37
schemas=kubernetes-validate==1.37.0
libraries=(jsonschema==4.26.0 PyYAML==6.0.3 zizmor==1.32.0)
tools=target/manifests
tools_of_go=target/tools
crds=target/crds
modules='github.com/kedacore/keda/v2@v2.21.0 config/crd/bases/keda.sh_scaledobjects.yaml
github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml'
actionlint=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
programs=${PROGRAMS:-target/debug}
not_run_file=${1:-}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# not_run WHAT WHY
not_run() {
    echo "not run: $1: $2" >&2
    [ -z "$not_run_file" ] || echo "$1: $2" >>"$not_run_file"
}

# The package with the schemas stays packed, because it has thousands of files. Both are fetched at the same time.
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

check() { PYTHONPATH=$tools/libraries python3 deploy/check.py "$tools"/kubernetes_validate-*.whl "$releases" "$crds" "$@"; }

# KEDA and the Prometheus Operator publish the definitions of their resources in their Go modules.
fetch_crds() {
    rm -rf "$crds" && mkdir -p "$crds"
    local module file folder
    while read -r module file; do
        folder=$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || return 1
        [ -n "$folder" ] && cp "$folder/$file" "$crds/" || return 1
    done <<<"$modules"
    echo "$modules" >"$crds/complete"
}

# build TOOL MODULE WHAT: builds a missing tool with Go. WHAT are the checks that need it.
build() {
    command -v "$1" >/dev/null && return
    [ -x "$tools_of_go/$1" ] || GOBIN=$PWD/$tools_of_go go install "$2" >"$log" 2>&1 ||
        not_run "$3" "no $1, and go cannot build it: $(tail -n 1 "$log")"
}

# The command that renders manifests. kubectl has kustomize built in, but in some releases it is too old.
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
        # In CI nobody would notice a check that did not run.
        [ "${CI:-}" != true ] || exit 1
        return 0
    fi
    local files wanted=(-true)
    if [ "$(cat "$crds/complete" 2>/dev/null)" != "$modules" ] && ! fetch_crds >"$log" 2>&1; then
        mkdir -p "$crds"
        wanted=(! -name scaling.yaml ! -name monitor.yaml)
        not_run "the ScaledObject and the PodMonitor against their definitions" "go cannot get them: $(tail -n 1 "$log")"
    fi
    mapfile -t files < <(find deploy/kubernetes -name '*.yaml' ! -name kustomization.yaml "${wanted[@]}" | sort)
    check "${files[@]}"
}

check_rendered() {
    local command file
    if ! command=$(renderer); then
        not_run "what kustomize makes of the manifests" "no kustomize, and no kubectl with kustomize 5"
        return
    fi
    for file in deploy/kubernetes/*/kustomization.yaml; do
        # shellcheck disable=SC2086 # the command has two words
        $command "${file%/*}" >"$log"
        echo "${file%/*} is rendered"
        # The custom resources are unknown without their definitions.
        [ ! -e "$tools/complete" ] || [ ! -e "$crds/complete" ] || check - <"$log"
    done
}

# check_variables PROGRAM PREFIX COMMAND...: checks that a flag has each variable. The program itself ignores unknown
# variables, because other programs may use the prefix.
check_variables() {
    local program=$programs/$1 prefix=$2 command variable unknown=""
    if [ ! -x "$program" ]; then
        not_run "variables of the manifests" "no $program: cargo build --workspace"
        return
    fi
    for command in "${@:3}"; do
        # shellcheck disable=SC2086 # an empty command is the program itself
        "$program" $command --help
    done | grep -oE "${prefix}_[A-Z_]+" >"$log"
    while read -r variable; do
        grep -qx "$variable" "$log" || unknown="$unknown $variable"
    done < <(grep -rohE "\b${prefix}_[A-Z_]*[A-Z]\b" --include='*.yaml' --include='*.md' deploy docker | sort -u)
    if [ -n "$unknown" ]; then
        echo "no flag of $1 has the variables:$unknown" >&2
        exit 1
    fi
    echo "$1 has a flag for each variable"
}

# Checks syntax and names (actionlint), then security (zizmor).
check_workflows() {
    if command -v actionlint >/dev/null; then
        actionlint -shellcheck= -pyflakes= .github/workflows/*.yml
        echo "actionlint accepts .github/workflows"
    fi
    if [ -x "$tools/libraries/bin/zizmor" ]; then
        "$tools/libraries/bin/zizmor" --offline --quiet --no-progress .github/workflows
    fi
}

# harness/tests/contract/monitoring.rs compares the names of metrics with a service.
check_alerts() {
    if ! command -v promtool >/dev/null; then
        not_run "deploy/monitoring/alerts.yaml" "no promtool: install prometheus"
        return
    fi
    promtool check rules deploy/monitoring/alerts.yaml
    promtool test rules deploy/monitoring/alerts.test.yaml
}

mkdir -p "$tools_of_go"
PATH=$PATH:$PWD/$tools_of_go
build actionlint "$actionlint" ".github/workflows"
build kustomize "$kustomize" "what kustomize makes of the manifests"
check_schemas
check_rendered
check_variables load-client LOAD_CLIENT run worker report
check_variables order-service ORDER_SERVICE ""
check_workflows
check_alerts
