"""The forms: what is taken, what comes back, and from whom."""

from collections.abc import Callable
from html import escape

import pytest
from sqlalchemy import update

from board import tables
from board.site import Site
from tests.board.browsing import HOST, Browser


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)


def test_a_script_gets_json(browser: Browser) -> None:
    """With `Accept: application/json` the answers are JSON, good and bad ones."""
    done = browser.write("/b/post", title="T", body="x", accept="application/json")
    assert done.status == 200
    answer = done.json
    assert answer.pop("form_key")
    assert answer == {"ok": 1, "no": 1, "thread": 1, "url": "/b/thread/1/t#p1", "seq": 1}
    refused = browser.write("/b/post", title="T", body=" ", accept="application/json")
    assert refused.status == 400
    assert refused.json["ok"] == 0
    assert refused.json["error"]["field"] == "body"
    assert refused.json["error"]["code"] == "empty"


def test_a_refused_form_comes_back_with_its_words(browser: Browser) -> None:
    """A refused post shows the page again with all fields filled and the reason beside one."""
    page = browser.write("/b/post", title="Kept <b>", name="Ann", body="x" * 4001)
    assert page.status == 400
    assert "The text has 4001 characters; 4000 are allowed." in page.text
    assert escape("Kept <b>") in page.text
    assert "x" * 4001 in page.text
    assert 'value="Ann"' in page.text
    assert not page.outbox.operations


def test_a_refused_reply_stays_in_its_thread(browser: Browser) -> None:
    """An empty reply is refused on the thread's page."""
    browser.write("/b/post", title="T", body="x")
    page = browser.write("/b/thread/1/reply", page="/b/thread/1/t", body="\u200b \n")
    assert page.status == 400
    assert 'action="/b/thread/1/reply"' in page.text
    assert "Write something or choose a picture." in page.text


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400, "not a picture we know"),
        (b"<!doctype html><script>1</script>", 400, "not a picture we know"),
        (b"\xff\xd8\xff\xe0 no more", 400, "icture"),
        (b"", 400, "icture"),
        (b"x" * (8 * 2**20 + 1), 413, "8 MiB are allowed"),
    ],
)
def test_what_is_no_picture_is_refused_beside_its_field(
    browser: Browser, content: bytes, status: int, reason: str
) -> None:
    """A file that is no picture of ours is refused with the reason, and the text stays."""
    page = browser.write("/b/post", title="T", body="my words", picture=("a.jpg", content))
    assert page.status == status
    assert reason.lower() in page.text.lower()
    assert "my words" in page.text
    assert 'id="thread-picture-problem" data-problem="picture">' in page.text


def test_the_same_form_posts_once(browser: Browser, picture: Callable[..., bytes]) -> None:
    """A form that is sent twice makes one post and gives the same answer and the same event."""
    fields = {**browser.hidden_fields(), "title": "T", "body": "once"}
    first = browser.post("/b/post", fields, ("a.jpg", picture()))
    second = browser.post("/b/post", fields, ("a.jpg", picture()))
    assert first.header("location") == second.header("location")
    assert first.pushes == second.pushes
    assert [job for job in first.jobs if job[0] != "board.sweep"] == second.jobs
    assert browser.get("/b/thread/1.json").json["seq"] == 1
    third = browser.post("/b/post", {**fields, "body": "twice"})
    assert third.header("location") == "/b/thread/2/t#p2"


def test_a_form_without_a_key_posts_once_for_each_request(browser: Browser) -> None:
    """Without a form key the request's id makes a repeated request the same post."""
    fields = {**browser.hidden_fields(), "title": "T", "body": "x", "form_key": ""}
    first, again = browser.post("/b/post", fields), browser.post("/b/post", fields)
    browser.request_id = "another"
    other = browser.post("/b/post", fields)
    assert first.header("location") == again.header("location") == "/b/thread/1/t#p1"
    assert other.header("location") == "/b/thread/2/t#p2"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, "forged"),
        ({"origin": "https://evil.example"}, None),
        ({"origin": "null"}, None),
        ({"sec_fetch_site": "cross-site"}, None),
    ],
)
def test_a_foreign_form_is_refused_with_its_words(
    browser: Browser, headers: dict[str, str], token: str | None
) -> None:
    """A form from another site or with a wrong token posts nothing and loses nothing."""
    fields = {**browser.hidden_fields(), "title": "T", "body": "my words"}
    if token is not None:
        fields["csrf_token"] = token
    page = browser.post("/b/post", fields, **headers)
    assert page.status == 403
    assert "my words" in page.text
    assert not page.outbox.operations


def test_our_own_form_passes_with_its_origin(browser: Browser) -> None:
    """Origin and Sec-Fetch-Site of our own pages are welcome."""
    fields = {**browser.hidden_fields(), "title": "T", "body": "x"}
    page = browser.post("/b/post", fields, origin=f"http://{HOST}", sec_fetch_site="same-origin")
    assert page.status == 303


def test_an_old_form_posts_at_the_second_try(browser: Browser) -> None:
    """After its cookie was lost a form is refused once, with a token that works."""
    fields = {**browser.hidden_fields(), "title": "T", "body": "x"}
    browser.cookie = ""
    refused = browser.post("/b/post", fields, accept="application/json")
    assert (refused.status, refused.json["error"]["code"]) == (403, "csrf")
    fields["csrf_token"] = refused.json["csrf_token"]
    assert browser.post("/b/post", fields).status == 303


def test_a_form_that_is_not_utf8_is_refused_by_name(browser: Browser) -> None:
    """Bytes that are no UTF-8 are refused beside the field that held them; nothing is lost."""
    fields = {**browser.hidden_fields(), "title": "My title", "body": b"caf\xe9 and more"}
    page = browser.post("/b/post", fields)
    assert page.status == 400
    assert 'id="thread-body-problem" data-problem="body">' in page.text
    assert "UTF-8" in page.text
    assert 'value="My title"' in page.text
    assert "caf\ufffd and more" in page.text


def test_a_closed_thread_gives_the_words_back(browser: Browser) -> None:
    """A reply that finds its thread closed meanwhile is refused, and its words stay visible."""
    browser.write("/b/post", title="T", body="x")
    fields = {**browser.hidden_fields("/b/thread/1/t"), "body": "my words"}
    with browser.site.database.writing() as connection:
        connection.execute(update(tables.thread).values(closed=True))
    page = browser.post("/b/thread/1/reply", fields)
    assert page.status == 409
    assert "my words" in page.text
    assert "This thread is closed" in page.text
