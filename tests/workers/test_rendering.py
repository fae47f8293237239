"""Templates: escaped, strict, and the same in a page and alone."""

import pytest
from jinja2 import UndefinedError

from shared.errors import ConfigurationError
from workers.rendering import Templates


@pytest.fixture
def folder(tmp_path):
    """A folder with a page that includes a macro."""
    (tmp_path / "_post.html").write_text(
        '{% macro post(post) %}<p id="{{ post.no }}">{{ post.text }} {{ site }}</p>{% endmacro %}'
    )
    (tmp_path / "page.html").write_text(
        '{% from "_post.html" import post with context %}<main>{{ post(one) }}</main>'
    )
    return tmp_path


POST = {"no": 1, "text": "<script> & ö"}


def test_page_and_fragment(folder):
    """A fragment has the same bytes as within its page; everything is escaped; both are plain."""
    templates = Templates(folder, site="board")
    page = templates.render("page.html", one=POST)
    fragment = templates.fragment("_post.html", "post", post=POST)
    assert fragment == '<p id="1">&lt;script&gt; &amp; ö board</p>'
    assert page == f"<main>{fragment}</main>"
    assert type(page) is type(fragment) is str


def test_strict(folder):
    """An unknown name, macro or folder is an error."""
    templates = Templates(folder)
    with pytest.raises(UndefinedError):
        templates.render("page.html", one=POST)
    with pytest.raises(ConfigurationError, match="expected a macro 'none'"):
        templates.fragment("_post.html", "none")
    with pytest.raises(ConfigurationError, match="expected a folder"):
        Templates(folder / "none")


def test_auto_reload(folder):
    """Only with auto_reload, a changed template counts at once."""
    fixed, fresh = Templates(folder, site="x"), Templates(folder, auto_reload=True, site="x")
    (folder / "a.html").write_text("one")
    assert fixed.render("a.html") == fresh.render("a.html") == "one"
    (folder / "a.html").write_text("three")
    assert (fixed.render("a.html"), fresh.render("a.html")) == ("one", "three")
