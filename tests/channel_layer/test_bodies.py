"""A request's body put together from its chunks."""

import pytest

from channel_layer.bodies import body_of
from channel_layer.layer import Entry, Kind
from shared import codec
from shared.errors import BodyGone
from shared.messages import BodyChunk

CHANNEL = "http.request.body?1"


def chunk(order: int, content: bytes, more: bool = True) -> Entry:
    payload = codec.encode(BodyChunk(content, more))
    return Entry(order + 1, Kind.MESSAGE, CHANNEL, payload, order=order)


@pytest.mark.parametrize("orders", [(0, 1, 2), (0, 0, 0)], ids=["counted", "not counted"])
def test_chunks_in_their_places_are_a_body(orders: tuple[int, ...]) -> None:
    """Whether their sender counted them or not; until the last is there, there is none."""
    contents = [b"a", b"b", b"c"]
    chunks = [
        chunk(order, content, content != b"c")
        for order, content in zip(orders, contents, strict=True)
    ]
    assert body_of(chunks) == b"abc"
    assert body_of(chunks[:2]) is None


@pytest.mark.parametrize("kept", [(1, 2), (2,), (0, 2)])
def test_a_body_with_a_hole_is_gone(kept: tuple[int, ...]) -> None:
    """What a broker lost with its data is not left out in silence."""
    chunks = [chunk(0, b"a"), chunk(1, b"b"), chunk(2, b"c", False)]
    with pytest.raises(BodyGone):
        body_of([chunks[at] for at in kept])
