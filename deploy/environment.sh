# Makes and keeps the virtual environment for run_all.sh and run_tests.sh; sourced by both.
# It starts no part of the board.

# Prints the first Python 3.11 or newer, or nothing.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

# Sets `python` to the environment's own and installs what setup.cfg asks for, with the extras
# named in $1 ("" for none). Nothing is installed when nothing changed since the last time.
make_environment() {
    local extras=$1 venv=${VENV_DIR:-.venv} found stamp wanted
    python=$PWD/$venv/bin/python
    case "$venv" in /*) python=$venv/bin/python ;; esac
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        found=$(find_python)
        if [ -z "$found" ]; then
            echo "Python 3.11 or newer is needed and none was found" \
                "(tried: ${PYTHON:-python3 python3.13 python3.12 python3.11 python})." \
                "Install it, or name it in PYTHON." >&2
            return 1
        fi
        echo "making the virtual environment $venv with $("$found" --version)"
        if ! "$found" -m venv --clear "$venv"; then
            echo "$found cannot make virtual environments" \
                "(on Debian and Ubuntu: install the package python3-venv)." >&2
            return 1
        fi
    fi
    stamp=$venv/.installed${extras:+-$extras}
    wanted=$(cat setup.cfg pyproject.toml | cksum)
    # An environment with extras is good enough for whoever asks for none.
    if [ -n "$extras" ] || ! grep -qsxF "$wanted" "$venv"/.installed*; then
        if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
            echo "installing what setup.cfg asks for (only when it changed)"
            # In the background and waited for, so that a signal is heard at once.
            "$python" -m pip install --quiet --disable-pip-version-check \
                --editable ".${extras:+[$extras]}" &
            step_pid=$!
            wait "$step_pid" || return 1
            step_pid=""
            echo "$wanted" >"$stamp"
        fi
    fi
}
