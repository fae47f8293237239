"""What changes the database: posting a thread, posting a reply, settling a picture.

Each is one transaction that writes post, picture, counters and event together. Locks are taken
in the order board, thread, numbering, always, so that no two transactions wait for each other in
a circle. Publishing is the caller's, after the commit; reading is `reading.py`.
"""

from sqlalchemy import Connection, select

from board import statements, tables
from board.database import Database
from board.model import Problem, closes_thread, reply_problem
from board.records import (
    BoardRecord,
    EventRecord,
    NewPost,
    Posted,
    ReadyPicture,
    Settled,
)
from board.rows import find_board, find_thread, posts_by_number

_post = tables.post.c

_PRUNED_AT_ONCE = 500
"""Events forgotten in one transaction, so that nobody waits long for its end."""


class Store:
    """The writing half of the board's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start_thread(self, new: NewPost) -> Posted | Problem:
        """Post a new thread; the last thread past the board's limit is archived with it."""
        with self._database.writing() as connection:
            board = find_board(connection, new.board, lock=True)
            if board is None:
                return _no_board(new.board)
            before = _posted_before(connection, board, new.request_key)
            if before is not None:
                return before
            no = statements.next_number(connection)
            statements.insert_thread(connection, new, no)
            statements.insert_post(
                connection, new, no=no, thread_no=no, seq=1, revision=board.revision + 1
            )
            statements.change_board(connection, board, new.now_ms, posts=1)
            archived = statements.archive_overflow(connection, board, no, new.now_ms)
            return _posted(connection, board.code, no, also=archived)

    def reply(self, thread_no: int, new: NewPost) -> Posted | Problem:
        """Post a reply; the thread closes with the reply that reaches the board's limit."""
        with self._database.writing() as connection:
            board = find_board(connection, new.board, lock=True)
            if board is None:
                return _no_board(new.board)
            thread = find_thread(connection, thread_no, lock=True)
            if thread is None or thread.board != board.code:
                return Problem("form", "no_thread", "This thread does not exist.", 404)
            before = _posted_before(connection, board, new.request_key)
            if before is not None:
                return before
            problem = reply_problem(closed=thread.closed, archived=thread.archived)
            if problem is not None:
                return problem
            no = statements.next_number(connection)
            seq, revision = thread.seq + 1, board.revision + 1
            statements.insert_post(
                connection, new, no=no, thread_no=thread_no, seq=seq, revision=revision
            )
            statements.count_reply(connection, board, thread, new)
            statements.change_board(connection, board, new.now_ms, posts=1)
            also: tuple[EventRecord, ...] = ()
            if closes_thread(thread.reply_count + 1, board.rules):
                values = {"closed": True}
                also = (
                    statements.change_thread(
                        connection, thread_no, values, {"closed": 1}, new.now_ms
                    ),
                )
            return _posted(connection, board.code, no, also=also)

    def settle_picture(self, tim: int, ready: ReadyPicture | None, now_ms: int) -> Settled | None:
        """Say that a picture is ready, or with None that it never will be.

        A ready picture stays as it is, and its first event is given again. None when the
        picture, its post or that event is gone.
        """
        with self._database.writing() as connection:
            found = connection.execute(
                select(_post.no, _post.board, _post.thread_no)
                .join(tables.attachment, tables.attachment.c.post_no == _post.no)
                .where(tables.attachment.c.tim == tim)
            ).one_or_none()
            board = None if found is None else find_board(connection, found.board, lock=True)
            if found is None or board is None:
                return None
            post_no = found.no
            thread = find_thread(connection, found.thread_no, lock=True)
            post = posts_by_number(connection, [post_no]).get(post_no)
            if thread is None or post is None or post.picture is None:
                return None
            wanted = "failed" if ready is None else "ready"
            if post.picture.state in ("ready", wanted):
                told = statements.last_seq(connection, thread.no, post_no)
                return None if told is None else _settled(connection, post_no, told)
            statements.set_picture(connection, tim, ready)
            seq = statements.add_event(connection, thread.no, "file", post_no, {}, now_ms).seq
            statements.change_board(connection, board, now_ms)
            return _settled(connection, post_no, seq)

    def prune_events(self, before_ms: int) -> int:
        """Forget the events older than that; who missed them reads the whole thread."""
        pruned = 0
        while True:
            with self._database.writing() as connection:
                found = statements.prune_events(connection, before_ms, _PRUNED_AT_ONCE)
            pruned += found
            if found < _PRUNED_AT_ONCE:
                return pruned


def _no_board(code: str) -> Problem:
    return Problem("form", "no_board", f"There is no board {code!r}.", 404)


def _posted_before(connection: Connection, board: BoardRecord, key: str) -> Posted | None:
    row = connection.execute(
        select(_post.no, _post.created_ms).where(_post.request_key == key)
    ).one_or_none()
    if row is None:
        return None
    also = statements.thread_events(connection, board.code, row.created_ms)
    return _posted(connection, board.code, row.no, repeated=True, also=also)


def _posted(
    connection: Connection,
    code: str,
    no: int,
    *,
    repeated: bool = False,
    also: tuple[EventRecord, ...] = (),
) -> Posted:
    board = find_board(connection, code)
    post = posts_by_number(connection, [no])[no]
    thread = find_thread(connection, post.thread_no)
    assert board is not None
    assert thread is not None
    return Posted(board, thread, post, repeated, also)


def _settled(connection: Connection, post_no: int, seq: int) -> Settled:
    post = posts_by_number(connection, [post_no])[post_no]
    thread = find_thread(connection, post.thread_no)
    board = find_board(connection, post.board)
    assert board is not None
    assert thread is not None
    return Settled(board, thread, post, seq)
