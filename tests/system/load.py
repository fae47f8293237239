"""HTTP load at a fixed rate: every request has a number, and what became of it is kept.

It retries nothing and judges nothing (`books.py` does). Run by `aside.py`.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import NamedTuple

import httptools

from tests.system.aside import Mouth

_UNANSWERED_S = 60.0
"""At the end, how long the last requests may take before they count as hung."""


class Plan(NamedTuple):
    """What to ask: `rate` requests a second to `port`, spread over `kinds` by their weights.

    A kind is `"METHOD /path/{number}"`. The test ends it by telling "stop".
    """

    port: int
    rate: float
    kinds: Mapping[str, float]
    seed: int = 0


class Answer(NamedTuple):
    """What became of a request; times in seconds of the machine's monotonic clock.

    `status` 0: the connection ended without an answer, or none came at all (`text` says which).
    """

    number: int
    kind: str
    sent: float
    answered: float
    status: int
    text: str
    retry_after: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.answered - self.sent


def run(mouth: Mouth, plan: Plan) -> None:
    """Say "ready" once the first answer came, then load until "stop" and say all answers."""
    mouth.say(asyncio.run(_Load(plan).run(mouth)))


class _Load:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._free: list[_Connection] = []
        self._answers: list[Answer] = []
        self._running: set[asyncio.Task[None]] = set()
        self._random = random.Random(plan.seed)

    async def run(self, mouth: Mouth) -> list[Answer]:
        kinds, weights = list(self._plan.kinds), list(self._plan.kinds.values())
        begin, number = time.monotonic(), 0
        while mouth.heard() is None:
            due = begin + number / self._plan.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            (kind,) = self._random.choices(kinds, weights)
            task = asyncio.create_task(self._ask(number, kind))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            number += 1
        if self._running:
            await asyncio.wait(self._running, timeout=_UNANSWERED_S)
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for connection in self._free:
            connection.close()
        return sorted(self._answers)

    async def _ask(self, number: int, kind: str) -> None:
        method, _, path = kind.partition(" ")
        sent = time.monotonic()
        status, text, retry_after = 0, "", ""
        connection = None
        try:
            while self._free and connection is None:
                connection = self._free.pop()
                if connection.is_gone:
                    connection = None
            if connection is None:
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, "127.0.0.1", self._plan.port
                )
            status, text, retry_after = await connection.ask(method, path.format(number=number))
            self._free.append(connection)
        except asyncio.CancelledError:
            text = "hung"
        except (OSError, httptools.HttpParserError) as error:
            text = f"{type(error).__name__}: {error}"
        if connection is not None and not status:
            connection.close()
        answered = time.monotonic()
        self._answers.append(Answer(number, kind, sent, answered, status, text, retry_after))


class _Connection(asyncio.Protocol):
    """One kept connection with one request at a time."""

    def __init__(self) -> None:
        self.is_gone = False
        self._waiting: asyncio.Future[tuple[int, str, str]] | None = None
        self._body = b""
        self._retry_after = ""
        self._ends = False

    def ask(self, method: str, path: str) -> asyncio.Future[tuple[int, str, str]]:
        self._waiting = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._retry_after = b"", ""
        length = "" if method == "GET" else "Content-Length: 0\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n"
        self._transport.write(head.encode())
        return self._waiting

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._settle(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone = True
        self._settle(exc or ConnectionResetError("closed without an answer"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value.decode()
        if name.lower() == b"connection" and value.lower() == b"close":
            self.is_gone = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._settle((status, self._body.decode(errors="replace"), self._retry_after))

    def _settle(self, outcome: tuple[int, str, str] | Exception) -> None:
        if self._waiting is None or self._waiting.done():
            return
        if isinstance(outcome, Exception):
            self._waiting.set_exception(outcome)
        else:
            self._waiting.set_result(outcome)
