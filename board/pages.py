"""The board's pages: the index, threads, their JSON, and the two forms that post.

Decides who sees which page and how a refusal looks; the rules of posting are `posting.py` and
`model.py`, what readers are told is `live.py`.
"""

from types import MappingProxyType
from typing import Any

from board import api
from board.forms import Forms, FormState, wants_json
from board.guarding import Guard
from board.live import Live
from board.model import thread_path
from board.pictures import Pictures
from board.posting import Posting
from board.reading import Reader
from board.records import BoardRecord, Posted
from board.showing import FRESH, Shown
from board.sweeping import Sweeper
from workers.outbox import Outbox
from workers.rendering import Templates
from workers.web import HttpError, Request, Response, json_response, redirect

FIRST_BOARD = "b"
"""The board whose index is the site's front page."""


class Pages:
    """The handlers of all pages; `app.py` says under which paths."""

    def __init__(
        self,
        *,
        reader: Reader,
        posting: Posting,
        pictures: Pictures,
        sweeper: Sweeper,
        live: Live,
        templates: Templates,
        guard: Guard,
        forms: Forms,
        shown: Shown,
    ) -> None:
        self._reader = reader
        self._posting = posting
        self._pictures = pictures
        self._sweeper = sweeper
        self._live = live
        self._templates = templates
        self._guard = guard
        self._forms = forms
        self._shown = shown

    def index(self, request: Request, _: Outbox) -> Response:
        """A page of a board's index; the site's front page without a board."""
        code = str(request.params.get("board", FIRST_BOARD))
        page = int(request.params.get("page", 1))
        kept = self._shown.kept_index(request, code, page)
        return self._index(request, code, page, FRESH) if kept is None else kept

    def to_index(self, request: Request, _: Outbox) -> Response:
        """Send `/b` and `/b/1` to `/b/`."""
        board = self._board(request)
        return redirect(f"/{board.code}/", status=301)

    def thread(self, request: Request, _: Outbox) -> Response:
        """A thread's page; under another slug than its own it sends there."""
        no, since = _thread_no(request), _number(request.query.get("since"))
        code, slug = str(request.params["board"]), request.params.get("slug")
        kept = self._shown.kept_thread(request, code, no, slug) if since is None else None
        if kept is not None:
            return kept
        place = self._reader.thread_place(no)
        if place is None or place[0] != code:
            raise _no_thread(no)
        if slug != place[1]:
            path = thread_path(code, no, place[1])
            return redirect(path if since is None else f"{path}?since={since}", status=301)
        found = self._reader.thread(no, since)
        if found is None:  # it was removed in between
            raise _no_thread(no)
        return self._shown.thread(request, found, FRESH, since)

    def thread_json(self, request: Request, _: Outbox) -> Response:
        """A thread as JSON, or with `?after=SEQ` its events behind that number."""
        no, after = _thread_no(request), _number(request.query.get("after"))
        answer: dict[str, Any] | None = None
        if after is not None:
            missed = self._reader.missed(no, after)
            if missed is not None and missed.board.code == request.params["board"]:
                events, head = self._live.events(missed), missed.thread.seq
                answer = {"events": events, "seq": head, "more": missed.more}
        else:
            found = self._reader.thread(no)
            if found is not None and found.board.code == request.params["board"]:
                answer = api.thread_object(found)
        if answer is None:
            return _open_json({"error": f"no thread {no}"}, 404)
        etag = f'W/"{no}-{answer["seq"]}-{after}"'
        if etag in request.headers.getlist("if-none-match"):
            return Response(b"", 304, [("etag", etag)])
        return _open_json(answer).with_header("etag", etag)

    def post_thread(self, request: Request, outbox: Outbox) -> Response:
        """Take the form for a new thread."""
        return self._post(request, outbox, self._board(request), None)

    def post_reply(self, request: Request, outbox: Outbox) -> Response:
        """Take the form for a reply."""
        return self._post(request, outbox, self._board(request), _thread_no(request))

    def error(self, request: Request | None, status: int, title: str, detail: str) -> Response:
        """The page of an error."""
        if request is not None and wants_json(request):
            error = {"code": f"http_{status}", "field": None, "message": detail or title}
            return json_response({"ok": 0, "error": error}, status)
        text = self._templates.render(
            "error.html",
            status=status,
            title=title,
            detail=detail,
            board=None,
            request_id=request.request_id if request is not None and status >= 500 else "",
        )
        return self._guard.page(request, None, Response(text, status))

    def _post(
        self, request: Request, outbox: Outbox, board: BoardRecord, thread_no: int | None
    ) -> Response:
        form = self._forms.read(request)
        if form.problems:
            return self._refused(request, board, thread_no, form)
        done = self._posting.submit(board, thread_no, form.written, form.upload, form.key)
        if not isinstance(done, Posted):
            return self._refused(request, board, thread_no, form.refused(done))
        self._live.announce_post(done, outbox)
        self._pictures.order(done.post, outbox)
        self._sweeper.order(outbox)
        path = thread_path(done.thread.board, done.thread.no, done.thread.slug)
        url = f"{path}#p{done.post.no}"
        if wants_json(request):
            return self._forms.accepted(done, url)
        return redirect(url)

    def _refused(
        self, request: Request, board: BoardRecord, thread_no: int | None, form: FormState
    ) -> Response:
        """The page that the form was on, with all that was written and what is wrong with it."""
        if wants_json(request):
            return self._forms.refused(request, form)
        if thread_no is None:
            return self._index(request, board.code, 1, form)
        records = self._reader.thread(thread_no)
        if records is None or records.board.code != board.code:
            raise _no_thread(thread_no)
        return self._shown.thread(request, records, form, None)

    def _index(self, request: Request, code: str, page: int, form: FormState) -> Response:
        records = self._reader.index(code, page) if page < 2**31 else None
        if records is None:
            raise HttpError(404, "There is no such page here.")
        return self._shown.index(request, records, page, form)

    def _board(self, request: Request) -> BoardRecord:
        code = str(request.params["board"])
        board = self._reader.board(code)
        if board is None:
            raise HttpError(404, f"There is no board /{code}/ here.")
        return board


def _thread_no(request: Request) -> int:
    no = int(request.params["no"])
    if no >= 2**31:
        raise HttpError(404, f"There is no thread No. {no} here.")
    return no


def _no_thread(no: int) -> HttpError:
    return HttpError(404, f"There is no thread No. {no} here. It may have been removed.")


def _number(text: str) -> int | None:
    """A post's or event's number from the query, None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _open_json(value: Any, status: int = 200) -> Response:
    response = json_response(value, status, compress=True)  # everything in it is public
    for name, text in _OPEN_HEADERS.items():
        response = response.with_header(name, text)
    return response


_OPEN_HEADERS = MappingProxyType(
    {
        "access-control-allow-origin": "*",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
    }
)
