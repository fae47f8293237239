"""`python -m bench.boards`: a board as a reader meets it, in the database of the environment.

150 threads: an old one of 100 posts (No. 1), many of words alone, and in front the example threads
with their pictures, which fill the first page. It serves nothing.
"""

import os
from secrets import token_urlsafe

from board.database import Database
from board.model import draft, slug, thread_path
from board.records import BoardRecord, Posted
from board.seeding import seed
from board.settings import read_settings
from board.site import Site, open_site
from board.upgrading import upgrade

THREADS, THREAD_POSTS, ON_A_PAGE = 150, 100, 15
"""As many threads as a board keeps, the posts of No. 1, and the threads of an index page."""

THREAD_TITLE, THREAD_PATH = "A long thread", "/b/thread/1/a-long-thread"
"""Of No. 1."""

_WITH_PICTURES = 16
_BODY = (
    "Six in the morning, the cranes were still lit.\n"
    ">straight from the camera\n"
    "Hard to believe, it looks painted: https://example.org/harbour?hour=6\n"
)


def main() -> None:
    """Fill the board."""
    settings = read_settings(os.environ)
    upgrade(Database(settings.database_url))
    site = open_site(settings)
    board = site.reader.board("b")
    assert board is not None
    first = _post(site, board, None, THREAD_TITLE)
    assert thread_path(board.code, first, slug(THREAD_TITLE, _BODY)) == THREAD_PATH
    for _ in range(THREAD_POSTS - 1):
        _post(site, board, first)
    for number in range(THREADS - _WITH_PICTURES - 1):
        _post(site, board, None, f"Thread {number}")
    seed(site, _WITH_PICTURES)


def _post(site: Site, board: BoardRecord, thread_no: int | None, title: str = "") -> int:
    written = draft(title, "Ann", _BODY if thread_no is None else f">>{thread_no}\n{_BODY}")
    done = site.posting.submit(board, thread_no, written, None, token_urlsafe(16))
    assert isinstance(done, Posted), done
    return done.post.no


if __name__ == "__main__":
    main()
