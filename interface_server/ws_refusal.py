"""The HTTP answer to a handshake that comes to nothing.

Decides nothing; who refuses is `ws_session.py`, or Autobahn for a handshake that is none.
"""

from collections.abc import Iterable

_PHRASES = {
    400: "Bad Request",
    403: "Forbidden",
    426: "Upgrade Required",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def refusal(status: int, date_and_server: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """A whole answer behind which the connection is closed; `headers` are its own ones.

    `date_and_server`: their lines, ready for the wire.
    """
    phrase = _PHRASES.get(status, "Refused")
    body = f"{status} {phrase}\n"
    lines = [
        "content-type: text/plain; charset=utf-8",
        f"content-length: {len(body)}",
        "connection: close",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if status == 503:
        lines.append("retry-after: 1")
    head = "\r\n".join([f"HTTP/1.1 {status} {phrase}", *lines, ""])
    return head.encode("latin-1") + date_and_server + f"\r\n{body}".encode("latin-1")
