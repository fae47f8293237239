"""What posting does to the database, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from board import tables
from board.database import Database
from board.model import Problem
from board.reading import Reader
from board.records import NewPost
from board.store import Store
from tests.board.posts import READY, new_post, posted, set_limits


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def reader(database: Database) -> Reader:
    return Reader(database)


def test_a_thread_is_its_opening_post(store: Store, reader: Reader) -> None:
    """A new thread has its opening post's number, one event, and no replies."""
    done = posted(store.start_thread(new_post("k", ">>1 ö 中 😀")))
    assert done.thread.no == done.post.no == done.post.thread_no
    assert (done.thread.seq, done.thread.reply_count, done.post.is_opening) == (1, 0, True)
    found = reader.thread(done.thread.no)
    assert found is not None
    assert found.posts == (done.post,)
    assert "ö 中 😀" in found.posts[0].html


def test_a_reply_counts_and_bumps(store: Store) -> None:
    """A reply raises counters, sequence, revision, and the thread."""
    no = posted(store.start_thread(new_post("k", tim=1))).post.no
    done = posted(store.reply(no, new_post("r", f">>{no}", 2000, tim=2)))
    thread = done.thread
    assert (thread.reply_count, thread.picture_count) == (1, 1)
    assert (thread.seq, thread.bumped_ms, done.board.revision) == (2, 2000, 2)
    assert done.post.html == f'<a href="#p{no}" class="quotelink">&gt;&gt;{no}</a>'
    assert (done.post.seq, done.post.revision) == (2, 2)


def test_a_repeated_request_changes_nothing(store: Store, reader: Reader) -> None:
    """The same request twice is one post, one event, one number."""
    first = posted(store.start_thread(new_post("k", tim=1)))
    no = first.post.no
    again = posted(store.start_thread(new_post("k", tim=2, now_ms=9)))
    assert again.repeated
    assert again.post == first.post
    reply = posted(store.reply(no, new_post("r")))
    repeated = posted(store.reply(no, new_post("r")))
    assert (repeated.post, repeated.repeated) == (reply.post, True)
    assert reader.thread_seq(no) == 2
    assert posted(store.reply(no, new_post("s"))).post.no == no + 2


def test_quotes_lead_to_other_threads(store: Store) -> None:
    """A quoted post of another thread is linked with its thread's address."""
    one = posted(store.start_thread(new_post("a"))).post.no
    two = posted(store.start_thread(new_post("b"))).post.no
    done = posted(store.reply(two, new_post("c", f">>{one} >>99")))
    assert f'href="/b/thread/{one}/title#p{one}"' in done.post.html
    assert '<span class="deadlink">&gt;&gt;99</span>' in done.post.html


def test_unknown_places_are_problems(store: Store) -> None:
    """Unknown boards and threads are told, not raised."""
    missing = store.reply(5, new_post("k"))
    assert isinstance(missing, Problem)
    assert missing.status == 404
    nowhere = store.start_thread(NewPost("zz", "k", 1, "", "", "x"))
    assert isinstance(nowhere, Problem)
    assert nowhere.code == "no_board"


def test_a_thread_stops_bumping_and_closes(database: Database, store: Store) -> None:
    """Past the bump limit a reply no longer lifts; at the reply limit the thread closes."""
    set_limits(database, bump_limit=1, reply_limit=2)
    no = posted(store.start_thread(new_post("k", now_ms=1))).post.no
    assert posted(store.reply(no, new_post("r1", now_ms=2))).thread.bumped_ms == 2
    last = posted(store.reply(no, new_post("r2", now_ms=3)))
    assert (last.thread.bumped_ms, last.thread.closed, last.thread.seq) == (2, True, 4)
    assert [(event.seq, event.changes) for event in last.also] == [(4, {"closed": 1})]
    refused = store.reply(no, new_post("r3", now_ms=4))
    assert isinstance(refused, Problem)
    assert refused.code == "closed"
    again = posted(store.reply(no, new_post("r2")))
    assert again.repeated
    assert again.also == last.also


def test_overflow_is_archived(database: Database, store: Store, reader: Reader) -> None:
    """Past the thread limit the last thread goes to the archive; never a sticky, never the new."""
    set_limits(database, thread_limit=3)
    numbers = [posted(store.start_thread(new_post(f"k{n}", now_ms=n))).post.no for n in range(3)]
    with database.writing() as connection:
        connection.execute(
            update(tables.thread).where(tables.thread.c.no == numbers[0]).values(sticky=True)
        )
    done = posted(store.start_thread(new_post("late", now_ms=0)))
    assert [(event.thread_no, event.changes) for event in done.also] == [
        (numbers[1], {"archived": 1, "closed": 1})
    ]
    assert posted(store.start_thread(new_post("late", now_ms=99))).also == done.also
    index = reader.index("b", 1)
    assert index is not None
    assert [thread.no for thread in index.threads] == [numbers[0], numbers[2], done.post.no]
    refused = store.reply(numbers[1], new_post("r"))
    assert isinstance(refused, Problem)
    assert refused.code == "archived"


def test_a_picture_is_settled_once(store: Store, reader: Reader) -> None:
    """A ready picture is one event, however often it is said, and stays ready."""
    no = posted(store.start_thread(new_post("k", tim=5))).post.no
    first = store.settle_picture(5, READY, 2000)
    again = store.settle_picture(5, READY, 3000)
    failed = store.settle_picture(5, None, 4000)
    assert first is not None
    assert first == again == failed
    assert (first.seq, reader.thread_seq(no)) == (2, 2)
    picture = first.post.picture
    assert picture is not None
    assert (picture.state, picture.md5, picture.thumb_extension) == ("ready", "m" * 24, ".jpg")
    assert store.settle_picture(6, READY, 1) is None


def test_a_failed_picture_may_still_become_ready(store: Store) -> None:
    """A picture that was given up and is made after all is shown, with an event of its own."""
    store.start_thread(new_post("k", tim=5))
    failed = store.settle_picture(5, None, 2000)
    ready = store.settle_picture(5, READY, 3000)
    assert failed is not None
    assert ready is not None
    assert (failed.seq, ready.seq) == (2, 3)
    assert failed.post.picture is not None
    assert failed.post.picture.state == "failed"


def test_writers_at_once_keep_all_orders(database: Database, store: Store, reader: Reader) -> None:
    """With many writers numbers are unique, each thread's events gapless and in number order."""
    threads = [posted(store.start_thread(new_post(f"t{n}"))).post.no for n in range(3)]

    def write(turn: int) -> None:
        no = threads[turn % 3]
        if turn % 7 == 0:
            posted(store.start_thread(new_post(f"w{turn}", tim=turn + 100)))
            store.settle_picture(turn + 100, READY, 5)
        else:
            posted(store.reply(no, new_post(f"w{turn}", f">>{no}")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(60)))
    for no in threads:
        found, missed = reader.thread(no), reader.missed(no, 0)
        assert found is not None
        assert missed is not None
        assert [event.seq for event in missed.events] == list(range(1, found.thread.seq + 1))
        numbers = [event.post_no for event in missed.events]
        assert numbers == sorted(numbers) == [post.no for post in found.posts]
        assert found.thread.reply_count == len(found.posts) - 1
    with database.reading() as connection:
        every = connection.execute(select(tables.post.c.no)).scalars().all()
    assert sorted(every) == list(range(1, 64))
    board = reader.board("b")
    assert board is not None
    assert board.revision == 63


def test_two_that_send_the_same_at_once_post_once(store: Store, reader: Reader) -> None:
    """A request that two workers hold at the same time becomes one post."""
    no = posted(store.start_thread(new_post("k"))).post.no
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: posted(store.reply(no, new_post("same"))), range(4)))
    assert len({one.post.no for one in done}) == 1
    assert sorted(one.repeated for one in done) == [False, True, True, True]


def test_old_events_are_forgotten(
    store: Store, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of pruned events nothing is told as if nothing else had happened; newer ones still are."""
    no = posted(store.start_thread(new_post("k", now_ms=1, tim=1))).post.no
    for number in range(2, 30):
        store.reply(no, new_post(f"r{number}", now_ms=number))
    assert store.settle_picture(1, READY, 40) is not None
    monkeypatch.setattr("board.store._PRUNED_AT_ONCE", 8)
    assert store.prune_events(20) == 19
    assert store.prune_events(20) == 0
    gone, rest = reader.missed(no, 3), reader.missed(no, 19)
    assert gone is not None
    assert rest is not None
    assert (gone.events, gone.more) == ((), True)
    assert [event.seq for event in rest.events] == list(range(20, 31))
    assert store.prune_events(99) == 11
    nothing, up_to_date = reader.missed(no, 19), reader.missed(no, rest.thread.seq)
    assert nothing is not None
    assert up_to_date is not None
    assert (nothing.events, nothing.more) == ((), True)
    assert (up_to_date.events, up_to_date.more) == ((), False)
    assert store.settle_picture(1, READY, 50) is None
