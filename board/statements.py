"""The statements that `store.py` puts together to transactions.

Each changes one thing and relies on the locks that its caller holds; none begins or commits.
"""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, delete, func, select, tuple_, update
from sqlalchemy import insert as insert_into

from board import tables
from board.markup import HTML_VERSION, QuotedPost, render
from board.model import does_bump, quoted_numbers, slug, thread_path
from board.records import (
    BoardRecord,
    EventRecord,
    NewPicture,
    NewPost,
    ReadyPicture,
    ThreadRecord,
)
from board.rows import LIVE, event_record

_board = tables.board.c
_thread, _post, _event = tables.thread.c, tables.post.c, tables.event.c


def next_number(connection: Connection) -> int:
    """The next post number; held to the commit, so numbers are committed in their order."""
    no: int = connection.execute(
        update(tables.numbering)
        .where(tables.numbering.c.id == 1)
        .values(last_no=tables.numbering.c.last_no + 1)
        .returning(tables.numbering.c.last_no)
    ).scalar_one()
    return no


def change_board(
    connection: Connection, board: BoardRecord, now_ms: int, *, posts: int = 0
) -> None:
    """Make a new edition of the board, in every transaction after which one of its pages differs.

    `posts` are counted in its revision.
    """
    connection.execute(
        update(tables.board)
        .where(_board.code == board.code)
        .values(revision=_board.revision + posts, edition=_board.edition + 1, modified_ms=now_ms)
    )


def insert_thread(connection: Connection, new: NewPost, no: int) -> None:
    """Add a thread whose opening post will be `no`."""
    connection.execute(
        insert_into(tables.thread).values(
            no=no,
            board=new.board,
            title=new.title,
            slug=slug(new.title, new.body),
            created_ms=new.now_ms,
            bumped_ms=new.now_ms,
            modified_ms=new.now_ms,
            sticky=False,
            sticky_rank=0,
            closed=False,
            reply_count=0,
            picture_count=0,
            seq=1,
        )
    )


def insert_post(
    connection: Connection, new: NewPost, *, no: int, thread_no: int, seq: int, revision: int
) -> None:
    """Add a post with its picture and its event."""
    html = render(new.body, thread_no, _quoted(connection, quoted_numbers(new.body)))
    connection.execute(
        insert_into(tables.post).values(
            no=no,
            thread_no=thread_no,
            board=new.board,
            is_opening=no == thread_no,
            created_ms=new.now_ms,
            name=new.name,
            body=new.body,
            html=str(html),
            html_version=HTML_VERSION,
            seq=seq,
            revision=revision,
            state=LIVE,
            request_key=new.request_key,
        )
    )
    if new.picture is not None:
        _insert_picture(connection, no, new.picture)
    connection.execute(
        insert_into(tables.event).values(
            thread_no=thread_no,
            seq=seq,
            kind="post",
            post_no=no,
            payload="{}",
            created_ms=new.now_ms,
        )
    )


def _insert_picture(connection: Connection, post_no: int, picture: NewPicture) -> None:
    connection.execute(
        insert_into(tables.file).values(
            tim=picture.tim,
            sha256=picture.sha256,
            state="pending",
            format=picture.format,
            extension=picture.extension,
            thumb_extension="",
            width=picture.width,
            height=picture.height,
            thumb_width=picture.thumb_width,
            thumb_height=picture.thumb_height,
            size_bytes=picture.size_bytes,
            md5="",
        )
    )
    connection.execute(
        insert_into(tables.attachment).values(
            post_no=post_no,
            position=0,
            tim=picture.tim,
            original_name=picture.original_name,
        )
    )


def _quoted(connection: Connection, numbers: tuple[int, ...]) -> dict[int, QuotedPost]:
    if not numbers:
        return {}
    rows = connection.execute(
        select(_post.no, _thread.no.label("thread_no"), _thread.board, _thread.slug)
        .join(tables.thread, _thread.no == _post.thread_no)
        .where(_post.no.in_(numbers), _post.state == LIVE)
    )
    return {
        row.no: QuotedPost(row.thread_no, thread_path(row.board, row.thread_no, row.slug))
        for row in rows
    }


def count_reply(
    connection: Connection, board: BoardRecord, thread: ThreadRecord, new: NewPost
) -> None:
    """Add a reply to its thread's counters, and lift the thread if it bumps."""
    bumps = does_bump(thread.reply_count, board.rules)
    connection.execute(
        update(tables.thread)
        .where(_thread.no == thread.no)
        .values(
            seq=thread.seq + 1,
            reply_count=thread.reply_count + 1,
            picture_count=thread.picture_count + (new.picture is not None),
            modified_ms=new.now_ms,
            bumped_ms=new.now_ms if bumps else thread.bumped_ms,
        )
    )


def archive_overflow(
    connection: Connection, board: BoardRecord, newest_no: int, now_ms: int
) -> tuple[EventRecord, ...]:
    """Archive the last threads past the limit: never a sticky one, never the one just made."""
    live = (_thread.board == board.code, _thread.archived_ms.is_(None))
    stickies = connection.execute(
        select(func.count()).select_from(tables.thread).where(*live, _thread.sticky)
    ).scalar_one()
    rows = connection.execute(
        select(_thread.no)
        .where(*live, ~_thread.sticky, _thread.no != newest_no)
        .order_by(_thread.bumped_ms.desc(), _thread.no.desc())
        .offset(max(0, board.rules.thread_limit - 1 - stickies))
    )
    return tuple(
        change_thread(connection, no, {"archived_ms": now_ms}, {"archived": 1, "closed": 1}, now_ms)
        for no in rows.scalars().all()
    )


def change_thread(
    connection: Connection,
    no: int,
    values: Mapping[str, bool | int],
    changes: dict[str, int],
    now_ms: int,
) -> EventRecord:
    """Set facts of a thread and write the event that tells its readers."""
    connection.execute(update(tables.thread).where(_thread.no == no).values(**values))
    return add_event(connection, no, "thread", no, changes, now_ms)


def add_event(
    connection: Connection,
    thread_no: int,
    kind: str,
    post_no: int,
    changes: dict[str, int],
    now_ms: int,
) -> EventRecord:
    """Write the next event of a thread; its board gets a new edition by `change_board`."""
    seq = connection.execute(
        update(tables.thread)
        .where(_thread.no == thread_no)
        .values(seq=_thread.seq + 1, modified_ms=now_ms)
        .returning(_thread.seq)
    ).scalar_one()
    connection.execute(
        insert_into(tables.event).values(
            thread_no=thread_no,
            seq=seq,
            kind=kind,
            post_no=post_no,
            payload=json.dumps(changes),
            created_ms=now_ms,
        )
    )
    return EventRecord(thread_no, seq, kind, post_no, changes or None)


def set_picture(connection: Connection, tim: int, ready: ReadyPicture | None) -> None:
    """Write what the picture job found; None for a picture that failed."""
    values: dict[str, object] = {"state": "failed"}
    if ready is not None:
        values = {
            "state": "ready",
            "extension": ready.extension,
            "thumb_extension": ready.thumb_extension,
            "width": ready.width,
            "height": ready.height,
            "size_bytes": ready.size_bytes,
            "md5": ready.md5,
        }
    connection.execute(update(tables.file).where(tables.file.c.tim == tim).values(**values))


def prune_events(connection: Connection, before_ms: int, limit: int) -> int:
    """Forget up to `limit` events older than that; gives how many there were."""
    oldest = select(_event.thread_no, _event.seq).where(_event.created_ms < before_ms).limit(limit)
    keys = [(row.thread_no, row.seq) for row in connection.execute(oldest)]
    if keys:
        which = tuple_(_event.thread_no, _event.seq).in_(keys)
        connection.execute(delete(tables.event).where(which))
    return len(keys)


def thread_events(connection: Connection, board: str, at_ms: int) -> tuple[EventRecord, ...]:
    """What changed in threads of a board at that moment; the posting of then changed it."""
    rows = connection.execute(
        select(tables.event)
        .join(tables.thread, _thread.no == _event.thread_no)
        .where(_event.kind == "thread", _event.created_ms == at_ms, _thread.board == board)
        .order_by(_event.thread_no, _event.seq)
    )
    return tuple(map(event_record, rows))


def last_seq(connection: Connection, thread_no: int, post_no: int) -> int | None:
    """The number of the last `file` event of a post, None when it is no longer kept."""
    seq: int | None = connection.execute(
        select(_event.seq)
        .where(_event.thread_no == thread_no, _event.post_no == post_no, _event.kind == "file")
        .order_by(_event.seq.desc())
        .limit(1)
    ).scalar_one_or_none()
    return seq
