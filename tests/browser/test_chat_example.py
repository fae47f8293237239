"""The example of docs/client.md as it stands there, while the parts under it end and return."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect

import channel_layer
from tests.parts import ROOT
from tests.stack import Stack

HISTORY = (100, 3600)
NO_FAVICON = "status of 404"


class Chat(Stack):
    """The example's files in a folder of their own, with everything that runs them."""

    def __init__(self, folder: Path) -> None:
        text = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
        for kind, name in (("python", "chat.py"), ("html", "chat.html")):
            (code,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
            (folder / name).write_text(code, encoding="utf-8")
        options = ("--static", f"/static={ROOT}/board/static")
        super().__init__(folder, app="chat:build", cwd=folder, server_options=options)

    def push(self, no: int, text: str) -> None:
        """Say something that only the group hears; the state does not hold it."""
        layer = channel_layer.connect(self.redis_url)
        layer.send_group("chat", {"text": json.dumps([no, text])}, history=HISTORY)
        layer.close()

    def write(self, text: str) -> None:
        """Put a line into the state that nobody is told of."""
        with sqlite3.connect(self.folder / "chat.db") as db:
            db.execute("INSERT INTO line (text) VALUES (?)", [text])
        db.close()


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    """The running example."""
    with Chat(tmp_path) as running:
        yield running


class Visitor:
    """A page of the chat; `readings` counts how often it got the state."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.readings = 0
        page.on("response", self._count)
        page.goto(url)
        self.is_live()

    def is_live(self) -> None:
        """Waits until the page says so."""
        expect(self.page.locator("p")).to_have_text("live", timeout=30_000)

    def is_away(self) -> None:
        """Waits until the page has lost its socket."""
        expect(self.page.locator("p")).not_to_have_text("live")

    def say(self, text: str) -> None:
        """Sends a line."""
        words = self.page.locator("input")
        words.fill(text)
        words.press("Enter")

    def sees(self, *lines: str) -> None:
        """Waits until the page shows exactly these lines."""
        expect(self.page.locator("li")).to_have_text(lines, timeout=30_000)

    def _count(self, response: Response) -> None:
        self.readings += response.url.endswith("/lines")


@pytest.fixture
def visit(
    chat: Chat, reader: Callable[..., Page], complaints: list[str]
) -> Iterator[Callable[[], Visitor]]:
    """Opens the chat in a new profile. Pages may complain of connections, which are cut here."""
    yield lambda: Visitor(reader(), chat.url)
    complaints[:] = [text for text in complaints if not _is_of_a_cut(text)]


def test_what_one_says_all_see(visit: Callable[[], Visitor]) -> None:
    """A line appears on every page, the own one too, and the state was read once by each."""
    anna, bela = visit(), visit()
    anna.say("hello")
    bela.sees("hello")
    bela.say("hi")
    for visitor in (anna, bela):
        visitor.sees("hello", "hi")
        assert visitor.readings == 1
    visit().sees("hello", "hi")


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_another_server_goes_on_where_the_first_ended(
    chat: Chat, visit: Callable[[], Visitor], end: str
) -> None:
    """What was said while no server was there comes from the group's history, each line once."""
    anna = visit()
    anna.say("before")
    anna.sees("before")
    assert chat.server is not None
    anna.page.route("**/lines", lambda route: route.abort())  # a poll may come before the socket
    getattr(chat.server, end)()
    anna.is_away()
    for no in (2, 3, 4):
        chat.push(no, f"missed {no}")
    chat.start_server()
    anna.sees("before", "missed 2", "missed 3", "missed 4")
    anna.is_live()
    chat.push(5, "after")
    anna.sees("before", "missed 2", "missed 3", "missed 4", "after")
    assert anna.readings == 1


def test_more_than_the_history_holds_is_a_gap(chat: Chat, visit: Callable[[], Visitor]) -> None:
    """Who missed more than the last hundred messages reads the state once more."""
    anna = visit()
    anna.say("before")
    anna.sees("before")
    assert chat.server is not None
    chat.server.kill()
    anna.is_away()
    chat.write("only in the state")
    for _ in range(HISTORY[0] + 1):
        chat.push(2, "only in the state")
    chat.start_server()
    anna.sees("before", "only in the state")
    assert anna.readings >= 2


def test_lost_data_are_a_gap_for_open_sockets(chat: Chat, visit: Callable[[], Visitor]) -> None:
    """Redis comes back without its data: the socket stays, and the page reads its state anew."""
    anna = visit()
    anna.say("before")
    anna.sees("before")
    chat.kill_valkey(delete=True)
    chat.write("said by nobody")
    chat.start_valkey()
    anna.sees("before", "said by nobody")
    anna.say("after")
    anna.sees("before", "said by nobody", "after")
    assert anna.readings == 2
    expect(anna.page.locator("p")).to_have_text("live")


def test_without_sockets_the_chat_is_polled(
    chat: Chat, reader: Callable[..., Page], complaints: list[str]
) -> None:
    """Where a socket ends as soon as it opens, the state is read every few seconds."""
    page = reader()
    page.route_web_socket("**/chat/**", lambda socket: socket.close())
    page.goto(chat.url)
    expect(page.locator("p")).to_have_text("polling", timeout=30_000)
    chat.write("by polling")
    expect(page.locator("li")).to_have_text(["by polling"], timeout=30_000)
    complaints[:] = [text for text in complaints if not _is_of_a_cut(text)]


def _is_of_a_cut(text: str) -> bool:
    return any(words in text for words in ("WebSocket connection to", "net::ERR_", NO_FAVICON))
