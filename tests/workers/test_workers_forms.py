"""Forms as browsers send them, and as nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.forms import BadForm, FormLimits, read_form

URL_ENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=limit"


def part(name, content, filename=None, kind=None):
    """One part of a multipart form, without its boundary."""
    head = f'Content-Disposition: form-data; name="{name}"'
    head += "" if filename is None else f'; filename="{filename}"'
    head += "" if kind is None else f"\r\nContent-Type: {kind}"
    return head.encode() + b"\r\n\r\n" + content


def multipart(*parts):
    """A whole multipart form."""
    return b"".join(b"--limit\r\n" + one + b"\r\n" for one in parts) + b"--limit--\r\n"


def test_url_encoded():
    """Fields come decoded, in order, with all values of a name."""
    form = read_form(URL_ENCODED, b"a=1&b=%C3%B6+x&a=&c")
    assert form.fields == {"a": ["1", ""], "b": ["ö x"], "c": [""]}
    assert (form.get("a"), form.getlist("a"), form.get("z", "d")) == ("1", ["1", ""], "d")
    assert read_form(f"{URL_ENCODED}; charset=UTF-8", b"").fields == {}
    assert read_form("", b"").fields == {}


def test_multipart():
    """Fields and files come apart; names are cleaned, files left empty are left out."""
    body = multipart(
        part("text", "ö\r\n😀".encode()),
        part("picture", b"\x89PNG", "C:\\dir\\ö\x01.png", "image/png"),
        part("empty", b"", ""),
        part("nothing", b"", "nothing.txt"),
        part("slashes", b"x", "../../etc/passwd"),
    )
    form = read_form(MULTIPART, body)
    assert form.fields == {"text": ["ö\r\n😀"]}
    assert set(form.files) == {"picture", "nothing", "slashes"}
    picture = form.files["picture"]
    assert (picture.filename, picture.content_type, picture.size) == ("ö.png", "image/png", 4)
    assert picture.file.read() == b"\x89PNG"
    assert (form.files["nothing"].size, form.files["slashes"].filename) == (0, "passwd")
    form.close()
    assert picture.file.closed


def test_spooling():
    """A file past the limit lies on disk, a smaller one in memory."""
    limits = FormLimits(memory_bytes=10)
    form = read_form(MULTIPART, multipart(part("a", b"x" * 11, "a"), part("b", b"x", "b")), limits)
    assert form.files["a"].file._rolled
    assert not form.files["b"].file._rolled
    assert form.files["a"].file.read() == b"x" * 11
    form.close()


SMALL = FormLimits(fields=2, field_bytes=5, files=1, file_bytes=6)


@pytest.mark.parametrize(
    ("kind", "body", "field", "status"),
    [
        (URL_ENCODED, b"a=%ff", "a", 400),
        (URL_ENCODED, b"%ff=a", "", 400),
        (URL_ENCODED, b"a=123456", "a", 413),
        (URL_ENCODED, b"a&b&c", "", 413),
        (f"{URL_ENCODED}; charset=latin-1", b"a=1", "", 415),
        ("text/plain", b"a=1", "", 415),
        ("", b"a=1", "", 415),
        ("multipart/form-data", b"", "", 400),
        (f"multipart/form-data; boundary={'x' * 71}", b"", "", 400),
        (MULTIPART, b"", "", 400),
        (MULTIPART, b"nonsense", "", 400),
        (MULTIPART, multipart(part("a", b"1"))[:-6], "", 400),
        (MULTIPART, multipart(b"\r\nno header"), "", 400),
        (MULTIPART, multipart(b"Content-Disposition: attachment\r\n\r\nx"), "", 400),
        (MULTIPART, multipart(part("a", b"\xff")), "a", 400),
        (MULTIPART, multipart(part("a", b"123456")), "a", 413),
        (MULTIPART, multipart(part("a", b"1234567", "f")), "a", 413),
        (MULTIPART, multipart(part("a", b"1", "f"), part("b", b"1", "f")), "b", 413),
        (MULTIPART, multipart(*[part("a", b"1")] * 4), "", 413),
    ],
)
def test_bad_forms(kind, body, field, status):
    """A form that is broken, too large or not UTF-8 is refused by the name of its field."""
    with pytest.raises(BadForm) as caught:
        read_form(kind, body, SMALL)
    assert (caught.value.field, caught.value.status) == (field, status)
    assert caught.value.message


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (URL_ENCODED, b"a=x%ffy&b=%C3%B6"),
        (MULTIPART, multipart(part("a", b"x\xffy"), part("b", "ö".encode()))),
    ],
)
def test_what_is_not_utf8_comes_back_with_the_rest(kind, body):
    """The refusal of a field that is not UTF-8 carries all fields, to be shown again."""
    with pytest.raises(BadForm) as caught:
        read_form(kind, body, SMALL)
    assert caught.value.fields == {"a": ["x\ufffdy"], "b": ["ö"]}


@given(
    st.sampled_from([URL_ENCODED, MULTIPART, "", "multipart/form-data; boundary=\x80"]), st.binary()
)
def test_any_bytes(kind, body):
    """No bytes make the reader fail with anything but BadForm."""
    try:
        read_form(kind, body, SMALL).close()
    except BadForm:
        return


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_parts(parts):
    """No bytes within parts make it fail otherwise either, nor do they leave files open."""
    try:
        read_form(MULTIPART, multipart(*parts), SMALL).close()
    except BadForm:
        return


@given(
    st.dictionaries(
        st.text("abc-_", min_size=1, max_size=9), st.binary(max_size=300), min_size=1, max_size=5
    )
)
def test_files_arrive_whole(files):
    """What a browser sends as files arrives byte for byte."""
    body = multipart(*(part(name, content, "f") for name, content in files.items()))
    if any(b"--limit" in content for content in files.values()):
        return
    form = read_form(MULTIPART, body)
    assert {name: one.file.read() for name, one in form.files.items()} == files
    form.close()
