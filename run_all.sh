#!/usr/bin/env bash
# Brings up the whole board on this machine and stops it again: bundled Valkey, database,
# interface server, workers. It installs nothing outside its own folder and keeps no state but var/.

usage() {
    cat <<'END'
Usage: ./run_all.sh [options]

Starts everything that the board needs and prints its address; Ctrl-C stops it in order.

  --host HOST           address to listen on (default 127.0.0.1; 0.0.0.0 for all)
  --port PORT           port of the board (default 8000)
  --workers N           processes that answer pages and sockets (default 2)
  --picture-workers N   processes that make thumbnails (default 1)
  --help                this text

Environment:
  REDIS_URL       use this Redis 7+ or Valkey instead of the bundled one
  DATABASE_URL    use this database (default sqlite:///VAR_DIR/board.db)
  VAR_DIR         where database, pictures and Valkey's file live (default var)
  MEDIA_DIR       where pictures live (default VAR_DIR/media)
  PYTHON          the Python 3.11+ that makes the virtual environment

All other settings of the parts (see python -m interface_server --help and
python -m workers --help) may be given as environment variables too.
END
}

set -u
if [ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -lt 43 ]; then
    echo "run_all.sh: bash 4.3 or newer is needed, this is $BASH_VERSION" >&2
    exit 1
fi
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
. ./deploy/environment.sh

host=127.0.0.1 port=8000 workers=2 picture_workers=1
valkey_pid="" server_pid="" pages_pid="" pictures_pid="" step_pid=""
stop_grace_s=20

say() { echo "run_all.sh: $*"; }
fail() { echo "run_all.sh: $*" >&2; stop_all; exit 1; }

need_number() {
    case "$2" in
        '' | *[!0-9]*) fail "$1: expected a number, got '$2'" ;;
    esac
    [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1: expected $3 to $4, got $2"
}

read_arguments() {
    while [ $# -gt 0 ]; do
        case "$1" in
            --help | -h) usage; exit 0 ;;
            --host | --port | --workers | --picture-workers)
                [ $# -ge 2 ] || fail "$1 needs a value (see --help)"
                case "$1" in
                    --host) host=$2 ;;
                    --port) port=$2 ;;
                    --workers) workers=$2 ;;
                    --picture-workers) picture_workers=$2 ;;
                esac
                shift 2 ;;
            *) fail "unknown option '$1' (see --help)" ;;
        esac
    done
    need_number --port "$port" 1 65535
    need_number --workers "$workers" 1 256
    need_number --picture-workers "$picture_workers" 1 256
}

# The children get sessions of their own: a terminal's Ctrl-C reaches this script only, which then
# stops them in order. The command keeps its process id through both calls of exec.
in_own_session() {
    exec "$python" -c 'import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])' \
        "$python" "$@"
}

is_alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# Asks a child to end, waits for it, and ends its whole group when it does not.
end_child() {
    local name=$1 pid=$2 waited=0
    is_alive "$pid" || return 0
    kill -TERM "$pid" 2>/dev/null
    while is_alive "$pid" && [ "$waited" -lt $((stop_grace_s * 20)) ] && [ "$hard" = no ]; do
        sleep 0.05
        waited=$((waited + 1))
    done
    if is_alive "$pid"; then
        if [ "$hard" = yes ]; then
            say "a second signal came: killing $name"
        else
            say "$name did not end by itself and is killed"
        fi
        kill -KILL -- "-$pid" 2>/dev/null
    fi
    wait "$pid" 2>/dev/null
}

hard=no stopping=no
stop_all() {
    [ "$stopping" = yes ] && return
    stopping=yes
    trap 'hard=yes' INT TERM HUP
    is_alive "$step_pid" && kill -TERM "$step_pid" 2>/dev/null
    end_child "the interface server" "$server_pid"
    is_alive "$pages_pid" && kill -TERM "$pages_pid" 2>/dev/null
    end_child "the picture workers" "$pictures_pid"
    end_child "the workers" "$pages_pid"
    end_child "Valkey" "$valkey_pid"
    [ -n "$lock_file" ] && rm -f "$lock_file" "$url_pipe"
}

on_signal() {
    say "stopping"
    stop_all
    exit "$1"
}

# One board for each VAR_DIR: two Valkeys on one append-only file would destroy it.
take_lock() {
    mkdir -p "$VAR_DIR" || fail "cannot make the folder $VAR_DIR"
    local mine="$VAR_DIR/run_all.pid" other
    if ! (set -C; echo "$$" >"$mine") 2>/dev/null; then
        other=$(cat "$mine" 2>/dev/null)
        if [ -n "$other" ] && [ "$other" != "$$" ] && kill -0 "$other" 2>/dev/null; then
            fail "already running with $VAR_DIR (process $other); stop that one first"
        fi
        echo "$$" >"$mine" || fail "cannot write $mine"
    fi
    lock_file=$mine
}

check_port() {
    "$python" - "$host" "$port" <<'END' || fail "choose another one with --port"
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
try:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
except OSError as error:
    sys.exit(f"run_all.sh: cannot listen on {host}:{port}: {error.strerror or error}")
END
}

start_valkey() {
    [ -n "${REDIS_URL:-}" ] && return
    rm -f "$url_pipe"
    mkfifo -m 600 "$url_pipe" || fail "cannot make $url_pipe"
    in_own_session -m channel_layer.embedded --dir "$VAR_DIR/valkey" >"$url_pipe" &
    valkey_pid=$!
    # Opened for reading and writing, so that neither end waits for the other.
    exec 3<>"$url_pipe"
    local waited=0 part=""
    # When its time is over, read has taken what came until then.
    while ! IFS= read -r -t 0.2 part <&3; do
        REDIS_URL=${REDIS_URL:-}$part
        is_alive "$valkey_pid" || fail "the bundled Valkey did not start (its message is above)"
        waited=$((waited + 1))
        [ "$waited" -lt 150 ] || fail "the bundled Valkey did not answer within 30 seconds"
    done
    export REDIS_URL=${REDIS_URL:-}$part
}

start_server() {
    in_own_session -m interface_server --host "$host" --port "$port" \
        --static /static=board/static --media "/media=$MEDIA_DIR/public" --no-log-addresses 3<&- &
    server_pid=$!
}

start_workers() {
    in_own_session -m workers --app board.app:build --processes "$workers" \
        --exclude-channels board.picture 3<&- &
    pages_pid=$!
    in_own_session -m workers --app board.app:build --processes "$picture_workers" \
        --only-channels board.picture 3<&- &
    pictures_pid=$!
}

# The status of GET $1, or nothing. Plain bash, so that it costs no process worth naming.
status_of() {
    (
        exec 4<>"/dev/tcp/$check_host/$port" || exit
        printf 'GET %s HTTP/1.0\r\nHost: %s:%s\r\n\r\n' "$1" "$check_host" "$port" >&4
        read -r -t 10 _ status _ <&4 && echo "$status"
    ) 2>/dev/null
}

check_children() {
    is_alive "$server_pid" || fail "the interface server ended (its message is above)"
    [ -z "$pages_pid" ] || is_alive "$pages_pid" || fail "the workers ended (their message is above)"
    [ -z "$pictures_pid" ] || is_alive "$pictures_pid" ||
        fail "the picture workers ended (their message is above)"
    [ -z "$valkey_pid" ] || is_alive "$valkey_pid" || fail "Valkey ended (its message is above)"
}

wait_for_page() {
    local path=$1 waited=0
    until [ "$(status_of "$path")" = 200 ]; do
        check_children
        waited=$((waited + 1))
        [ "$waited" -lt 600 ] || fail "no good answer from $path within 60 seconds"
        sleep 0.1
    done
}

lock_file=""
read_arguments "$@"
VAR_DIR=${VAR_DIR:-var}
url_pipe="$VAR_DIR/valkey.url"
MEDIA_DIR=${MEDIA_DIR:-$VAR_DIR/media}
DATABASE_URL=${DATABASE_URL:-sqlite:///$VAR_DIR/board.db}
export VAR_DIR MEDIA_DIR DATABASE_URL
case "$host" in
    0.0.0.0) check_host=127.0.0.1 ;;
    :: | '[::]') check_host=::1 ;;
    *) check_host=$host ;;
esac

trap 'on_signal 130' INT
trap 'on_signal 143' TERM
trap 'on_signal 129' HUP

take_lock
make_environment "" || fail "the virtual environment could not be made"
check_port
mkdir -p "$MEDIA_DIR/public" || fail "cannot make the folder $MEDIA_DIR/public"
"$python" -m board migrate &
step_pid=$!
start_valkey
start_server
wait "$step_pid" || fail "the database could not be brought up to date (its message is above)"
step_pid=""
start_workers
wait_for_page /readyz
wait_for_page /
say "the board is at http://$check_host:$port/ (Ctrl-C stops it)"

wait -n "$server_pid" "$pages_pid" "$pictures_pid" ${valkey_pid:+"$valkey_pid"}
check_children
fail "a part ended without a reason"
