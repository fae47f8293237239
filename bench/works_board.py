"""Works of the board's own pages, to be held against the page of 1 KB of the same run."""

import urllib.request
from functools import partial

from bench.boards import ON_A_PAGE, THREAD_PATH, THREAD_POSTS, THREAD_TITLE, THREADS
from bench.processes import Running
from bench.servers import BOARD
from bench.tools import Figures, Unsound
from bench.work import Work
from bench.works_http import requests

_LAST_PAGE = f'href="/b/{THREADS // ON_A_PAGE}"'


def _page(
    path: str, mark: str, times: int, held: str, takes_gzip: bool, server: Running, share: float
) -> Figures:
    """The page is looked at before it is measured: `mark` must stand in it so many times.

    A path that leads to another one is refused, since wrk would measure the redirect.
    """
    url = f"http://127.0.0.1:{server.port}{path}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        shown = reply.read().decode()
        if reply.url != url:
            raise Unsound(f"{path}: expected the page itself, got a redirect to {reply.url}")
    if shown.count(mark) != times or held not in shown:
        raise Unsound(f"{path}: expected {times} of {mark} and {held}, got {shown.count(mark)}")
    said = requests(path, 64, server, share, takes_gzip=takes_gzip)
    return {**said, "page KiB": len(shown.encode()) / 1024}


_INDEX = partial(_page, "/", '<section class="card"', ON_A_PAGE, _LAST_PAGE)
_THREAD = partial(_page, THREAD_PATH, '<article class="post', THREAD_POSTS, THREAD_TITLE)
_INDEX_TITLE = f"the board's index, {THREADS} threads, 64 connections"
_THREAD_TITLE = f"a thread of {THREAD_POSTS} posts, 64 connections"

WORKS: tuple[Work, ...] = (
    Work("board-index", f"{_INDEX_TITLE} that take gzip", "/s", BOARD, partial(_INDEX, True)),
    Work("board-thread", f"{_THREAD_TITLE} that take gzip", "/s", BOARD, partial(_THREAD, True)),
    Work("board-index-plain", _INDEX_TITLE, "/s", BOARD, partial(_INDEX, False)),
    Work("board-thread-plain", _THREAD_TITLE, "/s", BOARD, partial(_THREAD, False)),
)
