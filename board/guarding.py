"""Who may post from where: the form token, the Origin checks and the headers of every page.

Knows no accounts and keeps nothing about a reader beyond one random cookie.
"""

import hmac
import os
import re
import secrets
import tempfile
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeSerializer

from board.model import Problem
from board.settings import BoardSettings
from shared.messages import Headers, check_headers
from workers.forms import Form
from workers.web import Request, Response

COOKIE = "board_csrf"
COOKIE_AGE_S = 30 * 24 * 3600
"""Thirty days: a tab left open over a holiday can still post."""

_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{20,64}")
_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]+)?|\[[0-9A-Fa-f:.]+\](?::[0-9]+)?")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_OVER_TLS = ("https", "wss")


@dataclass(frozen=True, slots=True)
class Visitor:
    """The random value of a browser's cookie, and the same signed by this site."""

    cookie: str
    signed: str
    is_new: bool

    @property
    def token(self) -> str:
        """The token that a form carries; each look gives other letters for the same."""
        return masked(self.signed)

    @property
    def tag(self) -> str:
        """A digest that differs between browsers and tells nothing of them."""
        return blake2b(self.signed.encode("ascii"), digest_size=8).hexdigest()


class Guard:
    """Signs and checks form tokens with the site's secret."""

    def __init__(self, secret: str, media_url: str) -> None:
        self._signer = URLSafeSerializer(secret, salt="board.form")
        self._signing_key = self._signer.make_signer("board.form").derive_key()
        origin = urlsplit(media_url)
        self._common = lru_cache(maxsize=64)(self._common_headers)
        self._media_source = f"{origin.scheme}://{origin.netloc}" if origin.netloc else ""

    def visitor(self, request: Request) -> Visitor:
        """The browser behind a request; one without a good cookie gets a new value."""
        cookie = request.cookies.get(COOKIE, "")
        is_new = not _COOKIE_VALUE.fullmatch(cookie)
        if is_new:
            cookie = secrets.token_urlsafe(24)
        return Visitor(cookie, self._signed(cookie), is_new)

    def problem(self, request: Request, form: Form) -> Problem | None:
        """Why this form may not be taken, None when it comes from one of our own pages."""
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site")
        foreign = origin is not None and not is_same_origin(origin, request.host, request.scheme)
        if foreign or site not in (None, "same-origin", "none"):
            message = "This form was sent from another site. Open the board and write it there."
            return Problem("form", "foreign", message, 403)
        try:
            signed = self._signer.loads(unmasked(form.get("csrf_token")))
        except BadSignature:
            signed = None
        if signed is None or not secrets.compare_digest(
            str(signed).encode(), request.cookies.get(COOKIE, "").encode()
        ):
            message = "This page had grown old, or cookies are off. Please send it once more."
            return Problem("form", "csrf", message, 403)
        return None

    def page(
        self, request: Request | None, visitor: Visitor | None, response: Response
    ) -> Response:
        """The response with the headers that every page carries, and a new visitor's cookie.

        The cookie is Lax: a Strict one stays away when a link on another site leads here, and
        the new one given then would spoil the forms of all tabs already open.
        """
        headers = (*response.headers, *self.headers(request, visitor))
        # The one secret in a page is masked, so its size may be seen.
        return Response(response.content, response.status, headers, "", compress=True)

    def headers(self, request: Request | None, visitor: Visitor | None) -> Headers:
        """What `page` adds, for an answer that is made with it at once."""
        headers = self._common("" if request is None else request.host)
        if visitor is None or not visitor.is_new or request is None:
            return headers
        return (*headers, (b"set-cookie", _cookie(visitor, request.scheme == "https").encode()))

    def _signed(self, cookie: str) -> str:
        """What `self._signer` takes for its own, made in a tenth of the time it would take."""
        payload = urlsafe_b64encode(b'"%s"' % cookie.encode("ascii")).rstrip(b"=")
        signature = hmac.digest(self._signing_key, payload, "sha1")
        return (payload + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode("ascii")

    def _common_headers(self, host: str) -> Headers:
        return check_headers(
            (
                (b"content-security-policy", self._policy(host).encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"referrer-policy", b"same-origin"),
                (b"cache-control", b"no-cache, private"),
            )
        )

    def _policy(self, host: str) -> str:
        # Older browsers do not count ws: of the same host as 'self'.
        sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
        media = f" {self._media_source}" if self._media_source else ""
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; "
            f"img-src 'self' blob:{media}; connect-src 'self'{sockets}; manifest-src 'self'; "
            "worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )


def _cookie(visitor: Visitor, secure: bool) -> str:
    given = f"{COOKIE}={visitor.cookie}; Path=/; SameSite=Lax; Max-Age={COOKIE_AGE_S}; HttpOnly"
    return f"{given}; Secure" if secure else given


def masked(token: str) -> str:
    """The token behind a random pad of its own, so that no two pages hold the same letters.

    The size of a compressed page then tells nothing of it (BREACH).
    """
    plain = token.encode("ascii")
    pad = secrets.token_bytes(len(plain))
    return urlsafe_b64encode(pad + _combined(pad, plain)).decode("ascii")


def unmasked(text: str | None) -> str:
    """The token in a masked one; a text that is none comes back as it is."""
    try:
        both = b64decode((text or "").encode("ascii"), b"-_", validate=True)
        pad, hidden = both[: len(both) // 2], both[len(both) // 2 :]
        return _combined(pad, hidden).decode("ascii")
    except ValueError:
        return text or ""


def _combined(pad: bytes, text: bytes) -> bytes:
    both = int.from_bytes(pad) ^ int.from_bytes(text)
    return both.to_bytes(max(len(pad), len(text)))


def is_same_origin(origin: str, host: str, scheme: str) -> bool:
    """Whether an Origin header names the host that a request was sent to, default ports alike.

    A page read in the clear is foreign to a request over TLS: others may have changed it. A page
    read over TLS may ask in the clear, since a proxy may end TLS without a word about it.
    """
    try:
        found = urlsplit(origin)
        named = urlsplit(f"//{host}")
        default = _PORTS.get(found.scheme)
        same_port = (found.port or default) == (named.port or default)
    except ValueError:
        return False
    if scheme in _OVER_TLS and found.scheme not in _OVER_TLS:
        return False
    return default is not None and found.hostname == named.hostname and same_port


def site_secret(settings: BoardSettings) -> str:
    """The site's secret: the configured one, else that of the secret file, made when absent."""
    if settings.secret_key is not None:
        return settings.secret_key
    path = settings.secret_file
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make_secret(path)
    return path.read_text().strip()


def _make_secret(path: Path) -> None:
    """Write a new secret whole and readable to its owner only; another process may be first."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(name, path)
        except FileExistsError:
            return
    finally:
        os.unlink(name)
