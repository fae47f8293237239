"""Requests and responses as handlers see them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from shared.errors import InvalidMessage
from shared.messages import HttpRequest, HttpResponse, http_reply
from workers.responses import CHUNK_BYTES, response_messages
from workers.web import LATER, Headers, Query, Request, Response, json_response, redirect


def make_request(method="GET", path="/", headers=(), **facts):
    """A request as the server sends it."""
    return Request(HttpRequest("s!c", method, path, headers=headers, **facts))


def test_request_facts():
    """A request tells what the server told."""
    request = Request(
        HttpRequest(
            "s!c",
            "HEAD",
            "/ö",
            scheme="https",
            headers=((b"host", b"example.org"), (b"x-a", b"1"), (b"x-a", b"2")),
            client=("::1", 5),
            request_id="r",
        ),
        {"no": 1},
        attempt=2,
    )
    assert (request.method, request.path, request.scheme) == ("HEAD", "/ö", "https")
    assert (request.host, request.client, request.request_id) == ("example.org", ("::1", 5), "r")
    assert (request.params, request.attempt, request.is_head) == ({"no": 1}, 2, True)
    assert request.headers.getlist("X-A") == ["1", "2"]
    assert request.headers.get("x-b") is None
    assert request.headers.get("x-b", "d") == "d"
    assert make_request(server=("h", 80)).host == "h:80"
    assert make_request().host == ""


def test_query():
    """A query's values come decoded, blank ones included."""
    query = Query(b"a=1&b=&a=%C3%B6+x&c=%ff")
    assert (query.get("a"), query.getlist("a")) == ("1", ["1", "ö x"])
    assert (query.get("b", "d"), query.get("z", "d")) == ("", "d")
    assert query.get("c") == "\ufffd"


def test_cookies():
    """Cookies of several headers come together; of two with one name the first counts."""
    request = make_request(headers=((b"cookie", b'a=1; b="x y";c'), (b"cookie", b"a=2; d==e")))
    assert request.cookies == {"a": "1", "b": "x y", "d": "=e"}


def test_body():
    """A body comes inline, or once from its channel."""
    assert make_request(body=b"x").body() == b"x"
    asked = []

    def read_body(channel):
        asked.append(channel)
        return b"long"

    request = Request(HttpRequest("s!c", "POST", "/", body_channel="b?1"), read_body=read_body)
    assert (request.body(), request.body(), asked) == (b"long", b"long", ["b?1"])


def test_form():
    """A form is read once, and its files end with the request."""
    kind = (b"content-type", b"multipart/form-data; boundary=x")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nhi\r\n--x--\r\n'
    )
    request = make_request("POST", headers=(kind,), body=body)
    file = request.form().files["f"].file
    assert file.read() == b"hi"
    assert request.form() is request.form()
    request.close()
    assert file.closed


def test_response():
    """A response holds bytes and lower-case headers, with a type of its own or the usual one."""
    response = Response("ö", headers=[("X-A", "1"), (b"x-a", b"2")])
    assert response.content == "ö".encode()
    assert response.headers == (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
    )
    assert Response(headers=[("Content-Type", "x/y")]).headers == ((b"content-type", b"x/y"),)
    assert Response(status=304).headers == ()
    assert Response(content_type="").headers == ()


def test_safe_strings():
    """Subclasses of str become plain bytes, whatever methods they have."""

    class Odd(str):
        def encode(self, *_):
            raise AssertionError("must not be asked")

    for text in (Markup("<b>ö</b>"), Odd("<b>ö</b>")):
        response = Response(text, headers=[("x-a", Odd("y"))])
        assert response.content == "<b>ö</b>".encode()
        assert response.headers[1] == (b"x-a", b"y")


def test_chaining():
    """`with_header` and `set_cookie` leave the response as it is and give another."""
    response = Response("x")
    other = response.with_header("x-a", "1").set_cookie("c", "v", 60, secure=True)
    assert len(response.headers) == 1
    assert other.headers[1:] == (
        (b"x-a", b"1"),
        (b"set-cookie", b"c=v; Path=/; SameSite=Lax; Max-Age=60; HttpOnly; Secure"),
    )
    plain = response.set_cookie("c", "v", path="/b", http_only=False, same_site="Strict")
    assert plain.headers[1][1] == b"c=v; Path=/b; SameSite=Strict"


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"content": 5}, TypeError),
        ({"content": None}, TypeError),
        ({"status": 99}, InvalidMessage),
        ({"status": "200"}, InvalidMessage),
        ({"headers": [("a b", "x")]}, InvalidMessage),
        ({"headers": [("a", "x\r\ny: z")]}, InvalidMessage),
        ({"headers": [("a", "中")]}, InvalidMessage),
        ({"headers": [("a", 5)]}, InvalidMessage),
    ],
)
def test_bad_responses(facts, error):
    """What cannot be sent is refused where it is made."""
    with pytest.raises(error):
        Response(**facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"name": "a b", "value": "x"},
        {"name": "a", "value": "x; Path=/"},
        {"name": "a", "value": "x\ny"},
        {"name": "a", "value": "x", "path": "/;x"},
        {"name": "a", "value": "x", "same_site": "No"},
    ],
)
def test_bad_cookies(facts):
    """A cookie that would break the header is refused."""
    with pytest.raises(ValueError, match="expected"):
        Response().set_cookie(**facts)


def test_redirect_and_json():
    """A redirect's address is encoded once; JSON keeps letters as they are."""
    assert redirect("/b/ö?a=1&b=%20#p1").headers == ((b"location", b"/b/%C3%B6?a=1&b=%20#p1"),)
    assert (redirect("/").status, redirect("/", 301).status) == (303, 301)
    response = json_response({"a": "ö"}, 400)
    assert (response.content, response.status) == ('{"a":"ö"}'.encode(), 400)
    assert json.loads(response.content) == {"a": "ö"}
    assert repr(LATER) == "LATER"


@given(st.integers(0, 3 * CHUNK_BYTES + 1))
def test_chunks(size):
    """A response travels in parts of bounded size that join to the whole."""
    parts = response_messages(Response(b"x" * size))
    assert isinstance(parts[0], HttpResponse)
    assert sum(len(part.content) for part in parts) == size
    assert all(len(part.content) <= CHUNK_BYTES for part in parts)
    assert [part.more_content for part in parts] == [True] * (len(parts) - 1) + [False]
    if len(parts) > 1:
        assert (b"content-length", str(size).encode()) in parts[0].headers


@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9))))
def test_no_header_breaks_the_framing(pairs):
    """Whatever a handler puts into headers is refused or passes the server's own check."""
    try:
        response = Response(headers=pairs)
    except InvalidMessage:
        return
    http_reply({"status": 200, "headers": list(response.headers)})


@given(st.binary(), st.binary())
def test_any_request_bytes(query, cookie):
    """No bytes of a client make reading the query or the cookies fail."""
    request = make_request(headers=((b"cookie", cookie),), query_string=query)
    assert isinstance(request.cookies, dict)
    assert request.query.get("a", "d") is not None
    assert Headers(((b"a", cookie),)).get("a") is not None
