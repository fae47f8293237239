"""What pages, sockets and jobs read from the database; each call is one consistent look.

Changes nothing and makes no HTML; writing is `store.py`.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from board import tables
from board.database import Database
from board.model import LAST_REPLIES, PAGE_SIZE, page_count
from board.records import (
    BoardNews,
    BoardRecord,
    EventRecord,
    IndexRecords,
    MissedEvents,
    PictureRecord,
    PostRecord,
    Stamp,
    ThreadRecord,
    ThreadRecords,
)
from board.rows import (
    INDEX_STAMP,
    LIVE,
    SELECT_POSTS,
    THREAD_PLACE,
    THREAD_STAMP,
    event_record,
    find_board,
    find_thread,
    post_record,
    posts_by_number,
    thread_record,
)

MAX_EVENTS = 500
"""Events sent to a reader who comes back; one who missed more reads the whole thread."""

MAX_NEWS = 50
"""Posts told to a browser that missed some, which shows so many as one or two notifications."""

_thread, _post, _event = tables.thread.c, tables.post.c, tables.event.c
_file = tables.file.c

_STANDING = (
    _thread.sticky.desc(),
    _thread.sticky_rank,
    _thread.bumped_ms.desc(),
    _thread.no.desc(),
)
"""The order of `model.standing` in SQL; a test compares the two."""

_REPLY = tables.post.alias("reply")

_LAST_REPLIES = [
    select(_REPLY.c.no)
    .where(_REPLY.c.thread_no == _thread.no, _REPLY.c.state == LIVE, ~_REPLY.c.is_opening)
    .order_by(_REPLY.c.no.desc())
    .limit(1)
    .offset(position)
    .scalar_subquery()
    .label(f"last_{position}")
    for position in range(LAST_REPLIES)
]
"""The numbers of a thread's last replies: one look into an index each, however long it is."""

_INDEX_PAGE = (
    select(tables.thread, *_LAST_REPLIES)
    .where(_thread.board == bindparam("code"), _thread.archived_ms.is_(None))
    .order_by(*_STANDING)
    .limit(PAGE_SIZE)
    .offset(bindparam("skipped"))
)

_PENDING = (
    select(_file.tim)
    .join(tables.attachment, tables.attachment.c.tim == _file.tim)
    .join(tables.post, _post.no == tables.attachment.c.post_no)
    .where(_file.state == "pending", _post.state == LIVE)
)


class Reader:
    """The questions that the board asks its database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._index_stamp = database.question(INDEX_STAMP)
        self._thread_stamp = database.question(THREAD_STAMP)
        self._thread_place = database.question(THREAD_PLACE)

    def index_stamp(self, code: str) -> Stamp | None:
        """The stamp that all index pages of a board have now, None without such a board."""
        return self._index_stamp.ask(code) if code.isprintable() else None

    def thread_stamp(self, no: int) -> Stamp | None:
        """The stamp that a thread's page has now, None when there is no such thread."""
        return self._thread_stamp.ask(no)

    def thread_place(self, no: int) -> tuple[str, str] | None:
        """Board and slug of a thread, None when there is no such thread; reads no post."""
        row = self._thread_place.ask(no)
        return None if row is None else (row[0], row[1])

    def board(self, code: str) -> BoardRecord | None:
        """The board, None without one."""
        with self._database.reading() as connection:
            return find_board(connection, code)

    def index(self, code: str, page: int) -> IndexRecords | None:
        """Page `page` (from 1) of a board's index in four queries; None when there is none."""
        with self._database.reading() as connection:
            board = find_board(connection, code)
            if board is None:
                return None
            count = connection.execute(
                select(func.count()).select_from(tables.thread).where(*_on_index(code))
            ).scalar_one()
            if not 1 <= page <= page_count(count, board.rules):
                return None
            shown = _threads_with_last_replies(connection, code, page)
            wanted = [no for thread, last in shown for no in (thread.no, *last)]
            posts = posts_by_number(connection, wanted)
            stamp = connection.execute(INDEX_STAMP, {"code": code}).one()
        by_thread: dict[int, list[PostRecord]] = {thread.no: [] for thread, _ in shown}
        for post in posts.values():
            by_thread[post.thread_no].append(post)
        return IndexRecords(
            board,
            tuple(thread for thread, _ in shown),
            {no: tuple(found) for no, found in by_thread.items()},
            count,
            tuple(stamp),
        )

    def live_threads(self, code: str) -> tuple[BoardRecord, tuple[ThreadRecord, ...]] | None:
        """A board and its threads in the index's order; None without such a board."""
        with self._database.reading() as connection:
            board = find_board(connection, code)
            if board is None:
                return None
            rows = connection.execute(
                select(tables.thread).where(*_on_index(code)).order_by(*_STANDING)
            )
            return board, tuple(map(thread_record, rows))

    def news(self, code: str, after: int) -> BoardNews | None:
        """Those of a board's newest posts that are behind a revision; None without such a board."""
        with self._database.reading() as connection:
            board = find_board(connection, code)
            if board is None:
                return None
            newest = SELECT_POSTS.where(_post.board == code).order_by(_post.no.desc())
            rows = connection.execute(newest.limit(MAX_NEWS))
            posts = [post for post in map(post_record, rows) if post.revision > after]
            numbers = {post.thread_no for post in posts}
            found = connection.execute(select(tables.thread).where(_thread.no.in_(numbers)))
            threads = {thread.no: thread for thread in map(thread_record, found)}
        return BoardNews(board, tuple((threads[post.thread_no], post) for post in posts[::-1]))

    def thread(self, no: int, since: int | None = None) -> ThreadRecords | None:
        """A thread with its posts; with `since` the opening post and those with higher numbers."""
        with self._database.reading() as connection:
            thread = find_thread(connection, no)
            board = None if thread is None else find_board(connection, thread.board)
            if thread is None or board is None:
                return None
            statement = SELECT_POSTS.where(_post.thread_no == no)
            if since is not None:
                statement = statement.where(_post.is_opening | (_post.no > since))
            posts = tuple(map(post_record, connection.execute(statement.order_by(_post.no))))
            stamp = connection.execute(THREAD_STAMP, {"no": no}).one()
        return ThreadRecords(board, thread, posts, tuple(stamp))

    def thread_seq(self, no: int) -> int | None:
        """The number of a thread's last event, None when there is no such thread."""
        with self._database.reading() as connection:
            return connection.execute(
                select(_thread.seq).where(_thread.no == no)
            ).scalar_one_or_none()

    def missed(self, no: int, after: int, limit: int = MAX_EVENTS) -> MissedEvents | None:
        """A thread's events behind `after`, at most `limit`; None when there is no such thread.

        Where the next event is no longer kept there are none, but `more`.
        """
        with self._database.reading() as connection:
            thread = find_thread(connection, no)
            board = None if thread is None else find_board(connection, thread.board)
            if thread is None or board is None:
                return None
            events = _events(connection, no, after, limit)
            if events and events[0].seq != after + 1:
                events = ()
            posts = posts_by_number(connection, (e.post_no for e in events if not e.changes))
            last_no = connection.execute(
                select(func.max(_post.no)).where(_post.thread_no == no, _post.state == LIVE)
            ).scalar_one()
        more = thread.seq > (events[-1].seq if events else after)
        return MissedEvents(board, thread, events, posts, last_no or no, more)

    def pending_pictures(self, before_tim: int, limit: int) -> tuple[int, ...]:
        """The first `limit` pictures of live posts, older than `before_tim`, not made yet."""
        with self._database.reading() as connection:
            older = _PENDING.where(_file.tim < before_tim).order_by(_file.tim).limit(limit)
            return tuple(connection.execute(older).scalars())

    def awaited_pictures(self, tims: Sequence[int]) -> frozenset[int]:
        """Those of some pictures that a job has yet to make."""
        with self._database.reading() as connection:
            return frozenset(connection.execute(_PENDING.where(_file.tim.in_(tims))).scalars())

    def picture(self, tim: int) -> tuple[PostRecord, PictureRecord] | None:
        """A picture and the live post that it belongs to, None without one."""
        with self._database.reading() as connection:
            row = connection.execute(SELECT_POSTS.where(tables.file.c.tim == tim)).one_or_none()
        post = None if row is None else post_record(row)
        return None if post is None or post.picture is None else (post, post.picture)


def _on_index(code: str) -> tuple[ColumnElement[bool], ...]:
    return (_thread.board == code, _thread.archived_ms.is_(None))


def _threads_with_last_replies(
    connection: Connection, code: str, page: int
) -> list[tuple[ThreadRecord, tuple[int, ...]]]:
    """The page's threads, each with the numbers of its last replies."""
    rows = connection.execute(_INDEX_PAGE, {"code": code, "skipped": (page - 1) * PAGE_SIZE})
    return [
        (thread_record(row), tuple(no for no in row[-LAST_REPLIES:] if no is not None))
        for row in rows
    ]


def _events(connection: Connection, no: int, after: int, limit: int) -> tuple[EventRecord, ...]:
    rows = connection.execute(
        select(tables.event)
        .where(_event.thread_no == no, _event.seq > after)
        .order_by(_event.seq)
        .limit(limit)
    )
    return tuple(map(event_record, rows))
