"""Pages from memory are the pages of the database: never older, whoever changed it, and cheap."""

import gzip
import random
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from msgspec import structs
from sqlalchemy import event, update
from sqlalchemy.engine import Engine

from board import tables
from board.records import NewPost, Posted
from board.settings import BoardSettings
from board.site import Site, open_site
from board.upgrading import upgrade
from tests.board.browsing import Browser, Page
from tests.board.posts import READY, new_post, posted, set_limits

STEPS = 30


@pytest.fixture
def sites(settings: BoardSettings, empty_database_url: str) -> Iterator[list[Site]]:
    """Two processes that keep pages and one that keeps none, on one database of each kind."""
    own = replace(settings, database_url=empty_database_url)
    bare = replace(own, page_memory_bytes=0)
    found = [open_site(each, lambda: 10**15) for each in (own, own, bare)]
    upgrade(found[0].database)
    yield found
    for site in found:
        site.close()


def without_own(page: Page) -> str:
    """A page without what every reader gets for himself; two answers then must be the same."""
    own = r'(name="(?:csrf_token|form_key)" value=")[^"]+'
    return re.sub(own, r"\1", f"{page.status} {page.header('location')}\n{page.text}")


class Changes:
    """Random changes through any of the sites, by everything that the board can do."""

    def __init__(self, sites: list[Site], chance: random.Random) -> None:
        self._sites = sites
        self._chance = chance
        self._tims: list[int] = []
        self.threads: list[int] = []
        self._now_ms = 10**12
        self._number = 0

    def step(self) -> None:
        """One of them."""
        steps: list[Callable[[Site], object]] = [
            self._start,
            *[self._reply] * 5,
            *[partial(self._settle, ready) for ready in (True, True, False)],
            self._sweep,
            self._set_up,
        ]
        self._chance.choice(steps)(self._chance.choice(self._sites))

    def _new(self) -> NewPost:
        self._number += 1
        self._now_ms += self._chance.choice((0, 1, 1000))  # some in the same millisecond
        tim = None
        if self._chance.random() < 0.4:
            tim = 1000 * self._now_ms + self._number
            self._tims.append(tim)
        quoted = self._chance.choice(self.threads or [1])
        return new_post(f"k{self._number}", f">>{quoted}\n<b>{self._number}</b>", self._now_ms, tim)

    def _start(self, site: Site) -> None:
        self.threads.append(posted(site.store.start_thread(self._new())).thread.no)

    def _reply(self, site: Site) -> None:
        if self.threads:
            site.store.reply(self._chance.choice(self.threads), self._new())

    def _settle(self, ready: bool, site: Site) -> None:
        if self._tims:
            tim = self._chance.choice(self._tims)
            site.store.settle_picture(tim, READY if ready else None, self._now_ms)

    def _sweep(self, site: Site) -> None:
        site.store.prune_events(self._now_ms - 5000)
        for tim in site.reader.pending_pictures(1000 * self._now_ms, 1):
            site.store.settle_picture(tim, None, self._now_ms)

    def _set_up(self, site: Site) -> None:
        """What an operator does by hand."""
        limits = {"thread_limit": self._chance.choice((4, 18, 40)), "reply_limit": 8}
        set_limits(site.database, **limits, max_body=self._chance.choice((3000, 4000)))


@pytest.mark.parametrize("seed", range(2))
def test_a_kept_page_is_the_page_that_would_be_made(sites: list[Site], seed: int) -> None:
    """After any changes by any process, every process's pages are those made without memory."""
    chance = random.Random(seed)
    changes = Changes(sites, chance)
    first, second, bare = (Browser(site) for site in sites)
    for _ in range(STEPS):
        changes.step()
        urls = ["/", "/b/2"]
        for no in chance.sample(changes.threads, min(2, len(changes.threads))):
            urls += [f"/b/thread/{no}", f"/b/thread/{no}/title", f"/b/thread/{no}/title?since={no}"]
        for url in urls:
            expected = without_own(bare.get(url))
            for browser in (first, second):
                assert without_own(browser.get(url)) == expected, url


@contextmanager
def statements() -> Iterator[list[str]]:
    """What SQLite is told meanwhile on connections that are opened meanwhile."""
    found: list[str] = []

    def trace(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(found.append)

    event.listen(Engine, "connect", trace)
    try:
        yield found
    finally:
        event.remove(Engine, "connect", trace)


def test_a_warm_page_asks_one_question(settings: BoardSettings) -> None:
    """The second look at a page is one statement, by a primary key, and no transaction."""
    with statements() as told:
        site = open_site(settings)
        upgrade(site.database)
        no = posted(site.store.start_thread(new_post("k"))).thread.no
        browser = Browser(site)
        for url, table in (("/", "board"), ("/b/", "board"), (f"/b/thread/{no}/title", "thread")):
            browser.get(url)
            told.clear()
            assert browser.get(url).status == 200
            assert [re.findall(r"SELECT|FROM \w+|BEGIN", one) for one in told] == [
                ["SELECT", f"FROM {table}"]
            ]
        site.close()


def test_a_short_address_leads_on_without_reading_the_thread(settings: BoardSettings) -> None:
    """Without the slug, or under another one, no post is read and no transaction begun."""
    with statements() as told:
        site = open_site(settings)
        upgrade(site.database)
        path = f"/b/thread/{posted(site.store.start_thread(new_post('k'))).thread.no}"
        browser = Browser(site)
        for url in (path, f"{path}/other", f"{path}?since=1"):
            told.clear()
            assert browser.get(url).status == 301
            assert not [one for one in told if re.search(r"FROM post|BEGIN", one)]
        site.close()


def test_every_look_has_a_form_of_its_own(site: Site) -> None:
    """Two looks at a kept page differ in token and key; both forms may be sent."""
    browser = Browser(site)
    first, second = browser.hidden_fields(), browser.hidden_fields()
    assert not set(first.values()) & set(second.values())
    for fields in (first, second):
        assert browser.post("/b/post", {**fields, "title": "T", "body": "x"}).status == 303


def test_what_was_written_is_nobody_elses(site: Site) -> None:
    """A refused form comes back with its words and key; the next reader's page has neither."""
    browser, other = Browser(site), Browser(site)
    browser.get("/")
    written = {"csrf_token": "bad", "form_key": '"><b>', "title": "My own words", "body": "x"}
    refused = browser.post("/b/post", written)
    assert (refused.status, refused.header("etag")) == (403, None)
    assert "My own words" in refused.text
    assert "&#34;&gt;&lt;b&gt;" in refused.text
    assert "My own words" not in other.get("/").text


def test_an_unchanged_page_is_not_sent_again(site: Site) -> None:
    """With the tag of the page that a browser has the answer is 304, until something changes."""
    browser = Browser(site)
    for url in ("/", f"/b/thread/{posted(site.store.start_thread(new_post('k'))).thread.no}/title"):
        tag = browser.get(url).header("etag")
        assert tag is not None
        assert tag.startswith('W/"')
        again = browser.get(url, if_none_match=f'"other", {tag}')
        assert (again.status, again.text, again.header("etag")) == (304, "", tag)
        assert again.header("cache-control") == "no-cache, private"
        assert again.header("vary") == browser.get(url).header("vary") == "accept-encoding"
        assert "default-src 'none'" in (again.header("content-security-policy") or "")
        site.store.reply(1, new_post(f"reply to {url}"))
        changed = browser.get(url, if_none_match=tag)
        assert changed.status == 200
        assert changed.header("etag") != tag


def test_a_page_of_another_cookie_is_sent_again(site: Site) -> None:
    """The forms of a page belong to a cookie: who lost it, or has another, gets the page anew."""
    browser = Browser(site)
    tag = browser.get("/").header("etag") or ""
    stranger = Browser(site)
    assert stranger.get("/", if_none_match=tag).status == 200
    assert stranger.get("/", if_none_match=tag).status == 200
    assert browser.get("/", if_none_match=tag).status == 304


def test_processes_agree_on_tags(sites: list[Site]) -> None:
    """Whichever worker answers, with or without memory: the same page has the same tag."""
    posted(sites[0].store.start_thread(new_post("k")))
    cookie = "c" * 32
    tags = {Browser(site, cookie).get("/").header("etag") for site in sites}
    assert len(tags) == 1
    assert Browser(sites[2], cookie).get("/", if_none_match=tags.pop() or "").status == 304


def test_a_kept_connection_that_died_is_replaced(
    settings: BoardSettings, postgres_database_url: str
) -> None:
    """When PostgreSQL ends the connection that stamps are asked on, the next page has another."""
    site = open_site(replace(settings, database_url=postgres_database_url))
    upgrade(site.database)
    browser = Browser(site)
    assert browser.get("/").status == 200
    with site.database.writing() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert browser.get("/").status == 200
    site.close()


def test_a_board_set_back_is_told_by_its_time(sites: list[Site]) -> None:
    """A backup that is brought back comes to the same edition again, at another time."""
    site = sites[0]
    browser, bare = Browser(site), Browser(sites[2])
    done = site.store.start_thread(new_post("k", now_ms=1000))
    assert isinstance(done, Posted)
    browser.get("/")
    with site.database.writing() as connection:
        connection.execute(update(tables.thread).values(title="Of the backup"))
        connection.execute(update(tables.board).values(modified_ms=2000))
    assert without_own(browser.get("/")) == without_own(bare.get("/"))


def test_a_compressed_page_is_the_same_page(site: Site) -> None:
    """Who takes gzip gets the same page compressed, made and kept; a refused form never is."""
    site.store.start_thread(new_post("k", "ö 中 😀"))
    browser = Browser(site)
    plain = without_own(browser.get("/b/"))
    for _ in range(2):
        packed = browser.get("/", accept_encoding="gzip, br")
        assert (packed.header("content-encoding"), packed.header("vary")) == (
            "gzip",
            "accept-encoding",
        )
        assert packed.header("x-compress") is None
        content = gzip.decompress(packed.response.content)  # type: ignore[arg-type]
        response = structs.replace(packed.response, content=content)
        assert without_own(Page(response, packed.outbox)) == plain
    refused = browser.post("/b/post", {"title": "T"}, accept_encoding="gzip")
    assert (refused.header("content-encoding"), refused.header("x-compress")) == (None, "yes")
