"""Remembers what heads mean that come again byte for byte: those of probes, polls and programs.

Reading a head depends on nothing but its bytes, so none is read less strictly for being known.
"""

from interface_server.http_messages import RequestHead, parse_head

MAX_REMEMBERED = 512
"""Bytes of a head that is remembered; ours."""

MAX_HEADS = 512
"""Heads that are remembered, a megabyte or two; then all are forgotten. Ours."""

_SECRETS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
"""Names of headers that are not kept longer than their request takes."""


class HeadMemory:
    """Reads heads for all connections of a process."""

    __slots__ = ("_heads", "_max_headers")

    def __init__(self, max_headers: int) -> None:
        self._max_headers = max_headers
        self._heads: dict[bytes, RequestHead] = {}

    def read(self, raw: bytes) -> RequestHead:
        """The head in `raw`, which ends in its blank line. Raises: RequestRefused."""
        head = self._heads.get(raw)
        if head is None:
            head = parse_head(raw, self._max_headers)
            if len(raw) <= MAX_REMEMBERED:
                self._remember(raw, head)
        return head

    def _remember(self, raw: bytes, head: RequestHead) -> None:
        if head.has_body or not _SECRETS.isdisjoint([name for name, _ in head.headers]):
            return
        if len(self._heads) >= MAX_HEADS:
            self._heads.clear()
        self._heads[raw] = head
