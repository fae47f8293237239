"""A real server and a tiny worker for the tests of sockets."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import channel_layer
from interface_server.settings import Mount
from interface_server.static_files import StaticFiles
from tests.interface_server.real_server import (
    Handler,
    ServerProcess,
    ToyWorker,
    accept,
    echo,
    nothing,
)
from tests.interface_server.static_folder import Seconds, filled_folder


@pytest.fixture(scope="module")
def server(redis_url: str) -> Iterator[ServerProcess]:
    """One server for all tests of one file that do not end it."""
    running = ServerProcess(
        redis_url,
        "ws",
        *("--websocket-connect-timeout", "2", "--max-message", "64k"),
        *("--max-socket-output", "256k"),
        *("--ping-interval", "1", "--ping-timeout", "3"),
    )
    yield running
    assert running.part.stop() == 0


@pytest.fixture
def worker(server: ServerProcess, redis_url: str) -> Iterator[Callable[..., ToyWorker]]:
    """Starts a worker with handlers for the socket channels; what is not given accepts.

    It stays until the test's sockets are over and nothing of theirs waits.
    """
    with ExitStack() as stack:

        def start(
            on_connect: Handler = accept,
            on_receive: Handler = echo,
            on_disconnect: Handler = nothing,
            prefix: str = "ws",
        ) -> ToyWorker:
            handlers = {
                "websocket.connect": on_connect,
                "websocket.receive": on_receive,
                "websocket.disconnect": on_disconnect,
            }
            running = ToyWorker(redis_url, prefix, handlers)
            stack.callback(running.stop)
            return running

        yield start
        server.wait_for_health(lambda said: said["sockets"] == 0)
        with ExitStack() as closing:
            layer = channel_layer.connect(redis_url, prefix="ws")
            closing.callback(layer.close)
            while layer.channel_statistics("websocket.disconnect")["messages_pending"]:
                pass


@pytest.fixture
def started() -> Iterator[ExitStack]:
    """What is started in a test ends with it, in the opposite order."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files, hidden files and links, and a secret beside it."""
    return filled_folder(tmp_path)


@pytest.fixture
def seconds() -> Seconds:
    """The clock of `files`."""
    return Seconds()


@pytest.fixture
def files(folder: Path, seconds: Seconds) -> StaticFiles:
    """The folder at /static, and for users' files at /media."""
    mounts = [Mount("/static", folder)], [Mount("/media", folder)]
    return StaticFiles(*mounts, seconds=seconds)
