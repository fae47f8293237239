"""Example threads for a new board: for screenshots, and for looking around.

Goes through the same rules and transactions as everybody's posts; it announces nothing.
"""

from collections.abc import Sequence
from io import BytesIO
from itertools import cycle, islice
from secrets import token_urlsafe

from PIL import Image, ImageDraw

from board.model import Problem, draft
from board.records import BoardRecord, Posted
from board.site import Site
from shared.errors import ConfigurationError
from workers.forms import UploadedFile

_THREADS: Sequence[tuple[str, str, Sequence[str]]] = (
    (
        "Sunrise over the harbour",
        "Six in the morning, the cranes were still lit. Straight from the camera.",
        (
            "That light! Which lens?",
            "{op}\n>straight from the camera\nHard to believe. It looks painted.",
            "A 35 mm from 1978, wide open. It glows because it is dirty.",
            "{last}\nNever clean it.",
        ),
    ),
    (
        "What are you building this week?",
        "Show it, however unfinished. I have started on a weather station that prints its\n"
        "readings on till paper, once an hour, because screens are tiring.",
        (
            "A chess clock with two big wooden buttons.",
            "{op}\nWhere do you get the paper? Mine fades after a month.",
            "{last}\nAsk for paper without phenol, it keeps for years:\n"
            "https://example.org/paper?kind=till",
            "A compiler for a language that nobody asked for.",
            "{last}\n>that nobody asked for\nThe best kind.",
        ),
    ),
    (
        "Bread without kneading",
        "400 g flour, 300 g water, 8 g salt, a crumb of yeast.\n"
        "Stir, wait eighteen hours, fold, wait two more, bake in a hot pot.\n\n"
        ">but when do I knead it\nNever. Time does it.",
        ("Made it yesterday. My neighbours now know my name.", "{op}\nHow hot is the pot?"),
    ),
    (
        "Stations at night",
        "Last train, nobody else on the platform. Post yours.",
        ("Kyoto, after the rain.", "Small one, in the mountains. One lamp, one bench, one cat."),
    ),
    ("", "ö 中 😀 – does everything arrive as it was written?", ("It does: ö 中 😀",)),
    (
        "Reading list for the winter",
        "Long books only. What kept you company through the dark months?",
        (
            "Anything about polar ships. You feel warm at once.",
            "{last}\nThe one where they eat the candles?",
            "{last}\nThat is all of them.",
        ),
    ),
    (
        "Old computers, still at work",
        "Ours counts sacks in a mill. It has been switched off twice since 1987.",
        ("What happened the second time?", "{last}\nA pigeon."),
    ),
    ("A map of every bench in town", "Drawn over one summer, on foot. 412 of them.", ()),
)

_SKIES = (
    ((24, 36, 68), (240, 148, 92)),
    ((16, 60, 72), (226, 214, 160)),
    ((60, 32, 64), (238, 170, 150)),
    ((20, 24, 32), (92, 120, 168)),
)


def seed(site: Site, threads: int) -> int:
    """Write so many example threads with their replies and pictures; gives the posts' number.

    Raises: ConfigurationError when the site has no board `b`.
    """
    board = site.reader.board("b")
    if board is None:
        raise ConfigurationError("expected a board 'b': run `python -m board migrate`")
    written = 0
    for number, (title, body, replies) in enumerate(islice(cycle(_THREADS), threads)):
        picture = _picture(number) if number % 4 != 2 else None
        opening = _post(site, board, None, (title, "", body), picture)
        written += 1
        last = opening
        for position, reply in enumerate(replies):
            text = reply.format(op=f">>{opening}", last=f">>{last}")
            shown = _picture(number + position + 1) if position % 3 == 1 else None
            name = ("", "Ann", "", "night owl")[position % 4]
            last = _post(site, board, opening, ("", name, text), shown)
            written += 1
    return written


def _post(
    site: Site,
    board: BoardRecord,
    thread_no: int | None,
    texts: tuple[str, str, str],
    picture: UploadedFile | None,
) -> int:
    done = site.posting.submit(board, thread_no, draft(*texts), picture, token_urlsafe(16))
    if not isinstance(done, Posted):
        raise ConfigurationError(f"an example was refused: {_reasons(done)}")
    if done.post.picture is not None:
        site.pictures.settle(done.post.picture.tim)
    return done.post.no


def _reasons(problems: Sequence[Problem]) -> str:
    return " ".join(problem.message for problem in problems)


def _picture(number: int) -> UploadedFile:
    """A drawn landscape: a sky, a sun and three ridges, each number another."""
    width, height = ((1200, 800), (900, 1200), (1600, 700))[number % 3]
    top, bottom = _SKIES[number % len(_SKIES)]
    column = Image.new("RGB", (1, height))
    for y in range(height):
        share = y / height
        mixed = tuple(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        column.putpixel((0, y), mixed)
    image = column.resize((width, height))
    pen = ImageDraw.Draw(image)
    sun, radius = (width * (3 + number % 5) // 10, height * 4 // 7), height // 11
    box = (sun[0] - radius, sun[1] - radius, sun[0] + radius, sun[1] + radius)
    pen.ellipse(box, fill=(252, 236, 200))
    for ridge in range(3):
        base = height * (6 + ridge) // 9
        step = width // (4 + ridge)
        tops = [
            (x, base - ((x // step * 37 + number * 53 + ridge * 91) % (height // 7)))
            for x in range(0, width + step, step)
        ]
        shade = tuple(max(0, part - 12 - 10 * ridge) for part in top)
        pen.polygon([(0, height), *tops, (width, height)], fill=shade)
    file = BytesIO()
    image.save(file, "JPEG", quality=88)
    return UploadedFile(f"landscape-{number + 1}.jpg", "image/jpeg", file.tell(), file)
