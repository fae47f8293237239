"""Puts the chunks of a request's body together; reads no list itself."""

from collections.abc import Iterable

from channel_layer.layer import Entry
from shared import codec
from shared.errors import BodyGone


def body_of(chunks: Iterable[Entry]) -> bytes | None:
    """The content of all chunks on a body's list; None while the last is not there.

    Raises: BodyGone when the client left, InvalidMessage when an entry is no chunk.
    """
    parts = []
    for entry in chunks:
        chunk = codec.decode_body_chunk(entry.payload)
        if chunk.closed:
            raise BodyGone(entry.channel)
        parts.append(chunk.content)
        if not chunk.more_content:
            return b"".join(parts)
    return None
