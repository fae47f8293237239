"""What the templates get to see: finished facts in frozen classes, one for each thing on a page.

Holds no rules, no SQL and no markup; `presenting.py` makes these values out of rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from markupsafe import Markup

PictureState = Literal["pending", "ready", "failed", "deleted"]


@dataclass(frozen=True, slots=True)
class PictureView:
    """A post's picture; sizes are in pixels and known from the upload on.

    The urls are None unless `state` is "ready". `original_name` is what the poster's browser
    said, display text only. `format` is "JPEG", "PNG", "GIF" or "WEBP".
    """

    state: PictureState
    source_url: str | None
    thumb_url: str | None
    width: int
    height: int
    thumb_width: int
    thumb_height: int
    original_name: str
    size_bytes: int
    format: str


@dataclass(frozen=True, slots=True)
class PostView:
    """One post; `html` is its rendered text, safe as it stands. `created` is in UTC.

    `url` leads to the post on its thread's page: `/b/thread/4700/slug#p4703`. `title` is the
    thread's on an opening post and `""` on a reply. `name` is never empty.
    """

    no: int
    thread_no: int
    is_opening: bool
    title: str
    created: datetime
    name: str
    html: Markup
    picture: PictureView | None
    url: str
    board: str


@dataclass(frozen=True, slots=True)
class ThreadCard:
    """A thread on the index: its opening post and last replies, oldest first.

    `title` may be `""`. `seq` is the thread's last event. The counts leave the opening post out.
    """

    no: int
    board: str
    title: str
    slug: str
    url: str
    opening: PostView
    last_replies: tuple[PostView, ...]
    omitted_replies: int
    omitted_pictures: int
    reply_count: int
    picture_count: int
    created: datetime
    bumped: datetime
    seq: int
    closed: bool


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A whole thread: the facts of a card and all posts, the opening post first.

    With `?since=NO` on its page, `posts` are the opening post and those after NO.
    """

    no: int
    board: str
    title: str
    slug: str
    url: str
    posts: tuple[PostView, ...]
    reply_count: int
    picture_count: int
    created: datetime
    bumped: datetime
    seq: int
    closed: bool


@dataclass(frozen=True, slots=True)
class BoardView:
    """The board around a page; `url` is its index. `max_body` counts characters."""

    code: str
    title: str
    description: str
    url: str
    max_body: int
    max_file_bytes: int


@dataclass(frozen=True, slots=True)
class FormView:
    """A form to post with, filled with what was written when it comes back with errors.

    `values` always has the keys "title", "name" and "body". `errors` has a text for each of
    "title", "body", "picture" and "form" that is wrong, and no other keys. `form_key` names this
    very form, so that it posts once however often it is sent. The form's fields are called
    title, name, body, picture, csrf_token and form_key.
    """

    action: str
    kind: Literal["thread", "reply"]
    csrf_token: str
    form_key: str
    values: Mapping[str, str]
    errors: Mapping[str, str]
    needs_title: bool


@dataclass(frozen=True, slots=True)
class IndexPage:
    """One page of a board's index; `page` and `pages` count from 1.

    `revision` is the board's, where the socket `/board/` goes on from.
    """

    board: BoardView
    cards: tuple[ThreadCard, ...]
    page: int
    pages: int
    revision: int
    form: FormView


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """A thread's page; `seq` is where the socket `/thread/NO/` goes on from.

    `new_since` is the NO of `?since=NO`, None when the page shows everything.
    """

    board: BoardView
    thread: ThreadView
    seq: int
    form: FormView
    new_since: int | None
