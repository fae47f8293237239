"""Turns records into what the templates see, and posts into their fragment of HTML.

Reads nothing and decides nothing; the fragment is the one place where a post gets its markup, for
pages and sockets alike.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from board.media import MediaFolder
from board.model import thread_path
from board.records import (
    BoardRecord,
    IndexRecords,
    PictureRecord,
    PostRecord,
    ThreadRecord,
    ThreadRecords,
)
from board.views import (
    BoardView,
    FormView,
    IndexPage,
    PictureState,
    PictureView,
    PostView,
    ThreadCard,
    ThreadPage,
    ThreadView,
)
from workers.rendering import Templates

_STATES: Mapping[str, PictureState] = MappingProxyType(
    {"pending": "pending", "ready": "ready", "failed": "failed", "deleted": "deleted"}
)


class Presenter:
    """Makes views; `media` gives the pictures' urls, `templates` the fragment of a post."""

    def __init__(self, media: MediaFolder, templates: Templates) -> None:
        self._media = media
        self._templates = templates

    def board(self, board: BoardRecord) -> BoardView:
        """The board around a page."""
        return BoardView(
            code=board.code,
            title=board.title,
            description=board.description,
            url=f"/{board.code}/",
            max_body=board.rules.max_body,
            max_file_bytes=board.rules.max_file_bytes,
        )

    def post(self, board: BoardRecord, thread: ThreadRecord, post: PostRecord) -> PostView:
        """One post of a thread."""
        return PostView(
            no=post.no,
            thread_no=thread.no,
            is_opening=post.is_opening,
            title=thread.title if post.is_opening else "",
            created=_moment(post.created_ms),
            name=post.name or board.anon_name,
            html=post.html,
            picture=None if post.picture is None else self.picture(post.picture),
            url=f"{thread_path(thread.board, thread.no, thread.slug)}#p{post.no}",
            board=thread.board,
        )

    def picture(self, picture: PictureRecord) -> PictureView:
        """A post's picture; its urls are known once it is ready."""
        is_ready = picture.state == "ready"
        media, tim = self._media, picture.tim
        return PictureView(
            state=_STATES[picture.state],
            source_url=media.source_url(tim, picture.extension) if is_ready else None,
            thumb_url=media.thumb_url(tim, picture.thumb_extension) if is_ready else None,
            width=picture.width,
            height=picture.height,
            thumb_width=picture.thumb_width,
            thumb_height=picture.thumb_height,
            original_name=picture.original_name,
            size_bytes=picture.size_bytes,
            format=picture.format,
        )

    def fragment(self, board: BoardRecord, thread: ThreadRecord, post: PostRecord) -> str:
        """A post's HTML as the thread's page has it and as the sockets carry it."""
        return self._templates.fragment(
            "_post.html", "post", post=self.post(board, thread, post)
        ).strip()

    def picture_fragment(self, picture: PictureRecord) -> str:
        """The HTML of a picture alone, as it stands in its post."""
        return self._templates.fragment(
            "_post.html", "picture", picture=self.picture(picture)
        ).strip()

    def index(self, records: IndexRecords, page: int, pages: int, form: FormView) -> IndexPage:
        """One page of a board's index."""
        return IndexPage(
            board=self.board(records.board),
            cards=tuple(
                self._card(records.board, thread, records.posts[thread.no])
                for thread in records.threads
            ),
            page=page,
            pages=pages,
            revision=records.board.revision,
            form=form,
        )

    def thread(self, records: ThreadRecords, form: FormView, since: int | None) -> ThreadPage:
        """A thread's page."""
        board, thread = records.board, records.thread
        return ThreadPage(
            board=self.board(board),
            thread=ThreadView(
                no=thread.no,
                board=thread.board,
                title=thread.title,
                slug=thread.slug,
                url=thread_path(thread.board, thread.no, thread.slug),
                posts=tuple(self.post(board, thread, post) for post in records.posts),
                reply_count=thread.reply_count,
                picture_count=thread.picture_count,
                created=_moment(thread.created_ms),
                bumped=_moment(thread.bumped_ms),
                seq=thread.seq,
                closed=thread.closed or thread.archived,
            ),
            seq=thread.seq,
            form=form,
            new_since=since,
        )

    def _card(
        self, board: BoardRecord, thread: ThreadRecord, posts: tuple[PostRecord, ...]
    ) -> ThreadCard:
        views = [self.post(board, thread, post) for post in posts]
        opening = next(view for view in views if view.is_opening)
        replies = tuple(view for view in views if not view.is_opening)
        shown_pictures = sum(view.picture is not None for view in replies)
        return ThreadCard(
            no=thread.no,
            board=thread.board,
            title=thread.title,
            slug=thread.slug,
            url=thread_path(thread.board, thread.no, thread.slug),
            opening=opening,
            last_replies=replies,
            omitted_replies=max(0, thread.reply_count - len(replies)),
            omitted_pictures=max(0, thread.picture_count - shown_pictures),
            reply_count=thread.reply_count,
            picture_count=thread.picture_count,
            created=_moment(thread.created_ms),
            bumped=_moment(thread.bumped_ms),
            seq=thread.seq,
            closed=thread.closed or thread.archived,
        )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
