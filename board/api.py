"""The read API's JSON, in the shape that existing readers of image boards know.

Pure: records in, plain values out. Flags are the integer 1 or absent, texts are escaped for HTML,
keys of our own begin with `x_`.
"""

from datetime import UTC, datetime
from typing import Any

from markupsafe import escape

from board.records import BoardRecord, PictureRecord, PostRecord, ThreadRecord, ThreadRecords


def thread_object(records: ThreadRecords) -> dict[str, Any]:
    """A whole thread: its posts, and the number of its last event in `seq`."""
    board, thread = records.board, records.thread
    posts = [post_object(board, thread, post) for post in records.posts]
    return {"posts": posts, "seq": thread.seq}


def post_object(board: BoardRecord, thread: ThreadRecord, post: PostRecord) -> dict[str, Any]:
    """One post; an opening post brings its thread's facts along."""
    created = datetime.fromtimestamp(post.created_ms / 1000, UTC)
    found: dict[str, Any] = {
        "no": post.no,
        "resto": 0 if post.is_opening else thread.no,
        "now": created.strftime("%m/%d/%y(%a)%H:%M:%S"),
        "time": post.created_ms // 1000,
        "name": str(escape(post.name or board.anon_name)),
    }
    if post.is_opening and thread.title:
        found["sub"] = str(escape(thread.title))
    if post.html:
        found["com"] = str(post.html)
    if post.picture is not None:
        found |= _picture_keys(post.picture)
    return found | _thread_keys(thread) if post.is_opening else found


def _picture_keys(picture: PictureRecord) -> dict[str, Any]:
    if picture.state == "deleted":
        return {"filedeleted": 1}
    if picture.state != "ready":
        return {"x_picture": picture.state}
    stem, dot, _ = picture.original_name.rpartition(".")
    return {
        "filename": str(escape(stem if dot else picture.original_name)),
        "ext": picture.extension,
        "w": picture.width,
        "h": picture.height,
        "tn_w": picture.thumb_width,
        "tn_h": picture.thumb_height,
        "tim": picture.tim,
        "md5": picture.md5,
        "fsize": picture.size_bytes,
    }


def _thread_keys(thread: ThreadRecord) -> dict[str, Any]:
    flags = {"sticky": thread.sticky, "closed": thread.closed, "archived": thread.archived}
    return {
        **{name: 1 for name, is_set in flags.items() if is_set},
        "semantic_url": thread.slug,
        "replies": thread.reply_count,
        "images": thread.picture_count,
        "last_modified": thread.modified_ms // 1000,
        "x_board": thread.board,
        "x_seq": thread.seq,
    }
