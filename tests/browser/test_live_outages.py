"""Readers of the board whose sockets fail: lost pushes, dead networks, servers that end."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from board.database import Database
from board.model import draft
from board.settings import read_settings
from board.site import Site, open_site
from tests.browser.network import Relay
from tests.browser.samples import reply, start_thread, texts
from tests.stack import Stack

OF_AN_OUTAGE = re.compile("WebSocket connection to|net::ERR_")
SOCKETS = re.compile(r"/(thread/\d+|board)/\?")

BEFORE_PING_MS = 25_000
"""A silent socket is asked after thirty seconds: what is found out sooner was found another way."""


def is_live(page: Page) -> None:
    """Waits until the page's socket has been greeted."""
    expect(page.locator("#live")).to_have_text("Live")


def say(page: Page, body: str) -> None:
    """Replies and waits until the own page shows it."""
    reply(page, body)
    expect(page.get_by_text(body, exact=True)).to_be_visible()
    expect(page.locator('#reply [name="body"]')).to_have_value("")


def test_without_sockets_posts_are_polled(stack: Stack, reader: Callable[..., Page]) -> None:
    """Where every socket ends as soon as it opens, posts appear all the same, own ones at once."""
    anna, bela = reader(), reader()
    address = start_thread(anna, stack.url, "No sockets here", "Poll.")
    bela.route_web_socket(SOCKETS, lambda socket: socket.close())
    bela.goto(address)
    expect(bela.locator("#live")).to_have_text(re.compile("Updating every [0-9]+ s"))
    say(anna, "polled")
    expect(bela.get_by_text("polled", exact=True)).to_be_visible(timeout=60_000)
    say(bela, "own")


def test_every_second_push_lost_loses_nothing(stack: Stack, reader: Callable[..., Page]) -> None:
    """Each hole is seen with the next push and filled at once, over the socket."""
    anna, bela = reader(), reader()
    address = start_thread(anna, stack.url, "Half of it", "Count.")
    pushes: list[str] = []

    def halve(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(frame: str | bytes) -> None:
            if '"t":"post"' in str(frame) and not str(frame).startswith("{"):
                pushes.append(str(frame))
                if len(pushes) % 2:
                    return
            socket.send(frame)

        server.on_message(pass_on)

    bela.route_web_socket(SOCKETS, halve)
    bela.goto(address)
    is_live(bela)
    fetched: list[str] = []
    bela.on("request", lambda request: fetched.append(request.url))
    sent = [f"number {number}" for number in range(6)]
    for body in sent:
        say(anna, body)
    expect(bela.get_by_text(sent[-1], exact=True)).to_be_visible()
    assert texts(bela) == sent
    assert [url for url in fetched if "after=" in url] == []


@pytest.mark.parametrize(
    "waking", ["document, 'visibilitychange'", "document, 'resume'", "window, 'online'"]
)
def test_a_page_that_wakes_leaves_a_dead_socket(
    stack: Stack, reader: Callable[..., Page], relay: Relay, waking: str
) -> None:
    """A socket that only looks open is found out in three seconds, not after the next ping."""
    anna, bela = reader(), reader()
    address = start_thread(anna, stack.url, f"Waking by {waking[-8:-1]}", "Sleep.")
    bela.goto(address.replace(stack.url, relay.url))
    is_live(bela)
    relay.strand()
    say(anna, "while you slept")
    target, name = waking.split(", ")
    bela.evaluate(f"{target}.dispatchEvent(new Event({name}))")
    expect(bela.get_by_text("while you slept")).to_be_visible(timeout=BEFORE_PING_MS)


@pytest.fixture
def site(house: Stack) -> Iterator[Site]:
    """The house's database, to post what nobody is told of."""
    env = {
        "DATABASE_URL": f"sqlite:///{house.folder}/board.db",
        "VAR_DIR": str(house.folder),
        "SECRET_KEY": "a secret of nobody",
    }
    found = open_site(read_settings(env))
    assert isinstance(found.database, Database)
    yield found
    found.close()


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_another_server_goes_on(
    house: Stack, reader: Callable[..., Page], complaints: list[str], end: str
) -> None:
    """A server that is killed or restarted costs its readers seconds and no post."""
    anna, bela = reader(), reader()
    address = start_thread(anna, house.url, "Two lives", "First.")
    bela.goto(address)
    is_live(bela)
    say(anna, "before")
    expect(bela.get_by_text("before")).to_be_visible()
    assert house.server is not None
    getattr(house.server, end)()
    house.start_server()
    say(anna, "after")
    expect(bela.get_by_text("after")).to_be_visible(timeout=30_000)
    for page in (anna, bela):
        is_live(page)
        assert texts(page) == ["before", "after"]
    complaints[:] = [text for text in complaints if not OF_AN_OUTAGE.search(text)]


def test_posts_whose_push_was_lost_with_redis_appear(
    house: Stack, site: Site, reader: Callable[..., Page]
) -> None:
    """Redis comes back without its data: open sockets hear of the gap and ask what is missing."""
    bela, index = reader(), reader()
    address = start_thread(bela, house.url, "Lost pushes", "First.")
    number = int(address.partition("/thread/")[2].partition("/")[0])
    index.goto(house.url)
    for page in (bela, index):
        is_live(page)
    house.kill_valkey(delete=True)
    board = site.reader.board("b")
    assert board is not None
    site.posting.submit(board, number, draft("", "", "said to nobody"), None, "key")
    house.start_valkey()
    expect(bela.get_by_text("said to nobody")).to_be_visible(timeout=BEFORE_PING_MS)
    count = index.locator(f"#t{number} [data-count=replies]")
    expect(count).to_have_text("1 reply", timeout=BEFORE_PING_MS)
    for page in (bela, index):
        expect(page.locator("#live")).to_have_text("Live")
