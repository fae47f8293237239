"""The live protocol's frames as JSON text, version 1: one function for each kind.

Pure: facts in, text out. Who gets a frame and when is `live.py`. Every frame has its kind in `t`;
times are seconds since 1970. A thread's frames carry its `seq`, a board's its `rev`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from board.model import excerpt, quoted_numbers, thread_path
from board.records import BoardRecord, PostRecord, ThreadRecord

VERSION = 1


def thread_hello(thread: ThreadRecord, after: int, last_no: int, now_ms: int) -> str:
    """Says that a thread's socket is joined; the events behind `after` follow up to `seq`."""
    return _frame(
        "hello",
        v=VERSION,
        seq=thread.seq,
        head=last_no,
        **{"from": after + 1},
        time=now_ms // 1000,
    )


def post(seq: int, no: int, html: str) -> dict[str, Any]:
    """A post was written; `html` is the fragment that the page shows."""
    return {"t": "post", "seq": seq, "no": no, "html": html}


def file(seq: int, no: int, html: str) -> dict[str, Any]:
    """A post's picture changed; `html` is the whole post as it is now."""
    return {"t": "file", "seq": seq, "no": no, "html": html}


def thread(seq: int, changes: Mapping[str, int]) -> dict[str, Any]:
    """A thread's own facts changed: closed, archived."""
    return {"t": "thread", "seq": seq, "changes": dict(changes)}


def picture(no: int, html: str) -> str:
    """A post's picture changed, for the index; `html` takes the place of the waiting one.

    It has no number: a reader who misses it sees the picture with the next page.
    """
    return _frame("upd", no=no, html=html)


def gone(seq: int, no: int) -> dict[str, Any]:
    """What an event spoke of is no longer there; the number is still counted."""
    return {"t": "none", "seq": seq, "no": no}


def resync(seq: int, reason: str) -> str:
    """The events do not reach back far enough: read the whole thread."""
    return _frame("resync", seq=seq, reason=reason)


def pong(**head: int) -> str:
    """The answer to a ping, with the head `seq` or `rev`."""
    return _frame("pong", **head)


def board_hello(board: BoardRecord, threads: tuple[ThreadRecord, ...] | None, now_ms: int) -> str:
    """Says that a board's socket is joined.

    `threads` are given when the reader's revision is old; each becomes
    [no, modified, replies, pictures, bumped].
    """
    facts: dict[str, Any] = {"v": VERSION, "rev": board.revision, "board": board.code}
    if threads is not None:
        facts["threads"] = [
            [t.no, t.modified_ms // 1000, t.reply_count, t.picture_count, t.bumped_ms // 1000]
            for t in threads
        ]
    return _frame("hello", **facts, time=now_ms // 1000)


def new_thread(started: ThreadRecord, opening: PostRecord, thumb_url: str | None) -> dict[str, Any]:
    """A thread was started. `thumb` is None until its picture is ready."""
    return _facts(
        "new",
        rev=opening.revision,
        no=started.no,
        board=started.board,
        title=started.title,
        excerpt=excerpt(opening.body),
        thumb=thumb_url,
        url=thread_path(started.board, started.no, started.slug),
        time=opening.created_ms // 1000,
    )


def bump(replied: ThreadRecord, reply: PostRecord) -> dict[str, Any]:
    """A thread got a reply; `quotes` are the numbers it quotes, so that a browser knows its own."""
    return _facts(
        "bump",
        rev=reply.revision,
        no=replied.no,
        board=replied.board,
        title=replied.title,
        reply_no=reply.no,
        replies=replied.reply_count,
        images=replied.picture_count,
        excerpt=excerpt(reply.body),
        quotes=list(quoted_numbers(reply.body)),
        url=f"{thread_path(replied.board, replied.no, replied.slug)}#p{reply.no}",
        time=reply.created_ms // 1000,
    )


def news(events: Sequence[Mapping[str, Any]], head: int) -> str:
    """Those of the newest events on a board, up to `head`, that somebody missed: `new` and `bump`.

    It has no `rev` itself, since it takes the place of no event.
    """
    return _frame("news", head=head, events=list(events))


def text(frame: Mapping[str, Any]) -> str:
    """A frame as the text that a socket carries."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def _frame(kind: str, **facts: Any) -> str:
    return text(_facts(kind, **facts))


def _facts(kind: str, **facts: Any) -> dict[str, Any]:
    return {"t": kind, **facts}
