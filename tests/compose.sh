#!/usr/bin/env bash
# Proves docker-compose.yml: builds and starts the home lab, talks both ways through it, stops it,
# starts it again with what it kept, and takes it away.
#
#   tests/compose.sh           with the Docker that runs here and the images that the file names
#   tests/compose.sh --alone   on a Debian machine without any registry of images, as root: starts a
#                              Docker of its own, makes a Debian base with debootstrap, and takes a
#                              program that is compiled here instead of in an image, or the one at PROGRAM
#   tests/compose.sh --alone --compiled
#                              the same, and compiles the program in an image, with this machine's Rust
#
# Not part of ./test: it needs Docker with compose, and minutes; --compiled needs many.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
fail() { echo "compose.sh: $*" >&2; exit 1; }

alone= compiled=
for option; do
  case $option in
    --alone) alone=1 ;;
    --compiled) compiled=1 ;;
    *) fail "no option $option; there are --alone and --compiled" ;;
  esac
done

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

# Ports and a network of its own, so that a lab that is already here is left alone. (Tests of the kit take
# their ports from 20000 on.)
export COMPOSE_PROJECT_NAME=monster-lab-test
export GATEWAY_LISTEN=127.0.0.1:17580 IRC_LISTEN=127.0.0.1:16667 IRC_TLS_LISTEN=127.0.0.1:16697
export MATRIX_LISTEN=127.0.0.1:18008 XMPP_LISTEN=127.0.0.1:15222
export MEDIA_LISTEN=127.0.0.1:17581 TURN_LISTEN=127.0.0.1:13478
for third in {76..99}; do
  export LAB_NET=172.30.$third
  ip -4 route show 2>/dev/null | grep -q "^$LAB_NET\." || break
done
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

# A Debian base, with this machine's own way to Debian's packages and the authorities that it trusts.
own_base() {
  local mirror base=$work/base.tar cache=${XDG_CACHE_HOME:-$HOME/.cache}/monster-gateway/debian-trixie.tar
  if [ ! -s "$cache" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/*$')
    debootstrap --variant=minbase trixie "$work/base" "$mirror" >"$work/debootstrap.log" \
      || fail "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
    mkdir -p "$(dirname "$cache")"
    tar -C "$work/base" -cf "$cache.new" .
    mv "$cache.new" "$cache"
  fi
  cp "$cache" "$base"
  add_files "$base" / usr/local/share/ca-certificates
  docker import "$base" monster-lab-base >/dev/null
  export RUNTIME_IMAGE=monster-lab-base ERGO_BASE_IMAGE=monster-lab-base TURN_BASE_IMAGE=monster-lab-base
  export MATRIX_BASE_IMAGE=monster-lab-base XMPP_BASE_IMAGE=monster-lab-base
  if [ -n "$compiled" ]; then
    add_files "$base" "$(rustc --print sysroot)" bin lib libexec usr/local/
    docker import --change 'ENV CARGO_HOME=/usr/local/cargo' "$base" monster-lab-rust >/dev/null
    export BUILD_IMAGE=monster-lab-rust
  fi
  rm "$base"
}

# add_files ARCHIVE DIRECTORY NAME… [PLACE/]: the files below DIRECTORY/NAME, in PLACE of the archive. Without
# directories, which the archive has or which come with their files.
add_files() {
  local archive=$1 directory=$2 place=
  shift 2
  case ${!#} in */) place=${!#}; set -- "${@:1:$#-1}" ;; esac
  (cd "$directory" && find "$@" ! -type d -print0) \
    | tar -C "$directory" -rf "$archive" --transform "s,^,./$place,S" --null --files-from -
}

# The files that the images are made of, and nothing else; of the program, what was compiled here.
own_context() {
  context=$work/context
  mkdir "$context"
  if [ -n "$compiled" ]; then
    git ls-files -z | tar -c --null --files-from - | tar -C "$context" -x
    return
  fi
  if [ -z "${PROGRAM:-}" ]; then
    # The packages and targets of ./test, so that they are compiled with the features they have there.
    cargo build --locked --quiet --workspace --bin monster-gateway --test docs
    PROGRAM=${CARGO_TARGET_DIR:-target}/debug/monster-gateway
  fi
  cp -r Dockerfile docker-compose.yml docker config "$context"
  cp "$PROGRAM" "$context/monster-gateway"
  strip "$context/monster-gateway" 2>/dev/null || true
  export BINARY=prebuilt PREBUILT=monster-gateway
}

context=$PWD
if [ -n "$alone" ]; then
  say "a Docker, a Debian base and a program of our own"
  own_context
  own_docker
  own_base
fi

say "build and start"
lab_up=1
compose up --detach --build --wait --quiet-pull || { compose logs --tail 30; fail "the lab did not become healthy"; }

services="gateway ergo coturn synapse prosody"
say "nobody is root, and nothing can be written but data"
for service in $services; do
  [ "$(compose exec -T $service id -u)" != 0 ] || fail "$service runs as root"
  compose exec -T $service sh -c '! touch /usr/local/bin/x 2>/dev/null' || fail "$service can change its programs"
done
compose exec -T gateway sh -c 'test "$(stat -c %a /data/admin-token)" = 600' || fail "the token can be read by others"

say "what only the lab should know is in no image"
for secret in gateway:/data/admin-token gateway:/wiring/matrix.yaml prosody:/wiring/xmpp-secret prosody:/data/key.pem \
  synapse:/data/registration-secret synapse:/data/signing.key coturn:/turn/secret; do
  service=${secret%%:*} file=${secret#*:}
  compose exec -T "$service" test -s "$file" || fail "$service has made no $file"
  [ -z "$(compose exec -T "$service" find "$file" -perm /007)" ] || fail "$file of $service can be read by others"
  image=$(docker inspect --format '{{.Image}}' "$(compose ps --quiet "$service")")
  docker run --rm --entrypoint test "$image" ! -e "$file" || fail "the image of $service has a $file"
done

say "everything is wired"
tried=$(compose exec -T gateway monster-gateway doctor || true)
for line in 'bridge ergo: registered as' 'bridge matrix: the homeserver knows the bridge as @monster:localhost' \
  'bridge matrix: the homeserver reaches the gateway'; do
  grep -q "^ok  *$line" <<<"$tried" || fail "doctor does not say '$line': $tried"
done

say "the TURN server takes the gateway's credentials"
urls='turn:coturn:3478?transport=udp,turn:coturn:3478?transport=tcp'
tried=$(compose exec -T -e "MONSTER_GATEWAY__CALLS__TURN__URLS=$urls" gateway monster-gateway doctor || true)
[ "$(grep -c 'media server turn:.*relays at' <<<"$tried")" = 2 ] || fail "doctor about the TURN server: $tried"

# talk MATRIX-USER XMPP-USER: makes both by the documented commands, and everybody talks with everybody.
talk() {
  local matrix xmpp
  matrix=$(compose exec -T synapse account add "$1" 2>/dev/null)
  xmpp=$(compose exec -T prosody account add "$2" 2>/dev/null)
  [[ $matrix == "@$1:localhost "* ]] || fail "account add on Synapse printed: $matrix"
  [[ $xmpp == "$2@localhost "* ]] || fail "account add on Prosody printed: $xmpp"
  LAB_GATEWAY=$GATEWAY_LISTEN LAB_IRC=$IRC_LISTEN LAB_MATRIX=$MATRIX_LISTEN LAB_XMPP=$XMPP_LISTEN LAB_TOKEN=$token \
    LAB_MATRIX_USER=$1 LAB_MATRIX_PASSWORD=${matrix#* } LAB_XMPP_USER=$2 LAB_XMPP_PASSWORD=${xmpp#* } \
    LAB_XMPP_CERTIFICATE=$(compose exec -T prosody cat /data/cert.pem) \
    cargo test --locked --quiet --workspace --test home_lab -- --ignored --test-threads=1
}
say "everybody talks with everybody"
token=$(compose exec -T gateway monster-gateway account add alice)
talk bob carol

say "stop, in time and by itself"
compose stop >/dev/null 2>&1
for service in $services; do
  id=$(compose ps --all --quiet $service)
  code=$(docker inspect --format '{{.State.ExitCode}}' "$id")
  [ "$code" = 0 ] || fail "$service ended with code $code: $(docker logs --tail 5 "$id" 2>&1)"
done

say "again, with what was kept"
compose up --detach --wait
[ "$(compose exec -T gateway monster-gateway link list --json | grep -c lobby)" -ge 1 ] || fail "the link is gone"
# With the token that alice had.
talk bert cleo

say "the home lab works"
