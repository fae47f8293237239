"""The form of a post between browser and board: read with its checks, shown again with its words.

What may be posted is decided by `posting.py`; this file loses nothing that was written.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from board.guarding import Guard
from board.kept_pages import Marks
from board.model import Draft, Problem, draft
from board.records import Posted
from board.views import FormView
from workers.forms import BadForm, Form, UploadedFile
from workers.web import Request, Response, json_response

EMPTY = Draft("", "", "")

_FIELDS = ("title", "body", "picture")


@dataclass(frozen=True, slots=True)
class FormState:
    """A form as it came: what was written, and what is wrong with it so far.

    `key` names this form; `""` for a fresh one.
    """

    written: Draft = EMPTY
    upload: UploadedFile | None = None
    key: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def status(self) -> int:
        """The HTTP status of a page with this form."""
        return self.problems[0].status if self.problems else 200

    def refused(self, problems: Sequence[Problem]) -> "FormState":
        """The same form with these problems."""
        return replace(self, problems=tuple(problems))


class Forms:
    """Reads, shows and answers forms; `guard` tells ours from foreign ones."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def read(self, request: Request) -> FormState:
        """The form in a request, with the reason when it may not be taken."""
        try:
            form = request.form()
        except BadForm as error:
            field = error.field if error.field in _FIELDS else "form"
            message = f"This could not be read: {error.message}."
            problem = Problem(field, "bad_form", message, error.status)
            return FormState(_written(Form(error.fields)), problems=(problem,))
        written = _written(form)
        upload = form.files.get("picture")
        key = form.get("form_key")[:64] or request.request_id
        refusal = self._guard.problem(request, form)
        return FormState(written, upload, key, () if refusal is None else (refusal,))

    def view(
        self, form: FormState, marks: Marks, action: str, kind: Literal["thread", "reply"]
    ) -> FormView:
        """The form as the templates show it; of several problems with a field the first.

        The token and a fresh form's key are marks: each reader's own come into the finished page.
        """
        errors: dict[str, str] = {}
        for problem in form.problems:
            errors.setdefault(problem.field, problem.message)
        written = form.written
        return FormView(
            action=action,
            kind=kind,
            csrf_token=marks.token,
            form_key=form.key or marks.form_key,
            values=MappingProxyType(
                {"title": written.title, "name": written.name, "body": written.body}
            ),
            errors=MappingProxyType(errors),
            needs_title=kind == "thread",
        )

    def accepted(self, done: Posted, url: str) -> Response:
        """The JSON answer to a post; `form_key` is for the next one from the same page."""
        return json_response(
            {
                "ok": 1,
                "no": done.post.no,
                "thread": done.thread.no,
                "url": url,
                "seq": done.post.seq,
                "form_key": new_form_key(),
            }
        )

    def refused(self, request: Request, form: FormState) -> Response:
        """The JSON answer to a refused post, with a fresh token: the old one may be at fault."""
        first = form.problems[0]
        error: dict[str, Any] = {
            "code": first.code,
            "field": None if first.field == "form" else first.field,
            "message": first.message,
        }
        if first.retry_after_s is not None:
            error["retry_after"] = first.retry_after_s
        visitor = self._guard.visitor(request)
        errors = {problem.field: problem.message for problem in reversed(form.problems)}
        answer = {"ok": 0, "error": error, "errors": errors, "csrf_token": visitor.token}
        return self._guard.page(request, visitor, json_response(answer, first.status))


def _written(form: Form) -> Draft:
    return draft(form.get("title"), form.get("name"), form.get("body"))


def wants_json(request: Request) -> bool:
    """Whether the client asks for JSON rather than a page."""
    return "application/json" in (request.headers.get("accept") or "")


def new_form_key() -> str:
    """A name for one form, so that it posts once."""
    return secrets.token_urlsafe(16)
