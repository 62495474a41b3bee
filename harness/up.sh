#!/bin/sh
# Keeps `harness up` in the background for `make up`, and ends it for `make down`.
#
# usage: up.sh start|stop HARNESS STACK PID_FILE ENV_FILE
set -eu

action=$1 harness=$2 stack=$3 pid_file=$4 env_file=$5

# Whether the recorded process still runs and is the harness. After a reboot another process may have its id.
is_up() {
    [ -f "$pid_file" ] && ps -o args= -p "$(cat "$pid_file")" 2>/dev/null | grep -q "harness up"
}

start() {
    if is_up; then
        echo "already up, process $(cat "$pid_file"):" && tell
        return
    fi
    mkdir -p "$(dirname "$env_file")"
    # What an earlier stack wrote must not be taken for this one's.
    : >"$env_file"
    detached=setsid
    command -v setsid >/dev/null 2>&1 || detached=nohup
    # In a new session, so that the terminal's Ctrl-C and hang-up do not reach it.
    $detached "$harness" up --stack "$stack" >"$env_file" 2>"$env_file.log" </dev/null &
    echo $! >"$pid_file"
    until grep -q '^#' "$env_file"; do
        if ! kill -0 "$(cat "$pid_file")" 2>/dev/null; then
            rm -f "$pid_file"
            cat "$env_file.log" >&2
            exit 1
        fi
        sleep 0.2
    done
    tell
}

# Prints what is up, and how to use it.
tell() {
    cat "$env_file"
    echo "# load-client and order-service find it after: . $env_file"
    echo "# stop it with: make down"
    grep -q '^KAFKA_URL=.*:9092$' "$env_file" ||
        echo "# port 9092 was in use: where a page names localhost:9092, take the address above"
}

# Removes the containers of a killed harness. For other containers of docker/compose.yaml, it prints how to remove them.
# Fails if there are none.
containers() {
    command -v docker >/dev/null 2>&1 || return 1
    label=kafka-experiment.harness-pid
    owner="of {{.Label \"$label\"}}"
    owners=$(timeout 20 docker ps --all --filter "label=$label" --format "$owner" 2>/dev/null | sort -u)
    [ -n "$owners" ] || return 1
    set -- docker compose --file docker/compose.yaml --profile '*' down --volumes --remove-orphans
    for owner in $(echo "$owners" | cut -d ' ' -f 2); do
        if ps -o args= -p "$owner" 2>/dev/null | grep -q 'harness '; then
            echo "the containers of docker/compose.yaml belong to a running harness, process $owner"
            return
        fi
    done
    if echo "$owners" | grep -q '^of $'; then
        echo "keeping containers of docker/compose.yaml that make up did not start; to remove them:"
        echo "  $(echo "$*" | sed "s/\*/'*'/")"
        return
    fi
    timeout 120 "$@" >/dev/null 2>&1 || { echo "containers are left; remove them with: $*" >&2 && exit 1; }
    echo "removed the containers of a harness that was killed"
}

stop() {
    was=""
    if is_up; then
        was=up
        kill -TERM "$(cat "$pid_file")"
        while is_up; do
            sleep 0.2
        done
        echo "stopped"
    fi
    rm -f "$pid_file" "$env_file"
    containers || [ -n "$was" ] || echo "nothing is up"
}

"$action"
