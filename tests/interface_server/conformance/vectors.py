"""All vectors of HTTP/1.1 conformance, in the order of the table in `docs/http-conformance.md`.

Runs none of them.
"""

from tests.interface_server.conformance import (
    vectors_answers,
    vectors_chunks,
    vectors_connections,
    vectors_heads,
    vectors_lengths,
    vectors_sockets,
    vectors_targets,
)
from tests.interface_server.conformance.vector import Vector

PARTS: dict[str, tuple[Vector, ...]] = {
    "The length of a body": vectors_lengths.VECTORS,
    "Chunks and trailers": vectors_chunks.VECTORS,
    "Lines, names and values of a head": vectors_heads.VECTORS,
    "Request lines and hosts": vectors_targets.VECTORS,
    "Connections": vectors_connections.VECTORS,
    "Expectations and answers": vectors_answers.VECTORS,
    "WebSocket handshakes": vectors_sockets.VECTORS,
}

VECTORS: tuple[Vector, ...] = tuple(vector for part in PARTS.values() for vector in part)
