"""A reader of event streams that knows nothing of the server's code; asserts nothing.

Source: HTML Living Standard section 9.2.6, from its wording.
"""

import http.client
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple


class Seen(NamedTuple):
    """One event as a page would get it."""

    data: str
    type: str = "message"
    id: str = ""


class EventParser:
    """Takes the bytes of a stream; `last_id`, `retry_ms` and `comments` were said so far."""

    def __init__(self) -> None:
        self.events: deque[Seen] = deque()
        self.last_id = ""
        self.retry_ms: int | None = None
        self.comments = 0
        self._rest = b""
        self._data: list[str] = []
        self._type = ""

    def feed(self, received: bytes) -> None:
        """Read on."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            self._line(line.removesuffix(b"\r").decode())

    def _line(self, line: str) -> None:
        field, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if self._data:
                self.events.append(
                    Seen("\n".join(self._data), self._type or "message", self.last_id)
                )
            self._data, self._type = [], ""
        elif colon and not field:
            self.comments += 1
        elif field == "data":
            self._data.append(value)
        elif field == "event":
            self._type = value
        elif field == "id" and "\0" not in value:
            self.last_id = value
        elif field == "retry" and value.isdigit():
            self.retry_ms = int(value)


class Ended(AssertionError):
    """The stream ended, or said nothing in time."""


class EventReader:
    """One connection to an event stream, read as it comes."""

    def __init__(
        self, port: int, path: str, headers: Mapping[str, str] | None = None, timeout_s: float = 15
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._connection.request("GET", path, headers=dict(headers or {}))
        self.response = self._connection.getresponse()
        self.parser = EventParser()

    def __enter__(self) -> "EventReader":
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self.response.close()
        self._connection.close()

    def next(self) -> Seen:
        """The next event but for those that say "joined". Raises: Ended."""
        while True:
            while not self.parser.events:
                self.read_on()
            event = self.parser.events.popleft()
            if event.type != "joined":
                return event

    def read_on(self) -> None:
        """Take what comes next. Raises: Ended, also where the stream was cut."""
        try:
            received = self.response.read1(65536)
        except (OSError, http.client.HTTPException) as error:
            raise Ended(f"cut: {error!r}") from error
        if not received:
            raise Ended("ended")
        self.parser.feed(received)

    def read_to_end(self) -> str:
        """Why the stream ended: "ended" where it was whole."""
        while True:
            try:
                self.read_on()
            except Ended as ended:
                return str(ended)

    def wait_for_id(self) -> str:
        """The first id that is said."""
        while not self.parser.last_id:
            self.read_on()
        return self.parser.last_id
