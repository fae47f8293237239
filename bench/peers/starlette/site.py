"""The measured work on Starlette: the same page, uploads and downloads.

Runs in its own virtual environment (requirements.txt), never in ours.
"""

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bench.page import MIB, page


async def show_page(_request):
    """The page."""
    return HTMLResponse(page())


async def upload(request):
    """Take a body as a whole."""
    size = len(await request.body())
    return Response(str(size), media_type="text/plain")


async def download(_request):
    """A body of 1 MiB."""
    return Response(MIB, media_type="application/octet-stream")


application = Starlette(
    routes=[
        Route("/page", show_page),
        Route("/upload", upload, methods=["POST"]),
        Route("/download", download),
    ]
)
