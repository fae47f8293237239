"""What pages read: how much, in which order, with how many queries."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, update
from sqlalchemy.engine import Engine

from board import tables
from board.database import Database
from board.reading import Reader
from board.records import NewPost, Posted
from board.store import Store


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that run meanwhile."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def fill(database: Database, threads: int, replies: int) -> None:
    store = Store(database)
    for number in range(threads):
        new = NewPost("b", f"t{number}", 1000 + number, f"T{number}", "", "x")
        done = store.start_thread(new)
        assert isinstance(done, Posted)
        for reply in range(replies):
            store.reply(done.post.no, NewPost("b", f"r{number}.{reply}", 9000, "", "", "y"))


def test_the_index_takes_few_queries_at_any_size(database: Database) -> None:
    """A full page with many replies costs as many queries as an empty one: at most eight."""
    with counted() as empty:
        Reader(database).index("b", 1)
    fill(database, 17, 5)
    with counted() as full:
        found = Reader(database).index("b", 1)
    assert found is not None
    assert len(found.threads) == 15
    queries = [one for one in full if one.startswith("SELECT")]
    assert len(queries) <= len(empty) + 1 <= 8
    for thread in found.threads:
        numbers = [post.no for post in found.posts[thread.no]]
        assert numbers == [thread.no, thread.no + 3, thread.no + 4, thread.no + 5]


def test_pages_follow_each_other(database: Database) -> None:
    """Sticky threads first, then by last bump; the second page has the rest, a third is none."""
    fill(database, 17, 0)
    with database.writing() as connection:
        connection.execute(update(tables.thread).where(tables.thread.c.no == 3).values(sticky=True))
    reader = Reader(database)
    first, second = reader.index("b", 1), reader.index("b", 2)
    assert first is not None
    assert second is not None
    numbers = [thread.no for thread in (*first.threads, *second.threads)]
    assert numbers == [3, *range(17, 3, -1), 2, 1]
    assert first.thread_count == 17
    for page in (0, -1, 3):
        assert reader.index("b", page) is None


def test_events_come_in_parts(database: Database) -> None:
    """Missed events are cut at the limit and say whether more follow."""
    fill(database, 1, 4)
    reader = Reader(database)
    part = reader.missed(1, 1, limit=2)
    assert part is not None
    assert [event.seq for event in part.events] == [2, 3]
    assert part.more
    rest = reader.missed(1, 3)
    assert rest is not None
    assert ([event.seq for event in rest.events], rest.more, rest.last_no) == ([4, 5], False, 5)
    assert reader.missed(9, 0) is None


def test_news_are_bounded_and_in_order(database: Database) -> None:
    """The newest fifty posts behind the revision, the oldest first, each with its thread."""
    fill(database, 6, 9)
    found = Reader(database).news("b", 20)
    assert found is not None
    assert found.board.revision == 60
    assert [post.revision for _, post in found.posts] == list(range(21, 61))
    assert all(thread.no == post.thread_no for thread, post in found.posts)
    all_of_them = Reader(database).news("b", 0)
    assert all_of_them is not None
    assert [post.revision for _, post in all_of_them.posts] == list(range(11, 61))
    assert Reader(database).news("zz", 0) is None


def test_since_keeps_the_opening_post(database: Database) -> None:
    """A thread since a number is its opening post and what is newer."""
    fill(database, 1, 3)
    found = Reader(database).thread(1, since=3)
    assert found is not None
    assert [post.no for post in found.posts] == [1, 4]


@pytest.mark.parametrize("code", ["\0", "b\0", "\udc80", "b\n", "b" * 2000, ""])
def test_codes_that_no_board_has(database: Database, code: str) -> None:
    """Whatever stands for a board in an address or a frame: there is no such board, no error."""
    reader = Reader(database)
    assert reader.board(code) is None
    assert reader.index(code, 1) is None
    assert reader.live_threads(code) is None
