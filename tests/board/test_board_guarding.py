"""Origins, tokens, policies and the site's secret."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from board.guarding import Guard, is_same_origin, masked, site_secret, unmasked
from board.settings import read_settings
from shared.messages import HttpRequest
from workers.forms import Form
from workers.web import Request, Response


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://a.example", "a.example", True),
        ("http://a.example", "a.example:80", True),
        ("https://a.example", "a.example", True),
        ("https://a.example", "a.example:443", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://A.example", "a.EXAMPLE", True),
        ("http://a.example:8000", "a.example:8001", False),
        ("http://b.example", "a.example", False),
        ("http://a.example.evil", "a.example", False),
        ("null", "a.example", False),
        ("", "", False),
        ("file://", "", False),
        ("http://a.example:x", "a.example", False),
        ("http://[", "a.example", False),
        ("data:a.example", "a.example", False),
    ],
)
def test_same_origins(origin: str, host: str, same: bool) -> None:
    """An origin is ours when it names the host that was asked."""
    assert is_same_origin(origin, host, "http") is same


@pytest.mark.parametrize(
    ("origin", "scheme", "same"),
    [
        ("http://a.example", "http", True),
        ("http://a.example", "ws", True),
        ("https://a.example", "https", True),
        ("https://a.example", "wss", True),
        ("https://a.example", "http", True),
        ("https://a.example", "ws", True),
        ("http://a.example", "https", False),
        ("http://a.example", "wss", False),
    ],
)
def test_a_page_in_the_clear_is_foreign_to_tls(origin: str, scheme: str, same: bool) -> None:
    """A page read in the clear may not post over TLS; TLS may end at a silent proxy."""
    assert is_same_origin(origin, "a.example", scheme) is same


def test_the_guard_looks_at_the_scheme() -> None:
    """A form from a page in the clear is refused over TLS, for being foreign."""
    headers = ((b"host", b"a.example"), (b"origin", b"http://a.example"))
    for scheme, code in (("https", "foreign"), ("http", "csrf")):
        asked = Request(HttpRequest("c", "POST", "/", scheme=scheme, headers=headers))
        problem = Guard("secret of sixteen", "/media").problem(asked, Form({}, {}))
        assert problem is not None
        assert problem.code == code


def request(cookie: str = "", scheme: str = "http") -> Request:
    headers = [(b"host", b"a.example")]
    if cookie:
        headers.append((b"cookie", f"board_csrf={cookie}".encode()))
    return Request(HttpRequest("c", "GET", "/", scheme=scheme, headers=tuple(headers)))


def header(response: Response, name: bytes) -> str:
    return next((str(v, "latin-1") for k, v in response.headers if k == name), "")  # type: ignore[arg-type]


def test_a_browser_keeps_its_cookie() -> None:
    """A browser with a good cookie gets no other; what its forms sign is the cookie."""
    guard = Guard("secret of sixteen", "/media")
    first = guard.visitor(request())
    again = guard.visitor(request(first.cookie))
    assert (again.cookie, again.is_new) == (first.cookie, False)
    assert unmasked(again.token) == unmasked(first.token)
    assert unmasked(guard.visitor(request()).token) != unmasked(first.token)
    assert guard.visitor(request("bad value")).is_new


def test_no_two_pages_hold_the_same_secret() -> None:
    """So that a compressed page's size tells nothing of it: no part of the token comes twice."""
    guard = Guard("secret of sixteen", "/media")
    cookie = guard.visitor(request()).cookie
    tokens = [guard.visitor(request(cookie)).token for _ in range(20)]
    plain = unmasked(tokens[0])
    places = range(0, len(tokens[0]) - 8, 8)
    assert len({token[at : at + 8] for token in tokens for at in places}) == 20 * len(places)
    assert not any(plain[at : at + 6] in token for token in tokens for at in range(len(plain) - 6))
    page = guard.page(request(cookie), guard.visitor(request(cookie)), Response("x"))
    assert header(page, b"x-compress") == "yes"


@given(st.text(st.characters(max_codepoint=127), max_size=80))
def test_a_masked_token_comes_back(token: str) -> None:
    """Whatever it is."""
    assert unmasked(masked(token)) == token


@pytest.mark.parametrize("text", [None, "", "abc", "a.b", "ö", "===="])
def test_what_is_not_masked_is_no_error(text: str | None) -> None:
    """It is refused by its signature, or taken from a page that is older than the masks."""
    assert isinstance(unmasked(text), str)
    assert unmasked("ImE.c2ln") == "ImE.c2ln"


def test_the_cookie_is_secure_over_tls() -> None:
    """Over TLS the cookie never travels in the clear."""
    guard = Guard("secret of sixteen", "/media")
    for scheme, secure in (("https", True), ("http", False)):
        asked = request(scheme=scheme)
        page = guard.page(asked, guard.visitor(asked), Response("x"))
        assert ("Secure" in header(page, b"set-cookie")) is secure


def test_pictures_may_come_from_a_host_of_their_own() -> None:
    """A media host stands in the policy; a path does not."""
    asked = request()
    for url, named in (("https://m.example/x", "blob: https://m.example;"), ("/media", "blob:;")):
        page = Guard("secret of sixteen", url).page(asked, None, Response("x"))
        assert f"img-src 'self' {named}" in header(page, b"content-security-policy")


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    """Many processes that start at once agree on one secret, readable to its owner only."""
    settings = read_settings({"VAR_DIR": str(tmp_path / "var")})
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: site_secret(settings), range(16)))
    assert len(found) == 1
    assert len(found.pop()) >= 32
    assert stat.S_IMODE(settings.secret_file.stat().st_mode) == 0o600
    assert [path.name for path in settings.secret_file.parent.iterdir()] == ["secret_key"]


def test_a_configured_secret_is_used(tmp_path: Path) -> None:
    """With SECRET_KEY nothing is written."""
    settings = read_settings({"VAR_DIR": str(tmp_path), "SECRET_KEY": "x" * 16})
    assert site_secret(settings) == "x" * 16
    assert list(tmp_path.iterdir()) == []


def test_a_token_is_what_the_library_reads() -> None:
    """The shorter way to a signature makes what the library takes for its own."""
    secret = "secret of sixteen"
    for cookie in ("a" * 20, "A-_9" * 16, "z" * 33):
        visitor = Guard(secret, "/media").visitor(request(cookie))
        assert URLSafeSerializer(secret, salt="board.form").loads(visitor.signed) == cookie
        assert unmasked(visitor.token) == visitor.signed
