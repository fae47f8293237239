"""The request that a page's handler reads; with it what such a handler needs to answer.

Pure: bytes in, values out. Forms are read by `forms.py`, answers built by `responses.py`.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from urllib.parse import parse_qsl

from msgspec import Struct

from shared import messages
from shared.errors import ChannelsBoardError
from shared.messages import Address, HttpRequest
from workers.forms import Form, FormLimits, read_form
from workers.responses import LATER, Later, Response, json_response, redirect

__all__ = [
    "LATER",
    "Headers",
    "HttpError",
    "Later",
    "Query",
    "Request",
    "Response",
    "json_response",
    "redirect",
]


class HttpError(ChannelsBoardError):
    """Raised by a handler to answer with the error page of `status` (400 to 599).

    `detail` is shown to the person who asked. What the handler put in its outbox is discarded.
    """

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(f"{status} {detail}".rstrip())
        self.status = status
        self.detail = detail


class Headers(Struct, frozen=True):
    """The headers of a request: names in any case, values as text (latin-1)."""

    pairs: messages.Headers = ()

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of a header, the default when there is none."""
        return next(iter(self.getlist(name)), default)

    def getlist(self, name: str) -> list[str]:
        """All values of a header, in the order in which they came."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for key, value in self.pairs if key == wanted]


class Query(Struct, frozen=True, dict=True):
    """The query string's values; what is not UTF-8 in it reads as U+FFFD."""

    query_string: bytes = b""

    def get(self, name: str, default: str = "") -> str:
        """The first value of that name, the default when there is none."""
        values = self._values.get(name)
        return values[0] if values else default

    def getlist(self, name: str) -> list[str]:
        """All values of that name, in order."""
        return list(self._values.get(name, ()))

    @cached_property
    def _values(self) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        text = self.query_string.decode("ascii", "replace")
        for name, value in parse_qsl(text, keep_blank_values=True):
            values.setdefault(name, []).append(value)
        return values


class Request:
    """One HTTP request as a handler sees it.

    `path` is decoded and lies below the site's root path, which the server took off. `params`
    are what the route's pattern found in it. `attempt` counts from 1; above 1 an earlier worker
    died with it. `read_body` gives a body that is too large to travel with the message.
    """

    def __init__(
        self,
        message: HttpRequest,
        params: Mapping[str, str | int] | None = None,
        attempt: int = 1,
        read_body: Callable[[str], bytes] | None = None,
        limits: FormLimits | None = None,
    ) -> None:
        self.message = message
        self.method = message.method
        self.path = message.path
        self.params: Mapping[str, str | int] = {} if params is None else params
        self.attempt = attempt
        self.scheme = message.scheme
        self.client: Address | None = message.client
        self.request_id = message.request_id
        self.reply_channel = message.reply_channel
        self.headers = Headers(message.headers)
        self._read_body = read_body
        self._limits = limits
        self._body: bytes | None = None
        self._form: Form | None = None

    @property
    def is_head(self) -> bool:
        """Whether only the head of the answer is wanted; the server drops the content itself."""
        return self.method == "HEAD"

    @property
    def host(self) -> str:
        """Host and port as the client named them, else the server's own address, else `""`."""
        named = self.headers.get("host")
        if named:
            return named
        server = self.message.server
        return f"{server[0]}:{server[1]}" if server else ""

    @cached_property
    def query(self) -> Query:
        """The values of the query string."""
        return Query(self.message.query_string)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """Each cookie's value; of two with one name the first, which has the closer path.

        Source: RFC 6265 section 5.4.
        """
        found: dict[str, str] = {}
        for header in self.headers.getlist("cookie"):
            for pair in header.split(";"):
                name, mark, value = pair.partition("=")
                if mark:
                    found.setdefault(name.strip(), value.strip().strip('"'))
        return found

    def body(self) -> bytes:
        """The whole body.

        Raises: BodyGone when it is no longer in the layer.
        """
        if self._body is None:
            channel = self.message.body_channel
            if channel is None or self._read_body is None:
                self._body = self.message.body
            else:
                self._body = self._read_body(channel)
        return self._body

    def form(self) -> Form:
        """The form in the body, read once; its files end with the request.

        Raises: BadForm, BodyGone.
        """
        if self._form is None:
            kind = self.headers.get("content-type") or ""
            self._form = read_form(kind, self.body(), self._limits)
        return self._form

    def close(self) -> None:
        """Give up the files of the form."""
        if self._form is not None:
            self._form.close()
