"""Fixtures of the browser tests: one Chromium, readers with clean profiles, a network to cut.

The board itself is the fixture `stack` of all tests. Without a Chromium these tests are skipped.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests.browser.network import Relay
from tests.browser.samples import picture_file
from tests.browser.waiting import WAIT_MS
from tests.stack import Stack

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium without a window.

    It ends with its module: Playwright keeps an event loop running, beside which no test of another
    folder could run one of its own.
    """
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def complaints(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """What any page of the test complained about in its console; at the end it has to be empty.

    A test that expects complaints clears the list; those about a network that was cut are right.
    """
    found: list[str] = []
    yield found
    is_cut = "relay" in request.fixturenames
    assert [text for text in found if not (is_cut and _is_of_a_cut(text))] == []


@pytest.fixture
def reader(chromium: Browser, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Makes a page in a profile of its own; takes the options of a browser context."""
    contexts: list[BrowserContext] = []

    def make(**options: object) -> Page:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: _note(message, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def relay(stack: Stack) -> Iterator[Relay]:
    """A way to the board that can be cut."""
    with Relay(stack.port) as between:
        yield between


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A board of this test's own, whose parts it may end."""
    with Stack(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG of 640×480."""
    return picture_file(tmp_path / "graph.png", 640, 480)


def _is_of_a_cut(complaint: str) -> bool:
    return "net::ERR_" in complaint or "Connection closed before receiving a handshake" in complaint


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type in ("error", "warning"):
        complaints.append(message.text)
