# shellcheck shell=bash disable=SC2154 # the script that sources it sets here, root, work, broker, store, builder
# For docker/test.sh, which sources it: images that this engine cannot get are made here, under the names of
# docker/compose.yaml and docker/Dockerfile, as far as the tests look at them.

# Where an imitation is kept between two tests. Its real name is taken away at the end: nobody else shall run it.
kept() { echo "kafka-experiment-imitation/${1//[:\/]/-}"; }

imitated=()

# Whether the engine has the image, or gets it. What an earlier test left under that name does not count.
can_be_had() {
    local label
    if label=$(docker image inspect --format '{{index .Config.Labels "kafka-experiment.imitation"}}' "$1" 2>/dev/null); then
        [ -z "$label" ] && return
        docker image rm "$1" >/dev/null
    fi
    timeout 600 docker pull --quiet "$1" >/dev/null 2>&1
}

# need IMAGE MAKER: has the image by its name, made by the function MAKER in an empty folder if need be. Where that
# fails, the tests cannot be run.
need() {
    local image=$1 maker=$2 folder=$work/image
    can_be_had "$image" && return
    if ! docker image inspect "$(kept "$image")" >/dev/null 2>&1; then
        echo "making an imitation of $image"
        rm -rf "$folder" && mkdir -p "$folder"
        (cd "$folder" && "$maker" >log 2>&1) || {
            because "no image $image, and no imitation of it: $(tail -n 1 "$folder/log")" || exit 0
        }
    fi
    docker tag "$(kept "$image")" "$image" && imitated+=("$image")
}

# built IMAGE FOLDER: builds the Dockerfile that lies here on what the working folder has beside it.
built() {
    cp "$here/imitations/$2"/* . &&
        DOCKER_BUILDKIT=0 docker build --quiet --label kafka-experiment.imitation=yes --tag "$(kept "$1")" . >/dev/null
}

forget_imitations() {
    [ ${#imitated[@]} -eq 0 ] || docker image rm "${imitated[@]}" >/dev/null 2>&1 || true
}

make_debian() {
    command -v debootstrap || { echo "no debootstrap" && return 1; }
    [ "$(id -u)" = 0 ] || { echo "debootstrap needs root" && return 1; }
    debootstrap --variant=minbase bookworm root || return
    rm -rf root/var/cache/apt/archives/*.deb root/var/lib/apt/lists/*
    tar -C root -c . | docker import --change 'LABEL kafka-experiment.imitation=yes' - "$(kept "$slim")"
}

# Kafka's jars, as the stack `native` has them, and its tools.
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
    built "$broker" kafka
}

# A redis-server, with JSON documents where harness/json-store.sh gets the module.
make_kvrocks() {
    if sh "$root/harness/json-store.sh" "$root/target/json-store"; then
        install -m 755 "$root/target/json-store/rejson.so" module.so
    fi
    built "$store" kvrocks
}

# The toolchain of this machine, without its documents.
make_rust() {
    local toolchain
    toolchain=$(rustc --print sysroot) || { echo "no rustc" && return 1; }
    mkdir -p toolchain/bin
    cp "$toolchain"/bin/{cargo,rustc} toolchain/bin/ || return
    cp -r "$toolchain/lib" toolchain/ && cp /etc/ssl/certs/ca-certificates.crt . || return
    built "$builder" rust
}
