"""The board as real processes: posts from several sides, readers who come and go meanwhile."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from html import unescape
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.stack import Stack

pytestmark = pytest.mark.system

POSTS = 40
WAIT_S = 20


class Poster(AbstractContextManager["Poster"]):
    """A program that posts through the forms."""

    def __init__(self, stack: Stack) -> None:
        self.client = httpx.Client(base_url=stack.url, headers={"Accept": "application/json"})
        text = self.client.get("/", headers={"Accept": "text/html"}).text
        found = re.search(r'name="csrf_token" value="([^"]+)"', text)
        assert found is not None
        self.token = unescape(found[1])

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def post(self, url: str, key: str, picture: bytes | None = None, **fields: str) -> Any:
        files = None if picture is None else {"picture": ("a.jpg", picture)}
        sent = {"csrf_token": self.token, "form_key": key, **fields}
        answer = self.client.post(url, data=sent, files=files).json()
        assert answer["ok"] == 1, answer
        return answer


@pytest.fixture
def poster(stack: Stack) -> Iterator[Poster]:
    with Poster(stack) as found:
        yield found


def received_until(socket: ClientConnection, last: int) -> list[dict[str, Any]]:
    """All events up to number `last`, each kind but greetings."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["seq"] < last:
        text = str(socket.recv(timeout=WAIT_S))
        # A push stands behind the line of its position; the end of a join is such a line alone.
        content = text if text.startswith("{") else text.partition("\n")[2]
        frame = json.loads(content) if content else {"t": "hello"}
        if frame["t"] != "hello":
            events.append(frame)
    return events


def test_nothing_is_lost_between_page_and_socket(stack: Stack, poster: Poster) -> None:
    """Readers who connect at any moment during a burst see every event behind theirs, in order."""
    no = poster.post("/b/post", "burst", title="A burst", body="go")["no"]

    def write(side: int) -> None:
        with Poster(stack) as one:
            for number in range(POSTS // 2):
                one.post(f"/b/thread/{no}/reply", f"{side}.{number}", body=f"{side} {number}")

    def read(known: int) -> tuple[int, list[int]]:
        url = f"{stack.socket_url}/thread/{no}/?v=1&seq={known}"
        with connect(url, origin=stack.url) as socket:  # type: ignore[arg-type]
            found = received_until(socket, POSTS + 1)
        # A push may overtake the job that reads; the page puts numbers in order, as here.
        return known, sorted({event["seq"] for event in found})

    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(write, side) for side in range(2)]
        reading = [pool.submit(read, known) for known in (0, 1, 1, 1)]
        for done in writing:
            done.result()
        reading.append(pool.submit(read, 1))
        results = [one.result() for one in reading]
    for known, numbers in results:
        assert numbers == list(range(known + 1, POSTS + 2))
    shown = poster.client.get(f"/b/thread/{no}.json").json()
    assert len(shown["posts"]) == POSTS + 1


def test_a_picture_arrives_after_its_post(
    stack: Stack, poster: Poster, picture: Callable[..., bytes]
) -> None:
    """A reader sees the post at once and then the same post with its thumbnail."""
    no = poster.post("/b/post", "with picture", title="Pictures", body="go")["no"]
    url = f"{stack.socket_url}/thread/{no}/?v=1&seq=1"
    with connect(url, origin=stack.url) as socket:  # type: ignore[arg-type]
        answer = poster.post(f"/b/thread/{no}/reply", "p", picture=picture(), body="look")
        post, file = received_until(socket, 3)
    assert (post["t"], post["no"]) == ("post", answer["no"])
    assert (file["t"], file["no"]) == ("file", answer["no"])
    thumb = re.search(r'src="(/media/thumb/[^"]+)"', file["html"])
    assert thumb is not None
    served = poster.client.get(thumb[1])
    assert (served.status_code, served.headers["content-type"]) == (200, "image/jpeg")
    page = poster.client.get(f"/b/thread/{no}/pictures", headers={"Accept": "text/html"}).text
    assert file["html"] in page
    assert post["html"] not in page
