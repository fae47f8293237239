"""How long browser tests wait, and waits for what Playwright has no word for; all are bounded."""

import time
from collections.abc import Callable

from playwright.sync_api import Page

WAIT_MS = 30_000
"""How long anything may take on a busy machine, where its time is not what a test is about."""


def until(page: Page, fact: Callable[[], object], awaited: str, timeout_s: float = 60.0) -> None:
    """Return when `fact` holds; the page's events go on meanwhile. Raises: AssertionError."""
    end = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < end, f"not within {timeout_s:.0f} s: {awaited}"
        page.wait_for_timeout(50)
