"""What a listener without TLS answers where the site is served over HTTPS: where to go instead.

Shares the reader and all bounds with every other HTTP connection; asks no worker.
"""

from urllib.parse import quote

from interface_server.http_answer import Answer
from interface_server.http_messages import RequestHead
from interface_server.http_parts import HEALTH_PATHS, Drainable, HttpParts
from interface_server.http_responses import own_page
from shared.messages import HttpResponse

CHALLENGES = "/.well-known/acme-challenge/"
"""What a certificate authority asks for without TLS. Source: RFC 8555 section 8.3."""

_HTTPS_PORT = 443
_PATH_SAFE = "/:@!$&'()*+,;=-._~"
"""Characters of a path that stand for themselves. Source: RFC 3986 section 3.3."""


class RedirectParts(HttpParts):
    """The parts of connections that only redirect: each request is answered here."""

    takes_sockets = False

    def __init__(self, site: HttpParts) -> None:
        super().__init__(site.gateway, site.clock)
        self._site = site

    def opened(self, connection: Drainable) -> None:
        """A client came; its connection ends with the site's."""
        self._site.opened(connection)

    def closed(self, connection: Drainable) -> None:
        """A client left."""
        self._site.closed(connection)

    def answer_locally(self, answer: Answer, head: RequestHead) -> bool:
        """Answer anything."""
        is_open = head.path in HEALTH_PATHS or head.path.startswith(CHALLENGES)
        if not (is_open and super().answer_locally(answer, head)):
            answer.respond(self._redirect(head))
        return True

    def is_local(self, head: RequestHead) -> bool:
        """Whether `answer_locally` would answer: always."""
        return True

    def _redirect(self, head: RequestHead) -> HttpResponse:
        if head.method not in ("GET", "HEAD"):
            # What it carries went over the wire in the clear; its sender must notice.
            return own_page(403, "This site is served over HTTPS only.")
        address = https_address(head, self.gateway.settings.redirect_to_port)
        if address is None:
            return own_page(400, "A request without a host cannot be redirected.")
        return own_page(308, "This site is served over HTTPS.", ((b"Location", address),))


def https_address(head: RequestHead, port: int) -> bytes | None:
    """The same address over HTTPS; None when the request names no host.

    Host and query were checked with the head; the path is encoded anew.
    """
    named = next((value for name, value in head.headers if name == b"host"), b"")
    host = named if named.endswith(b"]") or b":" not in named else named.rpartition(b":")[0]
    if not host:
        return None
    authority = host if port == _HTTPS_PORT else b"%b:%d" % (host, port)
    target = quote(head.path, safe=_PATH_SAFE).encode("ascii")
    query = b"?" + head.query_string if head.query_string else b""
    return b"https://" + authority + target + query
