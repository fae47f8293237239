"""Joins the board's parts to one site; the only place that knows all of them.

Decides nothing itself: settings go in, handlers come out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from board.database import Database
from board.forms import Forms
from board.guarding import Guard, site_secret
from board.kept_pages import KeptPages
from board.live import Live
from board.media import MediaFolder
from board.pages import Pages
from board.pictures import Pictures
from board.posting import Posting
from board.presenting import Presenter
from board.reading import Reader
from board.settings import BoardSettings
from board.showing import Shown
from board.store import Store
from board.sweeping import Sweeper
from workers.rendering import Templates


@dataclass(frozen=True, slots=True)
class Site:
    """An open site; `close` gives the database up."""

    database: Database
    reader: Reader
    store: Store
    pages: Pages
    live: Live
    pictures: Pictures
    posting: Posting
    sweeper: Sweeper

    def close(self) -> None:
        """Close the database's connections."""
        self.database.close()


def open_site(
    settings: BoardSettings, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000
) -> Site:
    """The site that these settings describe; `clock_us` gives microseconds since 1970.

    Raises: ConfigurationError for settings that cannot work.
    """

    def clock_ms() -> int:
        return clock_us() // 1000

    database = Database(settings.database_url)
    reader, store = Reader(database), Store(database)
    templates = Templates(settings.templates_dir)
    media = MediaFolder(settings.media_dir, settings.media_url, clock_us)
    presenter = Presenter(media, templates)
    live = Live(reader, presenter, clock_ms)
    pictures = Pictures(media, reader, store, live, clock_ms)
    posting = Posting(store, pictures, clock_ms)
    sweeper = Sweeper(media, reader, store, live, clock_ms)
    guard = Guard(site_secret(settings), settings.media_url)
    forms, kept = Forms(guard), KeptPages(settings.page_memory_bytes)
    pages = Pages(
        reader=reader,
        posting=posting,
        pictures=pictures,
        sweeper=sweeper,
        live=live,
        templates=templates,
        guard=guard,
        forms=forms,
        shown=Shown(reader, presenter, templates, guard, forms, kept),
    )
    return Site(database, reader, store, pages, live, pictures, posting, sweeper)
