"""The rules of the board: what a post may be, what bumps, in which order threads stand.

Takes facts and gives values. No SQL, clock, randomness or files; how text becomes HTML is
`markup.py`.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

OPENING_BOX = (250, 250)
REPLY_BOX = (200, 200)
"""Largest thumbnail, width and height in pixels; the sizes of the 2016 demonstration."""

MAX_NAME = 60
MAX_TITLE = 100
MAX_LINES = 100
MAX_QUOTES = 25
MAX_PIXELS = 40_000_000
"""Characters, lines, `>>no` in one post, pixels of one picture: the product's limits."""

PAGE_SIZE = 15
LAST_REPLIES = 3
EXCERPT = 120

_BIDI_CONTROLS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Marks that turn the writing direction; in a name or title they would reach past its end."""

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing: fillers of Hangul, the empty Braille cell."""

_QUOTED = re.compile(r">>(\d{1,10})(?!\d)")


@dataclass(frozen=True, slots=True)
class BoardRules:
    """What a board's owner may set; bodies in characters, files in bytes, the rest in posts."""

    max_body: int = 4000
    max_file_bytes: int = 8 * 1024 * 1024
    bump_limit: int = 300
    reply_limit: int = 1000
    thread_limit: int = 150

    @property
    def pages(self) -> int:
        """How many index pages the board has at most."""
        return -(-self.thread_limit // PAGE_SIZE)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a post is refused, for the reader: `field` is title, body, picture or form.

    `status` is the HTTP status; `retry_after_s` says when the same may work, None for never.
    """

    field: str
    code: str
    message: str
    status: int = 400
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wrote, normalised; made by `draft`."""

    title: str
    name: str
    body: str


def draft(title: str, name: str, body: str) -> Draft:
    """The three texts as they will be stored: NFC, `\\n` line ends, no control characters."""
    return Draft(_one_line(title), _one_line(name), _many_lines(body))


def draft_problems(
    written: Draft, *, opening: bool, has_picture: bool, rules: BoardRules
) -> tuple[Problem, ...]:
    """All that is wrong with a draft, empty when it may be posted."""
    found: list[Problem] = []
    if opening and len(written.title) > MAX_TITLE:
        found.append(_too_long("title", "The title", len(written.title), MAX_TITLE))
    if len(written.name) > MAX_NAME:
        found.append(_too_long("form", "The name", len(written.name), MAX_NAME))
    if len(written.body) > rules.max_body:
        found.append(_too_long("body", "The text", len(written.body), rules.max_body))
    lines = written.body.count("\n") + 1
    if lines > MAX_LINES:
        message = f"The text has {lines} lines; {MAX_LINES} are allowed."
        found.append(Problem("body", "too_many_lines", message))
    if len(quoted_numbers(written.body)) > MAX_QUOTES:
        message = f"The text quotes more than {MAX_QUOTES} posts."
        found.append(Problem("body", "too_many_quotes", message))
    if not has_picture and not _is_visible(written.body):
        found.append(Problem("body", "empty", "Write something or choose a picture."))
    return tuple(found)


def picture_problem(size_bytes: int, rules: BoardRules) -> Problem | None:
    """What is wrong with a picture's size on the way in, None when it may be looked at."""
    if size_bytes <= rules.max_file_bytes:
        return None
    limit = rules.max_file_bytes / 2**20
    message = f"The picture has {size_bytes / 2**20:.1f} MiB; {limit:g} MiB are allowed."
    return Problem("picture", "too_large", message, status=413)


def reply_problem(*, closed: bool, archived: bool) -> Problem | None:
    """Why a thread takes no reply, None when it does."""
    if archived:
        return Problem("form", "archived", "This thread is archived: it can only be read.", 409)
    if closed:
        return Problem("form", "closed", "This thread is closed: it can only be read.", 409)
    return None


def does_bump(replies_before: int, rules: BoardRules) -> bool:
    """Whether a reply that `replies_before` others precede lifts its thread."""
    return replies_before < rules.bump_limit


def closes_thread(replies_now: int, rules: BoardRules) -> bool:
    """Whether a thread with so many replies takes no more."""
    return replies_now >= rules.reply_limit


def standing(
    *, sticky: bool, sticky_rank: int, bumped_ms: int, no: int
) -> tuple[bool, int, int, int]:
    """Sorts threads as the index shows them; no two threads are equal."""
    return (not sticky, sticky_rank if sticky else 0, -bumped_ms, -no)


def page_count(threads: int, rules: BoardRules) -> int:
    """Pages of an index with so many threads, at least one."""
    return min(max(1, -(-threads // PAGE_SIZE)), rules.pages)


def thumbnail_box(*, opening: bool) -> tuple[int, int]:
    """The largest thumbnail of an opening post or a reply, in pixels."""
    return OPENING_BOX if opening else REPLY_BOX


def slug(title: str, body: str) -> str:
    """A thread's readable part of the url: ASCII letters and digits with `-` between words."""
    for text in (title, excerpt(body)):
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
        words = "-".join(re.findall(r"[a-z0-9]+", plain))
        if words:
            return words[:60].strip("-")
    return "thread"


def excerpt(body: str) -> str:
    """The beginning of a text on one line, at most 120 characters."""
    line = " ".join(body.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1].rstrip() + "…"


def quoted_numbers(body: str) -> tuple[int, ...]:
    """The numbers that a text quotes as `>>123`, each once, in order."""
    numbers = (int(digits) for digits in _QUOTED.findall(body))
    return tuple(dict.fromkeys(no for no in numbers if no < 2**31))


def request_key(form_key: str, target: str, written: Draft, picture_digest: str) -> str:
    """What makes two requests the same post: 64 hexadecimal digits.

    `form_key` names the form or the request, `target` where it is posted (a board's code or a
    thread's number), `picture_digest` is the picture's SHA-256 or `""`.
    """
    whole = hashlib.sha256()
    for part in (form_key, target, written.title, written.name, written.body, picture_digest):
        packed = part.encode()
        whole.update(len(packed).to_bytes(8, "big") + packed)
    return whole.hexdigest()


def file_name(given: str) -> str:
    """A browser's file name for display: one line, no folders, at most 80 characters."""
    name = _one_line(re.split(r"[\\/]", given)[-1])
    if len(name) <= 80:
        return name
    stem, dot, ending = name.rpartition(".")
    if dot and len(ending) <= 5:
        return stem[: 78 - len(ending)] + "…." + ending
    return name[:79] + "…"


def thread_path(board: str, no: int, thread_slug: str) -> str:
    """The path of a thread's page."""
    return f"/{board}/thread/{no}/{thread_slug}"


def _one_line(text: str) -> str:
    clean = _many_lines(text).translate(_BIDI_CONTROLS)
    return " ".join(clean.split())


def _many_lines(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    text = re.sub("\r\n?|[\u2028\u2029\x85\x0b\x0c]", "\n", text)
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    lines = [line.rstrip() for line in kept.split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def _is_visible(text: str) -> bool:
    return any(unicodedata.category(c)[0] not in "ZC" and c not in _BLANK for c in text)


def _too_long(field: str, what: str, length: int, limit: int) -> Problem:
    message = f"{what} has {length} characters; {limit} are allowed."
    return Problem(field, "too_long", message)
