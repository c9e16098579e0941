#!/usr/bin/env bash
# Proves docker-compose.yml: builds and starts the home lab, talks both ways through it, stops it,
# starts it again with what it kept, and takes it away.
#
#   tests/compose.sh           with the Docker that runs here and the images that the file names
#   tests/compose.sh --alone   on a Debian machine without any registry of images, as root: starts a
#                              Docker of its own, makes a Debian base with debootstrap, and takes a
#                              program that is compiled here instead of in an image
#
# Not part of ./test: it needs Docker with compose, and minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
fail() { echo "compose.sh: $*" >&2; exit 1; }

alone=
case ${1:-} in
  '') ;;
  --alone) alone=1 ;;
  *) fail "no option ${1}; there is --alone" ;;
esac

work=$(mktemp -d)
dockerd=
cleanup() {
  [ -z "${lab_up:-}" ] || compose down --volumes --timeout 5 >/dev/null 2>&1 || true
  if [ -n "$dockerd" ]; then
    kill "$dockerd" 2>/dev/null || true
    wait "$dockerd" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT

# Ports of its own, so that a lab that is already here is left alone.
export COMPOSE_PROJECT_NAME=monster-lab-test
export GATEWAY_LISTEN=127.0.0.1:27580 IRC_LISTEN=127.0.0.1:26667 IRC_TLS_LISTEN=127.0.0.1:26697
export MEDIA_LISTEN=127.0.0.1:27581 TURN_LISTEN=127.0.0.1:23478
compose() { docker-compose --project-directory "$context" -f "$context/docker-compose.yml" "$@"; }
if ! command -v docker-compose >/dev/null; then
  docker-compose() { docker compose "$@"; }
fi

own_docker() {
  local needed=()
  command -v dockerd >/dev/null || needed+=(docker.io iptables)
  command -v docker-compose >/dev/null || needed+=(docker-compose)
  command -v debootstrap >/dev/null || needed+=(debootstrap)
  if [ ${#needed[@]} -gt 0 ]; then
    apt-get update -qq
    # Compose of Debian 12 is too old to build with BuildKit; the one of 13 runs there as it is.
    local release=
    apt-cache madison docker-compose | grep -q trixie && release=/trixie
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "${needed[@]/%docker-compose/docker-compose$release}" >/dev/null
  fi
  export DOCKER_HOST=unix://$work/docker.sock
  dockerd --host "$DOCKER_HOST" --data-root "$work/docker" --exec-root "$work/exec" \
    --pidfile "$work/docker.pid" >"$work/dockerd.log" 2>&1 &
  dockerd=$!
  local deadline=$((SECONDS + 60))
  until docker version >/dev/null 2>&1; do
    kill -0 "$dockerd" 2>/dev/null || fail "dockerd ended: $(tail -n 3 "$work/dockerd.log")"
    [ $SECONDS -lt $deadline ] || fail "dockerd did not answer within 60 s"
    sleep 0.2
  done
}

# A Debian base, with this machine's own way to Debian's packages.
own_base() {
  local mirror cache=${XDG_CACHE_HOME:-$HOME/.cache}/monster-gateway/debian-trixie.tar
  if [ ! -s "$cache" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/*$')
    debootstrap --variant=minbase trixie "$work/base" "$mirror" >"$work/debootstrap.log" \
      || fail "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
    mkdir -p "$(dirname "$cache")"
    tar -C "$work/base" -cf "$cache.new" .
    mv "$cache.new" "$cache"
  fi
  docker import "$cache" monster-lab-base >/dev/null
  export RUNTIME_IMAGE=monster-lab-base ERGO_BASE_IMAGE=monster-lab-base TURN_BASE_IMAGE=monster-lab-base
}

# The program of this machine and the files that the images are made of, and nothing else.
own_program() {
  cargo build --locked --quiet --bin monster-gateway
  local target=${CARGO_TARGET_DIR:-target}
  context=$work/context
  mkdir "$context"
  cp -r Dockerfile docker-compose.yml docker config "$context"
  cp "$target/debug/monster-gateway" "$context"
  strip "$context/monster-gateway" 2>/dev/null || true
  export BINARY=prebuilt PREBUILT=monster-gateway
}

context=$PWD
if [ -n "$alone" ]; then
  say "a Docker, a Debian base and a program of our own"
  own_program
  own_docker
  own_base
fi

say "build and start"
lab_up=1
compose up --detach --build --wait --quiet-pull || { compose logs --tail 30; fail "the lab did not become healthy"; }

say "nobody is root, and nothing can be written but data"
for service in gateway ergo coturn; do
  [ "$(compose exec -T $service id -u)" != 0 ] || fail "$service runs as root"
  compose exec -T $service sh -c '! touch /usr/local/bin/x 2>/dev/null' || fail "$service can change its programs"
done
compose exec -T gateway sh -c 'test "$(stat -c %a /data/admin-token)" = 600' || fail "the token can be read by others"

say "the TURN server takes the gateway's credentials"
urls='turn:coturn:3478?transport=udp,turn:coturn:3478?transport=tcp'
tried=$(compose exec -T -e "MONSTER_GATEWAY__CALLS__TURN__URLS=$urls" gateway monster-gateway doctor || true)
[ "$(grep -c 'media server turn:.*relays at' <<<"$tried")" = 2 ] || fail "doctor about the TURN server: $tried"

say "both ways through the lab"
token=$(compose exec -T gateway monster-gateway account add alice)
talk() {
  LAB_GATEWAY=$GATEWAY_LISTEN LAB_IRC=$IRC_LISTEN LAB_TOKEN=$token \
    cargo test --locked --quiet --test home_lab -- --ignored "$@"
}
talk

say "stop, in time and by itself"
compose stop >/dev/null 2>&1
for service in gateway ergo coturn; do
  id=$(compose ps --all --quiet $service)
  code=$(docker inspect --format '{{.State.ExitCode}}' "$id")
  [ "$code" = 0 ] || fail "$service ended with code $code: $(docker logs --tail 5 "$id" 2>&1)"
done

say "again, with what was kept"
compose up --detach --wait
[ "$(compose exec -T gateway monster-gateway link list --json | grep -c lobby)" -ge 1 ] || fail "the link is gone"
talk

say "the home lab works"
