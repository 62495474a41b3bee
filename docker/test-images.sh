# shellcheck shell=bash disable=SC2154 # docker/test.sh sources this file, and sets these variables
# For docker/test.sh: tests of the images of docker/Dockerfile, and of the compose file's profiles that run them.

built_already=""

# Builds the images of both programs, once. The first build takes minutes.
build_images() {
    [ -z "$built_already" ] || return 0
    echo "building the images of docker/Dockerfile"
    timeout 3600 "${compose[@]}" --profile '*' build --progress plain service-tasks load >"$work/build" 2>&1 ||
        fail "the build: $(tail -n 20 "$work/build")"
    built_already=yes
    # Images on an imitated base are imitations too.
    case " ${imitated[*]} " in *" $slim "* | *" $builder "*) imitated+=(order-service load-client) ;; esac
}

# container SERVICE: the id of its container.
container() { docker ps --all --quiet --filter "label=$label" --filter "label=com.docker.compose.service=$1"; }

# wait_until_healthy SERVICE
wait_until_healthy() {
    local health=""
    for _ in $(seq 600); do
        health=$(docker inspect --format '{{.State.Health.Status}}' "$(container "$1")")
        [ "$health" != healthy ] || return 0
        sleep 0.3
    done
    fail "$1 is $health: $(docker inspect --format '{{json .State.Health.Log}}' "$(container "$1")")"
}

the_base_s_toolchain_builds_and_layers_are_cached() {
    build_images
    ! grep -E 'syncing channel updates|downloading component' "$work/build" || fail "a toolchain is downloaded"
    # The image that compiles must not have the file that chooses a toolchain.
    printf 'services: {build: {image: kafka-experiment-build, build: {context: "%s", dockerfile: %s, target: build}}}\n' \
        "$root" docker/Dockerfile >"$work/build.yaml"
    run 0 docker compose --file "$work/build.yaml" --project-name kafka-experiment-build build --progress plain
    run 0 docker run --rm --network none kafka-experiment-build sh -c '[ ! -e rust-toolchain.toml ]'
    docker image rm kafka-experiment-build >/dev/null
    # Nothing has changed, so nothing is compiled.
    run 0 "${compose[@]}" --profile '*' build --progress plain service-tasks load
    ! grep -q Compiling "$out" || fail "a second build compiles: $(cat "$out")"
}

the_programs_have_tls() {
    build_images
    run 1 docker run --rm --network none order-service --store rediss://127.0.0.1:1
    says "$out" "refused"
    run 0 docker run --rm --network none --entrypoint sh order-service -c 'test -s /etc/ssl/certs/ca-certificates.crt'
    local code=0
    timeout 60 docker run --rm --network none load-client run --headless --host kafka+ssl://127.0.0.1:1 --users 1 \
        --run-time 1s >"$out" 2>&1 || code=$?
    [ "$code" != 0 ] || fail "load without a broker"
    ! grep -q "needs TLS" "$out" || fail "$(cat "$out")"
}

the_service_has_no_rights_and_ends_in_order() {
    build_images
    run 0 "${compose[@]}" --profile baseline up --detach
    wait_until_healthy service-baseline
    local service
    service=$(container service-baseline)
    [ "$(docker exec "$service" id -u)" = 10001 ] || fail "it runs as $(docker exec "$service" id)"
    run 1 docker exec --user 0 "$service" touch /tmp/file
    says "$out" "Read-only file system"
    run 0 docker exec "$service" grep -E '^(CapBnd|NoNewPrivs):' /proc/1/status
    says "$out" "CapBnd:	0000000000000000"
    says "$out" "NoNewPrivs:	1"
    run_load "${compose[@]}" --profile load run --rm load
    # From one variant to the other, with the commands of the compose file.
    run 0 "${compose[@]}" --profile baseline rm -sf service-baseline
    run 0 "${compose[@]}" --profile tasks up --detach
    wait_until_healthy service-tasks
    run_load "${compose[@]}" --profile load run --rm load run --headless --host=kafka://kafka:29092 --users=2 \
        --run-time=3s -X compression.type=zstd
    run 0 "${compose[@]}" stop service-tasks
    service=$(container service-tasks)
    [ "$(docker inspect --format '{{.State.ExitCode}}' "$service")" = 0 ] ||
        fail "it ended in another way: $(docker logs "$service" 2>&1)"
    docker logs "$service" >"$out" 2>&1
    says "$out" "SIGTERM, stopping"
    run 0 "${compose[@]}" --profile '*' down --volumes --remove-orphans
    nothing_is_left
}

the_health_check_tells_a_service_that_is_not_healthy() {
    build_images
    local check
    check=$(docker image inspect --format '{{join .Config.Healthcheck.Test " "}}' order-service)
    [ "${check%% *}" = CMD ] || fail "the image has no check: $check"
    # First nothing listens, then a program with another answer than 200.
    run 1 docker run --rm --network none --entrypoint "${check#CMD }" order-service
    # shellcheck disable=SC2016 # for the shell in the container
    run 1 docker run --rm --network none --entrypoint bash order-service -c '
        perl -MIO::Socket::INET -e "\$l = IO::Socket::INET->new(LocalPort => 9464, Listen => 1) or die; print qq(ready\n);
            close STDOUT; \$c = \$l->accept; <\$c>; print \$c qq(HTTP/1.1 503 No\r\n\r\nstuck handler)" | (read -r _; "$0")' \
        "${check#CMD }"
    says "$out" "stuck handler"
}

# shellcheck disable=SC2034 # for docker/test.sh
image_tests=(
    the_base_s_toolchain_builds_and_layers_are_cached
    the_programs_have_tls
    the_service_has_no_rights_and_ends_in_order
    the_health_check_tells_a_service_that_is_not_healthy
)
