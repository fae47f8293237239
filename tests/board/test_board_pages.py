"""The pages, asked through their handlers as a browser asks them."""

import re
from collections.abc import Callable

import pytest

from board.site import Site
from tests.board.browsing import HOST, Browser


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)


def test_an_empty_board_has_an_index(browser: Browser) -> None:
    """A new board's front page is there and carries a form."""
    page = browser.get("/")
    assert page.status == 200
    assert 'action="/b/post"' in page.text


def test_a_new_thread_leads_to_its_page(browser: Browser) -> None:
    """A posted thread answers 303 to its opening post, and the page has its words."""
    done = browser.write("/b/post", title="Über uns", body="Hello\n>quoted")
    assert done.status == 303
    assert done.header("location") == "/b/thread/1/uber-uns#p1"
    page = browser.get("/b/thread/1/uber-uns")
    assert page.status == 200
    assert "Über uns" in page.text
    assert '<span class="quote">&gt;quoted</span>' in page.text


def test_a_reply_is_pushed_as_the_page_shows_it(browser: Browser) -> None:
    """The pushed fragment of a post stands byte for byte on the thread's page."""
    browser.write("/b/post", title="T", body="first")
    done = browser.write("/b/thread/1/reply", page="/b/thread/1/t", body=">>1 ö 中 😀", name="Ann")
    assert done.header("location") == "/b/thread/1/t#p2"
    (group, frame), (board_group, bump) = done.pushes
    assert (group, frame["t"], frame["seq"], frame["no"]) == ("board.thread.1", "post", 2, 2)
    assert frame["html"] in browser.get("/b/thread/1/t").text
    assert (board_group, bump["t"], bump["rev"], bump["no"]) == ("board.index.b", "bump", 2, 1)
    assert (bump["reply_no"], bump["replies"], bump["quotes"]) == (2, 1, [1])


def test_a_new_thread_is_told_to_the_index(browser: Browser) -> None:
    """The index's readers get title, beginning and address of a new thread."""
    done = browser.write("/b/post", title="News", body="It\nhappened")
    group, frame = done.pushes[-1]
    assert group == "board.index.b"
    assert frame["t"] == "new"
    assert (frame["title"], frame["excerpt"]) == ("News", "It happened")
    assert frame["url"] == "/b/thread/1/news"


def test_a_picture_is_posted_pending_and_ordered(
    browser: Browser, picture: Callable[..., bytes]
) -> None:
    """A picture's post reserves its box at once, and jobs look after the rest."""
    done = browser.write("/b/post", title="T", body="", picture=("a b.jpg", picture()))
    assert done.status == 303
    assert [channel for channel, _ in done.jobs] == [
        *("board.picture", "board.overdue", "board.sweep")
    ]
    page = browser.get("/b/thread/1/t").text
    assert 'width="250" height="188"' in page
    assert "/media/src/" not in page


@pytest.mark.parametrize(
    "url",
    [
        "/b/thread/99/x",
        "/b/thread/99",
        "/q/",
        "/q",
        "/b/11",
        "/b/0",
        "/b/999999999999",
        "/b/thread/99999999999/x",
        "/q/thread/1/t",
        "/favicon.ico",
    ],
)
def test_what_is_not_there_is_not_found(browser: Browser, url: str) -> None:
    """Unknown boards, pages and threads are 404 with a page of ours."""
    browser.write("/b/post", title="T", body="x")
    page = browser.get(url)
    assert page.status == 404
    assert "<h1>" in page.text


def test_a_reply_to_nothing_is_not_found(browser: Browser) -> None:
    """A reply to an unknown thread is 404, as page and as JSON."""
    assert browser.write("/b/thread/9/reply", body="x").status == 404
    answer = browser.write("/b/thread/9/reply", body="x", accept="application/json")
    assert (answer.status, answer.json["error"]["code"]) == (404, "no_thread")


def test_short_addresses_lead_to_the_true_ones(browser: Browser) -> None:
    """A thread without or with another slug, and a board without its slash, are redirected."""
    browser.write("/b/post", title="The Title", body="x")
    for url in ("/b/thread/1", "/b/thread/1/other"):
        page = browser.get(url)
        assert (page.status, page.header("location")) == (301, "/b/thread/1/the-title")
    assert browser.get("/b/thread/1?since=1").header("location") == "/b/thread/1/the-title?since=1"
    for url in ("/b", "/b/1"):
        assert browser.get(url).header("location") == "/b/"


def test_since_shows_only_what_is_new(browser: Browser) -> None:
    """`?since=NO` leaves out what is not newer, except the opening post."""
    browser.write("/b/post", title="T", body="opening words")
    for word in ("one", "two"):
        browser.write("/b/thread/1/reply", page="/b/thread/1/t", body=f"reply {word}")
    text = browser.get("/b/thread/1/t?since=2").text
    assert "opening words" in text
    assert "reply two" in text
    assert "reply one" not in text


def test_the_thread_as_json(browser: Browser) -> None:
    """A thread's JSON has the shape that existing readers know."""
    browser.write("/b/post", title="A & B", body="x")
    browser.write("/b/thread/1/reply", page="/b/thread/1/a-b", body=">>1", name="<i>")
    page = browser.get("/b/thread/1.json")
    assert page.header("access-control-allow-origin") == "*"
    opening, reply = page.json["posts"]
    assert (opening["no"], opening["resto"], opening["sub"]) == (1, 0, "A &amp; B")
    assert (opening["replies"], opening["images"], opening["x_seq"]) == (1, 0, 2)
    assert (reply["resto"], reply["name"]) == (1, "&lt;i&gt;")
    assert reply["com"] == '<a href="#p1" class="quotelink">&gt;&gt;1</a>'
    assert "sub" not in reply
    etag = page.header("etag")
    assert etag is not None
    assert browser.get("/b/thread/1.json", if_none_match=etag).status == 304
    assert browser.get("/b/thread/7.json").status == 404


def test_events_after_a_number(browser: Browser) -> None:
    """`?after=SEQ` gives the events behind a number as the socket would have sent them."""
    browser.write("/b/post", title="T", body="x")
    pushed = [
        browser.write("/b/thread/1/reply", page="/b/thread/1/t", body=f"r{n}").pushes[0][1]
        for n in range(3)
    ]
    answer = browser.get("/b/thread/1.json?after=2").json
    assert answer == {"events": pushed[1:], "seq": 4, "more": False}
    assert browser.get("/b/thread/1.json?after=4").json["events"] == []


def test_every_page_is_locked_down(browser: Browser) -> None:
    """Pages carry a strict policy, and the cookie is out of scripts' reach."""
    page = browser.get("/")
    policy = page.header("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert f"connect-src 'self' ws://{HOST} wss://{HOST}" in policy
    assert page.header("x-content-type-options") == "nosniff"
    assert page.header("referrer-policy") == "same-origin"
    assert "HttpOnly" in (page.header("set-cookie") or "")
    assert browser.get("/").header("set-cookie") is None
    hostile = Browser(browser.site, headers={"host": "x; script-src *"})
    assert "script-src *" not in (hostile.get("/").header("content-security-policy") or "")


def test_no_markup_of_a_poster_reaches_the_page(browser: Browser) -> None:
    """Title, name, text and file name of a poster are text on every page."""
    bad = "<script>alert(1)</script>\"'><img src=x onerror=1>"
    browser.write("/b/post", title=bad[:100], name=bad[:60], body=bad)
    for url in ("/", "/b/thread/1.json"):
        assert "<script>alert" not in browser.get(url).text
        assert "<img src=x" not in browser.get(url).text
    page = browser.get(browser.get("/b/thread/1").header("location") or "")
    assert not re.search(r"<script>|<img src=x", page.text)
