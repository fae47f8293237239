"""The example of docs/event-streams.md as it stands there, while its server ends and returns."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.parts import ROOT
from tests.stack import Stack


class Ticker(Stack):
    """The example's files in a folder of their own, with everything that runs them."""

    def __init__(self, folder: Path) -> None:
        text = (ROOT / "docs" / "event-streams.md").read_text(encoding="utf-8")
        for kind, name in (("python", "ticker.py"), ("html", "ticker.html")):
            (code,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
            (folder / name).write_text(code, encoding="utf-8")
        super().__init__(folder, app="ticker:build", cwd=folder, servers=2)

    def say(self, text: str) -> None:
        """Post a line at the second server, which stays."""
        url = f"http://127.0.0.1:{self.ports[1]}/say"
        assert httpx.post(url, content=text.encode(), timeout=15).status_code == 204


@pytest.fixture(scope="module")
def ticker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ticker]:
    """The running example."""
    with Ticker(tmp_path_factory.mktemp("ticker")) as running:
        yield running


def test_a_page_misses_nothing_while_its_server_is_replaced(
    ticker: Ticker, reader: Callable[..., Page], complaints: list[str]
) -> None:
    """Killed, stopped and then answering with 503: each line once, in order, without a gap."""
    page = reader()
    page.goto(ticker.url)
    state, lines = page.locator("p"), page.locator("li")
    expect(state).to_have_text("live")
    said: list[str] = []
    refused: list[str] = []
    for end in ("kill", "stop"):
        said.append(f"before the {end}")
        ticker.say(said[-1])
        expect(lines).to_have_text(said)
        if end == "stop":
            page.route("**/events*", lambda route: _refuse(route, refused), times=1)
        assert ticker.server is not None
        getattr(ticker.server, end)()
        expect(state).to_have_text("away")
        for no in range(3):
            said.append(f"missed {no} in the {end}")
            ticker.say(said[-1])
        ticker.start_server()
        expect(lines).to_have_text(said, timeout=30_000)
        expect(state).to_have_text("live", timeout=30_000)
    assert len(refused) == 1
    complaints.clear()  # they are about connections, which were cut here


def test_polls_follow_the_ticker(ticker: Ticker) -> None:
    """The JSON has the form that is printed."""
    with httpx.Client(base_url=ticker.url, timeout=15) as client:
        first = client.get("/poll").json()
        ticker.say("hello")
        answer = client.get("/poll", params={"last_event_id": first["id"]}).json()
    assert re.fullmatch(r"ticker:[0-9a-z.]+:[0-9]+", answer.pop("id"))
    event = {"group": "ticker", "event": "", "data": "hello"}
    assert answer == {"gap": False, "events": [event]}


def _refuse(route: Route, refused: list[str]) -> None:
    refused.append(route.request.url)
    route.fulfill(status=503)
