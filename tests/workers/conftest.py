"""What the tests of workers share: a layer, a stand-in for a server, and worker processes."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from channel_layer.layer import Done, Entry, Kind, Send
from channel_layer.redis_blocking import RedisLayer
from shared import codec
from shared.messages import HttpRequest, WsConnect, WsDisconnect, WsReceive
from shared.settings import LayerSettings
from tests.workers.crew import Crew

PATIENCE_S = 40.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def layer_settings(redis_url: str, prefix: str) -> LayerSettings:
    """Where the test's own channels are."""
    return LayerSettings(redis_url, f"workers-{prefix}")


@pytest.fixture
def layer(layer_settings: LayerSettings) -> Iterator[RedisLayer]:
    """A layer for the test itself."""
    made = RedisLayer(layer_settings)
    yield made
    made.flush()
    made.close()


class Edge:
    """Stands in for an interface server: sends events and reads its inbox."""

    def __init__(self, layer: RedisLayer) -> None:
        self.layer = layer
        self.inbox = "server.response.test!"
        self._numbers = itertools.count(1)
        self._entries: list[Entry] = []

    def channel(self) -> str:
        """An unused reply channel."""
        return f"{self.inbox}{next(self._numbers)}"

    def request(self, method: str, path: str, **facts: Any) -> str:
        """Send a request; gives its reply channel."""
        channel = self.channel()
        path, _, query = path.partition("?")
        message = HttpRequest(channel, method, path, query_string=query.encode(), **facts)
        self.layer.perform([Send("http.request", codec.encode(message), receipt=channel)])
        return channel

    def connect(self, path: str) -> str:
        """Send a handshake; gives its reply channel."""
        channel = self.channel()
        path, _, query = path.partition("?")
        message = WsConnect(channel, path, query_string=query.encode())
        self.layer.perform([Send("websocket.connect", codec.encode(message), receipt=channel)])
        return channel

    def frames(self, channel: str, path: str, state: bytes, *texts: str) -> None:
        """Send frames of a socket, chained."""
        sends = []
        for order, text in enumerate(texts, 1):
            message = WsReceive(channel, path, order, text, state=state)
            is_last = order == len(texts)
            receipt = channel if is_last else ""
            packed = codec.encode(message)
            sends.append(Send("websocket.receive", packed, receipt, order, chained=not is_last))
        self.layer.perform(sends)

    def disconnect(self, channel: str, path: str, state: bytes, order: int) -> None:
        """Send the end of a socket."""
        message = WsDisconnect(channel, path, order, 1005, state)
        packed = codec.encode(message)
        self.layer.perform([Send("websocket.disconnect", packed, channel, order, urgent=True)])

    def next(self, channel: str) -> Entry:
        """The next entry for a channel, leaving those for others."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for entry in self._entries:
                if entry.channel == channel:
                    self._entries.remove(entry)
                    return entry
            taken = self.layer.take("test-edge", [self.inbox], 100, 200)
            self.layer.commit("test-edge", [Done(entry.id) for entry in taken])
            self._entries += taken
        raise AssertionError(f"nothing came for {channel}")

    def pending(self) -> list[Entry]:
        """All that came and was not asked for yet."""
        return list(self._entries)

    def response(self, channel: str) -> tuple[Any, Any]:
        """The response that came; None and the receipt where none did."""
        entry = self.next(channel)
        if entry.kind is Kind.RECEIPT:
            return None, codec.decode_receipt(entry.payload)
        response = codec.decode_http_reply(entry.payload)
        content, more = response.content, response.more_content
        while more:
            chunk = codec.decode_http_reply(self.next(channel).payload)
            content, more = content + chunk.content, chunk.more_content
        return (response.status, dict(response.headers), content), None

    def turn(self, channel: str) -> tuple[list[Any], Any]:
        """The socket replies that came before a receipt (joins as their group), and the receipt."""
        replies: list[Any] = []
        while True:
            entry = self.next(channel)
            if entry.kind is Kind.RECEIPT:
                return replies, codec.decode_receipt(entry.payload)
            if entry.kind is Kind.JOIN:
                replies.append(entry.payload.decode())
            else:
                replies.append(codec.decode_ws_reply(entry.payload))

    def seen(self) -> dict[str, Any]:
        """The next message that the application sent to the test."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            _, message = self.layer.receive(["test.seen"], block=True)
            if message is not None:
                return message
        raise AssertionError("nothing came on test.seen")


@pytest.fixture
def edge(layer: RedisLayer) -> Edge:
    """A stand-in for an interface server."""
    return Edge(layer)


class Pool:
    """`python -m workers` as a process, with its log."""

    def __init__(
        self, folder: Path, settings: LayerSettings, *options: str, app: str, source: Path
    ) -> None:
        self.log = folder / f"workers-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "workers", "--app", app, "--prefix", settings.prefix),
                    *("--redis-url", settings.url, *options),
                ],
                cwd=source,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
                stdin=subprocess.DEVNULL,
                stderr=log,
            )

    def text(self) -> str:
        """The log so far."""
        return self.log.read_text()

    def await_log(self, text: str, times: int = 1) -> None:
        """Wait until the log holds `text`."""
        wait_for(lambda: self.text().count(text) >= times, self.text)

    def children(self) -> list[int]:
        """The processes of the pool that handle messages: those with a thread besides the first."""
        return [pid for pid in self._forked() if len(os.listdir(f"/proc/{pid}/task")) > 1]

    def reaper(self) -> int:
        """The process of the pool that reclaims."""
        return self._forked()[0]

    def _forked(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self) -> int:
        """End it in order; gives the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def wait_for(fact: Callable[[], bool], story: Callable[[], str] = lambda: "") -> None:
    """Wait until `fact` holds; `story` tells more when it does not."""
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < deadline, story()
        time.sleep(0.01)


@pytest.fixture
def await_fact() -> Callable[..., None]:
    """Waits until a fact holds."""
    return wait_for


@pytest.fixture
def pool_at(tmp_path: Path) -> Iterator[Callable[..., Pool]]:
    """Starts worker pools on given settings and ends them with the test."""
    started: list[Pool] = []

    def start(
        settings: LayerSettings,
        *options: str,
        app: str = "workers_example_app:build",
        ready: bool = True,
        folder: Path = ROOT,
    ) -> Pool:
        made = Pool(tmp_path, settings, *options, app=app, source=folder)
        started.append(made)
        if ready:
            made.await_log("workers_ready")
        return made

    yield start
    for made in started:
        made.stop()
        print(made.text())


@pytest.fixture
def pool(pool_at: Callable[..., Pool], layer_settings: LayerSettings) -> Callable[..., Pool]:
    """Starts worker pools on the test's own channels."""

    def start(*options: str, **facts: Any) -> Pool:
        return pool_at(layer_settings, *options, **facts)

    return start


@pytest.fixture
def crew(layer_settings):
    """Worker threads of the test."""
    made = Crew(layer_settings)
    yield made
    made.stop()
