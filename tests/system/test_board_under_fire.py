"""Holds issue 2 on the board itself: posts happen once and arrive intact, whoever dies."""

import html
import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from websockets.sync.client import connect

from tests.parts import children_of
from tests.stack import Stack

pytestmark = pytest.mark.system

KILLS = 8


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A board of its own, whose workers may be killed."""
    with Stack(tmp_path_factory.mktemp("fire")) as up:
        yield up


@pytest.fixture
def visitor(board: Stack) -> Iterator["Visitor"]:
    """A browser without scripts on that board."""
    with httpx.Client(base_url=board.url, timeout=60) as client:
        yield Visitor(client)


class Visitor:
    """A browser without scripts: it reads a page's form and posts it."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def form(self, page: str) -> dict[str, str]:
        """The hidden fields of the first form of a page."""
        text = self.client.get(page).text
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text)
        return {name: html.unescape(value) for name, value in hidden[:2]}

    def post(self, action: str, fields: dict[str, str]) -> httpx.Response:
        """The answer to a form, sent as browsers do."""
        files = {name: (None, value.encode()) for name, value in fields.items()}
        return self.client.post(action, files=files)

    def start_thread(self, title: str, body: str) -> str:
        """The path of a new thread."""
        reply = self.post("/b/post", {**self.form("/"), "title": title, "body": body})
        assert reply.status_code == 303, reply.text
        return str(httpx.URL(reply.headers["location"]).path)


def test_any_text_arrives_intact(board: Stack, visitor: Visitor) -> None:
    """Text of any language is in the page, and is pushed to the readers of the thread."""
    text = "ö 中 😀 <b>&amp;"
    thread = visitor.start_thread(text, text)
    assert text in html.unescape(visitor.client.get(thread).text)
    number = thread.split("/")[3]
    with connect(f"{board.socket_url}/thread/{number}/?v=1&seq=0") as socket:
        visitor.post(f"/b/thread/{number}/reply", {**visitor.form(thread), "body": text + " again"})
        while True:
            # A push stands behind the line of its position; some lines stand alone.
            _, start, rest = str(socket.recv(10)).partition("{")
            frame = json.loads(start + rest or "{}")
            if "again" in frame.get("html", ""):
                break
    assert "ö 中 😀" in frame["html"]


def test_posts_happen_once_while_workers_are_killed(board: Stack, visitor: Visitor) -> None:
    """kill -9 of a random worker again and again: every post is answered and exists once."""
    pool = board.start_worker(processes=2)
    thread = visitor.start_thread("under fire", "all of these have to arrive")
    number = thread.split("/")[3]
    ended = threading.Event()
    choice = random.Random(5)
    answered: list[tuple[int, int]] = []

    def kill_again_and_again() -> None:
        for _ in range(KILLS):
            alive = [pid for part in (pool, *board.workers[:1]) for pid in children_of(part.pid)]
            if alive:
                os.kill(choice.choice(alive), signal.SIGKILL)
            time.sleep(0.3)  # not awaited: the kills are meant to come at any moment
        ended.set()

    def post(poster: int) -> None:
        count = 0
        while not ended.is_set() or count < 5:
            index = poster * 1000 + count
            fields = {**visitor.form(thread), "body": f"reply-{index}-"}
            reply = visitor.post(f"/b/thread/{number}/reply", fields)
            answered.append((index, reply.status_code))
            count += 1

    killer = threading.Thread(target=kill_again_and_again)
    killer.start()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(post, range(4)))
    killer.join()
    assert {status for _, status in answered} == {303}, board.logs()
    page = visitor.client.get(thread).text
    for index, _ in answered:
        assert len(re.findall(rf">\s*reply-{index}-\s*<", page)) == 1, index
