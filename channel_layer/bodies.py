"""Puts the chunks of a request's body together; reads no list itself."""

from collections.abc import Iterable

from channel_layer.layer import Entry
from shared import codec
from shared.errors import BodyGone


def body_of(chunks: Iterable[Entry]) -> bytes | None:
    """The content of all chunks on a body's list; None while the last is not there.

    A chunk's `order` is its place, or 0 from a sender that does not count: so a body whose
    first chunks went with the broker's data is not taken for a whole one.

    Raises: BodyGone when the client left or a chunk is missing, InvalidMessage when an entry is
    no chunk.
    """
    parts = []
    for place, entry in enumerate(chunks):
        chunk = codec.decode_body_chunk(entry.payload)
        if chunk.closed or entry.order not in (0, place):
            raise BodyGone(entry.channel)
        parts.append(chunk.content)
        if not chunk.more_content:
            return b"".join(parts)
    return None
