"""Statements and row readers that reading and writing share.

Runs no transaction of its own: each function gets a connection, or gives a statement.
"""

import json
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, Row, Select, bindparam, select

from board import tables
from board.model import BoardRules
from board.records import (
    BoardRecord,
    EventRecord,
    PictureRecord,
    PostRecord,
    ThreadRecord,
)

LIVE = "live"

_board, _thread = tables.board.c, tables.thread.c
_post, _file, _attachment = tables.post.c, tables.file.c, tables.attachment.c

SELECT_POSTS: Select[Any] = (
    select(
        *(_post.no, _post.thread_no, _post.board, _post.is_opening, _post.created_ms),
        *(_post.name, _post.body, _post.html, _post.seq, _post.revision),
        *(_file.tim, _file.state.label("picture_state"), _file.format, _file.extension),
        *(_file.thumb_extension, _file.width, _file.height, _file.thumb_width),
        *(_file.thumb_height, _file.size_bytes, _file.md5, _attachment.original_name),
    )
    .select_from(tables.post)
    .outerjoin(tables.attachment, (_attachment.post_no == _post.no) & (_attachment.position == 0))
    .outerjoin(tables.file, _file.tim == _attachment.tim)
    .where(_post.state == LIVE)
)
"""All live posts with their pictures; the reader adds which, and the order."""

_POSTS_BY_NUMBER = SELECT_POSTS.where(_post.no.in_(bindparam("numbers", expanding=True))).order_by(
    _post.no
)


_SHOWN_OF_BOARD = (
    *(_board.title, _board.description, _board.anon_name),
    *(_board.max_body, _board.max_file_bytes, _board.thread_limit),
)
"""What an operator sets and every page of the board shows."""

INDEX_STAMP = select(_board.edition, _board.modified_ms, _board.revision, *_SHOWN_OF_BOARD).where(
    _board.code == bindparam("code")
)
"""What differs as soon as one of a board's index pages does; one row by its primary key.

The time stands beside the number because a board that was set back, by a backup, comes to the same
number again.
"""

THREAD_STAMP = (
    select(_thread.seq, _thread.modified_ms, *_SHOWN_OF_BOARD)
    .join(tables.board, _board.code == _thread.board)
    .where(_thread.no == bindparam("no"))
)
"""What differs as soon as a thread's page does."""

THREAD_PLACE = select(_thread.board, _thread.slug).where(_thread.no == bindparam("no"))
"""What stands in the path of a thread's page beside its number."""


def posts_by_number(connection: Connection, numbers: Iterable[int]) -> dict[int, PostRecord]:
    """The live ones of some posts by number, in order of number; one query."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    rows = connection.execute(_POSTS_BY_NUMBER, {"numbers": wanted})
    return {record.no: record for record in map(post_record, rows)}


def find_board(connection: Connection, code: str, *, lock: bool = False) -> BoardRecord | None:
    """The board; with `lock` nobody else writes to it until the transaction ends.

    `code` may come from outside as it is: PostgreSQL has no text with NUL or half characters.
    """
    if not code.isprintable():
        return None
    statement = select(tables.board).where(tables.board.c.code == code)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        return None
    rules = BoardRules(
        max_body=row.max_body,
        max_file_bytes=row.max_file_bytes,
        bump_limit=row.bump_limit,
        reply_limit=row.reply_limit,
        thread_limit=row.thread_limit,
    )
    return BoardRecord(row.code, row.title, row.description, row.anon_name, row.revision, rules)


def find_thread(connection: Connection, no: int, *, lock: bool = False) -> ThreadRecord | None:
    """The thread; with `lock` nobody else takes a sequence number until the transaction ends."""
    statement = select(tables.thread).where(tables.thread.c.no == no)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else thread_record(row)


def thread_record(row: Row[Any]) -> ThreadRecord:
    """A row of `thread` as a record."""
    return ThreadRecord(
        no=row.no,
        board=row.board,
        title=row.title,
        slug=row.slug,
        created_ms=row.created_ms,
        bumped_ms=row.bumped_ms,
        modified_ms=row.modified_ms,
        sticky=row.sticky,
        sticky_rank=row.sticky_rank,
        closed=row.closed,
        archived=row.archived_ms is not None,
        reply_count=row.reply_count,
        picture_count=row.picture_count,
        seq=row.seq,
    )


def post_record(row: Row[Any]) -> PostRecord:
    """A row of `SELECT_POSTS` as a record."""
    return PostRecord(
        no=row.no,
        thread_no=row.thread_no,
        board=row.board,
        is_opening=row.is_opening,
        created_ms=row.created_ms,
        name=row.name,
        body=row.body,
        html=Markup(row.html),  # noqa: S704 -- only markup.render fills this column
        seq=row.seq,
        revision=row.revision,
        picture=None if row.tim is None else _picture_record(row),
    )


def _picture_record(row: Row[Any]) -> PictureRecord:
    return PictureRecord(
        tim=row.tim,
        state=row.picture_state,
        format=row.format,
        extension=row.extension,
        thumb_extension=row.thumb_extension,
        width=row.width,
        height=row.height,
        thumb_width=row.thumb_width,
        thumb_height=row.thumb_height,
        size_bytes=row.size_bytes,
        original_name=row.original_name,
        md5=row.md5,
    )


def event_record(row: Row[Any]) -> EventRecord:
    """A row of `event` as a record."""
    payload = json.loads(row.payload)
    return EventRecord(row.thread_no, row.seq, row.kind, row.post_no, payload or None)
