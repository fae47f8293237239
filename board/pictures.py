"""Pictures on their way through the board: checked when they come, made clean by a job.

How a picture is decoded and encoded is `workers.thumbnails`; where files lie is `media.py`.
"""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from board.live import Live
from board.media import MediaFolder
from board.model import MAX_PIXELS, Problem, file_name, picture_problem, thumbnail_box
from board.reading import Reader
from board.records import (
    BoardRecord,
    NewPicture,
    PictureRecord,
    PostRecord,
    ReadyPicture,
    Settled,
)
from board.store import Store
from shared.logs import get_logger
from workers import thumbnails
from workers.consumers import JobAttempt
from workers.forms import UploadedFile
from workers.outbox import Outbox
from workers.thumbnails import PictureFacts, PictureLimits, PictureRefused

MAKE_PICTURE = "board.picture"
OVERDUE_PICTURE = "board.overdue"

OVERDUE_MS = 10 * 60 * 1000
"""After ten minutes nobody waits for a picture: readers are told that it failed."""

log = get_logger("board")


class Pictures:
    """Takes uploads in and makes the files that are served."""

    def __init__(
        self,
        media: MediaFolder,
        reader: Reader,
        store: Store,
        live: Live,
        clock_ms: Callable[[], int],
    ) -> None:
        self._media = media
        self._reader = reader
        self._store = store
        self._live = live
        self._clock_ms = clock_ms

    def check(self, upload: UploadedFile, board: BoardRecord) -> PictureFacts | Problem:
        """What an upload is, or why it may not be posted."""
        problem = picture_problem(upload.size, board.rules)
        if problem is not None:
            return problem
        limits = PictureLimits(size_bytes=board.rules.max_file_bytes, pixels=MAX_PIXELS)
        try:
            return thumbnails.inspect(upload.file, limits)
        except PictureRefused as error:
            reason = error.reason[:1].upper() + error.reason[1:] + "."
            return Problem("picture", "refused", reason)

    def receive(self, upload: UploadedFile, facts: PictureFacts, *, opening: bool) -> NewPicture:
        """Keep a checked upload; the box of its thumbnail is known from here on."""
        incoming = self._media.receive(upload.file)
        box = thumbnail_box(opening=opening)
        thumb_width, thumb_height = thumbnails.thumbnail_size(facts.width, facts.height, box)
        return NewPicture(
            tim=incoming.tim,
            sha256=incoming.sha256,
            format=facts.format.upper(),
            extension=f".{facts.extension}",
            width=facts.width,
            height=facts.height,
            thumb_width=thumb_width,
            thumb_height=thumb_height,
            size_bytes=upload.size,
            original_name=file_name(upload.filename) or f"picture.{facts.extension}",
        )

    def discard(self, picture: NewPicture) -> None:
        """Forget an upload that was not posted after all."""
        self._media.discard(picture.tim)

    def order(self, post: PostRecord, outbox: Outbox) -> None:
        """Ask for the files of a new post's picture, and look after it when that takes too long."""
        if post.picture is not None and post.picture.state == "pending":
            message = {"tim": post.picture.tim}
            outbox.send(MAKE_PICTURE, message)
            outbox.send(OVERDUE_PICTURE, message, delay_ms=OVERDUE_MS)

    def make(self, message: dict[str, Any], outbox: Outbox, attempt: JobAttempt) -> None:
        """Job: make a picture's files and tell the readers; a second run only tells them."""
        tim = message["tim"]
        try:
            settled = self.settle(tim)
        except Exception:
            if attempt.attempt < attempt.limit:
                raise
            log.exception("picture_failed", tim=tim, attempts=attempt.attempt)
            try:
                settled = self._store.settle_picture(tim, None, self._clock_ms())
            finally:
                # The upload still holds all that its camera wrote, and nobody will make it now.
                self._media.discard(tim)
        if settled is not None:
            self._live.announce_picture(settled, outbox)

    def overdue(self, message: dict[str, Any], outbox: Outbox, _: JobAttempt) -> None:
        """Job: call a picture failed that is still not made; if it is made later, it is shown."""
        found = self._reader.picture(message["tim"])
        if found is None or found[1].state != "pending":
            return
        log.warning("picture_overdue", tim=message["tim"])
        settled = self._store.settle_picture(message["tim"], None, self._clock_ms())
        if settled is not None:
            self._live.announce_picture(settled, outbox)

    def settle(self, tim: int) -> Settled | None:
        """Make a picture's files unless they are made; None when its post is gone.

        Raises: what the disk and the database raise; a picture that is at fault itself is settled
        as failed.
        """
        found = self._reader.picture(tim)
        settled = None
        if found is not None:
            post, picture = found
            ready = None if picture.state == "ready" else self._files(post, picture)
            settled = self._store.settle_picture(tim, ready, self._clock_ms())
        self._media.discard(tim)
        return settled

    def _files(self, post: PostRecord, picture: PictureRecord) -> ReadyPicture | None:
        """The finished files, None when the upload is at fault; a second run overwrites them."""
        incoming = self._media.incoming_path(picture.tim)
        source = self._media.source_path(picture.tim, picture.extension)
        if not incoming.exists():
            log.warning("upload_lost", tim=picture.tim)
            return None
        try:
            limits = PictureLimits(size_bytes=incoming.stat().st_size, pixels=MAX_PIXELS)
            facts = thumbnails.reencode(incoming, source, limits)
        except PictureRefused as error:
            log.warning("picture_refused", tim=picture.tim, reason=error.reason)
            return None
        thumb_extension = f".{facts.thumbnail_extension}"
        thumb = self._media.thumb_path(picture.tim, thumb_extension)
        thumbnails.thumbnail(source, thumb, thumbnail_box(opening=post.is_opening))
        return ReadyPicture(
            extension=picture.extension,
            thumb_extension=thumb_extension,
            width=facts.width,
            height=facts.height,
            size_bytes=source.stat().st_size,
            md5=_md5(source),
        )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # The read API names files by MD5, as its clients expect; nothing is secured by it.
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(digest.digest()).decode("ascii")
