#!/usr/bin/env bash
# Runs docker-compose.yml as it stands, posts queries without a pause, kills the containers one after another, cuts a
# node off the network, kills all three, and counts: every query that was acknowledged must have ended, once. Prints a
# verdict as JSON and ends with 1 where it is not so. Takes six minutes; needs root.
#
# No image is pulled: the base images are built from nothing around static programs. What is missing of docker.io,
# docker-compose and busybox-static is installed with apt; where no docker daemon answers, one is started here, in a
# folder of its own, and ended.
#     AGENTBUS_BINARY=PATH   a static agentbus; built here by default
set -euo pipefail
cd "$(dirname "$0")/.."

work="$(mktemp -d)"
project="agentbus-check-$$"
daemon=
bridge=
say() { printf '== %s (%ss)\n' "$1" "$SECONDS" >&2; }

ready_docker() {
    local missing=()
    command -v dockerd >/dev/null || docker info >/dev/null 2>&1 || missing+=(docker.io)
    command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 || missing+=(docker-compose)
    [ -x /bin/busybox ] || missing+=(busybox-static)
    if [ "${#missing[@]}" -gt 0 ]; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" iptables >/dev/null
    fi
    docker info >/dev/null 2>&1 && return
    export DOCKER_HOST="unix://$work/docker.sock"
    # It changes the firewall, and leaves it so when it ends.
    iptables-save >"$work/firewall"
    [ -e /sys/class/net/docker0 ] || bridge=docker0
    # A session of its own, so that Ctrl-C does not end it before the containers.
    setsid dockerd --host "$DOCKER_HOST" --data-root "$work/docker" --exec-root "$work/run" --pidfile "$work/docker.pid" >"$work/dockerd.log" 2>&1 &
    daemon=$!
    for _ in $(seq 60); do docker info >/dev/null 2>&1 && return; sleep 0.5; done
    tail -n 20 "$work/dockerd.log" >&2
    return 1
}

compose() {
    if command -v docker-compose >/dev/null; then docker-compose --project-name "$project" "$@"; else docker compose --project-name "$project" "$@"; fi
}

clean_up() {
    local code=$?
    set +e
    [ "$code" -eq 0 ] || { compose ps; compose logs --tail 15; } >&2 2>&1
    docker rm --force "$project-client" >/dev/null 2>&1
    compose down --volumes --timeout 3 >/dev/null 2>&1
    docker image rm --force "$project-nats" "$project-builder" "$project-agentbus" "$project-client" >/dev/null 2>&1
    if [ -n "$daemon" ]; then
        kill "$daemon"; wait "$daemon" 2>/dev/null
        iptables-restore <"$work/firewall"
        [ -z "$bridge" ] || ip link delete "$bridge"
    fi
    rm -rf "$work"
    exit "$code"
}
trap clean_up EXIT

static_agentbus() {
    if [ -n "${AGENTBUS_BINARY:-}" ]; then cp "$AGENTBUS_BINARY" "$work/agentbus"; return; fi
    local target
    target="$(rustc -vV | sed -n 's/^host: //p')"
    RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --release --target "$target" --package agentbus-cli --target-dir target/static
    cp "target/static/$target/release/agentbus" "$work/agentbus"
}

# The nats-server that 'agentbus up' uses; it fetches one where there is none.
static_nats() {
    local cache="${AGENTBUS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/agentbus}" found="${AGENTBUS_NATS_SERVER:-}"
    if [ -z "$found" ] && ! compgen -G "$cache/nats-server-*/nats-server" >/dev/null; then
        (cd "$work" && mkdir -p up && timeout --signal TERM 60 ./agentbus up --data up >/dev/null 2>&1) || true
    fi
    [ -n "$found" ] || found="$(compgen -G "$cache/nats-server-*/nats-server" | tail -n 1)"
    cp "$found" "$work/nats-server"
}

# An image of nothing but these files of the working folder, each at its place: NAME FILE:PLACE…
image() {
    local name=$1 folder="$work/image-$1" pair
    shift
    for pair in "$@"; do
        mkdir -p "$folder/$(dirname "${pair#*:}")"
        cp "$work/${pair%%:*}" "$folder/${pair#*:}"
    done
    printf 'FROM scratch\nENV PATH=/bin\nCOPY . /\n' >"$folder/Dockerfile"
    docker build --quiet --tag "$name" "$folder"
}

# busybox is the wget of the health checks, and a shell where one is needed.
build_images() {
    local tools=() tool
    cp /bin/busybox "$work/busybox"
    for tool in sh cat date mv tr touch sleep; do tools+=("busybox:bin/$tool"); done
    image "$project-nats" nats-server:bin/nats-server busybox:bin/wget
    image "$project-client" agentbus:bin/agentbus "${tools[@]}"
    image "$project-builder" agentbus:agentbus busybox:bin/sh
    docker build --quiet --build-arg BUILDER="$project-builder" --tag "$project-agentbus" .
    export NATS_IMAGE="$project-nats" AGENTBUS_IMAGE="$project-agentbus" AGENTBUS_PORT=0
}

container() { compose ps --quiet "$1"; }
pid() { docker inspect --format '{{.State.Pid}}' "$(container "$1")"; }

# Waits, two minutes at most, until a query posted after this moment is acknowledged and every part is healthy again.
recovered() {
    local fault=$1 since=$SECONDS moment part healthy
    moment="$(date +%s)"
    for _ in $(seq 240); do
        sleep 0.5
        [ "$(cat "$work/out/probe" 2>/dev/null || echo 0)" -gt "$moment" ] || continue
        healthy=yes
        for part in $parts; do
            [ "$(docker inspect --format '{{.State.Health.Status}}' "$(container "$part")")" = healthy ] || healthy=
        done
        if [ -n "$healthy" ]; then
            printf '%s\t%s\n' "$fault" "$((SECONDS - since))" >>"$work/faults"
            say "$fault: recovered in $((SECONDS - since)) s; $(wc -l <"$work/out/acknowledged") acknowledged"
            return
        fi
    done
    printf '%s\tnever\n' "$fault" >>"$work/faults"
}

say 'docker'
ready_docker
say 'programs'
static_agentbus
static_nats
say 'images'
build_images >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
parts="nats-1 nats-2 nats-3 coordinator-1 coordinator-2 agents"

say 'up'
compose up --detach --no-build >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; exit 1; }
published="$(docker ps --filter "label=com.docker.compose.project=$project" --format '{{.Ports}}' | grep -o '[0-9.:]*->[0-9]*' || true)"
case "$published" in 127.0.0.1:*'->4222') ;; *) say "published is more than one port: $published"; exit 1 ;; esac
[ "$(docker inspect --format '{{.Config.User}}' "$(container coordinator-1)")" = 65532:65532 ] || { say 'agentbus runs as root'; exit 1; }

mkdir -p "$work/out"
: >"$work/faults"
network="$(docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' "$(container agents)")"
docker run --detach --name "$project-client" --network "$network" --volume "$work/out:/out" --volume "$PWD/tests/compose/client.sh:/client.sh:ro" \
    --env AGENTBUS_NATS=nats://nats-1:4222,nats://nats-2:4222,nats://nats-3:4222 "$project-client" sh /client.sh >/dev/null
recovered 'nothing yet'

for part in $parts; do
    kill -KILL "$(pid "$part")"
    recovered "$part killed"
done

cut="$(container nats-2)"
docker network disconnect "$network" "$cut"
# Longer than the cluster takes to elect, and than clients take to notice.
sleep 20
docker network connect --alias nats-2 "$network" "$cut"
recovered 'nats-2 cut off for 20 s'

kill -KILL "$(pid nats-1)" "$(pid nats-2)" "$(pid nats-3)"
recovered 'all nodes killed'

say 'counting'
touch "$work/out/stop"
for _ in $(seq 1200); do [ -e "$work/out/done" ] && break; sleep 0.5; done
[ -e "$work/out/done" ] || { say 'the records cannot be read'; exit 1; }
python3 tests/compose/verdict.py "$work/out" "$work/faults"
