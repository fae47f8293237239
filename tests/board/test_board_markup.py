"""A post's text as HTML: what is linked, what is quoted, and that nothing else gets through."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.markup import QuotedPost, render

KNOWN = {
    7: QuotedPost(5, "/b/thread/5/here"),
    9: QuotedPost(8, "/b/thread/8/there"),
}

ALLOWED = {
    "br": set(),
    "span": {"class"},
    "a": {"href", "rel", "class"},
}


class Reader(HTMLParser):
    """Reads HTML back: its text, with line breaks, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "br":
            self.text += "\n"

    def handle_data(self, data: str) -> None:
        self.text += data


def html(body: str) -> str:
    return str(render(body, 5, KNOWN))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", ""),
        ("a\nb", "a<br>b"),
        ("<b>&\"'", "&lt;b&gt;&amp;&#34;&#39;"),
        (">said", '<span class="quote">&gt;said</span>'),
        ("not > said", "not &gt; said"),
        (">>7", '<a href="#p7" class="quotelink">&gt;&gt;7</a>'),
        (">>9!", '<a href="/b/thread/8/there#p9" class="quotelink">&gt;&gt;9</a>!'),
        (">>1", '<span class="deadlink">&gt;&gt;1</span>'),
        (
            ">so >>7",
            '<span class="quote">&gt;so <a href="#p7" class="quotelink">&gt;&gt;7</a></span>',
        ),
        (">>12345678901", "&gt;&gt;12345678901"),
        (
            "see http://a.b/c?d=1&e=2.",
            'see <a href="http://a.b/c?d=1&amp;e=2" rel="nofollow ugc noopener">'
            "http://a.b/c?d=1&amp;e=2</a>.",
        ),
        (
            "(https://a.b/x_(y))",
            '(<a href="https://a.b/x_(y)" rel="nofollow ugc noopener">https://a.b/x_(y)</a>)',
        ),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("xhttp://a.b", "xhttp://a.b"),
        ("ö 中 😀", "ö 中 😀"),
    ],
)
def test_rendering(body: str, expected: str) -> None:
    """Each kind of markup, and what only looks like one."""
    assert html(body) == expected


words = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *(">>7", ">>9", ">>1", ">", "\n", " ", "http://a.b/", "https://x/?a=1&b=2"),
            *("<script>", "&amp;", '"', "'", "javascript:", "</a>", "<br>", 'http://a.b/"x'),
        ]
    ),
)


@given(st.lists(words, max_size=12).map("".join))
def test_no_byte_of_a_poster_becomes_markup(body: str) -> None:
    """The HTML reads back as the very text, with no tag or attribute but our own."""
    body = body.replace("\r", "")
    read = Reader(html(body))
    assert read.text == body
    for tag, attributes in read.tags:
        assert set(attributes) <= ALLOWED[tag]
        href = attributes.get("href")
        assert href is None or href.startswith(("#p", "/b/thread/", "http://", "https://"))
