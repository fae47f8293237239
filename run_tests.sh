#!/usr/bin/env bash
# Checks everything: style, types, floors, tests, browser tests. Arguments go to pytest.
# It never changes the code; what the machine lacks is installed or said plainly.

usage() {
    cat <<'END'
Usage: ./run_tests.sh [pytest arguments]

Makes the virtual environment if there is none, then runs ruff, mypy, import-linter and pytest.
Chromium (browser tests), PostgreSQL (store tests), nginx, HAProxy and systemd (tests of deploy/) come
from the system's packages: they are installed when this runs as root on a system with apt-get, else their
tests are skipped and named.
With CI=true nothing may be skipped: whatever is missing is a failure.

  ./run_tests.sh                        everything; tests that may share the machine run side by side
  ./run_tests.sh tests/shared -x        some tests, after the checks
END
}

set -u
case "${1:-}" in --help | -h) usage; exit 0 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
. ./deploy/environment.sh

say() { echo "run_tests.sh: $*"; }

find_chromium() {
    local candidate
    for candidate in "${CHROMIUM:-chromium}" chromium-browser google-chrome google-chrome-stable; do
        command -v "$candidate" && return
    done
}

find_postgres() {
    local folder
    for folder in /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin; do
        [ -x "$folder/initdb" ] && echo "$folder" && return
    done
    command -v initdb >/dev/null && dirname "$(command -v initdb)"
}

find_nginx() { command -v nginx || PATH=$PATH:/usr/sbin command -v nginx; }

find_haproxy() { command -v haproxy || PATH=$PATH:/usr/sbin command -v haproxy; }

find_systemd() { command -v systemd-socket-activate; }

install_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing the system's packages: $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
        { apt-get update -qq >/dev/null 2>&1 &&
            apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; }
}

missing=()
provide() {
    local name=$1 finder=$2
    shift 2
    [ -n "$($finder)" ] && return
    install_packages "$@"
    [ -n "$($finder)" ] || missing+=("$name")
}

failed=()
check() {
    local name=$1
    shift
    say "$name"
    "$@" || failed+=("$name")
}

# Most tests wait more than they compute, so one process more than cores; four are enough.
side_by_side() {
    local most
    most=$("$python" -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
    "$python" -m pytest -m "not alone" --numprocesses "$most" --dist worksteal
}

python="" step_pid=""
make_environment test,postgres || { say "the virtual environment could not be made" >&2; exit 1; }
bin=$(dirname "$python")
provide Chromium find_chromium chromium
provide PostgreSQL find_postgres postgresql
provide nginx find_nginx nginx
provide HAProxy find_haproxy haproxy
provide systemd find_systemd systemd
CHROMIUM=$(find_chromium)
export CHROMIUM

check "ruff check" "$bin/ruff" check .
check "ruff format" "$bin/ruff" format --check .
check "mypy" "$bin/mypy"
check "import-linter" "$bin/lint-imports"
if [ "$#" -gt 0 ]; then
    check "pytest" "$python" -m pytest "$@"
else
    check "pytest, side by side" side_by_side
    check "pytest, tests that need the machine alone" "$python" -m pytest -m alone
fi

for name in ${missing[@]+"${missing[@]}"}; do
    if [ "${CI:-}" = true ]; then
        failed+=("$name is missing")
    else
        say "$name is missing on this machine: its tests were skipped"
    fi
done
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'run_tests.sh: failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
say "all is well"
