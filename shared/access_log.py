"""The access log on standard output: a line for each request and each turn of a socket.

Knows paths, numbers and names only. No line is allowed to stop the process that writes it.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

from shared.logs import write_line
from shared.messages import Address

_PATH_SAFE = "/:@!$&'()*+,;=~"
"""Besides letters, digits, '-', '_' and '.', what stays as it is in a logged path."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "-"})
"""Methods that need no look."""

_PIPE_BYTES = 4096
"""What a pipe takes in one piece; access lines are ASCII, so characters are bytes."""

_ALL_SAFE = re.compile(rf"[A-Za-z0-9_.\-{re.escape(_PATH_SAFE)}]*", re.ASCII)


class AccessLog:
    """One line for each request and for each turn in the life of a socket.

    `stream` None writes nothing. With `show_addresses` False a dash stands for the client.
    `clock` gives seconds since 1970; lines show the machine's local time. With `later`, which
    calls a function soon, lines are held until then and written together. `as_json` gives one
    object a line: `time` in UTC, `client` only where addresses are shown.
    """

    def __init__(
        self,
        stream: TextIO | None,
        show_addresses: bool,
        clock: Callable[[], float],
        later: Callable[[Callable[[], None]], object] | None = None,
        as_json: bool = False,
    ) -> None:
        self._stream = stream
        self._later = later
        self._held: list[str] = []
        self._show_addresses = show_addresses
        self._as_json = as_json
        self._clock = clock
        self._second = -1
        self._stamp = ""

    def http(
        self,
        method: str,
        path: str,
        status: int,
        seconds: float,
        client: Address | None,
        request_id: str = "",
        http_version: str = "1.1",
        size_bytes: int = 0,
    ) -> None:
        """`[2016/03/31 12:53:50] HTTP POST /post/2/ 302 [0.05, 127.0.0.1:65479] 3f9c1e07a2`.

        The request's id stands last; `size_bytes` are those of the answer with its head.
        """
        if self._stream is None:
            return
        if self._as_json:
            self._add_json(
                event="http",
                method=method,
                path=path,
                status=status,
                duration_ms=round(1000 * seconds, 1),
                bytes=size_bytes,
                http_version=http_version,
                request_id=request_id,
                client=client,
            )
            return
        if method not in _METHODS:
            method = _logged(method)
        if not _ALL_SAFE.fullmatch(path):
            path = _logged(path)
        named = " " + request_id if request_id else ""
        ends = f"{seconds:.2f}, {self._address(client)}"
        self._add(f"HTTP {method} {path} {status} [{ends}]{named}")

    def websocket(
        self,
        event: str,
        path: str,
        client: Address | None,
        request_id: str = "",
        code: int | None = None,
        cause: str = "",
    ) -> None:
        """`[2016/03/31 12:54:24] WebSocket DISCONNECT /x [127.0.0.1:49224] 3f9c1e07a2 1001 peer`.

        `event` is HANDSHAKING, CONNECT, DISCONNECT or REJECT. `code` and `cause` say why a socket
        ended; `code` is a status where a handshake was refused.
        """
        if self._stream is None:
            return
        if self._as_json:
            name = f"websocket_{event.lower()}"
            more = {} if code is None else {"code": code, "cause": cause}
            self._add_json(event=name, path=path, **more, request_id=request_id, client=client)
            return
        shown = f"WebSocket {event} {_logged(path)} [{self._address(client)}]"
        why = "" if code is None else f" {code} {cause}"
        self._add(f"{shown} {request_id}{why}" if request_id else shown + why)

    def flush(self) -> None:
        """Write the lines that are held."""
        held, self._held = self._held, []
        if held and self._stream is not None:
            if not self._as_json:
                stamp = self._stamped()
                held = [stamp + line for line in held]
            for lines in _handfuls(held):
                write_line(self._stream, lines)

    def _address(self, client: Address | None) -> str:
        if client is None or not self._show_addresses:
            return "-"
        host, port = client
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _add_json(self, client: Address | None, **facts: Any) -> None:
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        if client is not None and self._show_addresses:
            facts["client"] = self._address(client)
        self._held.append(json.dumps({"time": now, **facts}))
        if len(self._held) == 1:
            self._book()

    def _add(self, text: str) -> None:
        self._held.append(text)
        if len(self._held) == 1:
            self._book()

    def _stamped(self) -> str:
        """The time of all that was held: no longer than a turn of the reactor."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("[%Y/%m/%d %H:%M:%S] ", time.localtime(second))
        return self._stamp

    def _book(self) -> None:
        if self._later is None:
            self.flush()
        else:
            self._later(self.flush)


def _handfuls(lines: list[str]) -> Iterator[str]:
    """The lines, together as far as a pipe takes them in one piece.

    Past that, what several processes write to one pipe may mix. Source: pipe(7), PIPE_BUF.
    """
    at, size = 0, 0
    for number, line in enumerate(lines):
        if size + len(line) + 1 > _PIPE_BYTES and number > at:
            yield "\n".join(lines[at:number])
            at, size = number, 0
        size += len(line) + 1
    yield "\n".join(lines[at:])


def _logged(text: str) -> str:
    """A method or path with everything that could break or forge a line percent-encoded."""
    if _ALL_SAFE.fullmatch(text):
        return text
    return quote(text, safe=_PATH_SAFE, errors="backslashreplace")
