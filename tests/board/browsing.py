"""A browser for tests of handlers: it keeps its cookie and sends forms; no network is involved."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import msgpack

from board.app import routes
from board.site import Site
from channel_layer.layer import Send, SendGroup
from shared.messages import HttpRequest
from workers.outbox import Outbox
from workers.routing import HttpMatch
from workers.web import HttpError, Request, Response

HOST = "board.example"


@dataclass
class Page:
    """An answer with what its handler wanted done."""

    response: Response
    outbox: Outbox

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def text(self) -> str:
        content = self.response.content
        return content.decode() if isinstance(content, bytes) else content

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def header(self, name: str) -> str | None:
        for key, value in self.response.headers:
            if key == name.encode():
                return value.decode() if isinstance(value, bytes) else value
        return None

    @property
    def pushes(self) -> list[tuple[str, dict[str, Any]]]:
        """(group, frame) of every group message."""
        return [
            (step.group, json.loads(msgpack.unpackb(step.payload)["text"]))
            for step in self.outbox.operations
            if isinstance(step, SendGroup)
        ]

    @property
    def jobs(self) -> list[tuple[str, dict[str, Any]]]:
        """(channel, message) of every job."""
        return [
            (step.channel, msgpack.unpackb(step.payload))
            for step in self.outbox.operations
            if isinstance(step, Send)
        ]


@dataclass
class Browser:
    """Asks the handlers of a site as a browser would, and remembers its cookie."""

    site: Site
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    request_id: str = "r"

    def get(self, url: str, **headers: str) -> Page:
        return self._ask("GET", url, b"", headers)

    def post(
        self,
        url: str,
        fields: Mapping[str, str | bytes],
        picture: tuple[str, bytes] | None = None,
        **headers: str,
    ) -> Page:
        """Send a form as it is."""
        boundary = "x" * 20
        parts = [
            f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'.encode()
            + (value if isinstance(value, bytes) else value.encode())
            + b"\r\n"
            for name, value in fields.items()
        ]
        if picture is not None:
            parts.append(
                f'--{boundary}\r\ncontent-disposition: form-data; name="picture"; '
                f'filename="{picture[0]}"\r\ncontent-type: image/jpeg\r\n\r\n'.encode()
                + picture[1]
                + b"\r\n"
            )
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        sent = {"content-type": f"multipart/form-data; boundary={boundary}", **headers}
        return self._ask("POST", url, body, sent)

    def write(
        self,
        url: str,
        *,
        page: str = "/",
        picture: tuple[str, bytes] | None = None,
        accept: str = "text/html",
        **fields: str,
    ) -> Page:
        """Open `page`, fill its form in and send it."""
        return self.post(url, {**self.hidden_fields(page), **fields}, picture, accept=accept)

    def hidden_fields(self, page: str = "/") -> dict[str, str]:
        """The hidden fields of the first form of a page."""
        shown = self.get(page)
        text = self.get(shown.header("location") or page).text
        found: dict[str, str] = {}
        for name in ("csrf_token", "form_key"):
            match = re.search(rf'name="{name}" value="([^"]+)"', text)
            assert match is not None, f"no {name} on {page}"
            found[name] = unescape(match[1])
        return found

    def _ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Page:
        path, _, query = url.partition("?")
        sent = {"host": HOST, **self.headers, **headers}
        if self.cookie:
            sent["cookie"] = f"board_csrf={self.cookie}"
        message = HttpRequest(
            "server.response.x!y",
            method,
            path,
            query_string=query.encode(),
            headers=tuple((k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()),
            body=body,
            request_id=self.request_id,
        )
        app = routes(self.site)
        match = app.match_http(method, path)
        assert isinstance(match, HttpMatch), f"{method} {path}: {match}"
        request, outbox = Request(message, match.params), Outbox()
        try:
            response = match.route.handler(request, outbox)
        except HttpError as error:
            response, outbox = (
                self.site.pages.error(request, error.status, "", error.detail),
                Outbox(),
            )
        finally:
            request.close()
        assert isinstance(response, Response)
        page = Page(response, outbox)
        cookie = page.header("set-cookie")
        if cookie is not None:
            self.cookie = cookie.partition("=")[2].partition(";")[0]
        return page
