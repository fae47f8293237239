"""The page of about 1 KB that every measured server answers with; it serves nothing itself."""

import jinja2

_SOURCE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title></head>'
    "\n<body><h1>{{ title }}</h1>\n<p>Asked for by {{ reader }}.</p>\n"
    + "<p>The rest of this page is the same for everybody and fills it up to 1 KB.</p>\n" * 11
    + "</body></html>\n"
)

MIB = b"x" * 2**20
"""What is downloaded."""

_TEMPLATE = jinja2.Environment(autoescape=True).from_string(_SOURCE)


def page() -> bytes:
    """The page, rendered anew."""
    return _TEMPLATE.render(title="A page of 1 KB", reader="somebody & others").encode()
