# shellcheck shell=bash disable=SC2154 # the script that sources this file sets these variables
# For docker/test.sh, which sources it: makes the images that this engine cannot get, under the names of
# docker/compose.yaml and docker/Dockerfile. The imitations have only what the tests need.

# kept IMAGE NAME: the name under which an imitation is kept between two tests, until one of its sources changes. At the
# end it loses its real name, so that nobody else runs it.
kept() {
    local made_of
    made_of=$({
        cat "$here/imitations/$2"/* "$here/imitations/make.sh" "$root/harness/kafka/pom.xml" \
            "$root/harness/json-store.sh" 2>/dev/null || true
        rustc -V 2>/dev/null || true
    } | cksum | cut -d ' ' -f 1)
    echo "kafka-experiment-imitation/$2:${1##*:}-$made_of"
}

imitated=()

# Whether the engine has the image, or can get it. An imitation from an earlier test does not count.
can_be_had() {
    local label='{{index .Config.Labels "kafka-experiment.imitation"}}'
    if label=$(docker image inspect --format "$label" "$1" 2>/dev/null); then
        [ -z "$label" ] && return
        docker image rm "$1" >/dev/null
    fi
    timeout 600 docker pull --quiet "$1" >/dev/null 2>&1
}

# need IMAGE NAME: makes sure that there is the image. If necessary, the function make_NAME makes it in an empty folder.
# If that fails, the tests cannot run.
need() {
    local image=$1 folder=$work/image imitation
    can_be_had "$image" && return
    imitation=$(kept "$1" "$2")
    if ! docker image inspect "$imitation" >/dev/null 2>&1; then
        echo "making an imitation of $image"
        docker images --quiet "${imitation%:*}" | xargs -r docker image rm --force >/dev/null
        rm -rf "$folder" && mkdir -p "$folder"
        (cd "$folder" && "make_$2" "$imitation" >log 2>&1) || {
            because "no image $image, and no imitation of it: $(tail -n 1 "$folder/log")" || exit 0
        }
    fi
    docker tag "$imitation" "$image" && imitated+=("$image")
}

# built IMITATION NAME: builds the Dockerfile in that name's folder, together with the files in the working folder.
built() {
    cp "$here/imitations/$2"/* . &&
        DOCKER_BUILDKIT=0 docker build --quiet --label kafka-experiment.imitation=yes --tag "$1" .
}

forget_imitations() {
    [ ${#imitated[@]} -eq 0 ] || docker image rm "${imitated[@]}" >/dev/null 2>&1 || true
}

make_debian() {
    command -v debootstrap || { echo "no debootstrap" && return 1; }
    [ "$(id -u)" = 0 ] || { echo "debootstrap needs root" && return 1; }
    debootstrap --variant=minbase bookworm root || return
    rm -rf root/var/cache/apt/archives/*.deb root/var/lib/apt/lists/*
    tar -C root -c . | docker import --change 'LABEL kafka-experiment.imitation=yes' - "$1"
}

# Kafka's jars, the same as those of the stack `native`, and its tools.
make_kafka() {
    local pom=$root/harness/kafka/pom.xml version jars
    command -v mvn || { echo "no mvn" && return 1; }
    version=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' "$pom")
    jars=$root/target/kafka/$version
    mkdir libs
    if [ -d "$jars" ]; then
        cp "$jars"/*.jar libs || return
    else
        mvn --batch-mode --quiet --file "$pom" dependency:copy-dependencies -DincludeScope=runtime \
            "-DoutputDirectory=$PWD/libs" || return
    fi
    mvn --batch-mode --quiet dependency:copy "-Dartifact=org.apache.kafka:kafka-tools:$version" \
        "-DoutputDirectory=$PWD/libs" || return
    built "$1" kafka
}

# A redis-server, with JSON documents if harness/json-store.sh gets the module.
make_kvrocks() {
    if sh "$root/harness/json-store.sh" "$root/target/json-store"; then
        install -m 755 "$root/target/json-store/rejson.so" module.so
    fi
    built "$1" kvrocks
}

# The toolchain of this machine, without its documentation.
make_rust() {
    local toolchain
    toolchain=$(rustc --print sysroot) || { echo "no rustc" && return 1; }
    mkdir -p toolchain/bin
    cp "$toolchain"/bin/{cargo,rustc} toolchain/bin/ || return
    cp -r "$toolchain/lib" toolchain/ && cp /etc/ssl/certs/ca-certificates.crt . || return
    built "$1" rust
}
