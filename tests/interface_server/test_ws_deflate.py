"""What is agreed about compression, and frames that go out compressed."""

import random
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.broadcasts import Broadcast
from interface_server.http_messages import RequestHead, RequestRefused, parse_head
from interface_server.ws_deflate import (
    FULL_WINDOW,
    NO_DEFLATE,
    THRESHOLD_BYTES,
    agreed_window,
    check_extensions,
    deflated_frame,
    offered,
    terms,
)
from interface_server.ws_frames import BINARY_FRAME, TEXT_FRAME, frame_parts, unmasked_frame
from shared import codec


def head(*extensions: str) -> RequestHead:
    """A handshake that offers them, one header each."""
    lines = [f"Sec-WebSocket-Extensions: {value}" for value in extensions]
    return parse_head("\r\n".join(["GET / HTTP/1.1", "Host: x", *lines, "", ""]).encode(), 100)


def inflated(frame: bytes, window: int = FULL_WINDOW) -> bytes:
    """The content of a frame as a peer with that window reads it."""
    _, payload = frame_parts(frame)
    if not frame[0] & 0x40:
        return bytes(payload)
    return zlib.decompressobj(-window).decompress(bytes(payload) + b"\0\0\xff\xff")


@pytest.mark.parametrize(
    ("offers", "window"),
    [
        ((), NO_DEFLATE),
        (("permessage-deflate",), 15),
        (("Permessage-Deflate; client_max_window_bits",), 15),
        (("permessage-deflate; client_max_window_bits=8",), 15),
        (("permessage-deflate;server_no_context_takeover ; client_no_context_takeover",), 15),
        (('permessage-deflate; server_max_window_bits="10"',), 10),
        (('permessage-deflate; server_max_window_bits="1\\0"',), 10),
        (("permessage-deflate; server_max_window_bits=8",), 8),
        (("foo, permessage-deflate; x=1, permessage-deflate; server_max_window_bits=9",), 9),
        (("foo; bar=baz", "permessage-deflate"), 15),
        (("permessage-deflate; server_max_window_bits",), NO_DEFLATE),
        (("permessage-deflate; server_max_window_bits=16",), NO_DEFLATE),
        (("permessage-deflate; server_max_window_bits=7",), NO_DEFLATE),
        (("permessage-deflate; server_max_window_bits=08",), NO_DEFLATE),
        (("permessage-deflate; server_no_context_takeover=1",), NO_DEFLATE),
        (("permessage-deflate; client_max_window_bits=99",), NO_DEFLATE),
        (
            ("permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",),
            NO_DEFLATE,
        ),
        (("x-webkit-deflate-frame",), NO_DEFLATE),
        (("", " , foo,, "), NO_DEFLATE),
    ],
)
def test_the_first_offer_that_can_be_served_is_agreed_on(
    offers: tuple[str, ...], window: int
) -> None:
    """One that is not understood, or asks twice, is passed over (RFC 7692 section 7.1)."""
    assert agreed_window(head(*offers)) == window
    check_extensions(head(*offers))


@pytest.mark.parametrize(
    "offer",
    ["a b", "a;", "a; ;b", "a=1", "a; b=", 'a; b="', 'a; b=""', "a; b=c d", "(x)", "a; b==c"],
)
def test_what_is_no_list_of_extensions_is_refused(offer: str) -> None:
    """Source: RFC 6455 section 9.1."""
    with pytest.raises(RequestRefused) as refused:
        check_extensions(head("permessage-deflate", offer))
    assert refused.value.status == 400


@given(st.text(st.sampled_from('ab;=," \\\t'), max_size=40))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    """Reading ends, with names that are words or with a refusal."""
    names: list[str] = []
    with suppress(RequestRefused):
        names += (name for name, _ in offered(head(text)))
    assert all(names)


def test_the_terms_keep_no_context_on_either_side() -> None:
    """Frames serve all members of a group, and idle sockets hold no windows."""
    both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert terms(15) == both
    assert terms(9) == both + "; server_max_window_bits=9"


@pytest.mark.parametrize("window", range(8, 16))
def test_a_compressed_frame_keeps_to_the_window(window: int) -> None:
    """Every peer can read it, also one whose window is smaller than zlib's smallest."""
    numbers = random.Random(window)
    words = [bytes(numbers.randbytes(numbers.randint(2, 40))) for _ in range(60)]
    for size in (600, 5_000, 70_000):
        payload = b"".join(numbers.choice(words) for _ in range(size))[:size]
        frame = deflated_frame(unmasked_frame(BINARY_FRAME, payload), window)
        assert inflated(frame, window) == payload
        if window > 10 and size > 1000:
            assert frame[0] == 0xC0 | BINARY_FRAME


def test_what_hardly_shrinks_goes_out_as_it_is() -> None:
    """Short frames, and those whose content is dense already."""
    short = unmasked_frame(TEXT_FRAME, b"a" * (THRESHOLD_BYTES - 5))
    dense = unmasked_frame(BINARY_FRAME, random.Random(1).randbytes(3000))
    assert deflated_frame(short, FULL_WINDOW) is short
    assert deflated_frame(dense, FULL_WINDOW) is dense


def test_the_fast_level_shrinks_what_a_page_is_sent_as_far_as_the_usual_one() -> None:
    """Within 5 % on a text of 2 KiB; that is why it was chosen."""
    numbers = random.Random(5)
    text = b" ".join(b"%x" % numbers.randrange(400) for _ in range(600))[:2048]
    usual = zlib.compressobj(6, zlib.DEFLATED, -15)
    best = len(usual.compress(text) + usual.flush(zlib.Z_SYNC_FLUSH))
    assert len(deflated_frame(unmasked_frame(TEXT_FRAME, text), 15)) < best * 1.05


def test_a_broadcast_is_compressed_once_for_each_window() -> None:
    """Members with the same terms share one frame; the others get the plain one."""
    broadcast = Broadcast("g", codec.pack({"text": "again " * 200}))
    shared = broadcast.ws_frame_for(15)
    assert broadcast.ws_frame_for(15) is shared
    assert inflated(shared) == b"again " * 200
    assert len(shared) < 100
    assert broadcast.ws_frame_for(NO_DEFLATE) is broadcast.ws_frame
