"""The answer that a page's handler gives back, checked when it is made.

Pure: it builds values and the messages that carry them; the worker sends those.
"""

import functools
import json
import re
from collections.abc import Iterable
from typing import Any, Final, cast
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import astuple, force_setattr

from shared.errors import InvalidMessage, shortened
from shared.messages import Headers, HttpResponse, ResponseChunk, check_headers

HTML = "text/html; charset=utf-8"
CHUNK_BYTES = 256 * 1024
"""A longer response travels in parts: the server can begin to write, and one answer never fills
the server's list alone."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_COOKIE_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_COOKIE_PATH = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_MAY_COMPRESS: Final = (b"x-compress", b"yes")
_BODILESS = (204, 304)


class Later:
    """The type of `LATER`: the handler keeps the reply channel and will answer."""

    def __repr__(self) -> str:
        return "LATER"


LATER: Final = Later()
"""Returned in place of a Response by a handler that arranged for its answer to come later."""


class Response(Struct, frozen=True):
    """One answer. It never changes: `set_cookie` and `with_header` give another one back.

    `content`: text is sent as UTF-8. `headers`: (name, value) pairs, text or bytes.
    `content_type` `""` sends none. `compress`: the server may send it compressed, where its
    operator wants that. Never say so for content that holds a secret, be it a form's token, beside
    anything that others can choose: its size would tell the secret (BREACH).

    Raises: TypeError for content that is neither text nor bytes; InvalidMessage for a status
    outside 200 to 599 or a header that would break the framing.
    """

    content: bytes | str = b""
    status: int = 200
    headers: Iterable[tuple[str | bytes, str | bytes]] = ()
    content_type: str = HTML
    compress: bool = False

    def __post_init__(self) -> None:
        content, status, headers, content_type = astuple(self)[:4]
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise InvalidMessage("status", "an int from 200 to 599", status)
        named = status not in _BODILESS and content_type
        pairs: Headers = _content_type(content_type) if named else ()
        if headers:
            pairs = _joined(pairs, headers)
        if self.compress and _MAY_COMPRESS not in pairs:
            pairs = (*pairs, _MAY_COMPRESS)
        force_setattr(self, "headers", pairs)
        if type(content) is not bytes:
            force_setattr(self, "content", _as_bytes(content))

    def with_header(self, name: str, value: str) -> "Response":
        """The same response with one more header."""
        headers = (*self.headers, (name, value))
        return Response(self.content, self.status, headers, "", self.compress)

    def set_cookie(
        self,
        name: str,
        value: str,
        max_age_s: int | None = None,
        path: str = "/",
        http_only: bool = True,
        same_site: str = "Lax",
        secure: bool = False,
    ) -> "Response":
        """Another response that is this one with a cookie; `max_age_s` None ends with the browser.

        Raises: ValueError when the cookie would break the header. Source: RFC 6265 section 4.1.
        """
        if not _TOKEN.fullmatch(name) or not _COOKIE_VALUE.fullmatch(value):
            raise ValueError(f"expected a cookie's name and value, got {shortened((name, value))}")
        if not _COOKIE_PATH.fullmatch(path) or same_site not in ("Lax", "Strict", "None"):
            raise ValueError(
                f"expected a path and Lax, Strict or None, got {path!r}, {same_site!r}"
            )
        parts = [f"{name}={value}", f"Path={path}", f"SameSite={same_site}"]
        if max_age_s is not None:
            parts.append(f"Max-Age={int(max_age_s)}")
        parts += ["HttpOnly"] * http_only + ["Secure"] * secure
        return self.with_header("set-cookie", "; ".join(parts))


def redirect(location: str, status: int = 303) -> Response:
    """A response that sends the browser to `location`; what a URL may not hold is encoded."""
    encoded = quote(location, safe="!#$%&'()*+,-./:;=?@[]_~")
    return Response(b"", status, [("location", encoded)], content_type="")


def json_response(value: Any, status: int = 200, compress: bool = False) -> Response:
    """A response whose content is `value` as JSON."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(content, status, content_type="application/json", compress=compress)


def response_messages(response: Response) -> tuple[HttpResponse | ResponseChunk, ...]:
    """The response as the messages that carry it, each with at most 256 KiB of content."""
    # A response has checked and settled both when it was made.
    content, headers = cast(bytes, response.content), cast(Headers, response.headers)
    if len(content) <= CHUNK_BYTES:
        return (HttpResponse(response.status, headers, content),)
    if not any(name == b"content-length" for name, _ in headers):
        headers = (*headers, (b"content-length", str(len(content)).encode("ascii")))
    first = HttpResponse(response.status, headers, content[:CHUNK_BYTES], more_content=True)
    starts = range(CHUNK_BYTES, len(content), CHUNK_BYTES)
    return (
        first,
        *(
            ResponseChunk(content[at : at + CHUNK_BYTES], at + CHUNK_BYTES < len(content))
            for at in starts
        ),
    )


def _as_bytes(content: object) -> bytes:
    # A template's result may be a subclass of str that answers encode() in its own way.
    if isinstance(content, str):
        return str.encode(content, "utf-8")
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    raise TypeError(f"Response content: expected str or bytes, got {shortened(content)}")


@functools.lru_cache(maxsize=32)
def _content_type(value: str) -> Headers:
    """The header alone, checked; a site has few of them."""
    return check_headers(((b"content-type", _header(value)),))


def _joined(typed: Headers, headers: Iterable[tuple[str | bytes, str | bytes]]) -> Headers:
    """The headers, checked, behind the content type where they have none of their own."""
    pairs = check_headers(
        tuple([(_header(name).lower(), _header(value)) for name, value in headers])
    )
    return pairs if any(name == b"content-type" for name, _ in pairs) else (*typed, *pairs)


def _header(value: object) -> bytes:
    if isinstance(value, str):
        try:
            return str.encode(value, "latin-1")
        except UnicodeEncodeError as error:
            raise InvalidMessage("headers", "latin-1 characters", value) from error
    if isinstance(value, bytes):
        return bytes(value)
    raise InvalidMessage("headers", "text or bytes", value)
