"""Rows of the database as frozen classes: what the store gives and takes.

No SQL and no markup. Times are milliseconds since 1970 in UTC.
"""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from board.model import BoardRules


@dataclass(frozen=True, slots=True)
class BoardRecord:
    """A board; `revision` grows with every post on it."""

    code: str
    title: str
    description: str
    anon_name: str
    revision: int
    rules: BoardRules


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """A post's picture. `tim` (microseconds) is its unique name, `extension` has its dot.

    `state` is "pending", "ready", "failed" or "deleted". `md5` is base64 and of the served
    file; it and `thumb_extension` are `""` until it is ready. Sizes are in pixels and bytes.
    """

    tim: int
    state: str
    format: str
    extension: str
    thumb_extension: str
    width: int
    height: int
    thumb_width: int
    thumb_height: int
    size_bytes: int
    original_name: str
    md5: str = ""


@dataclass(frozen=True, slots=True)
class PostRecord:
    """A post; `html` is its rendered text. `seq` and `revision` are those of its own event."""

    no: int
    thread_no: int
    board: str
    is_opening: bool
    created_ms: int
    name: str
    body: str
    html: Markup
    seq: int
    revision: int
    picture: PictureRecord | None


@dataclass(frozen=True, slots=True)
class ThreadRecord:
    """A thread; the counts leave the opening post out. `seq` is its last event's number."""

    no: int
    board: str
    title: str
    slug: str
    created_ms: int
    bumped_ms: int
    modified_ms: int
    sticky: bool
    sticky_rank: int
    closed: bool
    archived: bool
    reply_count: int
    picture_count: int
    seq: int


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One numbered change of a thread: `kind` is "post", "file" or "thread".

    `changes` are the thread's new facts, None for the other kinds.
    """

    thread_no: int
    seq: int
    kind: str
    post_no: int
    changes: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class NewPicture:
    """A picture that was looked at and lies in the incoming folder under `tim`."""

    tim: int
    sha256: str
    format: str
    extension: str
    width: int
    height: int
    thumb_width: int
    thumb_height: int
    size_bytes: int
    original_name: str


@dataclass(frozen=True, slots=True)
class NewPost:
    """A checked post on its way into the database. `title` counts for threads only."""

    board: str
    request_key: str
    now_ms: int
    title: str
    name: str
    body: str
    picture: NewPicture | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """What posting did. `repeated`: the same request had been posted before, nothing changed.

    `also` are events beside the post's own: threads closed or archived by it, as far as they are
    still kept.
    """

    board: BoardRecord
    thread: ThreadRecord
    post: PostRecord
    repeated: bool = False
    also: tuple[EventRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadyPicture:
    """The served files' facts after the picture job; sizes in pixels and bytes."""

    extension: str
    thumb_extension: str
    width: int
    height: int
    size_bytes: int
    md5: str


Stamp = tuple[Any, ...]
"""What says whether a page still is as the database has it: equal stamps, equal pages."""


@dataclass(frozen=True, slots=True)
class IndexRecords:
    """One index page: its threads in order, and by thread the shown posts, oldest first."""

    board: BoardRecord
    threads: tuple[ThreadRecord, ...]
    posts: dict[int, tuple[PostRecord, ...]]
    thread_count: int
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class ThreadRecords:
    """A thread with its posts, the opening post first."""

    board: BoardRecord
    thread: ThreadRecord
    posts: tuple[PostRecord, ...]
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class MissedEvents:
    """The events behind a sequence number and the live posts they speak of.

    `more`: there are others behind these. `last_no` is the thread's newest post.
    """

    board: BoardRecord
    thread: ThreadRecord
    events: tuple[EventRecord, ...]
    posts: dict[int, PostRecord]
    last_no: int
    more: bool


@dataclass(frozen=True, slots=True)
class BoardNews:
    """The newest posts on a board behind a revision, each with its thread, in their order."""

    board: BoardRecord
    posts: tuple[tuple[ThreadRecord, PostRecord], ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a picture: its post as it is now and the number of the `file` event."""

    board: BoardRecord
    thread: ThreadRecord
    post: PostRecord
    seq: int
