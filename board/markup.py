"""Turns a post's text into its HTML; the only place where user text becomes markup.

A pure function of the text and the posts it quotes. Every piece of the text passes `escape`
exactly once; every tag and attribute name here is ours.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup, escape

HTML_VERSION = 1
"""Raised when `render` begins to give other HTML for the same text."""

_TOKEN = re.compile(r">>(?P<no>\d{1,10})(?!\d)|(?P<link>https?://[^\s<>\"'`\\^{|}]{1,2000})")
_BEFORE_LINK = re.compile(r"[A-Za-z0-9]\Z")
_LINK_END = ".,;:!?*_~)]"


@dataclass(frozen=True, slots=True)
class QuotedPost:
    """A known post that a text quotes: the thread it is in and the url of that thread's page."""

    thread_no: int
    thread_url: str


def render(body: str, thread_no: int, quoted: Mapping[int, QuotedPost]) -> Markup:
    """The HTML of a text posted in thread `thread_no`; `quoted` holds the posts known by number.

    Lines are divided by `<br>`. A line that begins with `>` is a quotation, unless it begins
    with `>>123`.
    """
    return Markup("<br>").join(_line(line, thread_no, quoted) for line in body.split("\n"))


def _line(line: str, thread_no: int, quoted: Mapping[int, QuotedPost]) -> Markup:
    content = Markup().join(_pieces(line, thread_no, quoted))
    if line.startswith(">") and not re.match(r">>\d", line):
        return Markup('<span class="quote">{}</span>').format(content)
    return content


def _pieces(line: str, thread_no: int, quoted: Mapping[int, QuotedPost]) -> Iterator[Markup]:
    position = 0
    for match in _TOKEN.finditer(line):
        if match["link"] and _BEFORE_LINK.search(line[: match.start()]):
            continue
        yield escape(line[position : match.start()])
        if match["no"]:
            yield _quote_link(match[0], int(match["no"]), thread_no, quoted)
            position = match.end()
        else:
            url = _trimmed(match["link"])
            yield Markup('<a href="{0}" rel="nofollow ugc noopener">{0}</a>').format(url)
            position = match.start() + len(url)
    yield escape(line[position:])


def _quote_link(written: str, no: int, thread_no: int, quoted: Mapping[int, QuotedPost]) -> Markup:
    known = quoted.get(no)
    if known is None:
        return Markup('<span class="deadlink">{}</span>').format(written)
    page = "" if known.thread_no == thread_no else known.thread_url
    return Markup('<a href="{}#p{}" class="quotelink">{}</a>').format(page, no, written)


def _trimmed(url: str) -> str:
    """The url without the sentence's own marks; a closing bracket stays when it has its partner."""
    while url and url[-1] in _LINK_END:
        if url[-1] == ")" and url.count("(") >= url.count(")"):
            break
        if url[-1] == "]" and url.count("[") >= url.count("]"):
            break
        url = url[:-1]
    return url
