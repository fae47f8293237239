"""Index and thread pages as answers: from this process's memory where they still hold, else made.

Which page a path means is `pages.py`; what is kept, and for how long, is `kept_pages.py`. A page
from memory is never older than the database: each request asks for its stamp, which changes in the
same transaction as the page.
"""

import secrets
from collections.abc import Hashable

from board.forms import Forms, FormState, new_form_key
from board.guarding import Guard
from board.gzipping import accepts_gzip
from board.kept_pages import CutPage, KeptPages, Marks, cut
from board.model import page_count
from board.presenting import Presenter
from board.reading import Reader
from board.records import IndexRecords, ThreadRecords
from workers.rendering import Templates
from workers.responses import HTML
from workers.web import Request, Response

FRESH = FormState()
"""The empty form of a page that was only asked for; pages with any other are nobody else's."""


_TYPE = (b"content-type", HTML.encode())
_VARIED = (b"vary", b"accept-encoding")
_PLAIN = (_TYPE, _VARIED, (b"x-compress", b"yes"))
_GZIPPED = (_TYPE, _VARIED, (b"content-encoding", b"gzip"))


class _Checked(Response, frozen=True):
    """A response of parts made here, out of what was checked: looking again took a third of it."""

    def __post_init__(self) -> None:
        """Take the parts as they are."""


class Shown:
    """Shows pages; `kept` is shared by all threads of the process."""

    def __init__(
        self,
        reader: Reader,
        presenter: Presenter,
        templates: Templates,
        guard: Guard,
        forms: Forms,
        kept: KeptPages,
    ) -> None:
        self._reader = reader
        self._presenter = presenter
        self._templates = templates
        self._guard = guard
        self._forms = forms
        self._kept = kept

    def kept_index(self, request: Request, code: str, page: int) -> Response | None:
        """The answer from memory, None where the page must be made."""
        found = self._kept.find(("index", code, page), self._reader.index_stamp(code))
        return None if found is None else self._answer(request, found, FRESH)

    def kept_thread(self, request: Request, code: str, no: int, slug: object) -> Response | None:
        """The answer from memory, None where the page must be made or has another address."""
        found = self._kept.find(("thread", code, no, slug), self._reader.thread_stamp(no))
        return None if found is None else self._answer(request, found, FRESH)

    def index(
        self, request: Request, records: IndexRecords, page: int, form: FormState
    ) -> Response:
        """A page of a board's index, made now."""
        board, marks = records.board, _marks()
        view = self._forms.view(form, marks, f"/{board.code}/post", "thread")
        pages = page_count(records.thread_count, board.rules)
        shown = self._presenter.index(records, page, pages, view)
        made = cut(self._templates.render("index.html", page=shown), marks)
        name = ("index", board.code, page) if form is FRESH else None
        return self._made(request, name, records, made, form)

    def thread(
        self, request: Request, records: ThreadRecords, form: FormState, since: int | None
    ) -> Response:
        """A thread's page, made now."""
        code, thread, marks = records.board.code, records.thread, _marks()
        view = self._forms.view(form, marks, f"/{code}/thread/{thread.no}/reply", "reply")
        shown = self._presenter.thread(records, view, since)
        made = cut(self._templates.render("thread.html", page=shown), marks)
        is_common = form is FRESH and since is None
        name = ("thread", code, thread.no, thread.slug) if is_common else None
        return self._made(request, name, records, made, form)

    def _made(
        self,
        request: Request,
        name: Hashable | None,
        records: IndexRecords | ThreadRecords,
        made: CutPage,
        form: FormState,
    ) -> Response:
        if name is not None:
            made = made.compressed()
            self._kept.keep(name, records.stamp, made)
        return self._answer(request, made, form)

    def _answer(self, request: Request, page: CutPage, form: FormState) -> Response:
        visitor = self._guard.visitor(request)
        headers = self._guard.headers(request, visitor)
        if form is FRESH:
            tag = f'W/"{page.tag}{visitor.tag}"'
            headers = ((b"etag", tag.encode()), *headers)
            # A new cookie makes the forms of an older page worthless.
            if not visitor.is_new and tag in _tags(request):
                # Vary too, as a 304 says it where the page would. Source: RFC 9110 section 15.4.5.
                return Response(b"", 304, (_VARIED, *headers), compress=True)
        token, key = visitor.token, form.key or new_form_key()
        if page.blocks and accepts_gzip(request.headers.get("accept-encoding") or ""):
            return _Checked(page.gzipped(token, key), form.status, (*_GZIPPED, *headers))
        # The one secret in it is masked, so its size may be seen.
        return _Checked(page.filled(token, key), form.status, (*_PLAIN, *headers))


def _marks() -> Marks:
    """Marks that no post can hold, since nobody could know them when it was written."""
    return Marks(f"token-{secrets.token_hex(16)}", f"key-{secrets.token_hex(16)}")


def _tags(request: Request) -> list[str]:
    """The tags of the pages that the browser has. Source: RFC 9110 section 13.1.2."""
    return [tag.strip() for tag in (request.headers.get("if-none-match") or "").split(",")]
