"""The answers that no handler gave: 404, 405, 500, 503 and the like.

Pure: it builds responses and decides nothing; the application may dress them in its own page.
"""

from html import escape
from http.client import responses

from shared.logs import BoundLogger
from workers.responses import Response
from workers.routing import ErrorPage
from workers.web import Request

RETRY_AFTER_S = 2
"""What a client is told to wait after a 503: a dead worker's work is back within a second."""

_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not take that kind of request.",
    500: "Something went wrong on our side. It has been noted.",
    503: "The site is busy or being restarted. Please try again in a moment.",
}


def plain_page(
    status: int, title: str, detail: str, traceback: str = "", request_id: str = ""
) -> Response:
    """A readable page for an error; `traceback` is shown as it is, the id to be quoted."""
    more = f"<p><small>Request id {escape(request_id)}</small></p>" if request_id else ""
    more += f"<pre>{escape(traceback)}</pre>" if traceback else ""
    return Response(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{status} {escape(title)}</title></head>"
        f"<body><h1>{escape(title)}</h1><p>{escape(detail)}</p>{more}</body></html>\n",
        status,
    )


def error_response(
    request: Request | None,
    status: int,
    detail: str,
    page: ErrorPage | None,
    log: BoundLogger,
) -> Response:
    """The answer for an error, in the application's page where it has one that works.

    An empty `detail` stands for the usual words. A 503 says when to come back.
    """
    title = responses.get(status, f"Error {status}")
    detail = detail or _DETAILS.get(status, "The request could not be fulfilled.")
    response = _dressed(request, status, title, detail, page, log)
    if status == 503:
        return response.with_header("retry-after", str(RETRY_AFTER_S))
    return response


def _dressed(
    request: Request | None,
    status: int,
    title: str,
    detail: str,
    page: ErrorPage | None,
    log: BoundLogger,
) -> Response:
    named = "" if request is None else request.request_id
    if page is None:
        return plain_page(status, title, detail, request_id=named)
    try:
        response: object = page(request, status, title, detail)
        if isinstance(response, Response):
            return response
        log.error("error_page_failed", status=status, expected="Response", came=repr(response))
    except Exception:
        log.error("error_page_failed", status=status, exc_info=True)
    return plain_page(status, title, detail, request_id=named)
