"""Channels Board's routes: start reading here.

Says which handler answers which path; it holds no handler. Workers run it with
`python -m workers --app board.app:build`.
"""

import os

from board.live import RESUME_BOARD, RESUME_THREAD
from board.pictures import MAKE_PICTURE, OVERDUE_PICTURE
from board.settings import read_settings
from board.site import Site, open_site
from board.sweeping import SWEEP
from board.upgrading import check_version
from workers.routing import App, get, job, post, websocket


def build() -> App:
    """The board as the environment describes it; called once in every worker process.

    Raises: ConfigurationError for settings that cannot work or a database of another version.
    """
    site = open_site(read_settings(os.environ))
    check_version(site.database)
    return routes(site)


def routes(site: Site) -> App:
    """The routes of an open site."""
    pages, live, pictures = site.pages, site.live, site.pictures
    return App(
        routes=[
            get("/", pages.index),
            get("/{board}", pages.to_index),
            get("/{board}/", pages.index),
            get("/{board}/1", pages.to_index),
            get("/{board}/{page:int}", pages.index),
            post("/{board}/post", pages.post_thread, idempotent=True),
            get("/{board}/thread/{no:int}", pages.thread),
            get("/{board}/thread/{no:int}.json", pages.thread_json),
            post("/{board}/thread/{no:int}/reply", pages.post_reply, idempotent=True),
            get("/{board}/thread/{no:int}/{slug}", pages.thread),
            websocket("/thread/{no:int}/", live.thread_connect, live.thread_receive),
            websocket("/board/", live.board_connect, live.board_receive),
            job(RESUME_THREAD, live.resume_thread, retries=2, backoff_s=0.2),
            job(RESUME_BOARD, live.resume_board, retries=2, backoff_s=0.2),
            job(MAKE_PICTURE, pictures.make, retries=3, backoff_s=2.0, timeout_s=30.0),
            job(OVERDUE_PICTURE, pictures.overdue),
            job(SWEEP, site.sweeper.run),
        ],
        error_page=pages.error,
    )
