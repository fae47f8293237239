"""How something written becomes a post: checked by the rules, stored with its picture.

Knows no HTTP and announces nothing; `pages.py` brings the forms, `live.py` tells the readers.
"""

from collections.abc import Callable

from board.model import Draft, Problem, draft_problems, request_key
from board.pictures import Pictures
from board.records import BoardRecord, NewPicture, NewPost, Posted
from board.store import Store
from workers.forms import UploadedFile
from workers.thumbnails import PictureFacts


class Posting:
    """Takes posts in. The same `form_key` with the same content posts once, however often."""

    def __init__(self, store: Store, pictures: Pictures, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._pictures = pictures
        self._clock_ms = clock_ms

    def submit(
        self,
        board: BoardRecord,
        thread_no: int | None,
        written: Draft,
        upload: UploadedFile | None,
        form_key: str,
    ) -> Posted | tuple[Problem, ...]:
        """Post a reply to `thread_no`, or a new thread with None; else all that is wrong."""
        opening = thread_no is None
        facts = None if upload is None else self._pictures.check(upload, board)
        problems = draft_problems(
            written, opening=opening, has_picture=upload is not None, rules=board.rules
        )
        if isinstance(facts, Problem):
            problems = (*problems, facts)
        if problems:
            return problems
        picture = None
        if upload is not None and isinstance(facts, PictureFacts):
            picture = self._pictures.receive(upload, facts, opening=opening)
        try:
            done = self._store_post(board, thread_no, written, picture, form_key)
        except BaseException:
            if picture is not None:
                self._pictures.discard(picture)
            raise
        if picture is not None and (isinstance(done, Problem) or done.repeated):
            self._pictures.discard(picture)
        return (done,) if isinstance(done, Problem) else done

    def _store_post(
        self,
        board: BoardRecord,
        thread_no: int | None,
        written: Draft,
        picture: NewPicture | None,
        form_key: str,
    ) -> Posted | Problem:
        target = board.code if thread_no is None else str(thread_no)
        digest = "" if picture is None else picture.sha256
        new = NewPost(
            board=board.code,
            request_key=request_key(form_key, target, written, digest),
            now_ms=self._clock_ms(),
            title=written.title if thread_no is None else "",
            name=written.name,
            body=written.body,
            picture=picture,
        )
        if thread_no is None:
            return self._store.start_thread(new)
        return self._store.reply(thread_no, new)
