"""The outline of picture files; what follows from it is held by the tests of thumbnails."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workers.picture_files import NotAPicture, Outline, has_other_data, outline


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
def test_outline(kind):
    """Format, size and end of a picture are found without decoding it."""
    out = BytesIO()
    Image.new("RGB", (30, 20)).save(out, kind)
    content = out.getvalue()
    found = outline(content + b"<script>")
    assert found == Outline(kind, 30, 20, 1, len(content))
    assert has_other_data(content + b"<script>", found)
    assert not has_other_data(content + b"\0\0", found)


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF"]), st.binary())
def test_any_bytes(head, rest):
    """The outline of any bytes is found or refused, never an error of another kind."""
    try:
        outline(head + rest)
    except NotAPicture:
        return
