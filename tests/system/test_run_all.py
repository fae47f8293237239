"""Holds run_all.sh: it starts the whole board, says what is wrong, and leaves nothing behind."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.parts import Part
from tests.ports import unused_port

pytestmark = pytest.mark.system
Start = Callable[..., Part]


@pytest.fixture
def port() -> int:
    return unused_port()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    """Starts run_all.sh with its own port and its own state; ends what the test left running."""
    parts: list[Part] = []

    def started(*options: str, env: dict[str, str] | None = None) -> Part:
        own = {"VAR_DIR": str(tmp_path / "var"), "VENV_DIR": sys.prefix, **(env or {})}
        command = ["./run_all.sh", "--port", str(port), "--workers", "1", *options]
        parts.append(Part("run_all.sh", command, env=own))
        return parts[-1]

    yield started
    for part in parts:
        if part.is_running:
            part.stop(60)
    for pid in processes_with(tmp_path):
        os.kill(pid, signal.SIGKILL)


def processes_with(folder: Path) -> list[int]:
    """The processes whose state lies in this folder."""
    marker = f"VAR_DIR={folder}/var\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue  # it ended while we looked, or belongs to someone else
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_and_stops_twice(
    start: Start, tmp_path: Path, port: int, number: signal.Signals
) -> None:
    """Two runs in a row answer, keep their data, end on a signal and leave no process."""
    for _ in range(2):
        part = start()
        part.wait_for(rf"the board is at http://127\.0\.0\.1:{port}/", 90)
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/static/board.css").status_code == 200
        part.signal(number)
        assert part.wait(60) == 128 + number
        assert "killed" not in part.text
        assert "Traceback" not in part.text
        assert processes_with(tmp_path) == []
        assert not (tmp_path / "var" / "run_all.pid").exists()


def test_a_taken_port_is_a_clear_error(start: Start, tmp_path: Path, port: int) -> None:
    """A port that someone else has: the error names it, the status is not 0."""
    with socket.create_server(("127.0.0.1", port)):
        part = start()
        assert part.wait(60) == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in part.text
    assert processes_with(tmp_path) == []


def test_a_dead_part_ends_the_whole(start: Start, tmp_path: Path, port: int) -> None:
    """When one part dies the script says which, stops the others and fails."""
    part = start()
    part.wait_for("the board is at", 90)
    (server,) = [pid for pid in processes_with(tmp_path) if b"interface_server" in command_of(pid)]
    os.kill(server, signal.SIGKILL)
    assert part.wait(60) == 1
    assert "the interface server ended" in part.text
    assert processes_with(tmp_path) == []


def test_a_second_board_on_the_same_state_is_refused(
    start: Start, tmp_path: Path, port: int
) -> None:
    """Two boards never share one folder of state; the first goes on."""
    first = start()
    first.wait_for("the board is at", 90)
    second = start("--port", str(unused_port()))
    assert second.wait(60) == 1
    assert "already running" in second.text
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
    first.signal(signal.SIGTERM)
    assert first.wait(60) == 128 + signal.SIGTERM
    assert processes_with(tmp_path) == []


def test_a_missing_python_is_a_clear_error(start: Start, tmp_path: Path) -> None:
    """Without a Python 3.11 the script says what it tried and what to do."""
    part = start(env={"PYTHON": "/no/such/python", "VENV_DIR": str(tmp_path / "venv")})
    assert part.wait(60) == 1
    assert "Python 3.11 or newer is needed" in part.text
    assert "/no/such/python" in part.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--port", "http"), "--port: expected a number"),
        (("--port", "70000"), "--port: expected 1 to 65535"),
        (("--workers", "0"), "--workers: expected 1 to 256"),
        (("--colour",), "unknown option '--colour'"),
        (("--host",), "--host needs a value"),
    ],
)
def test_wrong_options_are_refused(start: Start, options: tuple[str, ...], said: str) -> None:
    """A wrong option is named, and nothing is started."""
    part = start(*options)
    assert part.wait(60) == 1
    assert said in part.text


def test_help_says_everything(start: Start) -> None:
    """`--help` names each option and each variable, and starts nothing."""
    part = start("--help")
    assert part.wait(60) == 0
    for word in ("--host", "--port", "--workers", "--picture-workers", "REDIS_URL", "DATABASE_URL"):
        assert word in part.text


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
