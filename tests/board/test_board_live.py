"""The sockets of the board: joined first, read afterwards, and told everything in order."""

import json
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from sqlalchemy import update

from board import tables
from board.model import draft
from board.site import Site
from channel_layer.layer import History, Join, Operation, Position, Send, SendGroup
from shared.messages import WsConnect
from tests.board.browsing import HOST, Browser
from workers.consumers import JobAttempt, SocketEvent, socket_event
from workers.outbox import Outbox

CHANNEL = "server.response.p!c"
ONCE = JobAttempt(1, 3, 1)
FROM_NOW = Position("", 0)


@pytest.fixture
def browser(site: Site) -> Browser:
    browser = Browser(site)
    browser.write("/b/post", title="T", body="opening")
    return browser


def reply(browser: Browser, body: str, **more: Any) -> None:
    assert browser.write("/b/thread/1/reply", page="/b/thread/1", body=body, **more).status == 303


def connecting(path: str, query: str = "", origin: str | None = None, **params: int) -> SocketEvent:
    headers = [(b"host", HOST.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    message = WsConnect(CHANNEL, path, query_string=query.encode(), headers=tuple(headers))
    return socket_event(message, params, b"", 1)


def frame(text: str | None, binary: bytes | None = None, **params: int) -> SocketEvent:
    return SocketEvent(
        "/", params, CHANNEL, order=1, text=text, binary=binary, state={"board": "b"}
    )


def sent(operations: tuple[Operation, ...]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (step.channel, msgpack.unpackb(step.payload))
        for step in operations
        if isinstance(step, Send)
    ]


def frames(operations: tuple[Operation, ...]) -> list[dict[str, Any]]:
    return [json.loads(message["text"]) for _, message in sent(operations) if "text" in message]


def asked(site: Site, question: object) -> list[dict[str, Any]]:
    outbox = Outbox(CHANNEL)
    text = question if isinstance(question, str) else json.dumps(question)
    site.live.thread_receive(frame(text, no=1), outbox)
    return [message for _, message in sent(outbox.operations)]


def resumed(site: Site, seq: int) -> list[dict[str, Any]]:
    outbox = Outbox()
    site.live.resume_thread({"channel": CHANNEL, "thread": 1, "seq": seq}, outbox, ONCE)
    return frames(outbox.operations)


def test_a_socket_joins_before_anything_is_read(site: Site, browser: Browser) -> None:
    """Connecting accepts, joins the group from now on, and then orders the job that reads."""
    outbox = Outbox(CHANNEL)
    site.live.thread_connect(connecting("/thread/1/", "v=1&seq=1", no=1), outbox)
    accept, join, job = outbox.operations
    assert isinstance(accept, Send)
    assert msgpack.unpackb(accept.payload) == {"accept": True}
    assert join == Join("board.thread.1", CHANNEL, since=FROM_NOW)
    assert isinstance(job, Send)
    assert job.channel == "board.resume_thread"
    assert msgpack.unpackb(job.payload) == {"channel": CHANNEL, "thread": 1, "seq": 1}


@pytest.mark.parametrize(
    ("no", "origin"), [(9, None), (10**17, None), (1, "https://evil.example"), (1, "null")]
)
def test_unwelcome_sockets_are_refused(
    site: Site, browser: Browser, no: int, origin: str | None
) -> None:
    """An unknown thread and a foreign page are refused in the handshake."""
    outbox = Outbox(CHANNEL)
    site.live.thread_connect(connecting(f"/thread/{no}/", origin=origin, no=no), outbox)
    assert sent(outbox.operations) == [(CHANNEL, {"accept": False})]


@pytest.mark.parametrize("origin", [f"http://{HOST}", f"https://{HOST}:443", None])
def test_our_pages_and_programs_are_welcome(
    site: Site, browser: Browser, origin: str | None
) -> None:
    """A socket of our own page, or of a program without Origin, is accepted."""
    outbox = Outbox(CHANNEL)
    site.live.thread_connect(connecting("/thread/1/", origin=origin, no=1), outbox)
    assert sent(outbox.operations)[0] == (CHANNEL, {"accept": True})


def test_what_was_missed_follows_the_greeting(site: Site, browser: Browser) -> None:
    """The job greets with the head and sends exactly the events behind the known number."""
    for body in ("one", "two", "three"):
        reply(browser, body)
    hello, *events = resumed(site, 2)
    assert (hello["t"], hello["seq"], hello["from"], hello["head"]) == ("hello", 4, 3, 4)
    assert [(event["t"], event["seq"], event["no"]) for event in events] == [
        ("post", 3, 3),
        ("post", 4, 4),
    ]
    page = browser.get("/b/thread/1/t").text
    assert all(event["html"] in page for event in events)
    assert [event["t"] for event in resumed(site, 4)] == ["hello"]


def test_a_reader_from_the_future_starts_anew(site: Site, browser: Browser) -> None:
    """A number that this thread never had means another database: read the page again."""
    assert [event["t"] for event in resumed(site, 50)] == ["hello", "resync"]


def test_too_much_missed_is_a_resync(site: Site, browser: Browser) -> None:
    """More than five hundred missed events are not sent one by one."""
    board = site.reader.board("b")
    assert board is not None
    for number in range(502):
        site.posting.submit(board, 1, draft("", "", "x"), None, f"k{number}")
    assert [event["t"] for event in resumed(site, 1)] == ["hello", "resync"]
    assert len(resumed(site, 3)) == 501


def test_a_gone_thread_closes_its_sockets(site: Site, browser: Browser) -> None:
    """A thread that vanished between joining and reading closes the socket with 4404."""
    outbox = Outbox()
    site.live.resume_thread({"channel": CHANNEL, "thread": 77, "seq": 0}, outbox, ONCE)
    assert sent(outbox.operations) == [(CHANNEL, {"close": 4404})]


def test_a_picture_event_shows_the_post_as_it_is(
    site: Site, browser: Browser, picture: Callable[..., bytes]
) -> None:
    """The `file` event carries the whole post with its picture, pushed and resumed alike."""
    done = browser.write(
        "/b/thread/1/reply", page="/b/thread/1", body="", picture=("a.jpg", picture())
    )
    outbox = Outbox()
    site.pictures.make(done.jobs[0][1], outbox, ONCE)
    events = resumed(site, 2)[1:]
    assert [(event["t"], event["seq"]) for event in events] == [("file", 3)]
    assert "/media/thumb/" in events[0]["html"]
    assert events[0]["html"] in browser.get("/b/thread/1/t").text


def test_a_ready_picture_is_told_to_the_index(
    site: Site, browser: Browser, picture: Callable[..., bytes]
) -> None:
    """The index's readers get the picture alone, with the markup that the index has."""
    done = browser.write(
        "/b/thread/1/reply", page="/b/thread/1", body="", picture=("a.jpg", picture())
    )
    outbox = Outbox()
    site.pictures.make(done.jobs[0][1], outbox, ONCE)
    (told,) = (step for step in outbox.operations if getattr(step, "group", "") == "board.index.b")
    assert isinstance(told, SendGroup)
    frame = json.loads(msgpack.unpackb(told.payload)["text"])
    assert (frame["t"], frame["no"], "rev" in frame) == ("upd", 2, False)
    assert frame["html"].startswith('<a class="pic"')
    assert frame["html"] in browser.get("/b/").text


def test_every_push_has_a_position(site: Site, browser: Browser) -> None:
    """Pushes are kept for a moment, so that their readers see it when one was lost."""
    done = browser.write("/b/thread/1/reply", page="/b/thread/1", body="one")
    told = [step for step in done.outbox.operations if isinstance(step, SendGroup)]
    assert [step.group for step in told] == ["board.thread.1", "board.index.b"]
    assert {step.history for step in told} == {History(1, 60_000)}


def test_ping_and_sync(site: Site, browser: Browser) -> None:
    """`ping` is answered with the head, `sync` with the events behind its number and the head."""
    reply(browser, "one")
    head = {"t": "pong", "seq": 2}
    (pong,) = asked(site, {"t": "ping"})
    assert json.loads(pong["text"]) == head
    event, end = (json.loads(answer["text"]) for answer in asked(site, {"t": "sync", "seq": 1}))
    assert (event["t"], event["seq"], end) == ("post", 2, head)
    (end,) = asked(site, {"t": "sync", "seq": 2})
    assert json.loads(end["text"]) == head


@pytest.mark.parametrize(
    "question", ["", "no json", "[1]", "5", "[" * 4000, '{"t": "ping", "x": "' + "y" * 5000 + '"}']
)
def test_nonsense_closes_the_socket(site: Site, browser: Browser, question: str) -> None:
    """A frame that is no small JSON object ends the socket with 4400."""
    assert asked(site, question) == [{"close": 4400}]


@pytest.mark.parametrize("seq", [None, -1, "x", 1e99, True, [1], "٣", 10**30])
def test_odd_numbers_do_no_harm(site: Site, browser: Browser, seq: object) -> None:
    """Whatever stands for a number, the answer is a list of events and the head."""
    *events, end = (json.loads(answer["text"]) for answer in asked(site, {"t": "sync", "seq": seq}))
    assert {event["t"] for event in events} <= {"post"}
    assert end["t"] == "pong"


def test_unknown_questions_are_passed_over(site: Site, browser: Browser) -> None:
    """A later version of the page may ask what this one does not know."""
    assert asked(site, {"t": "typing"}) == []


def test_bytes_close_the_socket(site: Site, browser: Browser) -> None:
    """The protocol is text."""
    outbox = Outbox(CHANNEL)
    site.live.thread_receive(frame(None, b"x", no=1), outbox)
    assert sent(outbox.operations) == [(CHANNEL, {"close": 4400})]


def test_the_boards_socket(site: Site, browser: Browser) -> None:
    """The index's socket joins its board's group and is greeted with what changed."""
    reply(browser, "one")
    outbox = Outbox(CHANNEL)
    site.live.board_connect(connecting("/board/", "v=1&rev=1&board=b"), outbox)
    assert Join("board.index.b", CHANNEL, since=FROM_NOW) in outbox.operations
    channel, message = sent(outbox.operations)[-1]
    assert channel == "board.resume_board"
    greeting = Outbox()
    site.live.resume_board(message, greeting, ONCE)
    (hello,) = frames(greeting.operations)
    assert (hello["t"], hello["rev"]) == ("hello", 2)
    assert [row[:1] + row[2:4] for row in hello["threads"]] == [[1, 1, 0]]
    current = Outbox()
    site.live.resume_board({**message, "rev": 2}, current, ONCE)
    assert "threads" not in frames(current.operations)[0]


def test_the_boards_ping_and_sync(site: Site, browser: Browser) -> None:
    """On the index `ping` tells the revision and `sync` the state of all threads."""
    for question, kind in (({"t": "ping"}, "pong"), ({"t": "sync", "rev": 0}, "hello")):
        outbox = Outbox(CHANNEL)
        site.live.board_receive(frame(json.dumps(question)), outbox)
        (answer,) = frames(outbox.operations)
        assert (answer["t"], answer["rev"]) == (kind, 1)


def test_the_boards_news_are_the_pushes_behind_a_revision(site: Site, browser: Browser) -> None:
    """Whoever missed some asks with its revision; the answer has no number of its own."""
    pushed = []
    for path, more in (("/b/thread/1/reply", {}), ("/b/post", {"title": "New"})):
        done = browser.write(path, page="/b/", body=">>1 words", **more)
        pushed += [push for group, push in done.pushes if group == "board.index.b"]
    assert [push["t"] for push in pushed] == ["bump", "new"]
    for asked_rev, behind in ((0, 0), (1, 1), (2, 2), (3, 3), ("x", 0)):
        outbox = Outbox(CHANNEL)
        site.live.board_receive(frame(json.dumps({"t": "news", "rev": asked_rev})), outbox)
        (news,) = frames(outbox.operations)
        assert (news["t"], news["head"], "rev" in news) == ("news", 3, False)
        assert [event["rev"] for event in news["events"]] == [1, 2, 3][behind:]
        assert [event for event in news["events"] if event["rev"] > 1] == pushed[
            max(0, behind - 1) :
        ]


def test_an_unknown_board_is_refused(site: Site, browser: Browser) -> None:
    """There are no sockets of boards that are not there."""
    outbox = Outbox(CHANNEL)
    site.live.board_connect(connecting("/board/", "board=zz"), outbox)
    assert sent(outbox.operations) == [(CHANNEL, {"accept": False})]


def test_a_closing_thread_tells_its_readers(site: Site, browser: Browser) -> None:
    """The reply that closes a thread is followed by an event that says so."""
    with site.database.writing() as connection:
        connection.execute(update(tables.board).values(reply_limit=1))
    done = browser.write("/b/thread/1/reply", page="/b/thread/1", body="last")
    told = [push for group, push in done.pushes if group == "board.thread.1"]
    assert [(push["t"], push["seq"]) for push in told] == [("post", 2), ("thread", 3)]
    assert told[1]["changes"] == {"closed": 1}
    assert resumed(site, 1)[1:] == told
