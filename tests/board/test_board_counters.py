"""Whatever is posted in whatever order, the stored figures are those that a fresh count gives."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from board import tables
from board.database import Database
from board.model import standing
from board.reading import Reader
from board.store import Store
from board.upgrading import upgrade
from tests.board.posts import READY, new_post, posted, set_limits


@contextmanager
def fresh_store() -> Iterator[tuple[Database, Store, Reader]]:
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder)}/board.db")
        upgrade(database)
        try:
            yield database, Store(database), Reader(database)
        finally:
            database.close()


steps = st.lists(
    st.tuples(
        st.sampled_from(["thread", "reply", "reply", "reply", "repeat", "picture"]),
        st.integers(0, 9),
        st.booleans(),
    ),
    max_size=30,
)


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_counters_agree_with_a_fresh_count(found: list[tuple[str, int, bool]]) -> None:
    """After any sequence of posts every stored figure equals the one counted anew."""
    with fresh_store() as (database, store, reader):
        set_limits(database, bump_limit=3, thread_limit=4, reply_limit=6)
        numbers: list[int] = []
        last = new_post("none")
        target = 0
        for turn, (step, choice, with_picture) in enumerate(found):
            tim = turn if with_picture else None
            new = new_post(f"k{turn}", now_ms=1000 + turn, tim=tim)
            if step == "thread":
                numbers.append(posted(store.start_thread(new)).post.no)
            elif step == "reply" and numbers:
                target, last = numbers[choice % len(numbers)], new
                store.reply(target, new)
            elif step == "repeat" and target:
                store.reply(target, last)
            elif step == "picture":
                store.settle_picture(choice, READY, 2000 + turn)
        for no in numbers:
            check_thread(database, reader, no)
        check_order(database, reader)


def check_thread(database: Database, reader: Reader, no: int) -> None:
    found, missed = reader.thread(no), reader.missed(no, 0)
    assert found is not None
    assert missed is not None
    thread, replies = found.thread, found.posts[1:]
    assert found.posts[0].is_opening
    assert found.posts[0].no == no
    assert not any(post.is_opening for post in replies)
    assert thread.reply_count == len(replies)
    assert thread.picture_count == sum(post.picture is not None for post in replies)
    bumping = [post.created_ms for post in replies[: found.board.rules.bump_limit]]
    assert thread.bumped_ms == (bumping[-1] if bumping else thread.created_ms)
    assert thread.closed == (len(replies) >= found.board.rules.reply_limit)
    assert [event.seq for event in missed.events] == list(range(1, thread.seq + 1))
    with database.reading() as connection:
        assert (
            connection.execute(
                select(func.count()).select_from(tables.event).where(tables.event.c.thread_no == no)
            ).scalar_one()
            == thread.seq
        )


def check_order(database: Database, reader: Reader) -> None:
    index = reader.index("b", 1)
    assert index is not None
    assert len(index.threads) <= index.board.rules.thread_limit
    assert list(index.threads) == sorted(
        index.threads,
        key=lambda thread: standing(
            sticky=thread.sticky,
            sticky_rank=thread.sticky_rank,
            bumped_ms=thread.bumped_ms,
            no=thread.no,
        ),
    )
    with database.reading() as connection:
        revisions = connection.execute(select(tables.post.c.revision)).scalars().all()
    assert sorted(revisions) == list(range(1, index.board.revision + 1))
