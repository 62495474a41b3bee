#!/bin/sh
# Keeps `harness up` in the background for `make up`, and ends it for `make down`.
#
# usage: up.sh start|stop HARNESS STACK PID_FILE LOG_FILE
set -eu

action=$1 harness=$2 stack=$3 pid_file=$4 log_file=$5

# Whether the recorded process still runs and is the harness: after a reboot its id may be another's.
is_up() {
    [ -f "$pid_file" ] && ps -o args= -p "$(cat "$pid_file")" 2>/dev/null | grep -q "harness up"
}

start() {
    if is_up; then
        echo "already up, process $(cat "$pid_file"):" && cat "$log_file"
        return
    fi
    # A session of its own, so that the terminal's Ctrl-C and hang-up do not reach it.
    setsid "$harness" up --stack "$stack" >"$log_file" 2>"$log_file.err" </dev/null &
    echo $! >"$pid_file"
    until grep -q STORE_URL "$log_file"; do
        if ! is_up; then
            rm -f "$pid_file"
            cat "$log_file.err" >&2
            exit 1
        fi
        sleep 0.2
    done
    cat "$log_file"
    echo "stop it with: make down"
}

stop() {
    if ! is_up; then
        rm -f "$pid_file"
        echo "nothing is up"
        return
    fi
    kill -TERM "$(cat "$pid_file")"
    while is_up; do
        sleep 0.2
    done
    rm -f "$pid_file"
    echo "stopped"
}

"$action"
